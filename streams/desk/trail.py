"""Notes for ``auth.audit`` on what does not wait for a broker, such as the kill switch: kept until it takes them.

They wait in memory, and in a file beside the service for a restart. After a crash a note may be written twice, alike.
"""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from models.errors import CribleError
from models.orders import AUDIT_SCHEMA, Audit
from streams import telemetry
from streams.enforcement.files import replace_file
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
        file: Where notes wait over a restart; need not exist. What in it is no note is left out, and logged.
    """

    def __init__(self, settings: Settings, file: Path) -> None:
        self._writer = TopicWriter(settings, "auth.audit", AUDIT_SCHEMA)
        self._file, self._changing = file, threading.Lock()
        self._waiting: deque[Audit] = deque(_read(file), maxlen=_MOST_WAITING)

    def note(self, note: Audit) -> None:
        """Write ``note`` as soon as the broker takes it."""
        with self._changing:
            self._waiting.append(note)
            self._keep()

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
            with self._changing:
                if self._waiting and self._waiting[0] is note:  # else so many came that it was given up
                    self._waiting.popleft()
                self._keep()

    def _keep(self) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._file, "".join(msgspec.json.encode(note).decode() + "\n" for note in self._waiting))
        except (CribleError, OSError) as error:
            telemetry.error("audit.not_kept", error, path=str(self._file))


def _read(file: Path) -> list[Audit]:
    try:
        lines = file.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        telemetry.error("audit.not_kept", error, path=str(file))
        return []
    notes = []
    for line in lines:
        try:
            notes.append(msgspec.json.decode(line, type=Audit))
        except (msgspec.DecodeError, UnicodeError) as error:
            telemetry.error("audit.not_kept", error, path=str(file))
    return notes
