"""models.verdict_budget: what verdicts refuse is spent, and where too much is, there are none."""

from __future__ import annotations

from models.accounts import Groups
from models.ledger import Ledger
from models.policy import Budget, Policy
from models.verdict_budget import VerdictBudget
from models.verdicts import DELAY_S, Verdict
from tests.block_service import spray
from tests.factories import T0

POLICY = Policy.enforcing()


def verdict(ts: float, account: str, owner: float = 0.1) -> Verdict:
    return Verdict(
        account=account, remote="203.0.113.9", phase="before", ts=ts, action="refuse", reasons=(), alert_id="c" * 32, owner=owner
    )


def ledger_of(budget: Budget) -> Ledger:
    return Ledger(Policy(version="1", enforce=POLICY.enforce, budget=budget), Groups())


def test_verdicts_open_the_breaker() -> None:
    """What was enforced lately goes to shadow, new decisions are proposed, and five seconds later there are no verdicts."""
    ledger = ledger_of(Budget(hour=5, day=9))
    budget = VerdictBudget(ledger)
    (held,) = ledger.apply(spray("203.0.113.7", T0), T0)
    changed = []
    for second in range(60):
        if budget.stands(T0 + second):
            changed += budget.count(verdict(T0 + second, f"user{second}"))
    opened = ledger.breaker.opened
    assert opened is not None
    assert (ledger.breaker.decision_id, ledger.breaker.reason) == ("verdicts", "6 accounts within an hour, 5 allowed")
    assert [(each.mode, each.lifted_by) for each in changed] == [("enforce", "breaker"), ("shadow", None)]
    assert changed[0].decision_id == held.decision_id
    assert [budget.stands(opened + after) for after in (0, DELAY_S, DELAY_S + 0.1)] == [True, True, False]
    assert [each.mode for each in ledger.apply(spray("203.0.113.8", opened + 1), opened + 1)] == ["proposed"]


def test_closed_by_a_person_it_counts_from_there() -> None:
    """What was refused before has been looked at; what comes then opens it again."""
    ledger = ledger_of(Budget(hour=5, day=9))
    budget = VerdictBudget(ledger)
    for second in range(30):
        budget.count(verdict(T0 + second, f"user{second}"))
    ledger.close_breaker(T0 + 100)
    assert budget.stands(T0 + 101)
    for second in range(101, 131):
        budget.count(verdict(T0 + second, f"user{second}", owner=0.001))
    assert ledger.breaker.opened is None
    for second in range(131, 171):
        budget.count(verdict(T0 + second, f"user{second}"))
    assert ledger.breaker.opened is not None


def test_a_bot_that_tries_on_and_on_is_one_account() -> None:
    """However often it is refused."""
    ledger = ledger_of(Budget(hour=5, day=5))
    budget = VerdictBudget(ledger)
    for second in range(0, 3600, 2):
        budget.count(verdict(T0 + second, f"user{second % 20}", owner=0.05))
    assert ledger.breaker.opened is None  # one owner is expected, three at the high end
