"""Notes for ``auth.audit`` on what does not wait for a broker, such as the kill switch: kept in memory until it takes them."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

import msgspec

from models.errors import CribleError
from models.orders import AUDIT_SCHEMA, Audit
from streams.settings import Settings
from streams.writing import TopicWriter, Written

__all__ = ["Trail"]

_EVERY_S: Final = 0.2
#: What has waited longest beyond them is lost; the log has it too.
_MOST_WAITING: Final = 1000


class Trail:
    """See the module's text; safe to use from several threads.

    Args:
        settings: Where the broker is.
    """

    def __init__(self, settings: Settings) -> None:
        self._writer = TopicWriter(settings, "auth.audit", AUDIT_SCHEMA)
        self._waiting: deque[Audit] = deque(maxlen=_MOST_WAITING)

    def note(self, note: Audit) -> None:
        """Write ``note`` as soon as the broker takes it."""
        self._waiting.append(note)

    def run(self, stop: threading.Event) -> None:
        """Write until ``stop``, and then what is left."""
        while not stop.wait(_EVERY_S):
            self.write()
        self.write()
        self._writer.close()

    def write(self) -> None:
        """Write what waits, in order, as far as the broker takes it."""
        while self._waiting:
            note = self._waiting[0]
            try:
                self._writer.send([Written(note.decision_id, msgspec.json.encode(note), note.ts)])
            except CribleError:  # tried again
                return
            self._waiting.popleft()
