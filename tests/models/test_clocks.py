"""Clocks that differ neither lengthen nor shorten a block: its start and end are those of the evidence."""

from __future__ import annotations

import pytest

from models.accounts import Groups
from models.ledger import Ledger
from models.policy import Policy
from tests.block_service import spray
from tests.factories import T0

ADDRESS, HOUR_S = "203.0.113.7", 3600


def a_ledger() -> Ledger:
    return Ledger(Policy.enforcing(), Groups())


@pytest.mark.parametrize("skew_s", [-3600.0, -200.0, 0.0, 200.0, 290.0])
def test_the_leaders_clock_is_in_no_decision(skew_s: float) -> None:
    """Made and extended, they are byte for byte what a leader with the right time makes."""
    right, skewed = a_ledger(), a_ledger()
    for hour in range(3):
        alert = spray(ADDRESS, T0 + hour * HOUR_S, hour)
        assert skewed.apply(alert, alert.ts + skew_s) == right.apply(alert, alert.ts)
    (decision,) = right
    assert decision.start == T0 + Policy.enforcing().enforce_delay_s


def test_a_leader_far_ahead_only_proposes() -> None:
    """All evidence seems old to it: it refuses nobody on that, for longer or shorter."""
    alert = spray(ADDRESS, T0)
    (decision,) = a_ledger().apply(alert, T0 + Policy.enforcing().max_evidence_age_s + 1)
    assert decision.mode == "proposed"


def test_the_next_leader_goes_on_by_the_same_ends() -> None:
    """With another clock: it extends what holds to the same end, and makes nothing twice."""
    first, undisturbed = a_ledger(), a_ledger()
    (made,) = first.apply(spray(ADDRESS, T0), T0 - 120)
    second = a_ledger()
    second.load(made.decision_id, made)
    undisturbed.apply(spray(ADDRESS, T0), T0)
    again = spray(ADDRESS, T0 + HOUR_S, 1)
    assert second.apply(again, again.ts + 120) == undisturbed.apply(again, again.ts)


def test_what_a_leader_ahead_has_lifted_is_over_for_the_next() -> None:
    """It is not extended, which would block nobody, but made anew."""
    ahead, right = a_ledger(), a_ledger()
    (made,) = ahead.apply(spray(ADDRESS, T0), T0)
    (lifted,) = ahead.lift(made.decision_id, T0 + 250, "ops")
    right.load(lifted.decision_id, lifted)
    assert right.active(T0 + 60) == []
    (anew,) = right.apply(spray(ADDRESS, T0 + 60, 1), T0 + 60)
    assert (anew.lifted, anew.start, anew.decision_id != made.decision_id) == (None, T0 + 70, True)
