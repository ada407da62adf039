"""What a service answers to its operators, over HTTP. Every request needs a key with ``operator``.

* ``POST /v1/stops`` ``{"reason", "kind"?, "scope"?}`` stops, ``DELETE /v1/stops`` resumes: ``{"stopped", "kept"}``.
* ``GET /v1/desk/decisions?kind=&scope=&value=&id=&campaign=`` lists what holds, of every mode, with what is suspended.
* ``POST /v1/desk/orders`` ``{"reason", "decision_id" | "campaign_id" | "breaker": "close"}``: 202, how many decisions are meant,
  once the order is on ``auth.control``; the leader carries it out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Literal, get_args

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.alerts import Kind
from models.breaker import Breaker
from models.decisions import Decision
from models.errors import InputError
from models.orders import Order
from models.policy import Scope
from models.stops import Reason
from streams.desk.admission import Admission, answer, body_as, give
from streams.desk.kill_switch import KillSwitch
from streams.serve import bounded_body

__all__ = ["MAX_LISTED", "Listed", "Ordered", "desk_routes"]

#: Of more decisions the newest are listed.
MAX_LISTED: Final = 1000
_KINDS, _SCOPES = get_args(Kind), get_args(Scope)


class _Order(msgspec.Struct, forbid_unknown_fields=True):
    reason: Reason
    decision_id: str | None = None
    campaign_id: str | None = None
    breaker: Literal["close"] | None = None


class Listed(msgspec.Struct):
    """Decisions that hold, the latest change first; ``suspended`` are ids of the stopped, ``breaker`` is there if it is open."""

    decisions: list[Decision]
    suspended: list[str]
    total: int
    breaker: Breaker | None = None


class Ordered(msgspec.Struct):
    """How many decisions an order meant when it was taken."""

    meant: int


class _Desk:
    def __init__(
        self,
        admission: Admission,
        switch: KillSwitch,
        send_order: Callable[[Order], None],
        breaker: Callable[[], Breaker],
    ) -> None:
        self._admission, self._store, self._clock = admission, admission.store, admission.clock
        self._switch, self._send_order, self._breaker = switch, send_order, breaker

    async def stop(self, request: Request) -> Response:
        by = self._admission.operator(request)
        body = await bounded_body(request)
        try:
            return answer(await asyncio.to_thread(self._switch.stop, body, by, self._clock()))
        except InputError as error:
            raise HTTPException(400, str(error)) from None

    async def resume(self, request: Request) -> Response:
        return answer(await asyncio.to_thread(self._switch.resume, self._admission.operator(request), self._clock()))

    async def decisions(self, request: Request) -> Response:
        self._admission.operator_once_read(request)
        wanted = _filter(request.query_params)
        found = (await asyncio.to_thread(self._store.all, self._clock(), wanted))[::-1]
        listed, stops = found[:MAX_LISTED], self._store.stops
        suspended = [decision.decision_id for decision in listed if stops.suspend(decision.scenario, decision.scope)]
        breaker = self._breaker()
        return answer(Listed(listed, suspended, len(found), None if breaker.opened is None else breaker))

    async def orders(self, request: Request) -> Response:
        by = self._admission.operator_once_read(request)
        asked = await body_as(request, _Order)
        try:
            order = Order(ts=self._clock(), by=by, **msgspec.structs.asdict(asked))
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        meant = await asyncio.to_thread(self._store.all, self._clock(), order.wants_lifted)
        if order.breaker is None and not meant:
            raise HTTPException(404, "no such decision holds")
        if order.breaker is not None and self._breaker().opened is None:
            raise HTTPException(404, "the breaker is closed")
        await give(self._send_order, order)
        return answer(Ordered(len(meant)), 202)


def desk_routes(
    admission: Admission,
    switch: KillSwitch,
    send_order: Callable[[Order], None],
    breaker: Callable[[], Breaker] = Breaker,
) -> list[Route]:
    """The routes of the module's text.

    Args:
        admission: Keys with ``operator`` may ask; stopping and resuming do not wait for the decisions.
        switch: Stops and resumes.
        send_order: Returns when the order is kept; it runs in a thread and raises ``CribleError``.
        breaker: The breaker as it is.
    """
    desk = _Desk(admission, switch, send_order, breaker)
    return [
        Route("/v1/stops", desk.stop, methods=["POST"]),
        Route("/v1/stops", desk.resume, methods=["DELETE"]),
        Route("/v1/desk/decisions", desk.decisions, methods=["GET"]),
        Route("/v1/desk/orders", desk.orders, methods=["POST"]),
    ]


def _filter(asked: Any) -> Callable[[Decision], bool]:
    """Whether a decision has every value that was asked for.

    Raises:
        HTTPException: 400, there is no such kind or scope, or no such filter.
    """
    unknown = set(asked) - {"kind", "scope", "value", "id", "campaign"}
    if unknown or asked.get("kind", _KINDS[0]) not in _KINDS or asked.get("scope", _SCOPES[0]) not in _SCOPES:
        raise HTTPException(400, "unknown filter, kind or scope")

    def wanted(decision: Decision) -> bool:
        has = {
            "kind": decision.scenario,
            "scope": decision.scope,
            "value": decision.value,
            "id": decision.decision_id,
            "campaign": decision.campaign_id,
        }
        return all(has[name] == value for name, value in asked.items())

    return wanted
