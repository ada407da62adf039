"""models.changelog: checkpoints as frames, who may write them, and what may be deleted."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.by_account import AccountStage
from models.by_source import SourceStage
from models.changelog import _VERSION, MAX_FRAME_BYTES, Frame, FrameReader, FrameWriter, OtherVersion
from models.service import ServiceStage
from models.stage import SLICES, Pulse
from tests.factories import T0, batch_of, copies, failure, success, traffic


def writer(name: str, generation: int, log: Iterable[bytes] = ()) -> FrameWriter[AccountStage]:
    """A worker that takes over what is in ``log``."""
    return FrameWriter(read(log), name, generation)


def read(log: Iterable[bytes]) -> AccountStage:
    """The state that a changelog holds."""
    reader = FrameReader(AccountStage())
    for frame in log:
        reader.feed(frame)
    return reader.finish()


def step(writing: FrameWriter[AccountStage], *logins: str) -> list[bytes]:
    """Let the worker apply one good log-in each and write a checkpoint."""
    stage = writing.stage
    ts = T0 + 60 * (stage.offset + 1)
    stage.apply(batch_of([success(ts, login) for login in logins], stage.offset + 1))
    return writing.frames()


def accounts(stage: AccountStage) -> set[str]:
    """Who is known."""
    stage.checkpoint()
    return {key.partition("@")[0] for key, _ in stage.rows()}


class TestFrames:
    """A checkpoint is one frame or several."""

    def test_the_state_comes_back(self) -> None:
        """Fence and checkpoints, read again, are the state byte for byte."""
        writing = writer("w", 1)
        log = [writing.fence()]
        for batch in range(10):
            writing.stage.apply(batch_of(traffic(3, 200, late_s=0)[batch * 20 : batch * 20 + 20], batch * 20))
            log += writing.frames()
        assert len(log) == 11
        assert read(log).dump() == writing.stage.dump()

    @pytest.mark.parametrize("name", ["long name " * 20, "\U0001f600" * 60])
    def test_large_checkpoints_are_cut(self, name: str) -> None:
        """Every frame stays under the limit, in bytes, and only with the last one the checkpoint counts."""
        writing = writer("w", 1)
        writing.stage.apply(batch_of([success(T0, f"{name}{number}", user_agent="x" * 200) for number in range(8000)]))
        log = [writing.fence(), *writing.frames()]
        assert len(log) > 4
        assert max(map(len, log)) <= MAX_FRAME_BYTES == 900_000
        assert len(read(log)) == 8000
        assert read(log).dump() == writing.stage.dump()
        assert len(read(log[:-1])) == 0
        assert read(log[:-1]).offset == -1

    def test_a_checkpoint_that_was_not_finished_is_dropped(self) -> None:
        """The worker died between two chunks: its successor starts from the checkpoint before."""
        old = writer("old", 1)
        log = [old.fence(), *step(old, "alice")]
        before = old.stage.dump()
        old.stage.apply(batch_of([success(T0, f"{'x' * 200}{number}", user_agent="y" * 200) for number in range(5000)], 1))
        chunks = old.frames()
        assert len(chunks) > 1
        successor = writer("new", 2, [*log, *chunks[:-1]])
        assert successor.stage.dump() == before
        log += [*chunks[:-1], successor.fence(), *step(successor, "bob")]
        assert accounts(read(log)) == {"alice", "bob"}

    def test_a_checkpoint_without_changes_moves_the_offset(self) -> None:
        """Input that led to nothing is not read again."""
        writing = writer("w", 1)
        log = [writing.fence(), *step(writing, "alice"), *step(writing)]
        assert read(log).offset == writing.stage.offset == 0
        assert len(writing.frames()) == 1

    def test_forgotten_rows_stay_forgotten(self) -> None:
        """A row that was swept is gone from the copy too."""
        writing = FrameWriter(SourceStage(max_rows=64), "w", 1)
        writing.stage.apply(batch_of([failure(T0, "alice", f"10.0.{n}.1") for n in range(250)]))
        log = [writing.fence(), *writing.frames()]
        writing.stage.apply(batch_of([success(T0 + 1, remote="192.0.2.1")] * (64 * 4096), 250))
        log += writing.frames()
        reader = FrameReader(SourceStage(max_rows=64))
        for frame in log:
            reader.feed(frame)
        assert len(writing.stage) < 100
        assert reader.finish().dump() == writing.stage.dump()

    @pytest.mark.parametrize("garbage", [b"", b"not msgpack", b"\x93\x01\x02\x03", msgspec.msgpack.encode({"a": 1})])
    def test_what_is_no_frame_is_an_error(self, garbage: bytes) -> None:
        """A damaged changelog is not read as an empty one."""
        with pytest.raises(msgspec.DecodeError):
            FrameReader(AccountStage()).feed(garbage)

    def test_names_that_clients_invent_do_not_burst_a_frame(self) -> None:
        """Long device names in one minute of the service-wide stage take one frame."""
        writing = FrameWriter(ServiceStage(), "w", 1)
        names = {("imap", "FR", 64500, f"ua:{number:0110}", 2, 1): 1 for number in range(20_000)}
        writing.stage.apply(batch_of([Pulse(int(T0), names)]))
        frames = writing.frames()
        assert max(map(len, frames)) <= MAX_FRAME_BYTES
        assert sum(map(len, frames)) <= MAX_FRAME_BYTES


class TestFences:
    """Who may write."""

    def test_a_zombie_is_ignored(self) -> None:
        """What a stalled writer appends after the fence of its successor is skipped.

        ::

            old    fence1  alice          mallory         eve          a stalled worker wakes up and goes on
            new                   fence2           bob          carol
        """
        old = writer("old", 1)
        log = [old.fence(), *step(old, "alice")]
        new = writer("new", 2, log)
        log += [new.fence(), *step(old, "mallory"), *step(new, "bob"), *step(old, "eve"), *step(new, "carol")]
        assert accounts(read(log)) == {"alice", "bob", "carol"}
        assert read(log).dump() == new.stage.dump()

    def test_chunks_of_a_zombie_do_not_mix_with_ours(self) -> None:
        """Its chunks may lie between the chunks of our checkpoint."""
        old = writer("old", 1)
        log = [old.fence(), *step(old, "alice")]
        new = writer("new", 2, log)
        log.append(new.fence())
        for each, name in ((old, "mallory"), (new, "bob")):
            each.stage.apply(batch_of([success(T0, f"{name}{'x' * 200}{n}", user_agent="y" * 200) for n in range(5000)], 1))
        ours, theirs = new.frames(), old.frames()
        assert min(len(ours), len(theirs)) > 1
        for chunk in range(max(len(ours), len(theirs))):
            log += theirs[chunk : chunk + 1] + ours[chunk : chunk + 1]
        assert read(log).dump() == new.stage.dump()

    def test_an_older_fence_is_ignored(self) -> None:
        """A worker whose assignment came first but whose fence comes last has no say."""
        old, new = writer("old", 1), writer("new", 2)
        log = [new.fence(), *step(new, "alice"), old.fence(), *step(old, "mallory"), *step(new, "bob")]
        assert accounts(read(log)) == {"alice", "bob"}

    def test_of_two_fences_of_one_generation_the_later_holds(self) -> None:
        """A worker that lost a partition and got it back in the same generation writes under another name."""
        first = writer("first", 3)
        log = [first.fence(), *step(first, "alice")]
        second = writer("second", 3, log)
        log += [second.fence(), *step(first, "mallory"), *step(second, "bob")]
        assert accounts(read(log)) == {"alice", "bob"}

    def test_the_reader_says_which_generation_it_has_read(self) -> None:
        """The next writer must be above it."""
        reader = FrameReader(AccountStage())
        for generation in (4, 2):
            reader.feed(writer(f"w{generation}", generation).fence())
        assert reader.generation == 4

    @settings(max_examples=40)
    @given(data=st.data())
    def test_any_number_of_take_overs(self, data: st.DataObject) -> None:
        """Whatever dead and stalled workers have written, the last owner's state is what is read."""
        log: list[bytes] = []
        workers: list[FrameWriter[AccountStage]] = []
        for generation in range(data.draw(st.integers(1, 4))):
            workers.append(writer(f"w{generation}", generation, log))
            log.append(workers[-1].fence())
            for _ in range(data.draw(st.integers(0, 6))):
                who = data.draw(st.sampled_from(workers))
                log += step(who, f"user{data.draw(st.integers(0, 5))}")
        if len(log) > 1:
            assert read(log).dump() == workers[-1].stage.dump()


class TestRollingSnapshot:
    """What is older than one full round may be deleted."""

    def test_the_log_may_begin_at_any_round(self) -> None:
        """Everything before a round that is complete since can go, fence included, and the whole state is still there."""
        draw = Random(2)
        writing = writer("w", 5)
        log, rounds = [writing.fence(), *step(writing, *(f"user{number}" for number in range(400)))], [1]
        while len(rounds) < 4:
            if writing.starts_round:
                rounds.append(len(log))
            log += step(writing, *(f"user{draw.randrange(400)}" for _ in range(2)))
        whole = read(log)
        assert whole.dump() == writing.stage.dump()
        assert len(whole) == 400
        for start in rounds[:-1]:
            assert read(log[start:]).dump() == whole.dump()
        assert len(read(log[rounds[-1] :])) < 400

    def test_a_round_holds_every_slice(self) -> None:
        """Rows that never change again are written once more in each round, and not more often than needed."""
        writing = writer("w", 1)
        writing.stage.apply(batch_of([success(T0, f"user{number}") for number in range(1000)]))
        writing.frames()
        writing.frames()
        sizes, slices = [], set()
        while not writing.starts_round:
            slices.add(writing.slice)
            sizes.append(sum(map(len, writing.frames())))
        assert slices == set(range(SLICES))
        first_round = sum(sizes)
        assert writing.starts_round
        sizes = [sum(map(len, writing.frames()))]
        while not writing.starts_round:
            sizes.append(sum(map(len, writing.frames())))
        assert sum(sizes) > first_round > 0
        snapshot = sum(len(key) + len(packed) for key, packed in writing.stage.rows())
        overhead = len(sizes) * min(sizes)
        assert snapshot < sum(sizes) - overhead < 1.5 * snapshot

    def test_a_zombie_after_the_cut(self) -> None:
        """Where the fence is gone with the old rounds, the first writer that is read is the owner."""
        old = writer("old", 1)
        log = [old.fence(), *step(old, "alice")]
        new = writer("new", 2, log)
        tail = step(new, "bob")
        tail += step(old, "mallory")
        while not new.starts_round:
            tail += step(new, "carol")
        assert accounts(read(tail)) == {"alice", "bob", "carol"}
        assert read(tail).dump() == new.stage.dump()

    def test_a_source_stage_goes_the_same_way(self) -> None:
        """Detector, pulse and network alerts come back from the log as well, and the copy goes on like the original."""
        original = FrameWriter(SourceStage(), "w", 1)
        story = traffic(11, attempts=1200)
        log = [original.fence()]
        for place in range(0, 900, 30):
            original.stage.apply(batch_of(copies(story[place : place + 30]), place))
            log += original.frames()
        reader = FrameReader(SourceStage())
        for frame in log:
            reader.feed(frame)
        copy = reader.finish()
        assert copy.dump() == original.stage.dump()
        rest = [stage.apply(batch_of(copies(story[900:]), 900)) for stage in (copy, original.stage)]
        assert rest[0] == rest[1]
        assert copy.dump() == original.stage.dump()


@pytest.mark.parametrize(("version", "newer"), [(0, False), (_VERSION + 1, True)])
def test_a_state_of_another_version_is_refused(version: int, newer: bool) -> None:
    """Whatever its other fields are; it says which version it has, and which one is read."""
    for frame in (msgspec.structs.asdict(Frame(version, "w", 1, fence=True)).values(), [version, {"other": "fields"}]):
        with pytest.raises(OtherVersion, match=f"version {version}.*version {_VERSION}") as refusal:
            FrameReader(AccountStage()).feed(msgspec.msgpack.encode(list(frame)))
        assert refusal.value.is_newer == newer
