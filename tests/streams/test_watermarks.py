"""streams.watermarks: nobody runs far ahead of the slowest partition, and nobody waits for ever."""

from __future__ import annotations

from math import inf

import msgspec
import pytest

from streams.watermarks import Progress, Watermarks, decode_progress, encode_progress

SKEW_S, PATIENCE_S, FRESH_S = 300.0, 120.0, 15.0


def marks(*said: float | None, now: float = 0.0) -> Watermarks:
    """One partition per statement, said at ``now``: event time of what is next, ``None`` for nothing left."""
    watermarks = Watermarks(len(said), SKEW_S, PATIENCE_S, now=0.0)
    for partition, low_ts in enumerate(said):
        watermarks.note(partition, Progress(10, low_ts), now)
        watermarks.note_range(partition, 0, 100)
    return watermarks


@pytest.mark.parametrize(
    ("said", "horizon"),
    [
        ((1000.0,), 1300.0),
        ((1000.0, 5000.0), 1300.0),
        ((1000.0, 400.0, 5000.0), 700.0),
        ((1000.0, None), 1300.0),  # nothing left: holds nobody back
        ((None, None), inf),
    ],
)
def test_the_slowest_partition_sets_the_horizon(said: tuple[float | None, ...], horizon: float) -> None:
    """Five minutes of event time beyond the first record that somebody still has to read."""
    assert marks(*said).horizon(now=1.0) == horizon


@pytest.mark.parametrize(
    ("said", "range_", "horizon"),
    [
        # position 10; what its owner said last, and what the broker holds
        (1000.0, (0, 100), 1300.0),  # unread: still behind
        (1000.0, (0, 10), inf),  # all read meanwhile
        (1000.0, (50, 50), inf),  # deleted by age
        (None, (0, 10), inf),
        (None, (0, 11), -inf),  # there is something new, and nobody knows from when
    ],
)
def test_old_statements_are_checked_with_the_broker(said: float | None, range_: tuple[int, int], horizon: float) -> None:
    """An owner that has said nothing for a quarter of a minute holds the others back only if records are unread."""
    watermarks = marks(said)
    watermarks.note_range(0, *range_)
    assert watermarks.horizon(now=FRESH_S + 1) == horizon
    if said is not None:
        assert watermarks.horizon(now=FRESH_S - 1) == said + SKEW_S


@pytest.mark.parametrize(("range_", "horizon"), [((0, 0), inf), ((7, 7), inf), ((0, 1), -inf)])
def test_a_partition_nobody_has_spoken_for(range_: tuple[int, int], horizon: float) -> None:
    """At the start of all workers it holds everybody back if there is anything in it."""
    watermarks = Watermarks(1, SKEW_S, PATIENCE_S, now=0.0)
    watermarks.note_range(0, *range_)
    assert watermarks.horizon(now=1.0) == horizon


def test_what_was_said_before_our_start_is_not_fresh() -> None:
    """The control topic may tell of an owner that is gone: its position counts, its word that nothing is left does not."""
    watermarks = Watermarks(1, SKEW_S, PATIENCE_S, now=0.0)
    watermarks.note_range(0, 0, 100)
    watermarks.note(0, Progress(10, None), now=1.0, fresh=False)
    assert watermarks.horizon(now=1.0) == -inf
    watermarks.note(0, Progress(100, None), now=1.0, fresh=False)
    assert watermarks.horizon(now=1.0) == inf


def test_patience_ends() -> None:
    """A partition that makes no progress, or that nobody reads, no longer holds back after two minutes."""
    watermarks = Watermarks(2, SKEW_S, PATIENCE_S, now=0.0)
    watermarks.note_range(1, 0, 100)
    for now in (1.0, 60.0, 119.0, 121.0, 180.0):
        watermarks.note(0, Progress(int(now), 5000.0), now)
        assert watermarks.horizon(now) == (-inf if now < PATIENCE_S else 5300.0)


def test_saying_the_same_is_no_progress() -> None:
    """A stuck owner that goes on talking is given up like a silent one; when it moves again it counts again."""
    watermarks = marks(1000.0)
    for now in range(10, 200, 10):
        watermarks.note(0, Progress(10, 1000.0), float(now))
    assert watermarks.horizon(now=200.0) == inf
    watermarks.note(0, Progress(11, 1001.0), now=200.0)
    assert watermarks.horizon(now=201.0) == 1301.0


def test_new_records_after_a_long_silence() -> None:
    """A partition that was drained for an hour holds back again from its next record on."""
    watermarks = marks(None)
    assert watermarks.horizon(now=3600.0) == inf
    watermarks.note(0, Progress(10, 9000.0), now=3600.0)
    assert watermarks.horizon(now=3601.0) == 9300.0


def test_live_traffic_is_never_held() -> None:
    """Sixteen partitions within seconds of the present: the horizon is minutes ahead of each."""
    watermarks = marks(*(1_000_000.0 - lag for lag in range(16)))
    assert watermarks.horizon(now=1.0) > 1_000_000.0 + 240


def test_what_is_known_can_be_asked() -> None:
    """The last statement and the last end, or nothing yet."""
    watermarks = Watermarks(2, SKEW_S, PATIENCE_S, now=0.0)
    watermarks.note(1, Progress(5, 7.5), now=1.0)
    watermarks.note_range(1, 2, 9)
    assert (watermarks.progress(0), watermarks.end(0)) == (None, 0)
    assert (watermarks.progress(1), watermarks.end(1)) == (Progress(5, 7.5), 9)


def test_progress_on_the_control_topic() -> None:
    """Statements survive the wire, a later version may add to them, and anything else is a decode error."""
    for progress in (Progress(0, None), Progress(1 << 40, 1_772_496_000.125)):
        assert decode_progress(encode_progress(progress)) == progress
    assert decode_progress(b'[5,null,"later"]') == Progress(5, None)
    with pytest.raises(msgspec.DecodeError):
        decode_progress(b'{"position": 5}')
