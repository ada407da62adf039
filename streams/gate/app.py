"""The gate over HTTP: who may ask, which command it is, and that ``allow`` is answered whatever happens.

A bare ASGI application: a framework's routing and middleware would take longer than the answer. Commands are asked for as
``/?command=NAME`` or ``/command/NAME``, with a key as ``X-API-Key`` or as the password of HTTP Basic (RFC 7617); the user name
does not matter, as in weakforced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import Final, NamedTuple

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest
from starlette.types import Receive, Scope, Send

from models.errors import InputError
from models.events import MAX_LINE_BYTES
from models.orders import AUDIT_SCHEMA, Audit
from streams import telemetry
from streams.desk.kill_switch import KillSwitch
from streams.gate.answers import ACCEPT, FAILED, Answers, Failure, Reply
from streams.gate.spool import NotSpooled, Spooled
from streams.keys import presented_key
from streams.settings import GateKey

__all__ = ["App", "Stopping", "keep_note"]

_BODY_LIMIT_S: Final = 2
_JSON: Final = b"application/json"
_PARAMETER: Final = b"command="
_PATH: Final = "/command/"
#: As at the blocking service.
_STOPS_PATH: Final = "/v1/stops"
#: What a log-in server needs.
_LOG_INS: Final = frozenset({"report", "allow", "ping"})

_NO_SUCH: Final = Failure(404, "no such command").reply
_WRONG_METHOD: Final = Failure(405, "another method").reply
_UNAUTHORIZED: Final = Failure(401, "Unauthorized").reply
_NOT_OPERATOR: Final = Failure(403, "access forbidden").reply
_FORBIDDEN: Final = Failure(403, "this key is for log-in servers").reply
_OUR_FAULT: Final = Failure(500, "internal error").reply


class Stopping(NamedTuple):
    """The kill switch, and the present in UTC seconds."""

    switch: KillSwitch
    clock: Callable[[], float]


class App:
    """See the module's text.

    Args:
        answers: What to answer.
        keys: Who may ask; an empty list refuses everybody.
        is_ready: Whether it is known whom to refuse.
        before_metrics: Called before metrics are written.
        stopping: How operators stop enforcement; ``None`` where nobody can.
        policy: Describes the policy in force, for ``/ready``.
    """

    def __init__(
        self,
        answers: Answers,
        keys: Sequence[GateKey],
        is_ready: Callable[[], bool],
        before_metrics: Callable[[], None],
        stopping: Stopping | None = None,
        policy: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._stopping, self._policy = stopping, policy
        self._commands, self._keys, self._is_ready, self._before_metrics = answers.commands, keys, is_ready, before_metrics
        self._names = {name for _, name in self._commands}
        self._counters: dict[tuple[str, int], Counter] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route, kind = _command_of(scope), _JSON
        if route is not None:
            reply = await self._reply(route, scope, receive)
        else:
            route = scope["path"]
            if route == _STOPS_PATH and self._stopping is not None:
                reply = await self._stop(self._stopping, scope, receive)
            else:
                reply, kind = self._probe(route)
        self._count(route if reply is not _NO_SUCH else "other", reply.status)
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(reply.body))]
        if reply is _UNAUTHORIZED:
            headers.append((b"www-authenticate", b'Basic realm="crible"'))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _reply(self, name: str, scope: Scope, receive: Receive) -> Reply:
        command = self._commands.get((scope["method"], name))
        if command is None:
            return _WRONG_METHOD if name in self._names else _NO_SUCH
        client = self._client(scope["headers"])
        if client is None:
            return _UNAUTHORIZED
        if client.log_ins_only and name not in _LOG_INS:
            return _FORBIDDEN
        try:
            body = await _body(receive) if scope["method"] == "POST" else b""
            return await command(body, client.name)
        except Failure as failure:
            reply = failure.reply
        except Exception as error:
            telemetry.error("request.failed", error, name=name)
            reply = _OUR_FAULT
        if name == "allow":
            FAILED.inc()
            return ACCEPT
        return reply

    async def _stop(self, stopping: Stopping, scope: Scope, receive: Receive) -> Reply:
        """``POST /v1/stops`` stops, ``DELETE`` resumes, as at the blocking service."""
        client = self._client(scope["headers"])
        if client is None or not client.operator:
            return _NOT_OPERATOR
        try:
            if scope["method"] == "DELETE":
                stopped = await asyncio.to_thread(stopping.switch.resume, client.name, stopping.clock())
            elif scope["method"] == "POST":
                stopped = await asyncio.to_thread(stopping.switch.stop, await _body(receive), client.name, stopping.clock())
            else:
                return _WRONG_METHOD
        except InputError as error:
            return Reply(400, msgspec.json.encode({"message": str(error)}))
        except Failure as failure:
            return failure.reply
        return Reply(200, msgspec.json.encode(stopped))

    def _client(self, headers: Iterable[tuple[bytes, bytes]]) -> GateKey | None:
        """The key that was presented; every known key is compared, in constant time each."""
        digest = sha256(presented_key(headers)).hexdigest()
        found = [known for known in self._keys if compare_digest(known.sha256, digest)]
        return found[0] if found else None

    def _probe(self, path: str) -> tuple[Reply, bytes]:
        match path:
            case "/health":
                stopped = self._stopping.switch.targets if self._stopping else []
                return Reply(200, msgspec.json.encode({"status": "up", "stopped": stopped})), _JSON
            case "/ready" if self._is_ready():
                return Reply(200, msgspec.json.encode({"status": "ready", **self._policy()})), _JSON
            case "/ready":
                return Reply(503, b'{"status":"starting"}'), _JSON
            case "/metrics":
                self._before_metrics()
                return Reply(200, generate_latest()), CONTENT_TYPE_LATEST.encode()
            case _:
                return _NO_SUCH, _JSON

    def _count(self, route: str, status: int) -> None:
        counter = self._counters.get((route, status))
        if counter is None:
            counter = self._counters[route, status] = telemetry.HTTP_REQUESTS.labels(route, str(status))
        counter.inc()


def keep_note(note: Audit, put: Callable[[Spooled], None]) -> None:
    """Put a note on the kill switch into the spool, by which it reaches ``auth.audit``; what stops must not fail because of it."""
    record = Spooled(topic="auth.audit", schema=AUDIT_SCHEMA, key=note.decision_id, value=msgspec.json.encode(note), ts=note.ts)
    try:
        put(record)
    except NotSpooled as refusal:
        telemetry.SPOOL_LOST.labels(refusal.reason).inc()
        telemetry.error("spool.refused", reason=refusal.reason)


def _command_of(scope: Scope) -> str | None:
    """The command that is asked for, or ``None``."""
    path: str = scope["path"]
    if path.startswith(_PATH):
        return path.removeprefix(_PATH)
    if path == "/":
        for part in scope["query_string"].split(b"&"):
            if part.startswith(_PARAMETER):
                name: str = part.removeprefix(_PARAMETER).decode("ascii", "replace")
                return name
    return None


async def _body(receive: Receive) -> bytes:
    """The body.

    Raises:
        Failure: It is too large, or does not come in time.
    """
    body = b""
    try:
        async with asyncio.timeout(_BODY_LIMIT_S):
            more = True
            while more:
                message = await receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > MAX_LINE_BYTES:
                    raise Failure(413, "the body is too large")
            return body
    except TimeoutError:
        raise Failure(408, "the body did not come in time") from None
