"""models.stage: what holds for the state of every stage, whatever it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.by_account import AccountStage
from models.by_source import SourceStage
from models.pipeline import Pipeline
from models.service import ServiceStage
from models.stage import SLICES, Batch, Checkpoint, Outputs, Stage
from simulator.scenarios import simulate
from tests.factories import RESOLVER, batch_of, campaign_pulses, copies, pulses, traffic

AnyStage = Stage[Any, Any]


class Tally(msgspec.Struct, array_like=True):
    """How often a word came, when last, and whether it must be kept."""

    times: int = 0
    last: int = 0
    kept: bool = False


class Words(Stage[Tally, str]):
    """A small stage: counts words. ``!`` ends one that must be kept; a word not seen for 300,000 items expires."""

    @staticmethod
    def row_type(key: str) -> type[Tally]:
        """All rows are alike."""
        return Tally

    def _fold(self, item: str, offset: int, outputs: Outputs) -> None:
        row = self.row(item)
        row.times += 1
        row.last = self.meta.applied
        row.kept |= item.endswith("!")
        outputs.forwards.append((offset, (item, row.times)))

    def _expired(self, row: Tally) -> bool:
        return self.meta.applied - row.last > 300_000

    def _alerting(self, row: Tally) -> bool:
        return row.kept

    def _remarkable(self, row: Tally) -> tuple[float, ...]:
        return (float(row.times),)


STAGES: dict[str, tuple[Callable[[], AnyStage], Sequence[Any]]] = {
    "source": (SourceStage, traffic(1)),
    "account": (AccountStage, traffic(2)),
    "service": (ServiceStage, pulses(3)),
    "campaign": (ServiceStage, campaign_pulses(3)),
    "words": (lambda: Words(max_rows=6_400), [f"word {Random(n).randrange(50)}" for n in range(1000)]),
}
every_stage = pytest.mark.parametrize("name", STAGES)


def pieces(name: str, cuts: Iterable[int] = ()) -> list[Batch[Any]]:
    """The stage's input, cut before the items with these numbers (modulo its length)."""
    items = STAGES[name][1]
    ends = sorted({cut % len(items) for cut in cuts} | {0, len(items)})
    return [batch_of(copies_of(items[start:end]), start) for start, end in pairwise(ends)]


def copies_of(items: Sequence[Any]) -> list[Any]:
    """Items that no earlier run has touched."""
    return list(items) if items and isinstance(items[0], str) else copies(items)


def run(stage: AnyStage, batches: Iterable[Batch[Any]], checkpoint_after: Iterable[int] = ()) -> list[bytes]:
    """Apply batches with checkpoints after some of them; what came out, one entry per output."""
    due, packed = set(checkpoint_after), []
    for number, batch in enumerate(batches):
        outputs = stage.apply(batch)
        told = (*outputs.alerts, *outputs.forwards, *outputs.pulses, *outputs.strangers, *outputs.conclusions)
        packed += [msgspec.msgpack.encode(each) for each in told]
        if number in due:
            stage.checkpoint()
    return sorted(packed)  # alerts, forwards, pulses and others are lists, so how they interleave follows the cuts


@pytest.fixture(scope="module")
def whole() -> dict[str, tuple[list[bytes], bytes]]:
    """Per stage what comes out, and the state, when its input is one batch."""
    results = {}
    for name, (new, _) in STAGES.items():
        stage = new()
        results[name] = (run(stage, pieces(name)), stage.dump())
    return results


places = st.lists(st.integers(0, 10_000), max_size=12)
some = st.sets(st.integers(0, 12), max_size=8)


class TestCuts:
    """Neither the cuts of the input nor the moments of the checkpoints show in the result."""

    @every_stage
    def test_the_input_is_worth_cutting(self, name: str, whole: dict[str, tuple[list[bytes], bytes]]) -> None:
        """Something comes out, and the state is not trivial."""
        outputs, dump = whole[name]
        assert len(outputs) > 1
        assert len(dump) > 500

    @every_stage
    @settings(max_examples=6)
    @given(cuts=places, checkpoints=some)
    def test_cuts_and_checkpoints(
        self, name: str, whole: dict[str, tuple[list[bytes], bytes]], cuts: list[int], checkpoints: set[int]
    ) -> None:
        """Any batches with any checkpoints between them give the same outputs and, byte for byte, the same state."""
        stage = STAGES[name][0]()
        outputs = run(stage, pieces(name, cuts), checkpoints)
        assert (outputs, stage.dump()) == whole[name]

    @every_stage
    def test_one_by_one(self, name: str, whole: dict[str, tuple[list[bytes], bytes]]) -> None:
        """Batches of one item with a checkpoint after each."""
        stage = STAGES[name][0]()
        everywhere = range(len(STAGES[name][1]))
        assert (run(stage, pieces(name, everywhere), everywhere), stage.dump()) == whole[name]

    @every_stage
    def test_equal_input_is_needed_for_equal_state(self, name: str, whole: dict[str, tuple[list[bytes], bytes]]) -> None:
        """One item less is another state: a dump hides nothing."""
        stage = STAGES[name][0]()
        run(stage, [batch_of(copies_of(STAGES[name][1])[:-1])])
        assert stage.dump() != whole[name][1]


class TestRestore:
    """A state comes back from its checkpoints."""

    @every_stage
    @settings(max_examples=6)
    @given(cuts=places.filter(bool), data=st.data())
    def test_checkpoints_give_the_state_back(self, name: str, cuts: list[int], data: st.DataObject) -> None:
        """After any number of them the copy is the original byte for byte, and goes on like it."""
        new = STAGES[name][0]
        original, copy = new(), new()
        batches = pieces(name, cuts)
        stop = data.draw(st.integers(1, len(batches)))
        for batch in batches[:stop]:
            original.apply(batch)
            if data.draw(st.booleans()):
                copy.restore(original.checkpoint())
        copy.restore(original.checkpoint())
        copy.restored()
        assert copy.dump() == original.dump()
        assert run(copy, batches[stop:]) == run(original, pieces(name, cuts)[stop:])
        assert copy.dump() == original.dump()

    @every_stage
    def test_a_checkpoint_survives_the_wire(self, name: str) -> None:
        """Checkpoints are plain values, so packing them loses nothing."""
        original, copy = STAGES[name][0](), STAGES[name][0]()
        run(original, pieces(name))
        packed = msgspec.msgpack.encode(original.checkpoint())
        copy.restore(msgspec.msgpack.decode(packed, type=Checkpoint))
        copy.restored()
        assert copy.dump() == original.dump()

    def test_a_checkpoint_holds_what_changed(self) -> None:
        """Rows that were not touched since the last one are not in it, nor are rows that were only looked at."""
        stage = Words(6_400)
        stage.apply(batch_of(["a", "b", "c"]))
        assert {key for key, _ in stage.checkpoint().rows} == {"a", "b", "c"}
        stage.apply(batch_of(["b"], 3))
        assert stage.peek("a") == Tally(1, 0)
        assert stage.peek("z") is None
        checkpoint = stage.checkpoint()
        assert [key for key, _ in checkpoint.rows] == ["b"]
        assert checkpoint.offset == 3
        assert stage.checkpoint().rows == []

    def test_the_slices_hold_every_row_once(self) -> None:
        """All slices together are the whole state, for the rolling snapshot."""
        stage = Words(6_400)
        stage.apply(batch_of([f"word {number}" for number in range(500)]))
        stage.checkpoint()
        sliced = [row for index in range(SLICES) for row in stage.slice_rows(index)]
        assert sorted(sliced) == sorted(stage.rows())
        assert len(sliced) == len(stage) == 500
        assert max(len(stage.slice_rows(index)) for index in range(SLICES)) < 30

    def test_the_offset_moves_without_items(self) -> None:
        """A record that held nothing is behind us too."""
        stage = Words(6_400)
        stage.apply(Batch(41))
        assert (stage.offset, stage.checkpoint().offset) == (41, 41)


class TestFailure:
    """``apply`` completes or leaves the state unchanged."""

    @every_stage
    @settings(max_examples=6)
    @given(cuts=places, checkpoints=some, place=st.integers(0, 10_000), broken=st.integers(0, 12))
    def test_a_failing_item(
        self,
        name: str,
        whole: dict[str, tuple[list[bytes], bytes]],
        cuts: list[int],
        checkpoints: set[int],
        place: int,
        broken: int,
    ) -> None:
        """A batch with an item that our code fails on changes nothing; the same batch without it goes on as if nothing was."""
        stage = STAGES[name][0]()
        batches = pieces(name, cuts)
        broken %= len(batches)
        outputs = run(stage, batches[:broken], checkpoints)
        poisoned = copies_of(batches[broken].items)
        poisoned.insert(place % (len(poisoned) + 1), None)
        with pytest.raises(AttributeError):
            stage.apply(batch_of(poisoned, batches[broken].seqs[0]))
        outputs += run(stage, batches[broken:])
        assert (sorted(outputs), stage.dump()) == whole[name]

    @every_stage
    def test_the_state_is_what_it_was(self, name: str) -> None:
        """Dumps before and after a failure are equal, twice in a row and with nothing applied before."""
        stage, twin = STAGES[name][0](), STAGES[name][0]()
        first, second = pieces(name, [500])
        for batch in (None, first, second):
            if batch is not None:
                stage.apply(batch)
                twin.apply(Batch(batch.offset, copies_of(batch.items), batch.producers, batch.seqs, batch.offsets))
            for _ in range(2):
                with pytest.raises(AttributeError):
                    stage.apply(batch_of([*copies_of(first.items), None], 10_000))
            assert stage.offset == twin.offset
        assert stage.dump() == twin.dump()

    def test_what_was_forgotten_on_the_way_is_back(self) -> None:
        """Also where housekeeping had run before the item that failed."""
        words = [f"word {number % 30_000}" for number in range(70_000)]
        stage, twin = Words(640), Words(640)
        for each in (stage, twin):
            each.apply(batch_of(words[:30_000]))
        stage.checkpoint()
        for each in (stage, twin):
            each.apply(batch_of(words[30_000:40_000], 30_000))
        poisoned: list[Any] = [*words[40_000:], None]
        with pytest.raises(AttributeError):
            stage.apply(batch_of(poisoned, 40_000))
        assert len(stage) == len(twin)
        assert run(stage, [batch_of(words[40_000:], 40_000)]) == run(twin, [batch_of(words[40_000:], 40_000)])
        assert stage.dump() == twin.dump()

    def test_parallel_lists_of_other_lengths(self) -> None:
        """A batch that contradicts itself is refused like any other failure."""
        stage = Words(6_400)
        batch = batch_of(["a", "b"])
        batch.seqs.pop()
        with pytest.raises(ValueError, match="shorter"):
            stage.apply(batch)
        assert (len(stage), stage.meta.applied, stage.offset) == (0, 0, -1)


class TestDuplicates:
    """An item is known by its producer and its number there."""

    @every_stage
    def test_the_same_batch_again(self, name: str) -> None:
        """Nothing comes out, nothing is counted, and how much it was is known."""
        stage = STAGES[name][0]()
        (batch,) = pieces(name)
        run(stage, [batch])
        stage.checkpoint()
        before = sorted(stage.rows())
        again = batch_of(copies_of(batch.items))
        again.offsets = [offset + 10_000 for offset in again.offsets]
        again.offset += 10_000
        assert run(stage, [again]) == []
        stage.checkpoint()
        assert sorted(stage.rows()) == before
        assert (stage.meta.duplicates, stage.meta.applied, stage.offset) == (len(batch.items), len(batch.items), again.offset)

    @given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 8)), max_size=40))
    def test_numbers_that_do_not_grow_are_dropped(self, written: list[tuple[int, int]]) -> None:
        """Per producer an item counts when its number is above all before; gaps are allowed, other producers play no part."""
        stage, batch = Words(6_400), batch_of([])
        expected, highest = [], {0: -1, 1: -1, 2: -1}
        for offset, (producer, number) in enumerate(written):
            batch.add(f"{producer}/{number}", f"p{producer}", number, offset)
            if number > highest[producer]:
                highest[producer] = number
                expected.append((offset, (f"{producer}/{number}", 1)))
        assert stage.apply(batch).forwards == expected
        assert stage.meta.duplicates == len(written) - len(expected)

    @pytest.mark.parametrize("restored", [False, True])
    def test_the_longest_silent_producer_is_forgotten(self, restored: bool) -> None:
        """A thousand producers are remembered; which one makes room is the same after a restart."""
        stage = Words(6_400)
        batch = batch_of([])
        for number in range(1024):
            batch.add("word", f"p{number}", 7, number)
        batch.add("word", "p0", 8, 1024)  # p0 speaks again, so p1 is the longest silent
        stage.apply(batch)
        if restored:
            copy = Words(6_400)
            copy.restore(stage.checkpoint())
            copy.restored()
            stage = copy
        stage.apply(batch_of(["word"], producer="newcomer"))
        late = batch_of([])
        for number, producer in enumerate(("p0", "p2", "p1")):
            late.add("word", producer, 7, 2000 + number)
        assert [offset for offset, _ in stage.apply(late).forwards] == [2002]


class TestBound:
    """The number of rows is bounded, and what is kept is no matter of chance."""

    ROUND = 64 * 4096  #: items in which every slice is swept once

    def filled(self, max_rows: int, words: Iterable[str]) -> Words:
        """A stage that has seen ``words``, then one word until every slice was swept."""
        stage = Words(max_rows)
        stage.apply(batch_of(words))
        stage.apply(batch_of(["again"] * self.ROUND, stage.offset + 1))
        return stage

    def test_the_least_remarkable_go_first(self) -> None:
        """Of words that came once, twice and three times, some that came once go; one that must be kept stays."""
        once, more = [f"once {number}" for number in range(2000)], [f"more {number}" for number in range(200)]
        stage = self.filled(640, [*more, *once, "kept!", *more])
        assert 500 < len(stage) <= 640
        assert all(stage.peek(word) for word in (*more, "kept!"))

    def test_rows_that_must_be_kept_are_kept_over_the_bound(self) -> None:
        """An attack of any size does not make us forget whom we are blocking."""
        stage = self.filled(64, [f"{number}!" for number in range(2000)] + [f"{number}" for number in range(2000)])
        assert all(stage.peek(f"{number}!") for number in range(2000))
        assert not any(stage.peek(f"{number}") for number in range(2000))

    def test_what_has_expired_goes_below_the_bound(self) -> None:
        """Expiry does not wait for the rows to become many."""
        stage = self.filled(1_000_000, ["old", "old!"])
        assert len(stage) == 3
        stage.apply(batch_of(["again"] * self.ROUND, stage.offset + 1))
        assert len(stage) == 1
        assert stage.peek("old") is None

    def test_housekeeping_does_not_depend_on_cuts_or_checkpoints(self) -> None:
        """The same rows are forgotten at the same items; the checkpoints say so, and a copy that starts half-way agrees."""
        draw = Random(3)
        words = [f"word {draw.randrange(draw.choice((100, 60_000)))}" for _ in range(60_000)]
        reference = Words(640)
        reference.apply(batch_of(words))
        stage, copy = Words(640), Words(640)
        place = 0
        while place < len(words):
            step = draw.randrange(1, 9_000)
            stage.apply(batch_of(words[place : place + step], place))
            place += step
            if place < 30_000 or draw.random() < 0.5:
                copy.restore(stage.checkpoint())
        copy.restore(stage.checkpoint())
        copy.restored()
        assert stage.dump() == reference.dump() == copy.dump()
        assert len(reference) < len(set(words))

    def test_a_forgotten_row_starts_anew(self) -> None:
        """It comes back as a row that has seen nothing, and its checkpoint tells a copy so."""
        stage, copy = self.filled(64, [f"word {number}" for number in range(500)]), Words(64)
        assert stage.peek("word 7") is None
        assert stage.apply(batch_of(["word 7"], stage.offset + 1)).forwards[0][1] == ("word 7", 1)
        copy.restore(stage.checkpoint())
        copy.restored()
        assert copy.dump() == stage.dump()


def test_rows_are_small() -> None:
    """On ordinary traffic an account takes at most 600 bytes and an address 900, keys included."""
    pipeline = Pipeline(RESOLVER, partitions=1)
    list(pipeline.run(event for event, _ in simulate("quiet", seed=1, accounts=500)))
    for stage, limit in ((pipeline.accounts[0], 600), (pipeline.sources[0], 900)):
        stage.checkpoint()
        sizes = [len(key.encode()) + len(packed) for key, packed in stage.rows()]
        assert len(sizes) > 400
        assert sum(sizes) / len(sizes) <= limit
