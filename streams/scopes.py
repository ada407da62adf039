"""Who uses the scopes that are under attack, as the workers tell it on ``auth.scopes``; for the leader, who decides about them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import msgspec

from models.accounts import Groups
from models.policy import Scope
from models.sketches import SCOPE_USE_SCHEMA, Members, ScopeUse
from models.usage import Users
from streams import telemetry
from streams.compacted import CompactedReader, is_of
from streams.settings import Settings

__all__ = ["ScopeUses"]

#: What has not been told anew for so long is not known any more; a source is told each minute, a network each hour.
_KEEP_S: Final = 2 * 3600
#: Scopes remembered at most, about 200 bytes each and 16 kB where thousands use one; the longest silent goes first.
_MOST: Final = 100_000
_LOOK_MS: Final = 50


class ScopeUses:
    """Reads ``auth.scopes`` whole, and goes on reading it.

    Args:
        settings: Where the broker is.
        groups: Which groups an account belongs to.

    Raises:
        KafkaError: No broker, or it refused.
    """

    def __init__(self, settings: Settings, groups: Groups) -> None:
        self._members = Members(groups)
        self._uses: OrderedDict[tuple[str, str], ScopeUse] = OrderedDict()
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
                self.take(self._decoder.decode(record.value))
            except (msgspec.DecodeError, ValueError):
                telemetry.error(
                    "record.refused",
                    reason="not_a_scope",
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                )

    def take(self, use: ScopeUse) -> None:
        """Remember the newest of a scope."""
        self._uses[use.scope, use.value] = use
        self._uses.move_to_end((use.scope, use.value))
        if len(self._uses) > _MOST:
            self._uses.popitem(last=False)

    def users(self, scope: Scope, value: str, now: float) -> Users | None:
        """Who uses a scope; ``None`` where nobody has told it lately."""
        use = self._uses.get((scope, value))
        if use is None or use.ts + _KEEP_S < now:
            return None
        try:
            return self._members.users(use)
        except ValueError:  # not what the workers write
            return None

    def close(self) -> None:
        """Leave the broker."""
        self._reader.close()
