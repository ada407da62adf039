"""models.references: what a reference meant, in bounded memory."""

from __future__ import annotations

import pytest

from models import references
from models.references import KNOWN_S, PastDecisions
from tests.factories import T0, ban


def test_a_decision_is_known_from_its_end_on_for_a_week() -> None:
    """While it holds others tell of it; one in shadow was never told to a client; what ended long ago is not taken in."""
    past = PastDecisions()
    made, shadow, old = ban(until=T0), ban("203.0.113.8", until=T0, mode="shadow"), ban("203.0.113.9", T0 - 9, T0 - KNOWN_S)
    for decision in (made, shadow, old):
        past.put(decision, T0)
    ref = made.decision_id[:12]
    assert [past.ended(ref, ts) for ts in (T0 - 1, T0, T0 + KNOWN_S - 1, T0 + KNOWN_S)] == [None, made, made, None]
    assert past.ended(shadow.decision_id[:12], T0) is past.ended(old.decision_id[:12], T0) is past.ended("", T0) is None


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What changed longest ago goes first."""
    monkeypatch.setattr(references, "_MOST", 2)
    past, made = PastDecisions(), [ban(f"203.0.113.{number}", until=T0) for number in range(3)]
    for decision in (made[0], made[1], made[0], made[2]):
        past.put(decision, T0)
    assert [past.ended(each.decision_id[:12], T0) is not None for each in made] == [True, False, True]
