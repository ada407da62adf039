"""The clock of the simulation: many actors, one stream of events in time order.

Ordinary discrete-event simulation with processes as generators. An actor yields its next attempt; the timeline keeps
one pending attempt per actor in a heap, emits the earliest and asks that actor for its next. Memory is one entry per
live actor, whatever the number of events.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count

from models.events import AuthEvent
from simulator.labels import Label

__all__ = ["Actor", "Step", "Timeline"]

Step = tuple[AuthEvent, Label]
#: Yields its attempts, never one that lies before the previous one. May be endless.
Actor = Iterator[Step]


class Timeline:
    """Merges actors by the ``ts`` of their attempts; equal times go by who was scheduled first."""

    def __init__(self, start_ts: float) -> None:
        self._now_ts = start_ts
        self._order = count()
        self._pending: list[tuple[float, int, Step, Actor]] = []

    def start(self, actor: Actor) -> None:
        """Let ``actor`` take part from its first attempt on. An actor may start others.

        Raises:
            ValueError: the attempt lies in the past: the actor does not move forward in time.
        """
        step = next(actor, None)
        if step is None:
            return
        ts = step[0].ts
        if ts < self._now_ts:
            raise ValueError(f"{step[1].actor} acts at {ts}, before the present {self._now_ts}")
        heappush(self._pending, (ts, next(self._order), step, actor))

    def run(self, until_ts: float, run_id: str) -> Iterator[Step]:
        """Every attempt before ``until_ts``, in order, with its ``event_id``: the run and the place in it."""
        pending = self._pending
        place = 0
        while pending and pending[0][0] < until_ts:
            self._now_ts, _, step, actor = heappop(pending)
            step[0].event_id = step[1].event_id = f"{run_id}{place:010x}"
            place += 1
            yield step
            self.start(actor)
