"""Brute force and spraying have the marginals they claim."""

from __future__ import annotations

from collections import Counter

import pytest

from simulator import SCENARIOS
from simulator.timeline import Step
from tests.simulator.plays import made, unknown_share

_ACCOUNTS = 2000


@pytest.mark.parametrize(("campaign", "addresses", "tries"), [("brute-force-1", 1, 600), ("distributed-brute-force", 40, 600)])
def test_brute_force_makes_many_guesses_at_one_account(demo: list[Step], campaign: str, addresses: int, tries: int) -> None:
    """One account, another password each time, from one address or forty."""
    events = made(demo, campaign, "brute_force")
    assert len(events) == tries
    assert len({event.login for event in events}) == 1
    assert len({event.remote for event in events}) == addresses
    assert len({event.pwhash for event in events}) > 0.98 * tries
    assert not any(event.success for event in events)


def test_spray_tries_a_few_passwords_on_each_of_many_accounts(demo: list[Step]) -> None:
    """Three tries per account from four addresses within half an hour; hardly anybody unknown."""
    events = made(demo, "spray", "password_spray")
    tries = Counter(event.login for event in events)
    assert len(tries) > 0.95 * _ACCOUNTS / 5
    assert set(tries.values()) <= {3, 6}
    assert len({event.remote for event in events}) == 4
    assert 0.01 < unknown_share(events) < 0.10
    assert events[-1].ts - events[0].ts < 1800
    assert sum(event.success for event in events) < 0.01 * len(events)


def test_a_slow_spray_takes_days_and_tries_each_account_once(laposte: list[Step]) -> None:
    """From the history to the judged evening: a login hears of it once or twice, an address acts once in hours."""
    events = made(laposte, "slow-spray", "password_spray")
    assert len(events) == 1000
    assert max(Counter(event.login for event in events).values()) <= 2
    judged_ts = SCENARIOS["laposte-2022"].judged_ts
    assert events[0].ts == judged_ts - 6 * 86_400
    assert abs(events[-1].ts - (judged_ts + 22 * 3600)) < 12 * 3600
    assert len({event.remote for event in events}) == 150
    assert 0 < sum(event.success for event in events) < 0.02 * len(events)
