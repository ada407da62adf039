"""streams.watermarks: nobody runs far ahead of the slowest partition, and nobody waits for ever."""

from __future__ import annotations

from math import inf

import msgspec
import pytest

from streams.watermarks import Extent, Progress, Watermarks, decode_progress, encode_progress

SKEW_S, PATIENCE_S = 300.0, 120.0


def marks(*said: Progress, held: Extent | None = None) -> Watermarks:
    """One partition per statement; the broker holds the same of each, a hundred records unless said otherwise."""
    watermarks = Watermarks(len(said), SKEW_S, PATIENCE_S, now=0.0)
    watermarks.note_extents(dict.fromkeys(range(len(said)), held or Extent(0, 100)), now=1.0)
    for partition, progress in enumerate(said):
        watermarks.note(partition, progress, now=1.0)
    return watermarks


DRAINED = Progress(100)


@pytest.mark.parametrize(
    ("said", "horizon"),
    [
        ((Progress(10, 1000.0),), 1300.0),
        ((Progress(10, 1000.0), Progress(10, 5000.0)), 1300.0),
        ((Progress(10, 1000.0), Progress(10, 400.0), Progress(10, 5000.0)), 700.0),
        ((Progress(10, 1000.0), DRAINED), 1300.0),  # nothing left: holds nobody back
        ((DRAINED, DRAINED), inf),
        ((Progress(10, 1000.0), Progress(10)), -inf),  # unread records, and nobody knows from when
    ],
)
def test_the_slowest_partition_sets_the_horizon(said: tuple[Progress, ...], horizon: float) -> None:
    """Five minutes of event time beyond the first record that somebody still has to read."""
    assert marks(*said).horizon(now=2.0) == horizon


@pytest.mark.parametrize(
    ("said", "held", "horizon"),
    [
        # next offset        first, end, looked up: offset, event time
        (Progress(10), Extent(0, 10), inf),
        (Progress(10), Extent(0, 11), -inf),
        (Progress(10), Extent(0, 11, 10, 2000.0), 2300.0),
        (Progress(10), Extent(0, 11, 8, 1900.0), 2200.0),  # the look-up is older than the statement: no later than that
        (Progress(10), Extent(0, 20, 15, 2000.0), -inf),  # the owner has fallen back behind what was looked up
        (Progress(10), Extent(15, 20, 15, 2000.0), 2300.0),  # what it would read next is deleted
        (Progress(10), Extent(20, 20), inf),
        (Progress(10, 1500.0), Extent(0, 20, 10, 2000.0), 1800.0),  # the owner knows better
    ],
)
def test_what_the_owner_does_not_say_is_looked_up(said: Progress, held: Extent, horizon: float) -> None:
    """The event time of a record that nobody has fetched comes from the broker."""
    assert marks(said, held=held).horizon(now=2.0) == horizon


@pytest.mark.parametrize(
    ("said", "held", "position"),
    [
        (Progress(10), Extent(0, 20), 10),
        (Progress(10), Extent(0, 10), None),  # all read
        (Progress(10, 1000.0), Extent(0, 20), None),  # the owner has said it
        (Progress(10), Extent(0, 20, 10, 1000.0), None),  # looked up before
        (Progress(10), Extent(0, 20, 9, 1000.0), 10),
        (Progress(0), Extent(7, 20), 7),
        (Progress(0), Extent(7, 7), None),
    ],
)
def test_what_is_worth_a_look_up(said: Progress, held: Extent, position: int | None) -> None:
    """Only the next record of a partition that has some, once, where its owner does not say."""
    watermarks = marks(said, held=held)
    assert watermarks.position(0, held) == position


def test_before_anything_is_known() -> None:
    """At the start nobody has spoken: a partition holds everybody back as soon as the broker has anything in it."""
    watermarks = Watermarks(2, SKEW_S, PATIENCE_S, now=0.0)
    assert watermarks.extents_at == -inf
    assert watermarks.horizon(now=1.0) == inf
    watermarks.note_extents({0: Extent(0, 0), 1: Extent(0, 1)}, now=1.0)
    assert watermarks.extents_at == 1.0
    assert watermarks.horizon(now=1.0) == -inf


def test_patience_ends() -> None:
    """A partition that nobody reads no longer holds back after two minutes."""
    watermarks = marks(Progress(1, 5000.0), Progress(0))
    for now in (2.0, 60.0, 120.0, 122.0, 180.0):
        watermarks.note(0, Progress(int(now), 5000.0), now)
        assert watermarks.horizon(now) == (-inf if now <= 1 + PATIENCE_S else 5300.0)


def test_saying_the_same_is_no_progress() -> None:
    """A stuck owner that goes on talking is given up like a silent one; when it moves again it counts again."""
    watermarks = marks(Progress(10, 1000.0))
    for now in range(10, 200, 10):
        watermarks.note(0, Progress(10, 1000.0), float(now))
    assert watermarks.horizon(now=200.0) == inf
    watermarks.note(0, Progress(11, 1001.0), now=200.0)
    assert watermarks.horizon(now=201.0) == 1301.0


def test_new_records_after_a_long_silence() -> None:
    """A partition that was drained for an hour holds back again when its owner has fetched something."""
    watermarks = marks(DRAINED)
    watermarks.note_extents({0: Extent(0, 500)}, now=3600.0)
    watermarks.note(0, Progress(100, 9000.0), now=3600.0)
    assert watermarks.horizon(now=3601.0) == 9300.0


def test_live_traffic_is_never_held() -> None:
    """Sixteen partitions within seconds of the present: the horizon is minutes ahead of each."""
    assert marks(*(Progress(10, 1_000_000.0 - lag) for lag in range(16))).horizon(now=2.0) > 1_000_000.0 + 240


def test_what_is_known_can_be_asked() -> None:
    """The last statement and the last extent."""
    watermarks = marks(Progress(5, 7.5), Progress(6), held=Extent(2, 9))
    watermarks.note_extents({1: Extent(3, 9)}, now=5.0)
    assert [watermarks.progress(partition) for partition in (0, 1)] == [Progress(5, 7.5), Progress(6)]
    assert [watermarks.extent(partition) for partition in (0, 1)] == [Extent(2, 9), Extent(3, 9)]


def test_progress_on_the_control_topic() -> None:
    """Statements survive the wire, a later version may add to them, and anything else is a decode error."""
    for progress in (Progress(0), Progress(1 << 40, 1_772_496_000.125)):
        assert decode_progress(encode_progress(progress)) == progress
    assert decode_progress(b'[5,null,"later"]') == Progress(5)
    with pytest.raises(msgspec.DecodeError):
        decode_progress(b'{"position": 5}')
