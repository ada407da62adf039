"""How far each partition of ``auth.events`` has come, and how far the others may run ahead of the slowest.

On history, a worker that gets its partitions half a minute late would find the account stage's windows closed by the others. So
nobody goes more than ``skew_s`` of event time beyond the slowest partition that still has something to read. In live
traffic all partitions are near the present and nothing is ever held.

The owner of a partition says on ``auth.control`` which record it will process next. What that record's event time is, the owner
knows when it has fetched it; otherwise everybody looks it up on the broker. A partition that makes no progress for ``patience_s``
no longer holds the others back: one that nobody can read must not silence the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

import msgspec

__all__ = ["CONTROL_PREFIX", "Extent", "Progress", "Watermarks", "decode_progress", "encode_progress"]

CONTROL_PREFIX: Final = "watermark/"


class Progress(msgspec.Struct, array_like=True, frozen=True):
    """``position``: next offset to process; ``low_ts``: its event time where the owner has fetched it."""

    position: int
    low_ts: float | None = None


@dataclass(frozen=True, slots=True)
class Extent:
    """What the broker holds of a partition: offsets, and the event time of the record at ``head_offset`` where looked up."""

    begin: int = 0
    end: int = 0
    head_offset: int = -1
    head_ts: float = -inf


encode_progress = msgspec.json.Encoder().encode
decode_progress = msgspec.json.Decoder(Progress).decode


class Watermarks:
    """All partitions' progress as this process knows it.

    Args:
        partitions: P.
        skew_s: Event time that a partition may be ahead of the slowest.
        patience_s: Seconds after which a partition that makes no progress no longer holds others back.
        now: The process's monotonic clock at the start.
    """

    def __init__(self, partitions: int, skew_s: float, patience_s: float, now: float) -> None:
        self.skew_s, self.patience_s = skew_s, patience_s
        self._progress = [Progress(0)] * partitions
        self._changed_at = [now] * partitions
        self._extents = [Extent()] * partitions
        self.extents_at = -inf

    def note(self, partition: int, progress: Progress, now: float) -> None:
        """Take over what a partition's owner says."""
        if progress != self._progress[partition]:
            self._progress[partition] = progress
            self._changed_at[partition] = now

    def note_extents(self, extents: dict[int, Extent], now: float) -> None:
        """Take over what the broker held at ``now``."""
        for partition, extent in extents.items():
            self._extents[partition] = extent
        self.extents_at = now

    def progress(self, partition: int) -> Progress:
        """What was said last about a partition."""
        return self._progress[partition]

    def position(self, partition: int, extent: Extent) -> int | None:
        """The offset to look up: the next one of a partition that has unread records of unknown time, else ``None``."""
        progress = self._progress[partition]
        position = max(progress.position, extent.begin)
        known = progress.low_ts is not None or self._extents[partition].head_offset == position
        return None if known or position >= extent.end else position

    def extent(self, partition: int) -> Extent:
        """What the broker held when it was asked last."""
        return self._extents[partition]

    def horizon(self, now: float) -> float:
        """Event time up to which records may be processed.

        >>> marks = Watermarks(partitions=2, skew_s=300, patience_s=120, now=0)
        >>> marks.note_extents({0: Extent(0, 20), 1: Extent(0, 3)}, now=1)
        >>> marks.note(0, Progress(10, 1000.0), now=1)  # ten to read, the next at 1000
        >>> marks.note(1, Progress(3), now=1)  # nothing left to read
        >>> marks.horizon(now=2)
        1300.0
        """
        return min((self._low(partition, now) for partition in range(len(self._progress))), default=inf) + self.skew_s

    def _low(self, partition: int, now: float) -> float:
        progress, extent = self._progress[partition], self._extents[partition]
        if now - self._changed_at[partition] > self.patience_s:
            return inf
        if progress.low_ts is not None:
            return progress.low_ts
        if max(progress.position, extent.begin) >= extent.end:
            return inf
        return extent.head_ts if extent.head_offset <= max(progress.position, extent.begin) else -inf
