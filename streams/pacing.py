"""Keeps the partitions of ``auth.events`` in step: says how far ours are, and knows how far the others are.

:mod:`streams.watermarks` decides; this moves the facts: it reads ``auth.control`` whole, asks the broker what each partition
holds, and writes our own progress.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from math import inf
from time import monotonic, time
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from streams import telemetry, topics
from streams.partitions import Emit, Send
from streams.settings import Settings
from streams.stages import SERVICE_PREFIX
from streams.watermarks import CONTROL_PREFIX, Extent, Progress, Watermarks, decode_progress, encode_progress

__all__ = ["Pacing"]

_TICK_S: Final = 0.05
_EXTENTS_EVERY_S: Final = 0.5
_SAID_EVERY_S: Final = 1.0
_PATIENCE_S: Final = 120.0
_LOOK_UP_S: Final = 5.0
_LOOK_UP_BYTES: Final = 4096
_MS_PER_S: Final = 1000


class Pacing:
    """See the module's text.

    Args:
        settings: All settings.
        emit: Hands a record to the producer.
        own: Our partitions' progress, as of now.
    """

    def __init__(self, settings: Settings, emit: Emit, own: Callable[[], Mapping[int, Progress]]) -> None:
        self.settings, self._emit, self._own = settings, emit, own
        self.is_ready = False
        self._watermarks = Watermarks(settings.kafka.partitions, settings.worker.skew_limit_s, _PATIENCE_S, monotonic())
        self._said: dict[int, tuple[Progress, float]] = {}

    def tasks(self) -> list[Callable[[], Awaitable[None]]]:
        """What has to run all the time."""
        return [self._read_control, self._read_extents, self._say_progress]

    def horizon(self, first_ts: float, fetched_at: float) -> float:
        """Event time up to which records may be delivered.

        Records of the past wait until the broker has been asked what the others have, for they may all have been written at once.

        Args:
            first_ts: Event time of the first record that waits.
            fetched_at: When it was fetched, monotonic.
        """
        is_past = first_ts < time() - self.settings.worker.skew_limit_s
        if not self.is_ready or (is_past and self._watermarks.extents_at < fetched_at):
            return -inf
        self._note_own()
        return self._watermarks.horizon(monotonic())

    def _note_own(self) -> Mapping[int, Progress]:
        own = self._own()
        for partition, progress in own.items():
            self._watermarks.note(partition, progress, monotonic())
        return own

    async def _read_control(self) -> None:
        """Read ``auth.control`` whole, and go on reading it."""
        topic = topics.topic(self.settings, "auth.control")
        consumer = self._consumer()
        await consumer.start()
        try:
            control = [TopicPartition(topic, number) for number in range(topics.partitions(self.settings, "auth.control"))]
            consumer.assign(control)
            await consumer.seek_to_beginning(*control)
            ends = await consumer.end_offsets(control)
            while True:
                for records in (await consumer.getmany(timeout_ms=int(_TICK_S * _MS_PER_S))).values():
                    self._take(records)
                self.is_ready = self.is_ready or all([await consumer.position(tp) >= ends[tp] for tp in control])
        finally:
            await consumer.stop()

    def _take(self, records: Iterable[ConsumerRecord[bytes, bytes]]) -> None:
        own = self._own()
        for record in records:
            key = (record.key or b"").decode("ascii", "replace")
            if key.startswith(SERVICE_PREFIX):
                telemetry.SERVICE_ALERT_TIMESTAMP_SECONDS.labels(key.removeprefix(SERVICE_PREFIX)).set(record.timestamp / _MS_PER_S)
            elif key.startswith(CONTROL_PREFIX) and record.value:
                partition = int(key.removeprefix(CONTROL_PREFIX))
                if partition not in own:
                    self._watermarks.note(partition, decode_progress(record.value), monotonic())

    async def _read_extents(self) -> None:
        """See where the partitions begin and end, and look up the times that nobody has said."""
        topic = topics.topic(self.settings, "auth.events")
        consumer = self._consumer(max_partition_fetch_bytes=_LOOK_UP_BYTES)
        await consumer.start()
        try:
            events = [TopicPartition(topic, number) for number in range(self.settings.kafka.partitions)]
            consumer.assign(events)
            consumer.pause(*events)
            while True:
                asked_at = monotonic()
                begins, ends = await consumer.beginning_offsets(events), await consumer.end_offsets(events)
                extents = {}
                for tp in events:
                    known = replace(self._watermarks.extent(tp.partition), begin=begins[tp], end=ends[tp])
                    extents[tp.partition] = await self._look_up(consumer, tp, known)
                self._watermarks.note_extents(extents, asked_at)
                await asyncio.sleep(_EXTENTS_EVERY_S)
        finally:
            await consumer.stop()

    async def _look_up(self, consumer: AIOKafkaConsumer[bytes, bytes], tp: TopicPartition, extent: Extent) -> Extent:
        position = self._watermarks.position(tp.partition, extent)
        if position is None:
            return extent
        consumer.seek(tp, position)
        consumer.resume(tp)
        found = await consumer.getmany(tp, timeout_ms=int(_LOOK_UP_S * _MS_PER_S), max_records=1)
        consumer.pause(tp)
        return replace(extent, head_offset=position, head_ts=found[tp][0].timestamp / _MS_PER_S) if found.get(tp) else extent

    async def _say_progress(self) -> None:
        """Say how far our partitions are: at once while what is next is known here, else once a second."""
        topic = topics.topic(self.settings, "auth.control")
        while True:
            now = monotonic()
            for partition, progress in self._note_own().items():
                said, said_at = self._said.get(partition, (None, 0.0))
                if now - said_at < _SAID_EVERY_S and (progress.low_ts is None or progress == said):
                    continue
                self._said[partition] = (progress, now)
                key = f"{CONTROL_PREFIX}{partition}".encode()
                await (await self._emit(Send(topic, encode_progress(progress), "watermark/1", key=key, ts=time())))
            await asyncio.sleep(_TICK_S)

    def _consumer(self, **options: Any) -> AIOKafkaConsumer[bytes, bytes]:
        return AIOKafkaConsumer(**self.settings.kafka.async_client_options(), enable_auto_commit=False, **options)
