"""models.windows: rings of sub-windows in event time, the windows over them, and distinct counts.

Time runs to the right, one column per sub-window. A letter is one event, and what it counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.windows import HOUR_S, K_MIN_VALUES, RECENT_S, InstantRule, add_distinct, cell_at, count_distinct, estimate, union
from tests.factories import DAY_S, T0


class Cell:
    """What happened in one sub-window."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def merge(self, other: Cell) -> None:
        """Add what happened in ``other``."""
        self.seen += other.seen


class Key:
    """One key with its two rings."""

    def __init__(self) -> None:
        self.recent: dict[int, Cell] = {}
        self.hours: dict[int, Cell] = {}
        self.newest_ts = 0.0
        self.late = ""

    def count(self, ts: float, letter: str) -> None:
        """Count one event."""
        self.newest_ts = max(self.newest_ts, ts)
        cell = cell_at(self.recent, self.hours, int(ts), self.newest_ts, Cell)
        if cell is None:
            self.late += letter
        else:
            cell.seen.append(letter)

    def draw(self, axis: str, step_s: int) -> float:
        """Count the letters of an axis from left to right; returns the time of the last one."""
        ts = 0.0
        for column, letter in enumerate(axis):
            if letter != "-":
                ts = T0 + column * step_s
                self.count(ts, letter)
        return ts

    def shown(self) -> dict[str, str]:
        """What the rings hold, by minutes since T0."""
        cells = [(index * RECENT_S, cell) for index, cell in self.recent.items()] + [
            (index * HOUR_S, cell) for index, cell in self.hours.items()
        ]
        return {f"{(second - int(T0)) // 60}": "".join(cell.seen) for second, cell in sorted(cells, key=lambda each: each[0])}

    def windows(self, window_s: int, ts: float) -> list[tuple[int, str]]:
        """The windows that hold ``ts``: hour of the end since T0, and letters."""
        rule = InstantRule("brute_force", window_s, 1)
        found = rule.windows(self.recent, self.hours, int(ts), self.newest_ts)
        return [
            (hour - int(T0) // HOUR_S, "".join(sorted(letter for cell in cells for letter in cell.seen))) for hour, cells in found
        ]


class TestWindows:
    """Which windows an event opens, and what is in them."""

    @pytest.mark.parametrize(
        ("before", "event", "minutes", "holds"),
        [
            # five minutes a column; 10 minutes are two columns
            ("------", "a-----", 10, ["a"]),
            ("a-----", "b-----", 10, ["ab"]),
            ("ab----", "--c---", 10, ["bc"]),
            ("a--b--", "----c-", 10, ["bc"]),
            ("abcdef", "-----x", 5, ["fx"]),
            ("abcdef", "-----x", 15, ["defx"]),
            ("abcdef", "-----x", 60, ["abcdefx"]),
            # late: every window it falls in is looked at again, where its last column holds something
            ("a--b--", "-x----", 10, ["ax"]),
            ("a-b---", "-x----", 10, ["ax", "bx"]),
            ("abc---", "-x----", 10, ["abx", "bcx"]),
            ("abc---", "x-----", 15, ["ax", "abx", "abcx"]),
            ("a-b--c", "x-----", 15, ["ax", "abx"]),
            ("a----c", "x-----", 60, ["ax", "acx"]),
            # ten minutes late, and the hour that ends there begins where nothing may be forgotten yet
            ("a------------b", "-----------x--", 60, ["ax", "bx"]),
        ],
    )
    def test_an_event_opens_the_windows_it_falls_in(self, before: str, event: str, minutes: int, holds: list[str]) -> None:
        """A window ends with a column that holds something, and the event's own column always does."""
        key = Key()
        key.draw(before, RECENT_S)
        ts = key.draw(event, RECENT_S)
        assert [letters for _, letters in key.windows(60 * minutes, ts)] == holds

    @pytest.mark.parametrize(
        ("before", "event", "hours", "ends"),
        [
            # one hour a column
            ("a-------", "-x------", 2, [(1, "ax")]),
            ("a-------", "--x-----", 2, [(2, "x")]),
            ("abc-----", "---x----", 3, [(3, "bcx")]),
            ("a-c-----", "-x------", 3, [(1, "ax"), (2, "acx")]),
            ("a-c-----", "-x------", 24, [(1, "ax"), (2, "acx")]),
        ],
    )
    def test_windows_over_hours(self, before: str, event: str, hours: int, ends: list[tuple[int, str]]) -> None:
        """Over an hour, windows consist of whole hours; the hour that gives the alert its id is the last one."""
        key = Key()
        key.draw(before, HOUR_S)
        ts = key.draw(event, HOUR_S)
        assert key.windows(hours * HOUR_S, ts) == ends

    def test_a_window_belongs_to_the_hour_in_which_it_ends(self) -> None:
        """The UTC hour of an alert is that of the last sub-window.

        ::

            ... 50   55 |  0    5     min
            -----a----b-|-c------
                      (-----]         ten minutes that end in the next hour

        """
        key = Key()
        for minute, letter in ((50, "a"), (55, "b"), (60, "c")):
            key.count(T0 + minute * 60, letter)
            assert key.windows(600, T0 + minute * 60)[-1][0] == minute // 60
        assert key.windows(600, T0 + 55 * 60) == [(0, "ab"), (1, "bc")]

    @given(st.integers(0, 1 << 33))
    def test_nothing_straddles_hours(self, second: int) -> None:
        """The first and the last second of every sub-window lie in one UTC hour, for both lengths."""
        for length in (RECENT_S, HOUR_S):
            first = second - second % length
            assert first // HOUR_S == (first + length - 1) // HOUR_S
        key = Key()
        key.count(float(second), "a")
        assert [hour for hour, _ in key.windows(600, second)] == [second // HOUR_S - int(T0) // HOUR_S]

    @pytest.mark.parametrize(("ts", "column"), [(0.0, 0), (299.999, 0), (300.0, 5), (599.0, 5), (3599.999, 55), (3600.0, 60)])
    def test_sub_windows_are_aligned_to_the_epoch(self, ts: float, column: int) -> None:
        """A sub-window begins at a multiple of five minutes and ends before the next."""
        key = Key()
        key.count(T0 + ts, "a")
        assert key.shown() == {str(column): "a"}


class TestRings:
    """What is kept, where, and for how long."""

    def test_old_columns_become_hours(self) -> None:
        """Five-minute cells that no window of an hour can reach any more are merged into their hour.

        ::

            minutes   0  5 .. 55 | 60 .. 70 75
            first     a--b-----c-|-d---------
            then                 |          e     the hour of a window that ends here begins at 20, with grace at 10

        """
        key = Key()
        for minute, letter in ((0, "a"), (5, "b"), (55, "c"), (60, "d")):
            key.count(T0 + minute * 60, letter)
        assert key.shown() == {"0": "a", "5": "b", "55": "c", "60": "d"}
        key.count(T0 + 75 * 60, "e")
        assert key.shown() == {"0": "ab", "55": "c", "60": "d", "75": "e"}
        assert key.windows(24 * HOUR_S, T0 + 75 * 60) == [(1, "abcde")]

    @pytest.mark.parametrize(
        ("late_s", "place"),
        [(0, "recent"), (600, "recent"), (3600, "recent"), (3600 + 600, "hours"), (23 * HOUR_S, "hours"), (24 * HOUR_S, "hours"),
         (25 * HOUR_S, "late"), (40 * DAY_S, "late")],
    )  # fmt: skip
    def test_late_events_count_as_long_as_a_window_can_reach_them(self, late_s: int, place: str) -> None:
        """In their five minutes, then in their hour, after a day and the grace nowhere but as late."""
        key = Key()
        now = T0 + 60 * DAY_S
        key.count(now, "a")
        key.count(now - late_s, "x")
        held = {
            "recent": [cell.seen for cell in key.recent.values()],
            "hours": [cell.seen for cell in key.hours.values()],
            "late": [list(key.late)],
        }
        assert any("x" in seen for seen in held[place])
        assert sum("x" in seen for seens in held.values() for seen in seens) == 1

    @given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 600)), max_size=120))
    def test_every_event_is_counted_once(self, steps: list[tuple[int, int]]) -> None:
        """However events within the grace are spread over time, each is in exactly one cell, and cells stay few."""
        key, clock, times = Key(), 0, []
        for step, late_s in steps:
            clock += step
            times.append(T0 + clock - late_s)
            key.count(times[-1], "x")
        held = sum(len(cell.seen) for cell in (*key.recent.values(), *key.hours.values()))
        assert sum(ts >= T0 + clock - 24 * HOUR_S for ts in times) <= held <= len(times)
        assert key.late == ""
        assert len(key.recent) <= (HOUR_S + 2 * 600) // RECENT_S
        assert len(key.hours) <= 26

    @given(st.lists(st.tuples(st.integers(0, 2000), st.sampled_from("abcdefgh")), min_size=1, max_size=60), st.data())
    def test_the_order_of_arrival_within_the_grace_does_not_matter(self, steps: list[tuple[int, str]], data: st.DataObject) -> None:
        """Every rule is met for the same hours, whatever order events take that are at most ten minutes late."""
        times = accumulate(step for step, _ in steps)
        events = [(T0 + ts, letter) for ts, (_, letter) in zip(times, steps, strict=True)]
        delays = data.draw(st.lists(st.integers(0, 600), min_size=len(events), max_size=len(events)))
        shuffled = [event for _, event in sorted((event[0] + delay, event) for event, delay in zip(events, delays, strict=True))]
        for window_s in (300, 600, HOUR_S, 24 * HOUR_S):
            for threshold in (2, 4):
                assert met(events, window_s, threshold) == met(shuffled, window_s, threshold)


def met(events: Sequence[tuple[float, str]], window_s: int, threshold: int) -> set[int]:
    """The hours for which "distinct letters >= threshold" came true at any moment."""
    key, hours = Key(), set()
    for ts, letter in events:
        key.count(ts, letter)
        hours |= {hour for hour, letters in key.windows(window_s, ts) if len(set(letters)) >= threshold}
    return hours


def counted(hashes: Sequence[int]) -> list[int]:
    """The members after counting ``hashes`` in this order."""
    seen: list[int] = []
    for hashed in hashes:
        add_distinct(seen, hashed)
    return seen


class TestDistinct:
    """Distinct counts by the k smallest hashes."""

    @given(st.lists(st.integers(0, (1 << 32) - 1), max_size=100))
    def test_exact_below_k(self, hashes: list[int]) -> None:
        """Repeats do not count, and up to 63 different ones are counted exactly."""
        distinct = len(set(hashes))
        if distinct < K_MIN_VALUES:
            assert estimate(counted(hashes)) == distinct
        else:
            assert estimate(counted(hashes)) >= K_MIN_VALUES - 1

    @pytest.mark.parametrize("number", [0, 1, 62, 63, 64, 65, 128, 1_000])
    def test_the_order_does_not_matter(self, number: int) -> None:
        """Also where only the smallest are kept, the same members are."""
        draw = Random(number)
        hashes = [draw.getrandbits(32) for _ in range(number)]
        shuffled = [*hashes, *draw.choices(hashes, k=min(number, 50))]
        draw.shuffle(shuffled)
        one, other = counted(hashes), counted(shuffled)
        assert sorted(one) == sorted(other) == sorted(set(hashes))[:K_MIN_VALUES]
        assert estimate(one) == estimate(other)

    @pytest.mark.parametrize("number", [0, 1, 63, 64, 65, 128, 1_000])
    def test_counting_apart_is_counting_together(self, number: int) -> None:
        """The union over cells holds what one cell would hold, so a window is as exact as a cell."""
        draw = Random(number)
        hashes = [draw.getrandbits(32) for _ in range(number)]
        parts = [draw.sample(hashes, number // 2), draw.sample(hashes, number // 2), hashes[::3], []]
        cells, together = [counted(part) for part in parts], counted([hashed for part in parts for hashed in part])
        assert count_distinct(cells) == estimate(together)
        assert union((union(cells[:2]), union(cells[2:]))) == sorted(together)

    def test_more_members_never_lower_the_count(self) -> None:
        """An instant rule that is true stays true: also where the exact count gives way to the estimate."""
        draw = Random(5)
        for _ in range(20):
            seen: list[int] = []
            counts = []
            for _ in range(300):
                add_distinct(seen, draw.getrandbits(32))
                counts.append(estimate(seen))
            assert counts == sorted(counts)
            assert counts[: K_MIN_VALUES - 1] == list(range(1, K_MIN_VALUES))
        assert estimate([*range((1 << 32) - K_MIN_VALUES, 1 << 32)]) == K_MIN_VALUES - 1

    @pytest.mark.parametrize("distinct", [64, 100, 1_000, 20_000])
    def test_the_estimate_is_within_thirteen_percent(self, distinct: int) -> None:
        """Root mean square error over 60 draws, and no error beyond four times that."""
        draw = Random(distinct)
        errors = []
        for _ in range(60):
            smallest = sorted(draw.getrandbits(32) for _ in range(distinct))[:K_MIN_VALUES]
            errors.append(estimate(smallest) / distinct - 1)
        assert sqrt(sum(error**2 for error in errors) / len(errors)) < 0.16
        assert max(map(abs, errors)) < 0.52
        assert abs(sum(errors) / len(errors)) < 0.06

    def test_few_members_are_kept(self) -> None:
        """A million accounts cost as much as 64."""
        draw = Random(1)
        assert len(counted([draw.getrandbits(32) for _ in range(5_000)])) == K_MIN_VALUES
        assert len(union([counted([draw.getrandbits(32) for _ in range(100)]) for _ in range(3)])) == K_MIN_VALUES
