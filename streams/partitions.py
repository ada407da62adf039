"""One input partition of a stage: its state, what it has sent, and its checkpoints.

The order of a checkpoint is what makes counting exact (design section 2):

    1. everything the partition has sent so far is acknowledged by the broker,
    2. the changed rows, the input offset and ``seen`` are written to the changelog, and acknowledged,
    3. only then are the batches acknowledged to Faust, which commits their offset.

After a crash between any two of them, the next owner starts from the last changelog frame: it skips input at or below the stored
offset, and what it sends again is dropped by the next stage. A send that fails ends the process: what it knows
is then no better than what the changelog knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, Generic, TypeVar
from uuid import uuid4

from models.changelog import FrameReader, FrameWriter
from models.stage import Batch, Outputs, Stage
from streams import telemetry

__all__ = ["DeadLetter", "Emit", "Partition", "Record", "Send", "StageSpec"]

#: A Kafka record as either client gives it: topic, partition, offset, timestamp, key, value, headers.
Record = Any
AnyStage = TypeVar("AnyStage", bound=Stage)  # type: ignore[type-arg]  # rows and items do not matter here

#: Consecutive records on which our own code fails before the process stops rather than empty the topic into dead letters.
_BRAKE: Final = 50


@dataclass(frozen=True, slots=True)
class Send:
    """One record to write; no value takes back what its key said."""

    topic: str
    value: bytes | None
    schema: str
    partition: int | None = None
    ts: float | None = None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be used, and why."""

    record: Record
    reason: str
    error: str


Emit = Callable[[Send], Awaitable[Awaitable[Any]]]


@dataclass(frozen=True, slots=True)
class StageSpec(Generic[AnyStage]):
    """What differs between the stages.

    ``read`` turns records into a batch and the records it refuses; ``write`` turns outputs into records to send.
    """

    name: str
    topic: str
    changelog: str
    new_stage: Callable[[], AnyStage]
    read: Callable[[Sequence[Record]], tuple[Batch[Any], list[DeadLetter]]]
    write: Callable[[int, Outputs], list[Send]]


class Partition(Generic[AnyStage]):
    """See the module's text.

    Args:
        spec: The stage.
        number: The partition.
        emit: Hands a record to the producer and returns the future of its acknowledgement.
        dead_letter: Makes the record that keeps a dead letter.
        delete_before: Deletes the frames of this partition's changelog before an offset.
    """

    def __init__(
        self,
        spec: StageSpec[AnyStage],
        number: int,
        emit: Emit,
        dead_letter: Callable[[str, DeadLetter], Send],
        delete_before: Callable[[Partition[AnyStage], int], Awaitable[None]],
    ) -> None:
        self.spec, self.number = spec, number
        self.stage = spec.new_stage()
        self.ready = asyncio.Event()
        self.progress_at = monotonic()
        self._emit, self._dead_letter, self._delete_before = emit, dead_letter, delete_before
        self._writer: FrameWriter[AnyStage] | None = None
        self._sent: list[Awaitable[Any]] = []
        self._held: list[Any] = []
        self._held_events = 0
        self._checkpoint_at = monotonic()
        self._applying = asyncio.Lock()
        self._checkpointing = asyncio.Lock()
        self._failures_in_a_row = 0
        self._round_start: int | None = None
        self._reported = {"late": 0, "duplicates": 0}

    # -- taking over -------------------------------------------------------------------------------------------------

    @property
    def writer(self) -> str:
        """The name under which this process writes the changelog; empty before the fence."""
        return self._writer.writer if self._writer else ""

    async def write_fence(self, generation: int) -> int:
        """End the authority of earlier writers, and forget what we knew; returns the offset of the fence."""
        self.stage = self.spec.new_stage()
        self._writer = FrameWriter(self.stage, uuid4().hex, generation)
        metadata = await (await self._emit(self._frame_record(self._writer.fence())))
        return int(metadata.offset)

    def take_over(self, reader: FrameReader[AnyStage]) -> None:
        """Start from what the changelog held."""
        reader.finish()
        self.progress_at = self._checkpoint_at = monotonic()
        self.ready.set()

    # -- the hot path ------------------------------------------------------------------------------------------------

    async def process(self, event: Any) -> None:
        """Apply one delivery and send what it leads to; the event is acknowledged by a later checkpoint."""
        records = [record for record in event.value if record.offset > self.stage.offset]
        async with self._applying:
            if records:
                self._report_gap(records[0])
                for send in self._apply(records):
                    self._sent.append(await self._emit(send))
            self._held.append(event)
            self._held_events += len(records)
            self.progress_at = monotonic()

    def _report_gap(self, first: Record) -> None:
        """Say so when records are missing: the topic's retention was faster than we, or somebody writes in transactions."""
        expected = self.stage.offset + 1
        if first.offset > expected:
            missing = first.offset - expected
            telemetry.warning(
                "input.gap", stage=self.spec.name, topic=first.topic, partition=first.partition, offset=expected, records=missing
            )

    def _apply(self, records: Sequence[Record]) -> list[Send]:
        batch, refused = self.spec.read(records)
        sends = [self._dead_letter(self.spec.name, letter) for letter in refused]
        try:
            outputs = self.stage.apply(batch)
        except Exception:
            return sends + self._one_by_one(records)
        self._failures_in_a_row = 0
        telemetry.EVENTS.labels(self.spec.name, "applied").inc(len(batch.items))
        return sends + self.spec.write(self.number, outputs)

    def _one_by_one(self, records: Sequence[Record]) -> list[Send]:
        """Our own code failed on this batch: find the records it fails on, keep them as dead letters, and go on."""
        sends: list[Send] = []
        for record in records:
            batch, refused = self.spec.read([record])
            if refused:
                continue  # already sent with the whole batch
            try:
                outputs = self.stage.apply(batch)
            except Exception as error:
                telemetry.error(
                    "record.failed",
                    error,
                    stage=self.spec.name,
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                )
                self._failures_in_a_row += 1
                if self._failures_in_a_row >= _BRAKE:
                    telemetry.error("dead_letters.braked", stage=self.spec.name, partition=self.number, offset=record.offset)
                    raise
                sends.append(self._dead_letter(self.spec.name, DeadLetter(record, "failed", type(error).__name__)))
                self.stage.apply(Batch(record.offset))
            else:
                self._failures_in_a_row = 0
                sends += self.spec.write(self.number, outputs)
        return sends

    # -- checkpoints -------------------------------------------------------------------------------------------------

    def has_work(self) -> bool:
        """Whether it is not recovered, or something was delivered that is not durable yet."""
        return not self.ready.is_set() or bool(self._held)

    def is_due(self, now: float, interval_s: float, events: int) -> bool:
        """Whether there is something to make durable, and it is time to."""
        return bool(self._held) and (now - self._checkpoint_at >= interval_s or self._held_events >= events)

    async def checkpoint(self) -> None:
        """Make everything up to now durable, then acknowledge it."""
        async with self._checkpointing:
            async with self._applying:
                sent, self._sent = self._sent, []
                held, self._held = self._held, []
                self._held_events = 0
                if not held or self._writer is None:
                    return
                starts_round = self._writer.starts_round
                frames = self._writer.frames()
            self._checkpoint_at = monotonic()
            with telemetry.CHECKPOINT_SECONDS.labels(self.spec.name).time():
                await self._await_outputs(sent)
                first_offset = await self._write_frames(frames)
            self._acknowledge(held)
            self._report()
        if starts_round:
            if self._round_start is not None:
                await self._delete_before(self, self._round_start)
            self._round_start = first_offset

    async def _await_outputs(self, sent: list[Awaitable[Any]]) -> None:
        for acknowledgement in sent:
            await acknowledgement

    async def _write_frames(self, frames: list[bytes]) -> int:
        acknowledgements = [await self._emit(self._frame_record(frame)) for frame in frames]
        offsets = [(await acknowledgement).offset for acknowledgement in acknowledgements]
        return int(offsets[0])

    def _acknowledge(self, held: list[Any]) -> None:
        for event in held:
            event.ack()

    def _frame_record(self, frame: bytes) -> Send:
        return Send(self.spec.changelog, frame, "state-frame/1", partition=self.number)

    def _report(self) -> None:
        meta = self.stage.meta
        telemetry.STATE_KEYS.labels(self.spec.name, str(self.number)).set(len(self.stage))
        telemetry.WATERMARK_TIMESTAMP_SECONDS.labels(self.spec.name, str(self.number)).set(meta.newest_ts)
        telemetry.LATE_EVENTS.labels(self.spec.name).inc(max(meta.late_events - self._reported["late"], 0))
        telemetry.EVENTS.labels(self.spec.name, "duplicate").inc(max(meta.duplicates - self._reported["duplicates"], 0))
        self._reported = {"late": meta.late_events, "duplicates": meta.duplicates}
