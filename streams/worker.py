"""``crible worker``: the Faust app that runs the by-source, by-account and service-wide stages.

    auth.events -> by_source -> auth.by-account -> by_account -> auth.alerts
                            \\-> auth.pulse -> service -> auth.alerts, auth.control

Faust owns the consumer group, rebalancing and commits; :mod:`streams.consumer` makes it deliver batches, and
:mod:`streams.partitions` keeps the state. Start as many workers as there are partitions at most.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from math import inf
from time import monotonic, time
from typing import Any, Final

import click
import faust
import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from faust.types import TP

from models.accounts import Groups
from models.alerts import SCHEMA as ALERT_SCHEMA
from models.attempts import Attempt, Resolver
from models.by_account import AccountStage
from models.by_source import SourceStage
from models.changelog import FrameReader
from models.events import Refused, decode_event
from models.frames import (
    ATTEMPTS_SCHEMA,
    MAX_ATTEMPTS,
    PULSE_SCHEMA,
    AttemptFrame,
    PulseFrame,
    decode_attempts,
    decode_pulse,
    encode,
)
from models.partition import partitions_of
from models.service import ServiceStage
from models.stage import Batch, Outputs, Pulse
from streams import telemetry, topics
from streams.cli import standard_options
from streams.consumer import BatchSchema, BatchTransport
from streams.knowledge import load_groups, load_resolver
from streams.partitions import DeadLetter, Partition, Record, Send, StageSpec
from streams.probes import serve_probes
from streams.settings import Settings
from streams.watermarks import CONTROL_PREFIX, Extent, Progress, Watermarks, decode_progress, encode_progress

__all__ = ["Worker", "command", "stage_specs"]

_TICK_S: Final = 0.05
_EXTENTS_EVERY_S: Final = 0.5
_DRAINED_EVERY_S: Final = 1.0
_LOOK_UP_S: Final = 5.0
_LOOK_UP_BYTES: Final = 4096
_PATIENCE_S: Final = 120.0
_MS_PER_S: Final = 1000
_FETCH_BYTES: Final = 4 << 20
_POLL_RECORDS: Final = 8_000
_BATCH_BYTES: Final = 256 << 10
_REQUEST_BYTES: Final = 1 << 20
_HEARTBEATS_PER_SESSION: Final = 4
_EXIT_FAILED: Final = 70
#: Keys of ``auth.control`` under which the service-wide stage says what it concludes.
SERVICE_PREFIX: Final = "service/"


def stage_specs(settings: Settings, resolver: Resolver, groups: Groups) -> list[StageSpec[Any]]:
    """The three stages: which topic each reads, how it reads it, and what it writes."""

    def name(topic: str) -> str:
        return topics.topic(settings, topic)

    partitions = settings.kafka.partitions
    max_rows = settings.worker.max_keys // partitions
    encode_alert = msgspec.json.Encoder().encode

    def alerts(outputs: Outputs) -> list[Send]:
        for alert in outputs.alerts:
            telemetry.ALERTS.labels(alert.kind, alert.severity).inc()
        return [Send(name("auth.alerts"), encode_alert(alert), ALERT_SCHEMA, 0, alert.ts) for alert in outputs.alerts]

    def conclusions(outputs: Outputs) -> list[Send]:
        """What the service-wide stage concludes is for every process: the newest alert of each kind, by name."""
        return [
            Send(name("auth.control"), encode_alert(alert), ALERT_SCHEMA, ts=alert.ts, key=f"{SERVICE_PREFIX}{alert.kind}".encode())
            for alert in outputs.alerts
        ]

    def read_events(records: Sequence[Record]) -> tuple[Batch[Attempt], list[DeadLetter]]:
        batch: Batch[Attempt] = Batch(records[-1].offset)
        refused: list[DeadLetter] = []
        for record in records:
            try:
                attempt = resolver.attempt(decode_event(record.value or b""))
            except Refused as refusal:
                refused.append(DeadLetter(record, refusal.reason, "Refused"))
                continue
            producer, seq = _origin(record)
            batch.add(attempt, producer, seq, record.offset)
        return batch, refused

    def write_by_source(partition: int, outputs: Outputs) -> list[Send]:
        sends = alerts(outputs)
        by_partition: dict[int, AttemptFrame] = {}
        accounts = [attempt.account for _, attempt in outputs.forwards]
        for (offset, attempt), target in zip(outputs.forwards, partitions_of(accounts, partitions), strict=True):
            frame = by_partition.get(target)
            if frame is None:
                frame = by_partition[target] = AttemptFrame(partition, [], [])
            frame.offsets.append(offset)
            frame.attempts.append(attempt)
            if len(frame.offsets) == MAX_ATTEMPTS:
                sends.append(_attempts(name("auth.by-account"), target, by_partition.pop(target)))
        sends += [_attempts(name("auth.by-account"), target, frame) for target, frame in by_partition.items()]
        for offset, pulse in outputs.pulses:
            frame_bytes = encode(PulseFrame(partition, offset, pulse))
            sends.append(Send(name("auth.pulse"), frame_bytes, PULSE_SCHEMA, 0, float(pulse.second)))
        return sends

    def read_attempts(records: Sequence[Record]) -> tuple[Batch[Attempt], list[DeadLetter]]:
        batch: Batch[Attempt] = Batch(records[-1].offset)
        refused: list[DeadLetter] = []
        for record in records:
            try:
                frame = decode_attempts(record.value or b"")
            except msgspec.DecodeError as error:
                refused.append(DeadLetter(record, "not_a_frame", type(error).__name__))
                continue
            producer = str(frame.source_partition)
            for offset, attempt in zip(frame.offsets, frame.attempts, strict=True):
                batch.add(attempt, producer, offset, record.offset)
        return batch, refused

    def read_pulses(records: Sequence[Record]) -> tuple[Batch[Pulse], list[DeadLetter]]:
        batch: Batch[Pulse] = Batch(records[-1].offset)
        refused: list[DeadLetter] = []
        for record in records:
            try:
                frame = decode_pulse(record.value or b"")
            except msgspec.DecodeError as error:
                refused.append(DeadLetter(record, "not_a_frame", type(error).__name__))
                continue
            batch.add(frame.pulse, str(frame.source_partition), frame.offset, record.offset)
        return batch, refused

    return [
        StageSpec(
            "by_source",
            name("auth.events"),
            name("auth.source-state"),
            lambda: SourceStage(max_rows),
            read_events,
            write_by_source,
        ),
        StageSpec(
            "by_account",
            name("auth.by-account"),
            name("auth.account-state"),
            lambda: AccountStage(groups, max_rows),
            read_attempts,
            lambda _, outputs: alerts(outputs),
        ),
        StageSpec(
            "service",
            name("auth.pulse"),
            name("auth.service-state"),
            ServiceStage,
            read_pulses,
            lambda _, outputs: alerts(outputs) + conclusions(outputs),
        ),
    ]


def _attempts(topic: str, partition: int, frame: AttemptFrame) -> Send:
    return Send(topic, encode(frame), ATTEMPTS_SCHEMA, partition, max(attempt.ts for attempt in frame.attempts))


def _origin(record: Record) -> tuple[str, int]:
    """Where an event was first written: by its headers, else by its own place in the topic."""
    producer, seq = "", record.offset
    for key, value in record.headers:
        if key == "crible-producer":
            producer = value.decode("ascii", "replace")
        elif key == "crible-seq":
            seq = int(value)
    return (producer, seq) if producer else ("", record.offset)


def _credentials(options: dict[str, Any]) -> Any:
    """Faust's form of what the other clients take as options."""
    if "sasl_mechanism" in options:
        return faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=options.get("ssl_context"),
        )
    return faust.SSLCredentials(context=options["ssl_context"]) if "ssl_context" in options else None


class _FaustWorker(faust.Worker):  # type: ignore[misc]  # Faust is untyped here
    """Faust's signal handling and loop, without its logging: ours is set up."""

    def _setup_logging(self) -> None:
        pass


class Worker:
    """One worker process.

    Args:
        settings: All settings.
        specs: The stages, as :func:`stage_specs` gives them.
    """

    def __init__(self, settings: Settings, specs: list[StageSpec[Any]]) -> None:
        self.settings, self.specs = settings, {spec.topic: spec for spec in specs}
        self.events_topic = topics.topic(settings, "auth.events")
        self.control_topic = topics.topic(settings, "auth.control")
        self.partitions: dict[TP, Partition[Any]] = {}
        self.watermarks = Watermarks(settings.kafka.partitions, settings.worker.skew_limit_s, _PATIENCE_S, monotonic())
        self.app = self._new_app()
        self._published: dict[int, tuple[Progress, float]] = {}
        self._control_read = self._assigned = False
        for spec in specs:
            self._add_agent(spec)
        self.app.on_partitions_assigned.connect(self._on_assigned, weak=False)
        for work in (self._checkpoints, self._control, self._extents, self._progress):
            self._add_task(work)

    def run(self) -> None:
        """Run until told to stop."""
        threading.Thread(target=self._watchdog, name="watchdog", daemon=True).start()
        serve_probes(self.settings.worker.host, self.settings.worker.port, self.is_ready)
        telemetry.info("service.started", service="worker")
        _FaustWorker(self.app, quiet=True).execute_from_commandline()

    def is_ready(self) -> bool:
        """Whether every partition that this worker has is recovered and the control topic is read."""
        return self._control_read and self._assigned and all(p.ready.is_set() for p in self.partitions.values())

    # -- Faust -------------------------------------------------------------------------------------------------------

    def _new_app(self) -> faust.App:
        kafka = self.settings.kafka
        app = faust.App(
            kafka.prefix + kafka.group,
            broker=[f"kafka://{server.strip()}" for server in kafka.bootstrap.split(",")],
            broker_credentials=_credentials(kafka.async_client_options()),
            store="memory://",
            autodiscover=False,
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            table_standby_replicas=0,
            consumer_auto_offset_reset="earliest",
            consumer_max_fetch_size=_FETCH_BYTES,
            broker_max_poll_records=_POLL_RECORDS,
            broker_session_timeout=kafka.session_timeout_s,
            broker_heartbeat_interval=kafka.session_timeout_s / _HEARTBEATS_PER_SESSION,
            broker_request_timeout=max(90.0, kafka.session_timeout_s + 1),
            broker_commit_interval=1.0,
            stream_buffer_maxsize=4,
            stream_wait_empty=True,
            producer_max_batch_size=_BATCH_BYTES,
            producer_max_request_size=_REQUEST_BYTES,
        )
        app.transport = BatchTransport(app.conf.broker_consumer, app, self.events_topic, self._horizon)
        app.producer_transport = app.transport
        return app

    def _add_agent(self, spec: StageSpec[Any]) -> None:
        channel = self.app.topic(spec.topic, schema=BatchSchema(), internal=False)

        async def agent(stream: Any) -> None:
            async for event in stream.noack().events():
                await self._guard(self._deliver(event))

        self.app.agent(channel, name=spec.name, concurrency=1)(agent)

    def _add_task(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def task() -> None:
            await self._guard(work())

        self.app.task(task)

    async def _deliver(self, event: Any) -> None:
        partition = self.partitions[event.message.tp]
        await partition.ready.wait()
        await partition.process(event)
        if partition.is_due(monotonic(), self.settings.worker.checkpoint_interval_s, self.settings.worker.checkpoint_events):
            await partition.checkpoint()

    async def _guard(self, work: Any) -> None:
        """Our state is only as good as its last checkpoint once something unexpected happens: end the process."""
        try:
            await work
        except (asyncio.CancelledError, KeyError):  # KeyError: the partition went to another worker meanwhile
            raise
        except BaseException as error:
            telemetry.error("service.stopped", error, service="worker", reason="unexpected error")
            os._exit(_EXIT_FAILED)

    async def _emit(self, send: Send) -> Any:
        headers = [("crible-schema", send.schema.encode()), *send.headers]
        return await self.app.producer.send(send.topic, send.key, send.value, send.partition, send.ts, headers)

    def _dead_letter(self, stage: str, letter: DeadLetter) -> Send:
        record = letter.record
        telemetry.DEAD_LETTERS.labels(stage, letter.reason).inc()
        telemetry.warning(
            "record.refused",
            stage=stage,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=letter.reason,
        )
        headers = (
            ("dlq.topic", record.topic.encode()),
            ("dlq.partition", str(record.partition).encode()),
            ("dlq.offset", str(record.offset).encode()),
            ("dlq.stage", stage.encode()),
            ("dlq.reason", letter.reason.encode()),
            ("dlq.error", letter.error.encode()),
        )
        return Send(
            topics.topic(self.settings, "auth.dlq"),
            record.value or b"",
            "dead-letter/1",
            key=record.key,
            headers=(*record.headers, *headers),
        )

    # -- assignment --------------------------------------------------------------------------------------------------

    async def _on_assigned(self, _app: Any, assigned: set[TP], **_: Any) -> None:
        self._assigned = True
        ours = {TP(tp.topic, tp.partition) for tp in assigned if tp.topic in self.specs}
        for tp in self.partitions.keys() - ours:
            del self.partitions[tp]
            telemetry.info("partition.revoked", topic=tp.topic, partition=tp.partition)
        new = {tp: self._new_partition(tp) for tp in ours - self.partitions.keys()}
        self.partitions.update(new)
        if new:
            self.app.loop.create_task(self._guard(self._take_over(new)))

    def _new_partition(self, tp: TP) -> Partition[Any]:
        telemetry.info("partition.assigned", topic=tp.topic, partition=tp.partition)
        return Partition(self.specs[tp.topic], tp.partition, self._emit, self._dead_letter, self._delete_before)

    async def _take_over(self, new: dict[TP, Partition[Any]]) -> None:
        """Fence, then read the changelogs up to the fences."""
        started = monotonic()
        generation = self.app.consumer_generation_id
        readers = await self._read_changelogs(new, generation)
        outranked = [reader.generation for tp, reader in readers.items() if reader.writer != new[tp].writer]
        if outranked:
            # Either we are a straggler, which the broker tells us within the session timeout, or the group was forgotten (it had
            # no member for days) and counts from 1 again: then we are the one to continue above the old count.
            await asyncio.sleep(self.settings.kafka.session_timeout_s)
            new = {tp: self._new_partition(tp) for tp, partition in new.items() if self.partitions.get(tp) is partition}
            self.partitions.update(new)
            readers = await self._read_changelogs(new, max(outranked) + 1)
        for tp, partition in new.items():
            partition.take_over(readers[tp])
            telemetry.info(
                "state.loaded",
                stage=partition.spec.name,
                partition=partition.number,
                keys=len(partition.stage),
                offset=partition.stage.offset,
                seconds=round(monotonic() - started, 3),
            )

    async def _read_changelogs(self, new: dict[TP, Partition[Any]], generation: int) -> dict[TP, FrameReader[Any]]:
        fences: dict[TopicPartition, int] = {}
        readers: dict[TopicPartition, FrameReader[Any]] = {}
        for partition in new.values():
            changelog = TopicPartition(partition.spec.changelog, partition.number)
            fences[changelog] = await partition.write_fence(generation)
            readers[changelog] = FrameReader(partition.stage)
        consumer = self._plain_consumer(max_partition_fetch_bytes=_FETCH_BYTES)
        await consumer.start()
        try:
            consumer.assign(list(fences))
            await consumer.seek_to_beginning(*fences)
            waiting = set(fences)
            while waiting:
                for changelog, records in (await consumer.getmany(timeout_ms=_MS_PER_S)).items():
                    for record in records:
                        if record.offset <= fences[changelog]:
                            readers[changelog].feed(record.value)
                    if records[-1].offset >= fences[changelog]:
                        waiting.discard(changelog)
                        consumer.pause(changelog)
        finally:
            await consumer.stop()
        return {tp: readers[TopicPartition(partition.spec.changelog, partition.number)] for tp, partition in new.items()}

    async def _delete_before(self, partition: Partition[Any], offset: int) -> None:
        admin = AIOKafkaAdminClient(**self.settings.kafka.async_client_options())
        await admin.start()
        try:
            await admin.delete_records({TopicPartition(partition.spec.changelog, partition.number): RecordsToDelete(offset)})
        finally:
            await admin.close()

    # -- background --------------------------------------------------------------------------------------------------

    async def _checkpoints(self) -> None:
        """Make idle partitions durable too."""
        worker = self.settings.worker
        while not self.app.should_stop:
            now = monotonic()
            due = [p for p in self.partitions.values() if p.is_due(now, worker.checkpoint_interval_s, worker.checkpoint_events)]
            if due:
                await self._guard(asyncio.gather(*(partition.checkpoint() for partition in due)))
            await asyncio.sleep(_TICK_S)

    async def _control(self) -> None:
        """Read ``auth.control`` whole, and go on reading it."""
        consumer = self._plain_consumer()
        await consumer.start()
        try:
            control = [TopicPartition(self.control_topic, p) for p in range(topics.partitions(self.settings, "auth.control"))]
            consumer.assign(control)
            await consumer.seek_to_beginning(*control)
            until = await consumer.end_offsets(control)
            while not self.app.should_stop:
                for records in (await consumer.getmany(timeout_ms=int(_TICK_S * _MS_PER_S))).values():
                    self._read_control(records)
                if not self._control_read:
                    positions = [(await consumer.position(tp), until[tp]) for tp in control]
                    self._control_read = all(position >= end for position, end in positions)
        finally:
            await consumer.stop()

    def _read_control(self, records: Iterable[ConsumerRecord[bytes, bytes]]) -> None:
        for record in records:
            key = (record.key or b"").decode("ascii", "replace")
            if key.startswith(SERVICE_PREFIX):
                telemetry.SERVICE_ALERT_TIMESTAMP_SECONDS.labels(key.removeprefix(SERVICE_PREFIX)).set(record.timestamp / _MS_PER_S)
            elif key.startswith(CONTROL_PREFIX) and record.value:
                partition = int(key.removeprefix(CONTROL_PREFIX))
                if TP(self.events_topic, partition) not in self.partitions:
                    self.watermarks.note(partition, decode_progress(record.value), monotonic())

    async def _extents(self) -> None:
        """See where the partitions of ``auth.events`` begin and end, and look up the times that nobody has said."""
        consumer = self._plain_consumer(max_partition_fetch_bytes=_LOOK_UP_BYTES)
        await consumer.start()
        try:
            events = [TopicPartition(self.events_topic, p) for p in range(self.settings.kafka.partitions)]
            consumer.assign(events)
            consumer.pause(*events)
            while not self.app.should_stop:
                asked_at = monotonic()
                begins, ends = await consumer.beginning_offsets(events), await consumer.end_offsets(events)
                extents = {
                    tp.partition: replace(self.watermarks.extent(tp.partition), begin=begins[tp], end=ends[tp]) for tp in events
                }
                for tp in events:
                    extents[tp.partition] = await self._look_up(consumer, tp, extents[tp.partition])
                self.watermarks.note_extents(extents, asked_at)
                await asyncio.sleep(_EXTENTS_EVERY_S)
        finally:
            await consumer.stop()

    async def _look_up(self, consumer: AIOKafkaConsumer[bytes, bytes], tp: TopicPartition, extent: Extent) -> Extent:
        position = self.watermarks.position(tp.partition, extent)
        if position is None:
            return extent
        consumer.seek(tp, position)
        consumer.resume(tp)
        found = await consumer.getmany(tp, timeout_ms=int(_LOOK_UP_S * _MS_PER_S), max_records=1)
        consumer.pause(tp)
        return replace(extent, head_offset=position, head_ts=found[tp][0].timestamp / _MS_PER_S) if found.get(tp) else extent

    async def _progress(self) -> None:
        """Say on ``auth.control`` how far our partitions are: at once while there is more to read, else once a second."""
        while not self.app.should_stop:
            now = monotonic()
            for tp, partition in list(self.partitions.items()):
                if tp.topic != self.events_topic or not partition.ready.is_set():
                    continue
                self._note(tp, partition)
                progress = self.watermarks.progress(tp.partition)
                said, said_at = self._published.get(tp.partition, (None, 0.0))
                if now - said_at < _DRAINED_EVERY_S and (progress.low_ts is None or progress == said):
                    continue
                self._published[tp.partition] = (progress, now)
                key = f"{CONTROL_PREFIX}{tp.partition}".encode()
                await self._guard(
                    self._emit(Send(self.control_topic, encode_progress(progress), "watermark/1", key=key, ts=time()))
                )
            await asyncio.sleep(_TICK_S)

    def _note(self, tp: TP, partition: Partition[Any]) -> None:
        """Note our own progress; the time of the next record is known where it waits here."""
        self.watermarks.note(tp.partition, Progress(partition.stage.offset + 1, self.app.consumer.head_ts(tp)), monotonic())

    def _horizon(self, first_ts: float, fetched_at: float) -> float:
        """Event time up to which records may be delivered.

        Records of the past wait until the broker has been asked what the others have, for they may all have been written at once.
        """
        is_past = first_ts < time() - self.settings.worker.skew_limit_s
        if not self._control_read or (is_past and self.watermarks.extents_at < fetched_at):
            return -inf
        for tp, partition in self.partitions.items():
            if tp.topic == self.events_topic and partition.ready.is_set():
                self._note(tp, partition)
        return self.watermarks.horizon(monotonic())

    def _plain_consumer(self, **options: Any) -> AIOKafkaConsumer[bytes, bytes]:
        return AIOKafkaConsumer(**self.settings.kafka.async_client_options(), enable_auto_commit=False, **options)

    def _watchdog(self) -> None:
        """A thread, because what it watches is the event loop: a partition with input and no progress ends the process."""
        stall_s = self.settings.worker.stall_timeout_s
        while True:
            threading.Event().wait(stall_s / 10)
            now = monotonic()
            for tp, partition in list(self.partitions.items()):
                busy = bool(partition.has_work())
                if busy and now - partition.progress_at > stall_s:
                    telemetry.error(
                        "partition.stalled", topic=tp.topic, partition=tp.partition, seconds=round(now - partition.progress_at)
                    )
                    os._exit(_EXIT_FAILED)


@click.command()
@standard_options
def command(settings: Settings, as_json: bool) -> None:
    """Count, judge and raise alerts: the Faust stages."""
    topics.verify(settings)
    resolver = load_resolver(settings)
    worker = Worker(settings, stage_specs(settings, resolver, load_groups(settings, resolver)))
    worker.run()
