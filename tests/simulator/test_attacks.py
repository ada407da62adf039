"""Each attack has the marginals it claims."""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import mean

import pytest

from models.events import AuthEvent
from simulator.timeline import Step

_ACCOUNTS = 2000


def _of(steps: list[Step], campaign: str, kind: str) -> list[AuthEvent]:
    return [event for event, label in steps if label.campaign == campaign and label.label == kind]


def _unknown_share(events: list[AuthEvent]) -> float:
    return sum(event.fail_type == "account" for event in events) / len(events)


@pytest.mark.parametrize(("campaign", "addresses", "tries"), [("brute-force-1", 1, 600), ("distributed-brute-force", 40, 600)])
def test_brute_force_makes_many_guesses_at_one_account(demo: list[Step], campaign: str, addresses: int, tries: int) -> None:
    """One account, another password each time, from one address or forty."""
    events = _of(demo, campaign, "brute_force")
    assert len(events) == tries
    assert len({event.login for event in events}) == 1
    assert len({event.remote for event in events}) == addresses
    assert len({event.pwhash for event in events}) > 0.98 * tries
    assert not any(event.success for event in events)


def test_spray_tries_a_few_passwords_on_each_of_many_accounts(demo: list[Step]) -> None:
    """Three tries per account from four addresses within half an hour; hardly anybody unknown."""
    events = _of(demo, "spray", "password_spray")
    tries = Counter(event.login for event in events)
    assert len(tries) > 0.95 * _ACCOUNTS / 5
    assert set(tries.values()) <= {3, 6}
    assert len({event.remote for event in events}) == 4
    assert 0.01 < _unknown_share(events) < 0.10
    assert events[-1].ts - events[0].ts < 1800
    assert sum(event.success for event in events) < 0.01 * len(events)


@pytest.mark.parametrize("campaign", ["hosted-stuffing", "botnet-stuffing"])
def test_stuffing_tries_each_pair_once_with_a_quarter_unknown_and_few_hits(demo: list[Step], campaign: str) -> None:
    """About one try per account, 25 % unknown accounts, 0.5 to 2 % hits."""
    events = _of(demo, campaign, "credential_stuffing")
    assert mean(Counter(event.login for event in events).values()) < 1.1
    assert 0.21 < _unknown_share(events) < 0.29
    assert 0.005 <= sum(event.success for event in events) / len(events) <= 0.02


def test_hosted_stuffing_has_hundreds_of_pairs_for_each_of_a_few_addresses(demo: list[Step]) -> None:
    """The servers share the work equally."""
    tries = Counter(event.remote for event in _of(demo, "hosted-stuffing", "credential_stuffing"))
    assert len(tries) == 3
    assert min(tries.values()) >= 300


def test_a_botnet_makes_one_to_three_tries_per_address(demo: list[Step]) -> None:
    """No address is ever seen often; tries of one bot are far apart in time, and bots live in many countries."""
    events = _of(demo, "botnet-stuffing", "credential_stuffing")
    moments: dict[str, list[float]] = defaultdict(list)
    for event in events:
        moments[event.remote].append(event.ts)
    assert max(map(len, moments.values())) <= 3
    assert len(moments) > len(events) / 3
    assert mean(ts[-1] - ts[0] for ts in moments.values() if len(ts) > 1) > 60
    assert len({event.country for event in events}) >= 8


def test_a_takeover_follows_a_hit_from_a_new_network_abroad(demo: list[Step]) -> None:
    """Minutes after stuffing found the password somebody logs in from a country and address the owner never used."""
    found = {e.login: e.ts for e, label in demo if label.label == "credential_stuffing" and e.success}
    own = {(e.login, e.country) for e, label in demo if label.label == "benign"}
    entered: dict[str, list[AuthEvent]] = defaultdict(list)
    for event, label in demo:
        if label.label == "account_takeover":
            assert label.cause == "credential_stuffing"
            entered[label.actor].append(event)
    assert len(entered) >= 10
    for events in entered.values():
        assert all(event.success for event in events)
        assert len({event.login for event in events}) == len({event.remote for event in events}) == 1
        assert events[0].ts - found[events[0].login] >= 120
        assert (events[0].login, events[0].country) not in own


def test_a_flood_comes_from_one_address_at_hundreds_a_minute(demo: list[Step]) -> None:
    """One address keeps 500 log-ins a minute or more for minutes."""
    events = _of(demo, "flood", "login_flood")
    assert len({event.remote for event in events}) == 1
    assert len(events) / (events[-1].ts - events[0].ts) * 60 > 500


def test_attackers_use_addresses_that_no_customer_has(demo: list[Step]) -> None:
    """In the demo a block by address touches nobody else."""
    addresses: dict[bool, set[str]] = {True: set(), False: set()}
    for event, label in demo:
        addresses[label.label == "benign"].add(event.remote)
    assert not addresses[True] & addresses[False]
