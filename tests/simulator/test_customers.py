"""Ordinary traffic has the shape that makes it hard to tell from an attack."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from simulator import groups, simulate
from simulator.clients import FETCHER, HEALTH
from simulator.provider import Provider
from simulator.scenarios import SCENARIOS
from simulator.timeline import Step

_START_TS = SCENARIOS["quiet"].start_ts


@pytest.fixture(scope="module")
def quiet() -> list[Step]:
    """An ordinary morning of 5,000 accounts."""
    return list(simulate("quiet", seed=3))


def test_a_quiet_day_has_no_attack(quiet: list[Step]) -> None:
    """Everything is benign."""
    assert {label.label for _, label in quiet} == {"benign"}


def test_successes_dominate(quiet: list[Step]) -> None:
    """Three to eight in a hundred attempts fail, forgotten telephones left aside; nobody is unknown."""
    outcomes = [event.success for event, label in quiet if label.trait != "stale_password"]
    assert 0.03 < outcomes.count(False) / len(outcomes) < 0.08
    assert {event.fail_type for event, _ in quiet} == {None, "credentials"}


def test_slips_of_the_finger_end_with_the_right_password(quiet: list[Step]) -> None:
    """In the webmail at most two wrong passwords in a row come before the right one, from the same address."""
    wrong_in_a_row: Counter[tuple[str, str]] = Counter()
    longest = 0
    for event, _ in quiet:
        if event.protocol == "http":
            key = event.login, event.remote
            wrong_in_a_row[key] = 0 if event.success else wrong_in_a_row[key] + 1
            longest = max(longest, wrong_in_a_row[key])
    assert longest in {2, 3, 4}  # two visits of one person may overlap
    unfinished = sum(1 for count in wrong_in_a_row.values() if count)
    assert unfinished < 10


def test_health_professionals_poll_with_one_old_program_at_a_fixed_period(quiet: list[Step]) -> None:
    """All and only the group shows that fingerprint, about every five minutes, always with success."""
    moments: dict[str, list[float]] = defaultdict(list)
    for event, _ in quiet:
        if event.ja3 == HEALTH.ja3:
            moments[event.login].append(event.ts)
            assert (event.protocol, event.device_id, event.user_agent) == ("pop3", None, None)
    members = {login for login, _ in groups(5000)}
    assert set(moments) <= members
    assert len(moments) > 0.9 * len(members)
    gaps = [after - before for ts in moments.values() for before, after in pairwise(ts)]
    assert all(290 < gap < 310 for gap in gaps)


def test_a_forgotten_telephone_works_and_then_fails_with_the_same_password(quiet: list[Step]) -> None:
    """Each repeats one hash that succeeded before the change, while the owner logs in elsewhere with the new one."""
    stale = {event.login: event for event, label in quiet if label.trait == "stale_password"}
    assert 15 <= len(stale) <= 50
    for login, sample in stale.items():
        own = [(event, label) for event, label in quiet if event.login == login]
        failing = [event for event, label in own if label.trait == "stale_password"]
        assert {(event.pwhash, event.device_id, event.user_agent) for event in failing} == {
            (sample.pwhash, sample.device_id, sample.user_agent)
        }
        assert not any(event.success and event.pwhash == sample.pwhash for event, _ in own if event.ts > failing[0].ts)
    worked_before = {
        event.login for event, _ in quiet if event.success and event.login in stale and event.pwhash == stale[event.login].pwhash
    }
    assert len(worked_before) > 0.8 * len(stale)


def test_shared_addresses_carry_many_accounts_and_say_so(quiet: list[Step]) -> None:
    """A carrier NAT has hundreds of accounts, the fetcher about a hundred, an office some dozens."""
    accounts: dict[str, set[str]] = defaultdict(set)
    for event, label in quiet:
        if label.trait == "shared_source":
            accounts[event.remote].add(event.login)
    sizes = {
        kind: [len(found) for remote, found in accounts.items() if remote.startswith(kind)]
        for kind in ("198.18.", "198.19.", "192.0.2.")
    }
    assert max(sizes["198.18."]) >= 200
    assert max(sizes["198.19."]) >= 30
    assert max(sizes["192.0.2."]) >= 60
    assert not any(event.remote.startswith(("198.18.", "198.19.", "192.0.2.")) for event, label in quiet if label.trait is None)


def test_the_fetcher_opens_many_mailboxes_and_never_fails(quiet: list[Step]) -> None:
    """Its four machines log in by POP with the passwords that owners left there."""
    fetched = [event for event, _ in quiet if event.ja3 == FETCHER.ja3]
    assert len({event.remote for event in fetched}) == 4
    assert all(event.success for event in fetched)


def test_telephones_get_a_new_ipv6_link_at_each_attach(quiet: list[Step]) -> None:
    """Away from home and not behind a NAT, some telephone is seen in two /64s within hours."""
    links: dict[str, set[str]] = defaultdict(set)
    for event, _ in quiet:
        if event.asn in {64540, 64541, 64542} and ":" in event.remote:
            links[event.login].add(event.remote)
    assert max(map(len, links.values())) >= 2


def test_some_owners_are_abroad(quiet: list[Step]) -> None:
    """A few accounts are used from holiday countries, a part of them from home in the same hours."""
    abroad = {
        event.login for event, _ in quiet if event.country in {"PT", "MA", "US", "TH", "GR", "CA"} and event.ja3 != FETCHER.ja3
    }
    both = {event.login for event, _ in quiet if event.login in abroad and event.country == "FR"}
    assert 10 <= len(abroad) <= 60
    assert both


def test_events_carry_the_country_and_network_of_their_address(quiet: list[Step]) -> None:
    """Overseas territories have their own country code; a line at home has its provider's ASN."""
    countries = Counter(event.country for event, _ in quiet)
    assert {"FR", "GP", "MQ", "RE", "BE"} <= set(countries)
    at_home = {(a.login, a.home(_START_TS).remote): a.access.asn for a in Provider(seed=3, accounts=5000).accounts}
    seen = [(event.asn, at_home[event.login, event.remote]) for event, _ in quiet if (event.login, event.remote) in at_home]
    assert len(seen) > 10_000
    assert all(asn == expected for asn, expected in seen)


def test_there_is_less_traffic_at_night() -> None:
    """People sleep and computers are off: at four in the morning there is less than half of what there is at ten."""
    night = list(simulate("quiet", seed=3, accounts=1000, hours=1, start_ts=_START_TS - 6 * 3600))
    morning = list(simulate("quiet", seed=3, accounts=1000, hours=1, start_ts=_START_TS + 3600))
    assert len(night) < 0.5 * len(morning)
