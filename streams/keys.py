"""Keys of clients: which one a request presents, and an end to guessing them.

Wrong keys are counted by client address (an IPv6 address by its /64). After ten within a minute the address is answered 429 and
its keys are not looked at until the minute is over, so that guessing gets no further than that. A key that has worked from the
address before goes on working: behind one proxy, or on one host, nobody's wrong key shuts out another's right one.
"""

from __future__ import annotations

import time
from base64 import b64decode
from binascii import Error as Base64Error
from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Final, NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.addresses import locate
from streams import telemetry

__all__ = ["LimitWrongKeys", "presented_key"]

_WRONG_KEYS: Final = 10
_WINDOW_S: Final = 60.0
#: Addresses that are remembered for a wrong key, and keys for having worked; the longest unseen go first.
_MAX_REMEMBERED: Final = 4096
_REFUSALS: Final = frozenset({401, 403})
_FIRST_ERROR: Final = 400
_SHUT_OUT: Final = b'{"message":"too many wrong keys from this address"}'

Headers = Iterable[tuple[bytes, bytes]]


class _Wrong(NamedTuple):
    """How many keys of an address were wrong since a time."""

    number: int
    since: float


def presented_key(headers: Headers) -> bytes:
    """The key of a request: ``X-Api-Key``, or the password of HTTP Basic (RFC 7617); empty where there is none."""
    for name, value in headers:
        if name == b"x-api-key":
            return value
        if name == b"authorization" and value[:6].lower() == b"basic ":
            try:
                return b64decode(value[6:], validate=True).partition(b":")[2]
            except Base64Error:
                return b""
    return b""


class LimitWrongKeys:
    """The ASGI application ``app``, which answers a wrong key with 401 or 403; see the module's text.

    Args:
        app: Requests without a key reach it whatever happened before: probes carry none.
        service: Whose log line it is.
        clock: Seconds that only go forward.
    """

    def __init__(self, app: ASGIApp, service: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._app, self._service, self._clock = app, service, clock
        self._wrong: OrderedDict[str, _Wrong] = OrderedDict()
        self._worked: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = presented_key(scope["headers"]) if scope["type"] == "http" else b""
        if not key:
            await self._app(scope, receive, send)
            return
        host = scope["client"][0] if scope.get("client") else ""
        known = host, blake2b(key, digest_size=16).digest()
        if known not in self._worked and self._is_shut_out(host):
            telemetry.WRONG_KEYS.labels("shut_out").inc()
            await _refuse(send)
            return

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(known, message["status"])
            await send(message)

        await self._app(scope, receive, noting)

    def _is_shut_out(self, host: str) -> bool:
        wrong = self._wrong.get(_source(host)) if self._wrong else None
        return wrong is not None and wrong.number >= _WRONG_KEYS and self._clock() < wrong.since + _WINDOW_S

    def _note(self, known: tuple[str, bytes], status: int) -> None:
        if status < _FIRST_ERROR:
            _remember(self._worked, known, None)
        elif status in _REFUSALS and known not in self._worked:
            telemetry.WRONG_KEYS.labels("refused").inc()
            source, now = _source(known[0]), self._clock()
            wrong = self._wrong.get(source)
            if wrong is None or now >= wrong.since + _WINDOW_S:
                wrong = _Wrong(0, now)
            _remember(self._wrong, source, _Wrong(wrong.number + 1, wrong.since))
            if wrong.number + 1 == _WRONG_KEYS:
                telemetry.warning("keys.shut_out", service=self._service)


def _remember(in_: OrderedDict, key: object, value: object) -> None:  # type: ignore[type-arg]  # of either kind
    in_[key] = value
    in_.move_to_end(key)
    if len(in_) > _MAX_REMEMBERED:
        in_.popitem(last=False)


def _source(host: str) -> str:
    try:
        return locate(host).address
    except ValueError:  # a socket in the file system, or a test
        return host


async def _refuse(send: Send) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(_SHUT_OUT)),
        (b"retry-after", b"%d" % _WINDOW_S),
    ]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": _SHUT_OUT})
