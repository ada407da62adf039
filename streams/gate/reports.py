"""Tells the leader whom verdicts refuse, which counts in the budget on customers.

Every few seconds, as long as there is something new, on ``auth.control``. What the broker does not take is told again; what a gate
that is killed has not told is lost, a few seconds of it.
"""

from __future__ import annotations

import threading
from contextlib import suppress

import msgspec

from models.errors import CribleError
from models.refused import REPORT_S, SCHEMA
from streams.gate.standing import Standing
from streams.settings import Settings
from streams.writing import TopicWriter, Written

__all__ = ["Reports"]


class Reports:
    """See the module's text.

    Args:
        settings: Where the broker is.
        standing: Gives the verdicts.
    """

    def __init__(self, settings: Settings, standing: Standing) -> None:
        self._standing, self._writer = standing, TopicWriter(settings, "auth.control", SCHEMA)

    def run(self, stop: threading.Event) -> None:
        """Tell until ``stop``, and then what is left."""
        while not stop.wait(REPORT_S):
            self.tell()
        self.tell()
        self._writer.close()

    def tell(self) -> None:
        """Tell what is new."""
        refused = self._standing.refused_anew()
        if not refused:
            return
        with suppress(CribleError):  # who drains the spool says that the broker is away
            self._writer.send([Written(key, msgspec.msgpack.encode(told), told.last_ts) for key, told in refused.items()])
            self._standing.told(refused)
