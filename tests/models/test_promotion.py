"""What would have been done is summed up, and what speaks against doing it is said."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from models.decisions import DAY_S, Decision, Impact, Interval
from models.policy import Budget, Enforce, Policy
from models.promotion import shadow_of, shadow_of_verdicts, with_share
from models.refused import RefusedSlot, Tally
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


def test_what_was_enforced_is_told_apart_and_may_be_regretted() -> None:
    """A share of them was; people or the breaker took some of it back."""
    enforced = [shadow(mode="enforce"), shadow(mode="enforce", lifted=T0, lifted_by="alert:1")]
    found = shadow_of(PAIR, [shadow(), *enforced], with_share(POLICY, *PAIR, 1), T0)
    assert (found.share, found.decisions, found.enforced, found.objections) == (1, 1, 2, [])
    regretted = [shadow(mode="enforce", lifted=T0, lifted_by=by) for by in ("anne", "breaker")]
    assert shadow_of(PAIR, [shadow(), *enforced, *regretted], POLICY, T0).objections == [
        "2 that were enforced were lifted by people or the breaker"
    ]


def told(day: int, attempts: int, owner: float = 0.01) -> RefusedSlot:
    """What a gate told of a day so long ago."""
    tally = Tally("gate", in_shadow=True)
    for number in range(attempts):
        tally.note(f"user{number}", (), owner, T0 - day * DAY_S + number, counts_from=0.0)
    (slot,) = tally.changed().values()
    return slot


def test_verdicts_are_summed_up_over_gates_and_days() -> None:
    """Whom they met twice counts once; the worst day is that of all gates."""
    found = shadow_of_verdicts([told(20, 100), told(20, 100), told(3, 50)], POLICY, T0)
    assert (found.kind, found.scope, found.share, found.attempts, found.objections) == ("campaign", "account_ip", 0, 250, [])
    assert (found.customers, found.most) == (3, 3)  # one is expected of a hundred, and two standard errors
    assert found.days == pytest.approx(20, abs=0.01)


@pytest.mark.parametrize(
    ("slots", "objection"),
    [
        ([], "nothing was decided in shadow: there is nothing to go by"),
        ([told(13, 9)], "13.0 days in shadow, 14 are needed"),
        ([told(20, 9), told(2, 150, 0.99)], "173 customers on the worst day are more than the budget of 100"),
    ],
)
def test_what_speaks_against_verdicts_is_said(slots: list[RefusedSlot], objection: str) -> None:
    """As for decisions, and that they would open the breaker."""
    policy = replace(POLICY, budget=Budget(day=100))
    assert shadow_of_verdicts(slots, policy, T0).objections == [objection]


def test_a_share_is_of_the_two_alone() -> None:
    """What naming them would enforce beside gets none; what was enforced before stays so, and verdicts do."""
    kinds, scopes = frozenset({"login_flood", "campaign"}), frozenset({"range"})
    policy = Policy(version="1", enforce=Enforce(kinds=kinds, scopes=scopes))
    for share in (1, 10, 100):
        policy = with_share(policy, "password_spray", "account_ip", share)
        enforce = policy.enforce
        pairs = {(kind, scope): enforce.share(kind, scope) for kind in enforce.kinds for scope in enforce.scopes}
        assert {pair: percent for pair, percent in pairs.items() if percent} == {
            ("login_flood", "range"): 100,
            ("campaign", "range"): 100,
            ("campaign", "account_ip"): 100,
            ("password_spray", "account_ip"): share,
        }
        assert policy.version == f"1+password_spray.account_ip.{share}"
