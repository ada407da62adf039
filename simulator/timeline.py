"""The clock of the simulation: many actors, one stream of events in time order.

Ordinary discrete-event simulation with processes as generators. An actor yields its next attempt and is told whether it was
refused; the timeline keeps one pending attempt per actor in a heap, emits the earliest and asks that actor for its next.
Memory is one entry per live actor, whatever the number of events.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Final

from models.events import AuthEvent
from simulator.labels import Label

__all__ = ["REFUSED", "Actor", "Refused", "Step", "Timeline"]

Step = tuple[AuthEvent, Label]
#: Yields its attempts, never one that lies before the previous one, and receives whether the last was refused. May be endless.
Actor = Generator[Step, bool | None, None]
#: The provider's answer before it looks at the password: is this attempt refused? Asked once per event, in order of time.
Refused = Callable[[AuthEvent], bool]

#: What a refused attempt failed by.
REFUSED: Final = "policy"


class Timeline:
    """Merges actors by the ``ts`` of their attempts; equal times go by who was scheduled first."""

    def __init__(self, start_ts: float) -> None:
        self._now_ts = start_ts
        self._order = count()
        self._pending: list[tuple[float, int, Step, Generator[Step, bool | None, object]]] = []

    def start(self, actor: Generator[Step, bool | None, object], refused: bool | None = None) -> None:
        """Let ``actor`` take part from its next attempt on. An actor may start others.

        Args:
            actor: A fresh one, or one whose last attempt somebody else yielded.
            refused: In that case, whether it was refused.

        Raises:
            ValueError: the attempt lies in the past: the actor does not move forward in time.
        """
        try:
            step = actor.send(refused)
        except StopIteration:
            return
        ts = step[0].ts
        if ts < self._now_ts:
            raise ValueError(f"{step[1].actor} acts at {ts}, before the present {self._now_ts}")
        heappush(self._pending, (ts, next(self._order), step, actor))

    def launch(self, actor: Generator[Step, bool | None, object]) -> Actor:
        """Yield the first attempt of ``actor`` as one's own, and let it go on by itself: nobody waits for the rest."""
        self.start(actor, (yield next(actor)))

    def run(self, until_ts: float, run_id: str, refused: Refused | None = None) -> Iterator[Step]:
        """Every attempt before ``until_ts``, in order, with its ``event_id``: the run and the place in it.

        Without ``refused`` the loop is open: nobody is ever refused.
        """
        pending = self._pending
        place = 0
        while pending and pending[0][0] < until_ts:
            self._now_ts, _, step, actor = heappop(pending)
            event, label = step
            event.event_id = label.event_id = f"{run_id}{place:010x}"
            place += 1
            turned_away = refused is not None and refused(event)
            if turned_away:
                _refuse(event, label)
            yield step
            self.start(actor, turned_away)


def _refuse(event: AuthEvent, label: Label) -> None:
    """Nobody looked at the password, so only the label still says whether it was right."""
    if label.label == "benign":
        label.password_ok = event.success
    event.success, event.policy_reject, event.fail_type = False, True, REFUSED
