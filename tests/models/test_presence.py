"""models.presence: what goes on although all of it is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from models.alerts import Reason, Subject
from models.presence import MANY, MANY_PER_MIN, Presence, keeps_alive_until, presence_alert
from tests.factories import DAY_S, HOUR_S, T0

SECOND = int(T0)


@given(st.lists(st.tuples(st.integers(0, 3 * HOUR_S), st.integers(0, 30)), max_size=300))
def test_many_values_are_told_once_an_hour(refused: list[tuple[int, int]]) -> None:
    """However late and however often each comes; what is kept is bounded."""
    presence = Presence()
    told = [presence.hour for second, value in refused if presence.count(SECOND + second, value, f"192.0.2.{value}")]
    assert len(told) == len(set(told))
    assert len(presence.values) <= MANY
    assert len(presence.addresses) <= 5
    newest = max((SECOND + second) // HOUR_S for second, _ in refused) if refused else 0
    assert presence.attempts == _counted(refused, newest)


def _counted(refused: list[tuple[int, int]], newest: int) -> int:
    return sum((SECOND + second) // HOUR_S == newest for second, _ in refused)


def test_a_flood_is_told_once_an_hour() -> None:
    """When a minute has had 300 attempts; another one in the next hour is told again."""
    presence, told = Presence(), []
    for start in (SECOND, SECOND + 600, SECOND + HOUR_S):
        for number in range(2 * MANY_PER_MIN):
            presence.count(start, number)
            if presence.floods(start):
                told.append(start)
    assert told == [SECOND, SECOND + HOUR_S]


@pytest.mark.parametrize(("evidence_h", "until_ts"), [(0, T0 + HOUR_S + DAY_S), (5, T0 - 4 * HOUR_S + DAY_S), (None, None)])
def test_it_prolongs_for_a_day_after_the_hour_of_the_evidence(evidence_h: int | None, until_ts: float | None) -> None:
    """Only where there was any; and only an alert that says so itself."""
    presence = Presence()
    presence.count(SECOND, 1)
    alert = presence_alert("login_flood", Subject(ip="192.0.2.7"), presence, Reason("code", "why"), "event", evidence_h)
    assert keeps_alive_until(alert) == until_ts
    assert keeps_alive_until(replace(alert, cold=False)) is None
