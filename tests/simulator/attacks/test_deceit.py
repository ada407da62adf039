"""Attacks on the defence itself."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from simulator import SCENARIOS, groups
from simulator.clients import FETCHER
from simulator.timeline import Step
from tests.simulator.plays import LAPOSTE_ACCOUNTS, made

_JUDGED_TS = SCENARIOS["laposte-2022"].judged_ts


def test_framed_practices_get_wrong_passwords_from_many_addresses(laposte: list[Step]) -> None:
    """Sixty each, never the right one, no address often: what an attacker does who wants the account locked."""
    events = made(laposte, "framed-practices", "brute_force")
    tries = Counter(event.login for event in events)
    assert set(tries) <= {login for login, _ in groups(LAPOSTE_ACCOUNTS)}
    assert set(tries.values()) == {60}
    assert not any(event.success for event in events)
    assert max(Counter(event.remote for event in events).values()) <= 2


def test_a_framed_nat_is_one_that_customers_are_behind(laposte: list[Step]) -> None:
    """All failures come from its one address, on as many accounts."""
    events = made(laposte, "framed-nat", "password_spray")
    assert len({event.remote for event in events}) == 1
    assert len({event.login for event in events}) == len(events) == 200
    owners = {event.login for event, label in laposte if event.remote == events[0].remote and label.label == "benign"}
    assert len(owners) > 100


def test_a_posed_fetcher_collects_its_own_mailboxes_for_days_and_then_tries_stolen_pairs(laposte: list[Step]) -> None:
    """Fifty mailboxes at a fixed period, from two addresses, with the fetcher's fingerprint; the pairs come from the same."""
    steps = [step for step in laposte if step[1].campaign == "posed-fetcher" and step[1].label == "credential_stuffing"]
    own = [event for event, label in steps if label.password_ok is None]
    pairs = [event for event, label in steps if label.password_ok is not None]
    assert len({event.login for event in own}) == 50
    assert {event.remote for event in pairs} == {event.remote for event in own}
    assert len({event.remote for event in own}) == 2
    assert {event.ja3 for event, _ in steps} == {FETCHER.ja3}
    gaps = {round(after.ts - before.ts) for before, after in pairwise(own)}
    assert gaps == {216}
    assert sum(event.ts < _JUDGED_TS for event in own) > 2000
    assert min(event.ts for event in pairs) == _JUDGED_TS + 9.5 * 3600


def test_slow_training_lets_failures_grow_and_then_strikes(laposte: list[Step]) -> None:
    """Each day of the history has more failures than the one before, nobody is exposed until the strike."""
    steps = [step for step in laposte if step[1].campaign == "slow-training" and step[1].label == "credential_stuffing"]
    strike_ts = _JUDGED_TS + 12 * 3600
    lessons = [(event, label) for event, label in steps if event.ts < strike_ts]
    assert not any(label.password_ok for _, label in lessons)
    failures = Counter(int((event.ts - _JUDGED_TS) // 86_400) for event, label in lessons if label.password_ok is False)
    assert failures[-1] > failures[-3] > failures[-5]
    assert sum(event.success for event, _ in lessons) > 0.5 * len(lessons)
    strike = [event for event, _ in steps if event.ts >= strike_ts]
    assert len(strike) / 6 > 10 * len(lessons) / 156  # per hour
    assert {event.country for event, _ in steps} == {"FR"}
    assert {event.remote for event in strike} <= {event.remote for event, _ in lessons}
