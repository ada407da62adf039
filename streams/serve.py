"""Serves the block list over HTTP, as CrowdSec's local API does, so that its bouncers can read it.

Only enforced bans that a bouncer can carry out as they are leave here: no exceptions, no protocols, outside the
never-block set. Addresses and ranges are given to everybody; other scopes only to who asks for them by name; a key with
``addresses_only`` gets IPv4 addresses and nothing else. Lists are put together in threads, so that a bouncer that starts
and asks for everything makes nobody wait.
Source: https://crowdsecurity.github.io/api_doc/lapi/ and how Debian's bouncers behave against it.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address
from secrets import token_hex
from typing import Any, Final, Literal, NamedTuple, TypeVar

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
from models.errors import CribleError, InputError
from models.policy import network_of
from streams import telemetry
from streams.connections import BoundedConnection
from streams.enforcement.express import count_withheld, withheld
from streams.keys import LimitWrongKeys
from streams.settings import ApiKey, Tls
from streams.store import AddressStore, DecisionStore, lapi_id

__all__ = ["UNENCRYPTED", "bounded_body", "create_app", "find_key", "is_loopback", "listen", "server_of"]

Result = TypeVar("Result")

_MAX_CURSORS: Final = 1000
_MAX_BODY_BYTES: Final = 1 << 20
_BODY_LIMIT_S: Final = 10
#: Debian's bouncers never repeat their first poll, so a starting service lets them wait rather than fail.
_READY_WAIT_S: Final = 10
_READY_POLL_S: Final = 0.05
_CHUNK_BYTES: Final = 1 << 16
_MAX_CONNECTIONS: Final = 500
_KEEP_ALIVE_S: Final = 75
#: So many decisions are encoded in one go: the others are held up for about a millisecond.
_ENCODED_AT_ONCE: Final = 500
#: Lists that are put together at the same time, each up to 40 MB; further requests wait.
_LISTS_AT_ONCE: Final = 2
#: What the log says of a service that other hosts reach without TLS.
UNENCRYPTED: Final = "keys and accounts go over the network unencrypted: give it a certificate and a key"
_LAPI_SCOPES: Final[Mapping[str, str]] = {"ip": "Ip", "range": "Range"}


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


def _array(decisions: Sequence[Decision], form: Callable[[Decision, float], _LapiDecision], now: float) -> bytes:
    """JSON of any number of decisions, in steps: one call of the encoder would hold up every other thread."""
    steps = (decisions[start : start + _ENCODED_AT_ONCE] for start in range(0, len(decisions), _ENCODED_AT_ONCE))
    return b"[" + b",".join(msgspec.json.encode([form(decision, now) for decision in step])[1:-1] for step in steps) + b"]"


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
            and withheld("lapi", decision) is None
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


class _Reader(NamedTuple):
    """Who asks: the key's name, where from, and the list that the key is for."""

    name: str
    host: str
    store: DecisionStore


class _Lapi:
    """The endpoints; ``keys`` is ``None`` where no key is asked for (demo)."""

    def __init__(
        self,
        store: DecisionStore,
        keys: Sequence[ApiKey] | None,
        clock: Callable[[], float],
        ready: Callable[[], bool],
        addresses: AddressStore | None,
        take_changes: Callable[[bytes], None] | None,
        policy: Callable[[], Mapping[str, str]],
    ) -> None:
        self._store, self._keys, self._clock, self._ready, self._addresses = store, keys, clock, ready, addresses
        self._take_changes, self._policy = take_changes, policy
        self._cursors: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._instance = token_hex(4)
        self._lists = asyncio.Semaphore(_LISTS_AT_ONCE)

    async def decisions(self, request: Request) -> Response:
        """GET or HEAD ``/v1/decisions``: what holds; ``null`` where nothing does, 304 where the ETag is still right."""
        store = (await self._admit(request)).store
        query, now = _Query(request.query_params), self._clock()

        def answer() -> Response:
            # Weak: the remaining times differ, the decisions and their ends do not.
            tag = f'W/"{self._instance}-{store.version(now)}"'
            headers = {"ETag": tag, "Vary": "X-Api-Key"}
            if tag in request.headers.get("if-none-match", ""):
                return Response(status_code=304, headers=headers)
            found = store.active(now, query.wants)[query.offset :]
            found = found[: query.limit] if query.limit else found
            return _json_bytes(_array(found, _active, now) if found else b"null", headers)

        return await self._in_thread(answer)

    async def stream(self, request: Request) -> Response:
        """GET or HEAD ``/v1/decisions/stream``: everything with ``startup=true``, then what changed for this reader."""
        reader = await self._admit(request)
        await bounded_body(request)  # from here on the client has nothing to say but that it is gone
        query, now = _Query(request.query_params), self._clock()
        known = (reader.name, reader.host)
        cursor = 0 if request.query_params.get("startup") == "true" else self._cursors.get(known, 0)

        def answer() -> tuple[Response, int]:
            delta = reader.store.delta(cursor, now, query.wants, dedup=request.query_params.get("dedup") != "false")
            new, deleted = _array(delta.new, _active, now), _array(delta.deleted, _ended, now)
            return _json_bytes(b'{"new":' + new + b',"deleted":' + deleted + b"}"), delta.cursor

        response, next_cursor = await self._in_thread(answer)
        if request.method == "HEAD":
            return response
        return _DeliveredResponse(response, request, lambda: self._advance(known, next_cursor))

    async def usage_metrics(self, request: Request) -> Response:
        """POST ``/v1/usage-metrics``: bouncers' own figures, taken and not kept."""
        await self._admit(request)
        try:
            msgspec.json.decode(await bounded_body(request), type=_UsageMetrics)
        except msgspec.DecodeError:
            raise HTTPException(400, "invalid usage metrics") from None
        return Response(status_code=201)

    async def account_changes(self, request: Request) -> Response:
        """POST ``/v1/account-changes``: what happened to accounts; 201 when it is kept."""
        key = self._known(request.headers.get("x-api-key", ""))
        if key is None or not key.account_changes or self._take_changes is None:
            raise HTTPException(403, "access forbidden")
        body = await bounded_body(request)
        try:
            await asyncio.to_thread(self._take_changes, body)
        except InputError as error:
            raise HTTPException(400, str(error)) from None
        except CribleError as error:
            raise HTTPException(503, error.what) from None
        return Response(status_code=201)

    async def health(self, _request: Request) -> Response:
        """GET ``/health``: the process answers, and says what a person stopped."""
        return _json({"status": "up", "stopped": self._store.stops.targets})

    async def ready(self, _request: Request) -> Response:
        """GET ``/ready``: 503 until the decisions have been read; and which policy is in force."""
        return _json({"status": "ready", **self._policy()}) if self._ready() else _json({"status": "starting"}, 503)

    async def metrics(self, _request: Request) -> Response:
        """GET ``/metrics``: for Prometheus."""
        return await self._in_thread(self._measured)

    def _measured(self) -> Response:
        now = self._clock()
        telemetry.DECISIONS_ACTIVE.clear()
        for labels, number in self._store.count(now).items():
            telemetry.DECISIONS_ACTIVE.labels(*labels).set(number)
        active = self._store.active(now, lambda _: True)
        telemetry.DECISIONS_SUSPENDED.set(self._store.suspended(now))
        count_withheld("lapi", active)
        if self._addresses is not None:
            count_withheld("lapi_addresses", active, self._addresses.holds)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        async with self._lists:
            return await asyncio.to_thread(work)

    async def _admit(self, request: Request) -> _Reader:
        """Who asks; lets a request wait for a starting service.

        Raises:
            HTTPException: 403 without a key that may read the list, 503 if the service is not ready in time.
        """
        key = self._known(request.headers.get("x-api-key", ""))
        if key is not None and not key.reads_list:
            raise HTTPException(403, "access forbidden")
        deadline = asyncio.get_running_loop().time() + _READY_WAIT_S
        while not self._ready():
            if asyncio.get_running_loop().time() > deadline:
                raise HTTPException(503, "the decisions are still being read")
            await asyncio.sleep(_READY_POLL_S)
        host = request.client.host if request.client else ""
        if key is None:
            return _Reader("", host, self._store)
        return _Reader(key.name, host, self._addresses if key.addresses_only and self._addresses else self._store)

    def _known(self, key: str) -> ApiKey | None:
        """The settings of ``key``; ``None`` where no key is asked for."""
        if self._keys is None:
            return None
        return find_key(self._keys, key)

    def _advance(self, reader: tuple[str, str], cursor: int) -> None:
        self._cursors[reader] = cursor
        self._cursors.move_to_end(reader)
        if len(self._cursors) > _MAX_CURSORS:
            self._cursors.popitem(last=False)


def find_key(keys: Sequence[ApiKey], presented: str) -> ApiKey:
    """The settings of the key that was presented; every one is compared, in constant time each.

    Raises:
        HTTPException: 403, there is no such key.
    """
    digest = sha256(presented.encode()).hexdigest()
    known = [each for each in keys if compare_digest(each.sha256, digest)]
    if not known:
        raise HTTPException(403, "access forbidden")
    return known[0]


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
    store: DecisionStore,
    keys: Sequence[ApiKey] | None,
    clock: Callable[[], float],
    ready: Callable[[], bool],
    addresses: AddressStore | None = None,
    take_changes: Callable[[bytes], None] | None = None,
    more_routes: Sequence[Route] = (),
    policy: Callable[[], Mapping[str, str]] = dict,
) -> ASGIApp:
    """The HTTP side of the blocking service.

    Args:
        store: The decisions to serve.
        keys: Who may read; an empty list refuses everybody, ``None`` asks for no key (demo).
        clock: The present, UTC seconds.
        ready: Whether the store is complete.
        addresses: The same decisions for keys with ``addresses_only``.
        take_changes: Takes a body of account changes from keys that may send some, and returns when they are kept; it runs in a
            thread and raises ``CribleError``.
        more_routes: What is answered besides.
        policy: Describes the policy in force, for ``/ready``.

    Raises:
        ValueError: There is such a key and no such list.
    """
    if addresses is None and any(key.addresses_only for key in keys or ()):
        raise ValueError("a key with addresses_only needs an AddressStore")
    lapi = _Lapi(store, keys, clock, ready, addresses, take_changes, policy)
    routes = [
        Route("/v1/decisions", lapi.decisions, methods=["GET"]),
        Route("/v1/decisions/stream", lapi.stream, methods=["GET"]),
        Route("/v1/usage-metrics", lapi.usage_metrics, methods=["POST"]),
        Route("/v1/account-changes", lapi.account_changes, methods=["POST"]),
        Route("/health", lapi.health),
        Route("/ready", lapi.ready),
        Route("/metrics", lapi.metrics),
        *more_routes,
    ]
    app: ASGIApp = Starlette(routes=routes, exception_handlers={HTTPException: _said_as_json})
    if keys is not None:
        app = LimitWrongKeys(app, "block")
    return _CountRequests(app, frozenset(route.path for route in routes))


def listen(host: str, port: int, setting: str = "block") -> socket.socket:
    """A listening socket; ``setting`` is where host and port come from.

    Raises:
        CribleError: The address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
        # asyncio sets it only on sockets that name their protocol; without it an answer in two parts takes 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        raise CribleError(
            f"cannot listen: {error.strerror}", where=f"{host}:{port}", hint=f"set {setting}.host and {setting}.port"
        ) from None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on ``host``.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def server_of(app: ASGIApp, max_connections: int = _MAX_CONNECTIONS, tls: Tls | None = None) -> uvicorn.Server:
    """A server for ``app``: ``run(sockets=[…])`` serves until a signal comes or ``should_exit`` is set.

    Raises:
        InputError: The files of ``tls`` cannot be used.
    """
    context = tls.context() if tls is not None else None
    return uvicorn.Server(
        uvicorn.Config(
            app,
            ssl_context_factory=None if context is None else lambda _config, _default: context,
            loop="uvloop",
            http=BoundedConnection,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            limit_concurrency=max_connections,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=5,
        )
    )


def _json(content: object, status: Literal[200, 503] = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def _json_bytes(content: bytes, headers: Mapping[str, str] | None = None) -> Response:
    return Response(content, headers=headers, media_type="application/json")


async def _said_as_json(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return Response(
        msgspec.json.encode({"message": error.detail}), error.status_code, headers=error.headers, media_type="application/json"
    )


async def bounded_body(request: Request) -> bytes:
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
