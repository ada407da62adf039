"""What would have been done is summed up, and what speaks against doing it is said."""

from __future__ import annotations

from typing import Any

import pytest

from models.decisions import DAY_S, Decision, Impact, Interval
from models.policy import Enforce, Policy
from models.promotion import newly_enforced, shadow_of
from tests.factories import T0, ban

POLICY = Policy(version="1", protected_groups=frozenset({"health"}))
PAIR = ("password_spray", "ip")


def shadow(days_ago: float = 20, high: int | None = 2, groups: dict[str, int] | None = None, **changes: Any) -> Decision:
    legit = None if high is None else Interval(1, 0, high)
    impact = Impact(attack_attempts=10, attack_accounts=5, legit_accounts=legit, by_group=groups or {})
    return ban(start=T0 - days_ago * DAY_S, until=T0, **({"mode": "shadow", "impact": impact} | changes))


def test_it_is_summed_up() -> None:
    """Of this kind and scope, in shadow; what was enforced or proposed is none of it."""
    others = [shadow(mode="proposed"), shadow(mode="enforce"), shadow(scenario="login_flood"), shadow(value="192.0.2.0/24")]
    found = shadow_of(PAIR, [shadow(20), shadow(1, high=7), *others], POLICY, T0)
    assert (found.decisions, found.attempts, found.customers, found.most, found.objections) == (2, 20, 9, 7, [])
    assert found.days == pytest.approx(20)


@pytest.mark.parametrize(
    ("decisions", "objection"),
    [
        ([], "nothing was decided in shadow: there is nothing to go by"),
        ([shadow(13.9)], "13.9 days in shadow, 14 are needed"),
        ([shadow(), shadow(3, high=None)], "of 1 decisions nobody knows whom they would have hit"),
        ([shadow(groups={"health": 1, "staff": 4})], "1 would have hit the protected group health"),
        ([shadow(lifted=T0, lifted_by="anne")], "1 were lifted by people, who thought them wrong"),
    ],
)
def test_what_speaks_against_it_is_said(decisions: list[Decision], objection: str) -> None:
    """Each alone is enough."""
    assert shadow_of(PAIR, decisions, POLICY, T0).objections == [objection]


def test_what_alerts_have_lifted_is_no_objection() -> None:
    """Another decision took its place."""
    assert shadow_of(PAIR, [shadow(lifted=T0, lifted_by="alert:1")], POLICY, T0).objections == []


def test_naming_a_kind_and_a_scope_may_enforce_more() -> None:
    """Every kind that is named is enforced on every scope that is."""
    policy = Policy(version="1", enforce=Enforce(kinds=frozenset({"login_flood"}), scopes=frozenset({"ip"})))
    assert newly_enforced(policy, "login_flood", "ip") == []
    assert newly_enforced(policy, "password_spray", "ip") == [("password_spray", "ip")]
    assert ("password_spray", "ip") in newly_enforced(policy, "password_spray", "range")
