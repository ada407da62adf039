"""Sliding windows in event time, made of rings of sub-windows.

A key has two rings: ``recent`` in steps of five minutes for windows up to an hour, and ``hours`` for windows up to a day. Each
keeps one cell per sub-window, aligned to the epoch, in which something happened::

    sub-window     k-3     k-2     k-1      k
                 |-------|-------|-------|-------|
    window of 3          (-----------------------]      ends at the end of sub-window k

A window of ``n`` sub-windows ending at ``k`` holds sub-windows ``k-n+1 .. k``. It is looked at only where ``k`` itself holds
something, so the answer depends on which events there were and not on the order in which they came: a late event opens the
windows it falls in again. An event is counted once, in ``recent``; a cell that no window of an hour can reach any more, with ten
minutes of grace for late events, is merged into its hour. What is later than a day and the grace is counted as late by
the caller and nowhere else.

Distinct counts keep the ``K_MIN_VALUES`` smallest of uniform 32-bit hashes (k minimum values: Bar-Yossef et al., RANDOM 2002):
exact below that number, free of order, and their unions are exact in the same range.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self, TypeVar

from models.alerts import Kind

__all__ = [
    "HOUR_S",
    "K_MIN_VALUES",
    "RECENT_S",
    "InstantRule",
    "Mergeable",
    "add_distinct",
    "cell_at",
    "count_distinct",
    "estimate",
    "union",
]

K_MIN_VALUES: Final = 64
#: Lengths of the sub-windows; an hour holds a whole number of recent ones.
RECENT_S: Final = 300
HOUR_S: Final = 3600
_PER_HOUR: Final = HOUR_S // RECENT_S
_GRACE_S: Final = 600
_KEEP_RECENT: Final = (HOUR_S + _GRACE_S) // RECENT_S
_KEEP_HOURS: Final = 24 + 1
_HASH_SPACE: Final = 1 << 32


class Mergeable(Protocol):
    """A cell: what happened in one sub-window."""

    def merge(self, other: Self) -> None:
        """Add what happened in ``other``."""


Cell = TypeVar("Cell", bound=Mergeable)


def cell_at(recent: dict[int, Cell], hours: dict[int, Cell], second: int, newest_ts: float, new: type[Cell]) -> Cell | None:
    """The cell in which an event at ``second`` counts, made where there is none; ``None`` when it is too late for any.

    Args:
        recent: Cells by five minutes.
        hours: Cells by hour.
        second: Event time.
        newest_ts: Newest event time of the key, this event included.
        new: The cells' type.
    """
    index = second // RECENT_S
    cell = recent.get(index)
    if cell is not None:
        return cell
    oldest = int(newest_ts) // RECENT_S - _KEEP_RECENT + 1
    if recent:
        for past in [past for past in recent if past < oldest]:
            _merge_into(hours, past // _PER_HOUR, recent.pop(past))
        if hours:
            oldest_hour = int(newest_ts) // HOUR_S - _KEEP_HOURS + 1
            for past in [past for past in hours if past < oldest_hour]:
                del hours[past]
    if index >= oldest:
        cell = recent[index] = new()
    elif second // HOUR_S > int(newest_ts) // HOUR_S - _KEEP_HOURS:
        cell = hours.setdefault(second // HOUR_S, new())
    return cell


def _merge_into(hours: dict[int, Cell], hour: int, cell: Cell) -> None:
    if hour in hours:
        hours[hour].merge(cell)
    else:
        hours[hour] = cell


@dataclass(frozen=True, slots=True)
class InstantRule:
    """ "Distinct count over the last ``window_s`` >= ``threshold``": more events can only make it true.

    ``window_s`` is a multiple of ``RECENT_S`` up to an hour, or of ``HOUR_S`` up to a day.
    """

    kind: Kind
    window_s: int
    threshold: int

    @property
    def window_text(self) -> str:
        """The length for people."""
        return f"{self.window_s // HOUR_S} h" if self.window_s > HOUR_S else f"{self.window_s // 60} minutes"

    def windows(
        self, recent: Mapping[int, Cell], hours: Mapping[int, Cell], second: int, newest_ts: float
    ) -> Iterator[tuple[int, list[Cell]]]:
        """The windows that hold ``second``: (UTC hour of the last sub-window, cells that hold something).

        Only windows whose last sub-window holds something; usually one, more where ``second`` is late.
        """
        if self.window_s <= HOUR_S:
            subs, index, newest = self.window_s // RECENT_S, second // RECENT_S, int(newest_ts) // RECENT_S
            for end in range(index, min(index + subs, newest + 1)):
                if end in recent:
                    yield end // _PER_HOUR, [cell for i, cell in recent.items() if end - subs < i <= end]
        else:
            subs, index, newest = self.window_s // HOUR_S, second // HOUR_S, int(newest_ts) // HOUR_S
            for end in range(index, min(index + subs, newest + 1)):
                cells = [cell for hour, cell in hours.items() if end - subs < hour <= end]
                cells += [cell for i, cell in recent.items() if end - subs < i // _PER_HOUR <= end]
                if end in hours or any(i // _PER_HOUR == end for i in recent):
                    yield end, cells


def add_distinct(members: list[int], member: int) -> bool:
    """Count ``member`` (a uniform 32-bit hash) among the k smallest; whether that changed anything.

    ``members`` stays in ascending order: found by bisection, the largest last, and equal counts are equal lists.

    >>> seen: list[int] = []
    >>> [add_distinct(seen, hashed) for hashed in (7, 5, 7)], estimate(seen)
    ([True, True, False], 2)
    """
    at = bisect_left(members, member)
    if at < len(members):
        if members[at] == member:
            return False
    elif at == K_MIN_VALUES:
        return False
    members.insert(at, member)
    if len(members) > K_MIN_VALUES:
        members.pop()
    return True


def union(counts: Sequence[list[int]]) -> list[int]:
    """The k smallest of everything counted in ``counts``."""
    return counts[0] if len(counts) == 1 else sorted(set().union(*counts))[:K_MIN_VALUES]


def count_distinct(counts: Sequence[list[int]]) -> int:
    """How many distinct members were counted in all: exact below ``K_MIN_VALUES``, within about 13 % (one sigma) above."""
    if len(counts) == 1:
        return estimate(counts[0])
    members = set().union(*counts)
    return len(members) if len(members) < K_MIN_VALUES else estimate(sorted(members)[:K_MIN_VALUES])


def estimate(members: list[int]) -> int:
    """How many distinct members were counted in one."""
    if len(members) < K_MIN_VALUES:
        return len(members)
    return round((K_MIN_VALUES - 1) * _HASH_SPACE / (members[-1] + 1))
