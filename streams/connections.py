"""HTTP connections that nobody can hold open or fill.

uvicorn gives a client all the time and memory it wants for the head of a request, and for a body that nobody reads. Here a whole
request has to come within seconds, its head is bounded in bytes and so is all of it, and connections beyond the limit are closed
instead of kept: otherwise a few hundred that say nothing would use up the process's open files.
"""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["BoundedConnection"]

#: Longer than the services wait for a body themselves, so that a slow client is told so.
_REQUEST_LIMIT_S: Final = 15.0
_MAX_HEAD_BYTES: Final = 1 << 14
#: Twice the longest body, which is refused with a word; beyond it nobody listens.
_MAX_REQUEST_BYTES: Final = 1 << 21
#: Connections over the limit that are told so (503) before any is closed without a word.
_TOLD: Final = 20


class BoundedConnection(HttpToolsProtocol):
    """See the module's text; reads HTTP with httptools, which takes half the time per request that h11 does."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the parent
        """Start to wait for the first request."""
        super().connection_made(transport)
        self._timer: asyncio.TimerHandle | None = None
        self._received, self._in_head = 0, True
        if self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency + _TOLD:
            transport.abort()
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless this request has become too large."""
        limit = _MAX_HEAD_BYTES if self._in_head else _MAX_REQUEST_BYTES
        if self._received and self._received + len(data) > limit:  # what begins a request came in one piece
            self.transport.abort()
            return
        self._received += len(data)
        self._wait()
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        """Its head is here."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of it is here."""
        self._stop_waiting()
        self._received = 0
        super().on_message_complete()

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(_REQUEST_LIMIT_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
