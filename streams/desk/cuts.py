"""Decisions that people make, and opening again what they cut widely, over HTTP. Every request needs a key with ``operator``.

* ``POST /v1/desk/drafts`` with what is asked for (:class:`models.by_hand.Asked`): the decision, how it would be opened again and
  how many accounts its waves have. Nothing is made.
* ``POST /v1/desk/decisions`` with the same: 202 with the same, once the order is on ``auth.control``; the leader carries it out.
* ``GET /v1/desk/reopenings?id=``: what is being opened again, how far it is and what it waits for.
* ``POST /v1/desk/reopenings`` ``{"reason", "step" | "latency_ms"}``: 202 once the order is on ``auth.control``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, NamedTuple

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.accounts import AccountDirectory, Groups
from models.by_hand import Asked, impact_of, made_by_hand, objection, reopening_of
from models.decisions import DAY_S, Decision
from models.orders import Order
from models.policy import Policy, Scope
from models.reopening import Register, Reopening, Step
from models.sketches import Counted
from models.stops import Reason
from streams.desk.admission import Admission, answer, body_as, give
from streams.desk.routes import Ordered

__all__ = ["Draft", "Known", "Opened", "Reopened", "cut_routes"]


class Draft(msgspec.Struct):
    """A decision as it would be made; ``accounts`` says how many each wave of its re-opening has, ``None`` where nobody knows.

    ``counted_ts`` is until when its impact was counted, ``counted_since`` since when where that is less than a day; UTC seconds.
    """

    decision: Decision
    reopening: Reopening | None
    accounts: tuple[int | None, ...]
    counted_ts: float | None = None
    counted_since: float | None = None


class Opened(msgspec.Struct):
    """A re-opening, the decision that it opens, how many accounts each wave has, and what its next step waits for."""

    reopening: Reopening
    decision: Decision
    accounts: tuple[int | None, ...]
    waits_for: str | None


class Reopened(msgspec.Struct):
    """All that is being opened again."""

    reopenings: list[Opened]


class Known(NamedTuple):
    """What a service knows; the functions are asked in threads.

    ``counted`` says who uses a scope's value over some protocols, ``spared`` whether people let those in, both at a time;
    ``reopenings`` are by decision, ``detecting`` says whether workers count.
    """

    policy: Callable[[], Policy]
    accounts: AccountDirectory
    groups: Groups
    register: Register
    counted: Callable[[Scope, str, float, Sequence[str]], Counted | None]
    spared: Callable[[Scope, str, float], bool]
    reopenings: Callable[[], Mapping[str, Reopening]]
    detecting: Callable[[float], bool]


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    reason: Reason
    step: Step | None = None
    latency_ms: Annotated[int, msgspec.Meta(ge=0)] | None = None


class _Cuts:
    def __init__(
        self,
        admission: Admission,
        known: Known,
        send_order: Callable[[Order], None],
    ) -> None:
        self._admission, self._store, self._clock = admission, admission.store, admission.clock
        self._known, self._send_order = known, send_order

    async def draft(self, request: Request) -> Response:
        _, draft = await self._drafted(request)
        return answer(draft)

    async def decide(self, request: Request) -> Response:
        order, draft = await self._drafted(request)
        await give(self._send_order, order)
        return answer(draft, 202)

    async def reopenings(self, request: Request) -> Response:
        self._admission.operator_once_read(request)
        found = await asyncio.to_thread(self._opened, request.query_params.get("id"))
        return answer(Reopened(found))

    async def reopen(self, request: Request) -> Response:
        by = self._admission.operator_once_read(request)
        asked = await body_as(request, _Asked)
        try:
            order = Order(ts=self._clock(), by=by, **msgspec.structs.asdict(asked))
            if asked.step is not None:
                self._check(asked.step)
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        await give(self._send_order, order)
        return answer(Ordered(1), 202)

    async def _drafted(self, request: Request) -> tuple[Order, Draft]:
        """What a request asks for, as an order and as it is shown.

        Raises:
            HTTPException: It cannot be decided so.
        """
        by = self._admission.operator_once_read(request)
        asked = await body_as(request, Asked)
        try:
            return await asyncio.to_thread(self._make, asked, by)
        except ValueError as error:
            raise HTTPException(400, str(error)) from None

    def _make(self, asked: Asked, by: str) -> tuple[Order, Draft]:
        now, known, policy = self._clock(), self._known, self._known.policy()
        bare = made_by_hand(asked, by, now, policy, known.accounts)
        why = objection(bare, policy, now, spared=known.spared(bare.scope, bare.value, now))
        if why is not None:
            raise ValueError(why)
        counted = known.counted(bare.scope, bare.value, now, bare.protocols)
        decision = msgspec.structs.replace(bare, impact=impact_of(bare, counted, known.groups))
        reopening = reopening_of(decision, policy, now - asked.attack_s)
        accounts = known.register.count(reopening) if reopening else ()
        order = Order(ts=now, by=by, reason=asked.reason, decision=decision, reopening=reopening)
        if counted is None:
            return order, Draft(decision, reopening, accounts)
        since = counted.since if counted.since > now - DAY_S else None
        return order, Draft(decision, reopening, accounts, counted.ts, since)

    def _check(self, step: Step) -> None:
        """Refuse at once what the leader would.

        Raises:
            HTTPException: 404, there is no such re-opening.
            ValueError: The step cannot be taken.
        """
        reopening = self._known.reopenings().get(step.decision_id)
        if reopening is None:
            raise HTTPException(404, "nothing of this decision is being opened again")
        reopening.stepped(step)

    def _opened(self, decision_id: str | None) -> list[Opened]:
        now, known, reopenings = self._clock(), self._known, self._known.reopenings()
        held = self._store.all(now, lambda decision: decision.decision_id in reopenings)
        return [
            Opened(
                reopening=reopenings[decision.decision_id],
                decision=decision,
                accounts=known.register.count(reopenings[decision.decision_id]),
                waits_for=reopenings[decision.decision_id].waits_for(now, detecting=known.detecting(now)),
            )
            for decision in held
            if decision_id in {None, decision.decision_id}
        ]


def cut_routes(
    admission: Admission,
    known: Known,
    send_order: Callable[[Order], None],
) -> list[Route]:
    """The routes of the module's text.

    Args:
        admission: Keys with ``operator`` may ask.
        known: What there is to know about accounts and re-openings.
        send_order: Returns when the order is kept; it runs in a thread and raises ``CribleError``.
    """
    cuts = _Cuts(admission, known, send_order)
    return [
        Route("/v1/desk/drafts", cuts.draft, methods=["POST"]),
        Route("/v1/desk/decisions", cuts.decide, methods=["POST"]),
        Route("/v1/desk/reopenings", cuts.reopenings, methods=["GET"]),
        Route("/v1/desk/reopenings", cuts.reopen, methods=["POST"]),
    ]
