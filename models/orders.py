"""Orders of people to the leader, who alone writes decisions; they wait on ``auth.control`` until it has carried them out."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from models.decisions import Decision, Ledger
from models.ids import stable_id
from models.lists import ListEntry
from models.stops import Reason

__all__ = ["AUDIT_SCHEMA", "ORDER_PREFIX", "SCHEMA", "Audit", "Order", "carry_out", "let_in"]

SCHEMA: Final = "order/1"
AUDIT_SCHEMA: Final = "audit/1"
#: Begins the keys of orders on ``auth.control``.
ORDER_PREFIX: Final = "order/"


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Lift one decision, or all of a campaign that hold, or close the breaker.

    ``ts`` is UTC seconds, ``by`` the name of the key that ordered it.

    Raises:
        ValueError: It names none of these, or several.

    >>> Order(ts=0, by="ops", reason="a customer")
    Traceback (most recent call last):
    ValueError: an order names a decision, a campaign or the breaker
    """

    ts: float
    by: str
    reason: Reason
    decision_id: str | None = None
    campaign_id: str | None = None
    breaker: Literal["close"] | None = None

    def __post_init__(self) -> None:
        if (self.decision_id, self.campaign_id, self.breaker).count(None) != 2:  # noqa: PLR2004  # one of three
            raise ValueError("an order names a decision, a campaign or the breaker")

    @property
    def key(self) -> str:
        """Its key on ``auth.control``; an order sent twice is one."""
        return ORDER_PREFIX + stable_id(self.ts, self.by, self.decision_id, self.campaign_id, self.breaker)

    def wants_lifted(self, decision: Decision) -> bool:
        """Whether ``decision`` is meant."""
        if self.decision_id is not None:
            return decision.decision_id == self.decision_id
        return self.campaign_id is not None and decision.campaign_id == self.campaign_id


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what to a decision, and why: a record of ``auth.audit``. ``ts`` is UTC seconds."""

    ts: float
    decision_id: str
    action: str
    by: str
    reason: str


def carry_out(order: Order, ledger: Ledger, now: float) -> tuple[list[Decision], list[Audit]]:
    """What ``order`` lifts in ``ledger`` at ``now``, and a note on each; nothing where all of it has ended already.

    Closing the breaker lifts nothing, and is noted on the decision that opened it.
    """
    if order.breaker is not None:
        closed = ledger.close_breaker(now)
        return [], [Audit(ts=now, decision_id=closed.decision_id, action="close_breaker", by=order.by, reason=order.reason)]
    meant = [decision for decision in ledger.active(now) if order.wants_lifted(decision)]
    return _lift(meant, ledger, now, order.by, order.reason)


def let_in(entry: ListEntry, ledger: Ledger, now: float) -> tuple[list[Decision], list[Audit]]:
    """What an entry of the allow list lifts in ``ledger`` at ``now``: what is enforced and would refuse whom it names."""
    if now >= entry.until:
        return [], []
    refusing = [
        decision for decision in ledger.active(now) if decision.mode == "enforce" and entry.spares(decision.scope, decision.value)
    ]
    return _lift(refusing, ledger, now, entry.by, entry.reason)


def _lift(meant: list[Decision], ledger: Ledger, now: float, by: str, reason: str) -> tuple[list[Decision], list[Audit]]:
    lifted = [each for decision in meant for each in ledger.lift(decision.decision_id, now, by)]
    return lifted, [Audit(ts=now, decision_id=each.decision_id, action="lift", by=by, reason=reason) for each in lifted]
