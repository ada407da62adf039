"""Who uses which scope, as the workers tell it on ``auth.scopes``; for those who decide about it, or show what that would do."""

from __future__ import annotations

from typing import Final

import msgspec

from models.scope_book import ScopeBook
from models.sketches import SCOPE_USE_SCHEMA, ScopeUse
from streams import telemetry
from streams.compacted import CompactedReader, is_of
from streams.settings import Settings

__all__ = ["ScopeUses"]

_LOOK_MS: Final = 50


class ScopeUses:
    """Reads ``auth.scopes`` whole, and goes on reading it.

    Args:
        settings: Where the broker is.
        book: Is told what comes.

    Raises:
        KafkaError: No broker, or it refused.
    """

    def __init__(self, settings: Settings, book: ScopeBook) -> None:
        self._book = book
        self._decoder = msgspec.msgpack.Decoder(ScopeUse)
        self._reader = CompactedReader(settings, "auth.scopes")
        try:
            while not self._reader.caught_up():
                self.look()
        except BaseException:
            self.close()
            raise

    def look(self) -> None:
        """Take what has come, hardly waiting: what is told of a source is sent before the alert about it."""
        for record in self._reader.poll(timeout_ms=_LOOK_MS):
            if record.value is None:
                continue
            try:
                if not is_of(record, SCOPE_USE_SCHEMA):
                    raise ValueError("another schema")
                self._book.take(self._decoder.decode(record.value))
            except (msgspec.DecodeError, ValueError):
                telemetry.error(
                    "record.refused",
                    reason="not_a_scope",
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                )

    def close(self) -> None:
        """Leave the broker."""
        self._reader.close()
