"""Orders of people to the leader, who alone writes decisions; they wait on ``auth.control`` until it has carried them out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal

import msgspec

from models import applied_policy
from models.applied_policy import POLICY_KEY, AppliedPolicy, PolicyChange, policy_hash
from models.by_hand import objection
from models.decisions import MAX_DECISIONS, ORIGIN, Decision
from models.ids import stable_id
from models.ledger import Ledger
from models.lists import ListEntry
from models.reopening import Move, Reopening, Reopenings, Step
from models.stops import Reason

__all__ = ["AUDIT_SCHEMA", "ORDER_PREFIX", "SCHEMA", "Action", "Audit", "Order", "carry_out", "let_in", "note_moves"]

SCHEMA: Final = "order/1"
AUDIT_SCHEMA: Final = "audit/1"
#: Begins the keys of orders on ``auth.control``.
ORDER_PREFIX: Final = "order/"


#: What may be noted on ``auth.audit``; see :class:`Audit`.
Action = Literal[
    "decide", "lift", "add", "forget",
    "reopen", "roll_back", "reopened",
    "open_breaker", "close_breaker",
    "apply", "stop", "resume",
    "true_positive", "false_positive",
    "refuse",
]  # fmt: skip


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that the leader is to do. ``ts`` is UTC seconds, ``by`` the name of the key that ordered it.

    Lift the decision ``decision_id``, or all of ``campaign_id`` that hold; make ``decision``, with its ``reopening`` where it is a
    wide one; take a ``step`` of a re-opening; note how long the servers behind take, ``latency_ms``; close
    the ``breaker``; put a ``policy`` in force.

    Raises:
        ValueError: It asks for none of that, or for several.

    >>> Order(ts=0, by="ops", reason="a customer")
    Traceback (most recent call last):
    ValueError: an order asks for one thing
    """

    ts: float
    by: str
    reason: Reason
    decision_id: str | None = None
    campaign_id: str | None = None
    decision: Decision | None = None
    reopening: Reopening | None = None
    step: Step | None = None
    latency_ms: Annotated[int, msgspec.Meta(ge=0)] | None = None
    breaker: Literal["close"] | None = None
    policy: PolicyChange | None = None

    def __post_init__(self) -> None:
        asked = (self.decision_id, self.campaign_id, self.decision, self.step, self.latency_ms, self.breaker, self.policy)
        if len(asked) - asked.count(None) != 1:
            raise ValueError("an order asks for one thing")

    @property
    def key(self) -> str:
        """Its key on ``auth.control``; an order sent twice is one."""
        meant = self.decision_id or (self.decision and self.decision.decision_id) or (self.step and self.step.decision_id)
        return ORDER_PREFIX + stable_id(self.ts, self.by, meant, self.campaign_id)

    def wants_lifted(self, decision: Decision) -> bool:
        """Whether ``decision`` is meant to end."""
        if self.decision_id is not None:
            return decision.decision_id == self.decision_id
        return self.campaign_id is not None and decision.campaign_id == self.campaign_id


class Audit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who did what to a decision, and why: a record of ``auth.audit``. ``ts`` is UTC seconds.

    ``action`` is ``refuse`` where the leader did not do what was ordered. Where a policy was put in force it is ``apply``, and
    ``decision_id`` its key on ``auth.control``; of the kill switch it is ``stop resume``, and ``decision_id`` what was stopped.
    An analyst's judgement, ``true_positive`` or ``false_positive``, is on an alert: ``decision_id`` is the alert's then.
    ``reopening`` is how far a re-opening went from ``ts`` on: what holds now is on ``auth.control``, what held then is only here.
    """

    ts: float
    decision_id: str
    action: Action
    by: str
    reason: str
    reopening: Reopening | None = None


def carry_out(order: Order, ledger: Ledger, reopenings: Reopenings, now: float) -> tuple[list[Decision], list[Audit]]:
    """What ``order`` changes in ``ledger`` and ``reopenings`` at ``now``, and a note on each; nothing where all of it is over."""
    if order.decision is not None:
        return _make(order, order.decision, ledger, reopenings, now)
    if order.latency_ms is not None:
        reopenings.note_latency(order.latency_ms, now)
        return [], []
    if order.step is not None:
        return [], [_take_step(order, order.step, reopenings, now)]
    if order.policy is not None:
        return [], [_put_in_force(order, order.policy, ledger, now)]
    if order.breaker is not None:  # noted on the decision that opened it
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


def note_made(made: Iterable[Decision], now: float) -> list[Audit]:
    """A note on each decision that alerts, or the breaker, made or lifted; that another alert extends one is none."""
    notes = []
    for each in made:
        if each.lifted is not None:
            notes.append(Audit(ts=now, decision_id=each.decision_id, action="lift", by=ORIGIN, reason=each.lifted_by or ""))
        elif len(each.alert_ids) == 1:
            said = f"{each.mode} {each.type} on {each.scope}: {each.scenario}"
            notes.append(Audit(ts=now, decision_id=each.decision_id, action="decide", by=ORIGIN, reason=said))
    return notes


def note_moves(moves: Iterable[Move], now: float) -> list[Audit]:
    """A note on each move of a re-opening."""
    return [
        Audit(ts=now, decision_id=move.decision_id, action=move.action, by=move.by, reason=move.reason, reopening=move.after)
        for move in moves
    ]


def _make(
    order: Order, decision: Decision, ledger: Ledger, reopenings: Reopenings, now: float
) -> tuple[list[Decision], list[Audit]]:
    """The decision, unless something has come to speak against it since it was asked for."""
    why = objection(decision, ledger.policy, now, spared=ledger.spared(decision.scope, decision.value, now))
    if why is None and len(ledger) >= MAX_DECISIONS:
        why = f"there are {MAX_DECISIONS} decisions already"
    if why is not None:
        return [], [_refusal(order, decision.decision_id, why, now)]
    ledger.load(decision.decision_id, decision)
    if order.reopening is not None:
        reopenings.begin(order.reopening)
    note = Audit(
        ts=now, decision_id=decision.decision_id, action="add", by=order.by, reason=order.reason, reopening=order.reopening
    )
    return [decision], [note]


def _take_step(order: Order, step: Step, reopenings: Reopenings, now: float) -> Audit:
    try:
        (note,) = note_moves([reopenings.step(step, order.by, order.reason, now)], now)
    except ValueError as error:
        return _refusal(order, step.decision_id, str(error), now)
    return note


def _put_in_force(order: Order, change: PolicyChange, ledger: Ledger, now: float) -> Audit:
    """Let ``ledger`` go by another policy, unless something speaks against it."""
    try:
        hashed, why = policy_hash(change.policy), applied_policy.objection(change, ledger.applied, ledger.policy)
    except ValueError as error:
        hashed, why = "", str(error)
    if why is not None:
        return _refusal(order, POLICY_KEY, why, now)
    ledger.go_by(AppliedPolicy(ts=now, by=order.by, reason=order.reason, policy=change.policy, hash=hashed))
    said = f"{change.policy.version} ({hashed}): {order.reason}"
    return Audit(ts=now, decision_id=POLICY_KEY, action="apply", by=order.by, reason=said)


def _refusal(order: Order, decision_id: str, why: str, now: float) -> Audit:
    return Audit(ts=now, decision_id=decision_id, action="refuse", by=order.by, reason=f"{why}: {order.reason}")


def _lift(meant: list[Decision], ledger: Ledger, now: float, by: str, reason: str) -> tuple[list[Decision], list[Audit]]:
    lifted = [each for decision in meant for each in ledger.lift(decision.decision_id, now, by)]
    return lifted, [Audit(ts=now, decision_id=each.decision_id, action="lift", by=by, reason=reason) for each in lifted]
