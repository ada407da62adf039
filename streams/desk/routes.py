"""What a service answers to its operators, over HTTP. Every request needs a key with ``operator``.

* ``POST /v1/stops`` ``{"reason", "kind"?, "scope"?}`` stops, ``DELETE /v1/stops`` resumes: ``{"stopped", "kept"}``.
* ``GET /v1/desk/decisions?kind=&scope=&value=&id=&campaign=`` lists what holds, of every mode, with what is suspended.
* ``POST /v1/desk/orders`` ``{"reason", "decision_id" | "campaign_id" | "breaker": "close"}``: 202, how many decisions are meant,
  once the order is on ``auth.control``; the leader carries it out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, get_args

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.alerts import Kind
from models.breaker import Breaker
from models.decisions import Decision
from models.errors import CribleError, InputError
from models.orders import Order
from models.policy import Scope
from models.stops import Reason
from streams.desk.kill_switch import KillSwitch
from streams.serve import bounded_body, find_key
from streams.settings import ApiKey
from streams.store import DecisionStore

__all__ = ["MAX_LISTED", "Listed", "Ordered", "desk_routes", "operator_of"]

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
        store: DecisionStore,
        keys: Sequence[ApiKey],
        clock: Callable[[], float],
        ready: Callable[[], bool],
        switch: KillSwitch,
        send_order: Callable[[Order], None],
        breaker: Callable[[], Breaker],
    ) -> None:
        self._store, self._keys, self._clock, self._ready = store, keys, clock, ready
        self._switch, self._send_order, self._breaker = switch, send_order, breaker

    async def stop(self, request: Request) -> Response:
        by = self._operator(request)
        body = await bounded_body(request)
        try:
            return _json(await asyncio.to_thread(self._switch.stop, body, by, self._clock()))
        except InputError as error:
            raise HTTPException(400, str(error)) from None

    async def resume(self, request: Request) -> Response:
        return _json(await asyncio.to_thread(self._switch.resume, self._operator(request)))

    async def decisions(self, request: Request) -> Response:
        self._operator(request)
        self._need_all()
        wanted = _filter(request.query_params)
        found = (await asyncio.to_thread(self._store.all, self._clock(), wanted))[::-1]
        listed, stops = found[:MAX_LISTED], self._store.stops
        suspended = [decision.decision_id for decision in listed if stops.suspend(decision.scenario, decision.scope)]
        breaker = self._breaker()
        return _json(Listed(listed, suspended, len(found), None if breaker.opened is None else breaker))

    async def orders(self, request: Request) -> Response:
        by = self._operator(request)
        self._need_all()
        body = await bounded_body(request)
        try:
            asked = msgspec.json.decode(body, type=_Order)
            order = Order(ts=self._clock(), by=by, **msgspec.structs.asdict(asked))
        except (msgspec.DecodeError, UnicodeError, ValueError) as error:
            raise HTTPException(400, str(error)) from None
        meant = await asyncio.to_thread(self._store.all, self._clock(), order.wants_lifted)
        if order.breaker is None and not meant:
            raise HTTPException(404, "no such decision holds")
        if order.breaker is not None and self._breaker().opened is None:
            raise HTTPException(404, "the breaker is closed")
        try:
            await asyncio.to_thread(self._send_order, order)
        except CribleError as error:
            raise HTTPException(503, error.what) from None
        return _json(Ordered(len(meant)), 202)

    def _operator(self, request: Request) -> str:
        return operator_of(self._keys, request)

    def _need_all(self) -> None:
        if not self._ready():
            raise HTTPException(503, "the decisions are still being read")


def desk_routes(
    store: DecisionStore,
    keys: Sequence[ApiKey],
    clock: Callable[[], float],
    ready: Callable[[], bool],
    switch: KillSwitch,
    send_order: Callable[[Order], None],
    breaker: Callable[[], Breaker] = Breaker,
) -> list[Route]:
    """The routes of the module's text.

    Args:
        store: The decisions.
        keys: Those with ``operator`` may ask.
        clock: The present, UTC seconds.
        ready: Whether the store is complete; stopping and resuming do not wait for it.
        switch: Stops and resumes.
        send_order: Returns when the order is kept; it runs in a thread and raises ``CribleError``.
        breaker: The breaker as it is.
    """
    desk = _Desk(store, keys, clock, ready, switch, send_order, breaker)
    return [
        Route("/v1/stops", desk.stop, methods=["POST"]),
        Route("/v1/stops", desk.resume, methods=["DELETE"]),
        Route("/v1/desk/decisions", desk.decisions, methods=["GET"]),
        Route("/v1/desk/orders", desk.orders, methods=["POST"]),
    ]


def operator_of(keys: Sequence[ApiKey], request: Request) -> str:
    """The name of the key that a request came with.

    Raises:
        HTTPException: 403, it is unknown or no operator's.
    """
    key = find_key(keys, request.headers.get("x-api-key", ""))
    if not key.operator:
        raise HTTPException(403, "access forbidden")
    return key.name


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


def _json(content: msgspec.Struct, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")
