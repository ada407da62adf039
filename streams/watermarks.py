"""How far each partition of ``auth.events`` has come, and how far the others may run ahead of the slowest.

On history, a worker that gets its partitions half a minute late would find the account stage's windows closed by the others. So
nobody goes more than ``skew_s`` of event time beyond the slowest partition that still has something to read. In live
traffic all partitions are near the present and nothing is ever held.

What the owner of a partition says about it is kept on ``auth.control``. Where nobody has said anything lately, the partition
holds the others back only if it has unread records, and only for ``patience_s``: a partition that nobody can read must
not silence the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

import msgspec

__all__ = ["CONTROL_PREFIX", "Progress", "Watermarks", "decode_progress", "encode_progress"]

CONTROL_PREFIX: Final = "watermark/"
#: A statement older than this is not believed when it says that there is nothing left to read.
_FRESH_S: Final = 15.0


class Progress(msgspec.Struct, array_like=True, frozen=True):
    """``position``: next offset to process; ``low_ts``: event time of what is next, or ``None`` when nothing is left."""

    position: int
    low_ts: float | None


encode_progress = msgspec.json.Encoder().encode
decode_progress = msgspec.json.Decoder(Progress).decode


@dataclass(slots=True)
class _Entry:
    progress: Progress | None
    said_at: float
    changed_at: float


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
        self._entries = [_Entry(None, -inf, now) for _ in range(partitions)]
        self._ranges = [(0, 0)] * partitions

    def note(self, partition: int, progress: Progress, now: float, *, fresh: bool = True) -> None:
        """Take over what a partition's owner says; not ``fresh``: said before this process started."""
        entry = self._entries[partition]
        if entry.progress is None or progress.position != entry.progress.position or progress.low_ts != entry.progress.low_ts:
            entry.changed_at = now
        entry.progress = progress
        entry.said_at = now if fresh else -inf

    def note_range(self, partition: int, begin_offset: int, end_offset: int) -> None:
        """Take over what the broker holds of a partition."""
        self._ranges[partition] = (begin_offset, end_offset)

    def progress(self, partition: int) -> Progress | None:
        """What was said last about a partition."""
        return self._entries[partition].progress

    def end(self, partition: int) -> int:
        """Where a partition ended when the broker was asked last."""
        return self._ranges[partition][1]

    def horizon(self, now: float) -> float:
        """Event time up to which records may be processed.

        >>> marks = Watermarks(partitions=2, skew_s=300, patience_s=120, now=0)
        >>> marks.note(0, Progress(10, 1000.0), now=1)
        >>> marks.note(1, Progress(3, None), now=1)
        >>> marks.horizon(now=2)
        1300.0
        """
        return min((self._low(partition, now) for partition in range(len(self._entries))), default=inf) + self.skew_s

    def _low(self, partition: int, now: float) -> float:
        entry = self._entries[partition]
        if now - entry.changed_at > self.patience_s:
            return inf
        if entry.progress is not None and now - entry.said_at < _FRESH_S:
            return inf if entry.progress.low_ts is None else entry.progress.low_ts
        begin, end = self._ranges[partition]
        if max(entry.progress.position if entry.progress else 0, begin) >= end:
            return inf
        if entry.progress is None or entry.progress.low_ts is None:
            return -inf
        return entry.progress.low_ts
