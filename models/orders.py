"""Orders of people to the leader, who alone writes decisions; they wait on ``auth.control`` until it has carried them out."""

from __future__ import annotations

from typing import Final

import msgspec

from models.decisions import Decision, Ledger
from models.ids import stable_id
from models.stops import Reason

__all__ = ["AUDIT_SCHEMA", "ORDER_PREFIX", "SCHEMA", "Audit", "Order", "carry_out"]

SCHEMA: Final = "order/1"
AUDIT_SCHEMA: Final = "audit/1"
#: Begins the keys of orders on ``auth.control``.
ORDER_PREFIX: Final = "order/"


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Lift one decision, or all of a campaign that hold. ``ts`` is UTC seconds, ``by`` the name of the key that ordered it.

    Raises:
        ValueError: It names neither a decision nor a campaign, or both.

    >>> Order(ts=0, by="ops", reason="a customer")
    Traceback (most recent call last):
    ValueError: an order names a decision or a campaign
    """

    ts: float
    by: str
    reason: Reason
    decision_id: str | None = None
    campaign_id: str | None = None

    def __post_init__(self) -> None:
        if (self.decision_id is None) == (self.campaign_id is None):
            raise ValueError("an order names a decision or a campaign")

    @property
    def key(self) -> str:
        """Its key on ``auth.control``; an order sent twice is one."""
        return ORDER_PREFIX + stable_id(self.ts, self.by, self.decision_id, self.campaign_id)

    def wants_lifted(self, decision: Decision) -> bool:
        """Whether ``decision`` is meant."""
        if self.decision_id is not None:
            return decision.decision_id == self.decision_id
        return decision.campaign_id == self.campaign_id


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what to a decision, and why: a record of ``auth.audit``. ``ts`` is UTC seconds."""

    ts: float
    decision_id: str
    action: str
    by: str
    reason: str


def carry_out(order: Order, ledger: Ledger, now: float) -> tuple[list[Decision], list[Audit]]:
    """What ``order`` lifts in ``ledger`` at ``now``, and a note on each; nothing where all of it has ended already."""
    meant = [decision.decision_id for decision in ledger.active(now) if order.wants_lifted(decision)]
    lifted = [decision for identifier in meant for decision in ledger.lift(identifier, now, order.by)]
    return lifted, [
        Audit(ts=now, decision_id=decision.decision_id, action="lift", by=order.by, reason=order.reason) for decision in lifted
    ]
