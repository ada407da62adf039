"""Serves the block list over HTTP, as CrowdSec's local API does, so that its bouncers can read it.

Only enforced bans that a bouncer can carry out as they are leave here: no exceptions, no protocols, outside the
never-block set. Addresses and ranges are given to everybody; other scopes only to who asks for them by name.
Source: https://crowdsecurity.github.io/api_doc/lapi/ and how Debian's bouncers behave against it.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from heapq import heappop, heappush
from hmac import compare_digest
from typing import Any, Final, Literal

import msgspec
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.decisions import Decision, address_of, go_duration
from models.errors import CribleError
from models.policy import Policy, network_of
from streams import telemetry
from streams.settings import ApiKey

__all__ = ["DecisionStore", "Delta", "create_app", "lapi_id", "listen", "server_of"]

#: A bouncer that has not polled for so long drops what has ended by itself.
_REMEMBER_ENDED_S: Final = 3600
_MAX_CURSORS: Final = 1000
_MAX_BODY_BYTES: Final = 1 << 20
_BODY_LIMIT_S: Final = 10
#: Debian's bouncers never repeat their first poll, so a starting service lets them wait rather than fail.
_READY_WAIT_S: Final = 10
_READY_POLL_S: Final = 0.05
_CHUNK_BYTES: Final = 1 << 16
_MAX_CONNECTIONS: Final = 500
_KEEP_ALIVE_S: Final = 75
_LAPI_SCOPES: Final[Mapping[str, str]] = {"ip": "Ip", "range": "Range"}

Wanted = Callable[[Decision], bool]


def lapi_id(decision: Decision) -> int:
    """The integer by which bouncers know a decision: equal on every instance and after a restart, exact in JSON."""
    return int(decision.decision_id[:13], 16)


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed for a reader: ``new`` holds, ``deleted`` has ended, ``cursor`` is where to go on from."""

    new: list[Decision]
    deleted: list[Decision]
    cursor: int


@dataclass(slots=True)
class _Entry:
    decision: Decision
    served: bool
    changed: int
    ended: bool


class DecisionStore:
    """Decisions in memory for readers, fed from Kafka or by a pipeline; safe to use from several threads.

    Every change gets the next number, an end that comes by itself too, so a reader's cursor is one number.

    Args:
        policy: Its never-block set is checked again here: no decision overrides it.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._lock = threading.Lock()
        self._changes = 0
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # the latest change last
        self._by_target: dict[tuple[str, str, str], set[str]] = {}
        self._due: list[tuple[float, str]] = []

    def put(self, decision: Decision) -> None:
        """Take the newest state of a decision."""
        address = address_of(decision.scope, decision.value)
        served = (
            decision.mode == "enforce"
            and decision.type == "ban"
            and not (decision.protocols or decision.except_)
            and (address is None or self._policy.may_block(address))
        )
        with self._lock:
            self._change(_Entry(decision, served, 0, decision.lifted is not None))
            self._by_target.setdefault(_target(decision), set()).add(decision.decision_id)
            heappush(self._due, (decision.until, decision.decision_id))

    def remove(self, decision_id: str) -> None:
        """Take a tombstone: a decision that still held ends now."""
        with self._lock:
            entry = self._entries.get(decision_id)
            if entry is not None and not entry.ended:
                entry.ended = True
                self._change(entry)

    def active(self, now: float, wanted: Wanted) -> list[Decision]:
        """The served decisions that hold at ``now``, the latest change last."""
        with self._lock:
            self._sweep(now)
            return [entry.decision for entry in self._entries.values() if _holds(entry) and wanted(entry.decision)]

    def count(self, now: float) -> Counter[tuple[str, str, str]]:
        """How many decisions hold at ``now``, by scope, type and mode; those that are not served too."""
        with self._lock:
            self._sweep(now)
            held = (entry.decision for entry in self._entries.values() if not entry.ended)
            return Counter((decision.scope, decision.type, decision.mode) for decision in held)

    def delta(self, cursor: int, now: float, wanted: Wanted, *, dedup: bool = True) -> Delta:
        """What changed after ``cursor`` (0: from the beginning).

        With ``dedup`` one decision stands for all on the same scope, type and value: the one that ends last. A value on
        which another decision still holds is not deleted, unless the one that ended would have held longer: then it is
        deleted and the other one is new.
        """
        with self._lock:
            self._sweep(now)
            touched = [entry for entry in self._since(cursor) if entry.served and wanted(entry.decision)]
            if dedup:
                touched = self._one_per_target(touched, wanted)
            new = [entry.decision for entry in touched if not entry.ended]
            return Delta(new, [entry.decision for entry in touched if entry.ended], self._changes)

    def _one_per_target(self, touched: Iterable[_Entry], wanted: Wanted) -> list[_Entry]:
        longest_touched: dict[tuple[str, str, str], _Entry] = {}
        for entry in touched:
            known = longest_touched.get(_target(entry.decision))
            if known is None or _rank(entry) > _rank(known):
                longest_touched[_target(entry.decision)] = entry
        kept = []
        for target, entry in longest_touched.items():
            others = (self._entries[identifier] for identifier in self._by_target[target])
            holding = max((e for e in others if _holds(e) and wanted(e.decision)), key=_rank, default=None)
            if holding is None or entry is holding:
                kept.append(entry)
            elif entry.ended and entry.decision.until > holding.decision.until:
                kept += [entry, holding]
        return kept

    def _since(self, cursor: int) -> list[_Entry]:
        newest_first = []
        for entry in reversed(self._entries.values()):
            if entry.changed <= cursor:
                break
            newest_first.append(entry)
        return newest_first[::-1]

    def _change(self, entry: _Entry) -> None:
        self._changes += 1
        entry.changed = self._changes
        self._entries[entry.decision.decision_id] = entry
        self._entries.move_to_end(entry.decision.decision_id)

    def _sweep(self, now: float) -> None:
        """End what has passed, and forget what ended long ago."""
        while self._due and self._due[0][0] <= now:
            _, identifier = heappop(self._due)
            entry = self._entries.get(identifier)
            if entry is None or entry.decision.until > now:
                continue
            forget_at = entry.decision.until + _REMEMBER_ENDED_S
            if forget_at <= now:
                self._forget(entry.decision)
                continue
            if not entry.ended:
                entry.ended = True
                self._change(entry)
            heappush(self._due, (forget_at, identifier))

    def _forget(self, decision: Decision) -> None:
        del self._entries[decision.decision_id]
        target = _target(decision)
        self._by_target[target].discard(decision.decision_id)
        if not self._by_target[target]:
            del self._by_target[target]


def _target(decision: Decision) -> tuple[str, str, str]:
    return decision.scope, decision.type, decision.value


def _holds(entry: _Entry) -> bool:
    return entry.served and not entry.ended


def _rank(entry: _Entry) -> tuple[float, bool, str]:
    """Longer first; of two that end together the one that holds."""
    return entry.decision.until, not entry.ended, entry.decision.decision_id


class _LapiDecision(msgspec.Struct, frozen=True):
    """A decision as bouncers read it."""

    id: int
    uuid: str
    origin: str
    type: str
    scope: str
    value: str
    duration: str
    until: str
    scenario: str


def _lapi(decision: Decision, left_s: float) -> _LapiDecision:
    return _LapiDecision(
        lapi_id(decision),
        decision.uuid,
        decision.origin,
        decision.type,
        _LAPI_SCOPES.get(decision.scope, decision.scope),
        decision.value,
        go_duration(left_s),
        datetime.fromtimestamp(decision.until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        decision.scenario,
    )


def _active(decision: Decision, now: float) -> _LapiDecision:
    return _lapi(decision, max(decision.until - now, 1))


def _ended(decision: Decision, now: float) -> _LapiDecision:
    return _lapi(decision, min(decision.end - now, -1))


class _Query:
    """The filters of one request.

    Raises:
        HTTPException: 400, where an address or a number is none.
    """

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._scopes = _words(parameters, "scopes") or _words(parameters, "scope") or tuple(_LAPI_SCOPES)
        self._value = parameters.get("value")
        self._type = parameters.get("type")
        self._origins = _words(parameters, "origins")
        self._containing = _words(parameters, "scenarios_containing")
        self._not_containing = _words(parameters, "scenarios_not_containing")
        around = parameters.get("ip") or parameters.get("range")
        self._contains = parameters.get("contains", "true") != "false"
        self._id_gt = _number(parameters, "id_gt", 0)
        self.limit = _number(parameters, "limit", 0)
        self.offset = _number(parameters, "offset", 0)
        try:
            self._network = network_of(around) if around else None
        except ValueError:
            raise HTTPException(400, "invalid ip or range") from None

    def wants(self, decision: Decision) -> bool:
        """Whether ``decision`` passes every filter."""
        return (
            decision.scope in self._scopes
            and self._value in {None, decision.value}
            and self._type in {None, decision.type}
            and (not self._origins or decision.origin in self._origins)
            and (not self._containing or any(part in decision.scenario for part in self._containing))
            and not any(part in decision.scenario for part in self._not_containing)
            and (self._id_gt == 0 or lapi_id(decision) > self._id_gt)
            and (self._network is None or self._meets(decision))
        )

    def _meets(self, decision: Decision) -> bool:
        """Whether the decision's address covers the asked one, or lies in it where ``contains=false``."""
        address = address_of(decision.scope, decision.value)
        if address is None or self._network is None:
            return False
        outer, inner = network_of(address), self._network
        if not self._contains:
            outer, inner = inner, outer
        return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]  # same version


def _words(parameters: Mapping[str, str], name: str) -> tuple[str, ...]:
    words = (word.strip() for word in parameters.get(name, "").split(","))
    return tuple(word.lower() if name.startswith("scope") else word for word in words if word)


def _number(parameters: Mapping[str, str], name: str, default: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < len(str(1 << 63))):
        raise HTTPException(400, f"{name} must be a number")
    return int(text)


class _Lapi:
    """The endpoints; ``keys`` is ``None`` where no key is asked for (demo)."""

    def __init__(
        self, store: DecisionStore, keys: Sequence[ApiKey] | None, clock: Callable[[], float], ready: Callable[[], bool]
    ) -> None:
        self._store, self._keys, self._clock, self._ready = store, keys, clock, ready
        self._cursors: OrderedDict[tuple[str, str], int] = OrderedDict()

    async def decisions(self, request: Request) -> Response:
        """GET or HEAD ``/v1/decisions``: what holds; ``null`` where nothing does."""
        await self._admit(request)
        query, now = _Query(request.query_params), self._clock()
        found = self._store.active(now, query.wants)[query.offset :]
        found = found[: query.limit] if query.limit else found
        return _json([_active(decision, now) for decision in found] or None)

    async def stream(self, request: Request) -> Response:
        """GET or HEAD ``/v1/decisions/stream``: everything with ``startup=true``, then what changed for this reader."""
        reader = await self._admit(request)
        await _bounded_body(request)  # from here on the client has nothing to say but that it is gone
        query, now = _Query(request.query_params), self._clock()
        cursor = 0 if request.query_params.get("startup") == "true" else self._cursors.get(reader, 0)
        delta = self._store.delta(cursor, now, query.wants, dedup=request.query_params.get("dedup") != "false")
        body = {"new": [_active(d, now) for d in delta.new], "deleted": [_ended(d, now) for d in delta.deleted]}
        if request.method == "HEAD":
            return _json(body)
        return _DeliveredResponse(_json(body), request, lambda: self._advance(reader, delta.cursor))

    async def usage_metrics(self, request: Request) -> Response:
        """POST ``/v1/usage-metrics``: bouncers' own figures, taken and not kept."""
        await self._admit(request)
        try:
            msgspec.json.decode(await _bounded_body(request), type=_UsageMetrics)
        except msgspec.DecodeError:
            raise HTTPException(400, "invalid usage metrics") from None
        return Response(status_code=201)

    async def health(self, _request: Request) -> Response:
        """GET ``/health``: the process answers."""
        return _json({"status": "up"})

    async def ready(self, _request: Request) -> Response:
        """GET ``/ready``: 503 until the decisions have been read."""
        return _json({"status": "ready"}) if self._ready() else _json({"status": "starting"}, 503)

    async def metrics(self, _request: Request) -> Response:
        """GET ``/metrics``: for Prometheus."""
        telemetry.DECISIONS_ACTIVE.clear()
        for labels, number in self._store.count(self._clock()).items():
            telemetry.DECISIONS_ACTIVE.labels(*labels).set(number)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def _admit(self, request: Request) -> tuple[str, str]:
        """Who asks; lets a request wait for a starting service.

        Raises:
            HTTPException: 403 without a known key, 503 if the service is not ready in time.
        """
        name = self._name_of(request.headers.get("x-api-key", ""))
        if name is None:
            raise HTTPException(403, "access forbidden")
        deadline = asyncio.get_running_loop().time() + _READY_WAIT_S
        while not self._ready():
            if asyncio.get_running_loop().time() > deadline:
                raise HTTPException(503, "the decisions are still being read")
            await asyncio.sleep(_READY_POLL_S)
        return name, request.client.host if request.client else ""

    def _name_of(self, key: str) -> str | None:
        """Compares with every key, in constant time each."""
        if self._keys is None:
            return ""
        digest = sha256(key.encode()).hexdigest()
        names = [known.name for known in self._keys if compare_digest(known.sha256, digest)]
        return names[0] if names else None

    def _advance(self, reader: tuple[str, str], cursor: int) -> None:
        self._cursors[reader] = cursor
        self._cursors.move_to_end(reader)
        if len(self._cursors) > _MAX_CURSORS:
            self._cursors.popitem(last=False)


class _UsageMetrics(msgspec.Struct):
    remediation_components: list[dict[str, Any]]


class _DeliveredResponse(Response):
    """A response that tells when its whole body was handed over to a client that is still there."""

    def __init__(self, response: Response, request: Request, delivered: Callable[[], None]) -> None:
        super().__init__(response.body, headers=dict(response.headers))
        self._request, self._delivered = request, delivered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for start in range(0, len(self.body), _CHUNK_BYTES):
            await send({"type": "http.response.body", "body": self.body[start : start + _CHUNK_BYTES], "more_body": True})
        gone = await self._request.is_disconnected()
        await send({"type": "http.response.body", "body": b""})
        if not gone:
            self._delivered()


class _CountRequests:
    """Counts answers by route and code; unknown paths share one label."""

    def __init__(self, app: ASGIApp, routes: frozenset[str]) -> None:
        self._app, self._routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = scope["path"] if scope["path"] in self._routes else "other"
                telemetry.HTTP_REQUESTS.labels(route, str(message["status"])).inc()
            await send(message)

        await self._app(scope, receive, counting if scope["type"] == "http" else send)


def create_app(
    store: DecisionStore, keys: Sequence[ApiKey] | None, clock: Callable[[], float], ready: Callable[[], bool]
) -> ASGIApp:
    """The HTTP side of the blocking service.

    Args:
        store: The decisions to serve.
        keys: Who may read; an empty list refuses everybody, ``None`` asks for no key (demo).
        clock: The present, UTC seconds.
        ready: Whether the store is complete.
    """
    lapi = _Lapi(store, keys, clock, ready)
    routes = [
        Route("/v1/decisions", lapi.decisions, methods=["GET"]),
        Route("/v1/decisions/stream", lapi.stream, methods=["GET"]),
        Route("/v1/usage-metrics", lapi.usage_metrics, methods=["POST"]),
        Route("/health", lapi.health),
        Route("/ready", lapi.ready),
        Route("/metrics", lapi.metrics),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _said_as_json})
    return _CountRequests(app, frozenset(route.path for route in routes))


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        CribleError: The address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise CribleError(
            f"cannot listen: {error.strerror}", where=f"{host}:{port}", hint="set block.host and block.port"
        ) from None


def server_of(app: ASGIApp) -> uvicorn.Server:
    """A server for ``app``: ``run(sockets=[…])`` serves until a signal comes or ``should_exit`` is set."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=5,
        )
    )


def _json(content: object, status: Literal[200, 503] = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


async def _said_as_json(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return Response(
        msgspec.json.encode({"message": error.detail}), error.status_code, headers=error.headers, media_type="application/json"
    )


async def _bounded_body(request: Request) -> bytes:
    """The body.

    Raises:
        HTTPException: 413 over a mebibyte, 408 where it does not come in time.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_LIMIT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _MAX_BODY_BYTES:
                    raise HTTPException(413, "body too large")
    except TimeoutError:
        raise HTTPException(408, "body did not come in time") from None
    except ClientDisconnect:
        raise HTTPException(400, "body is not complete") from None
    return bytes(body)
