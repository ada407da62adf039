"""Whom to refuse at this moment: decisions and lists in memory, kept equal to ``auth.decisions`` and ``auth.control``.

Who is in doubt is let in. Nobody is refused before both topics have been read to their ends, nor after reading them failed; a
record that cannot be understood takes back what its key said before.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import Final, NamedTuple

from kafka.errors import KafkaConnectionError, KafkaTimeoutError

from models import decisions, lists
from models.attempts import Attempt
from models.decisions import Decision, DecisionIndex
from models.ids import reference
from models.lists import LIST_PREFIX, ListEntry, ListName, Lists
from models.policy import Policy
from models.stops import NO_STOPS, Stops
from streams import telemetry, topics
from streams.compacted import CompactedReader, Record, decoded
from streams.settings import Settings

__all__ = ["Follower", "Refusal", "Standing", "expiration"]

_AGAIN_S: Final = 2.0
_MONTHS: Final = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class Refusal(NamedTuple):
    """Why an attempt is refused: ``reference`` is what the client is told, ``details`` are for the server that asked."""

    reference: str
    details: dict[str, str]


class Standing:
    """See the module's text; safe to use from several threads.

    Args:
        policy: Its never-block set holds here too.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._lock = threading.Lock()
        self._stops = NO_STOPS
        self.is_ready = False
        self.clear()

    def clear(self) -> None:
        """Refuse nobody until :meth:`complete`."""
        with self._lock:
            self.is_ready = False
            self._decisions, self._lists = DecisionIndex(self._policy), Lists()
            self._held: dict[str, Decision] = {}  # the suspended ones too
            self._ends: list[tuple[float, str]] = []

    def stop(self, stops: Stops) -> None:
        """Suspend what ``stops`` say, and nothing else; where that is everything, the lists of people too."""
        with self._lock:
            self._stops, self._decisions = stops, DecisionIndex(self._policy)
            for decision in self._held.values():
                self._put(decision)

    def complete(self) -> None:
        """Everything was read that there was."""
        self.is_ready = True

    def refusal(self, attempt: Attempt) -> Refusal | None:
        """Why ``attempt`` is refused, or ``None``. The allow list wins over everything, the block list over decisions."""
        if not self.is_ready or self._stops.everything:
            return None
        with self._lock:
            if self._lists.find("allow", attempt) is not None:
                return None
            entry = self._lists.find("block", attempt)
            if entry is not None and (not attempt.address or self._policy.may_block(attempt.address)):
                return _by_list(entry)
            decision = self._decisions.refusing(attempt)
        return None if decision is None else _by_decision(decision)

    def put_decision(self, decision_id: str, decision: Decision | None, now: float) -> None:
        """Take the newest state of a decision; ``None`` where it is gone. Only what can refuse somebody is kept."""
        with self._lock:
            while self._ends and self._ends[0][0] <= now:
                self._remove(heappop(self._ends)[1])
            self._remove(decision_id)
            if decision is not None and decision.mode == "enforce" and decision.type in {"ban", "guard"} and decision.end > now:
                self._held[decision_id] = decision
                self._put(decision)
                heappush(self._ends, (decision.end, decision_id))

    def put_entry(self, key: str, entry: ListEntry | None) -> None:
        """Take the newest state of an entry of a list; ``None`` where it is gone."""
        with self._lock:
            self._lists.take(key, entry)

    def entries(self, name: ListName, now: float) -> list[ListEntry]:
        """The entries of a list that hold at ``now``."""
        with self._lock:
            return self._lists.in_force(name, now)

    def ended_entries(self, before: float) -> list[str]:
        """The keys of entries that ended before a time."""
        with self._lock:
            return self._lists.ended(before)

    def _put(self, decision: Decision) -> None:
        if not self._stops.suspend(decision.scenario, decision.scope):
            self._decisions.put(decision)

    def _remove(self, decision_id: str) -> None:
        self._held.pop(decision_id, None)
        self._decisions.remove(decision_id)


class Follower:
    """Keeps a :class:`Standing` equal to the topics.

    Args:
        settings: Where the broker is.
        standing: What to keep equal.
        clock: The present, UTC seconds.
    """

    def __init__(self, settings: Settings, standing: Standing, clock: Callable[[], float] = time.time) -> None:
        self._settings, self._standing, self._clock = settings, standing, clock
        self._control = topics.topic(settings, "auth.control")

    def run(self, stop: threading.Event) -> None:
        """Read until ``stop``; begin anew after every failure."""
        told = False
        while not stop.is_set():
            try:
                self._follow(stop)
                told = False
            except (KafkaConnectionError, KafkaTimeoutError):
                self._standing.clear()
                if not told:
                    telemetry.warning("kafka.unreachable", broker=self._settings.kafka.bootstrap)
                told = True
                stop.wait(_AGAIN_S)
            except Exception as error:  # whatever it is: the gate goes on, and refuses nobody
                self._standing.clear()
                telemetry.error("decisions.unreadable", error)
                stop.wait(_AGAIN_S)

    def _follow(self, stop: threading.Event) -> None:
        reader = CompactedReader(self._settings, "auth.decisions", "auth.control")
        try:
            while not stop.is_set():
                for record in reader.poll():
                    self.take(record)
                if not self._standing.is_ready and reader.caught_up():
                    # All this stays. Otherwise the collector looks at it every now and then, while log-ins wait.
                    gc.collect()
                    gc.freeze()
                    self._standing.complete()
                    telemetry.info("service.started", service="gate")
        finally:
            reader.close()

    def take(self, record: Record) -> None:
        """Take over one record of either topic."""
        key = (record.key or b"").decode("utf-8", "replace")
        if record.topic != self._control:
            decision = decoded(record, decisions.SCHEMA, Decision)
            self._standing.put_decision(key, decision, self._clock())
        elif key.startswith(LIST_PREFIX):
            self._standing.put_entry(key, decoded(record, lists.SCHEMA, ListEntry))


def expiration(ts: float) -> str:
    """A time as weakforced writes it.

    >>> expiration(1_772_496_000.0)
    '2026-Mar-03 00:00:00'
    """
    moment = datetime.fromtimestamp(ts, UTC)
    return f"{moment:%Y}-{_MONTHS[moment.month - 1]}-{moment:%d %H:%M:%S}"


def _by_list(entry: ListEntry) -> Refusal:
    """The details are weakforced's."""
    kind = "iplogin" if entry.address and entry.account else "ip" if entry.address else "login"
    details = {"blacklisted": "1", "key": kind, "reason": entry.reason, "expiration": expiration(entry.until)}
    return Refusal(entry.reference, details)


def _by_decision(decision: Decision) -> Refusal:
    details = {"decision_id": decision.decision_id, "scenario": decision.scenario, "scope": decision.scope}
    return Refusal(reference(decision.decision_id), details)
