"""When things end, the earliest first; bounded by how many there are, however often an end is moved."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Final

__all__ = ["Ends"]

#: So few stale entries are not worth a pass over all.
_SLACK: Final = 64


class Ends:
    """The ends of things by their ids, in any unit of time.

    A heap whose entries of moved and removed ends are skipped; once there are more of them than of the others it is made anew,
    so that moving an end costs O(log n) on average.

    >>> ends = Ends()
    >>> ends.put("a", 10.0)
    >>> ends.put("b", 20.0)
    >>> ends.put("a", 30.0)
    >>> ends.first()
    (20.0, 'b')
    >>> ends.pop(20.0), ends.pop(20.0)
    ('b', None)
    """

    def __init__(self) -> None:
        self._end_of: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._end_of)

    def put(self, identifier: str, end: float) -> None:
        """Take the end of something, or move it."""
        self._end_of[identifier] = end
        heappush(self._heap, (end, identifier))
        if len(self._heap) > 2 * len(self._end_of) + _SLACK:
            self._heap = [(end, identifier) for identifier, end in self._end_of.items()]
            heapify(self._heap)

    def remove(self, identifier: str) -> None:
        """Forget something, if it is known."""
        self._end_of.pop(identifier, None)

    def first(self) -> tuple[float, str] | None:
        """What ends first, and when."""
        while self._heap:
            end, identifier = self._heap[0]
            if self._end_of.get(identifier) == end:
                return end, identifier
            heappop(self._heap)
        return None

    def pop(self, now: float) -> str | None:
        """Forget what ends first, if that is by ``now``, and say what it was."""
        first = self.first()
        if first is None or first[0] > now:
            return None
        heappop(self._heap)
        del self._end_of[first[1]]
        return first[1]
