"""``crible worker``: the Faust app that runs the stages of :mod:`streams.stages`.

Faust owns the consumer group, rebalancing and commits; :mod:`streams.consumer` makes it deliver batches, :mod:`streams.partitions`
keeps the state, and :mod:`streams.pacing` keeps partitions in step. Start as many workers as there are partitions at most.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Final, cast

import click
import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from faust.types import TP

from models.changelog import FrameReader, OtherVersion
from models.errors import CribleError
from streams import telemetry, topics
from streams.cli import standard_options
from streams.consumer import BatchConsumer, BatchSchema, BatchTransport
from streams.knowledge import load_groups, load_resolver
from streams.pacing import Pacing
from streams.partitions import DeadLetter, Partition, Send, StageSpec
from streams.probes import serve_probes
from streams.settings import Settings
from streams.stages import stage_specs
from streams.watermarks import Progress

__all__ = ["Worker", "command"]

_TICK_S: Final = 0.05
_MS_PER_S: Final = 1000
_FETCH_BYTES: Final = 4 << 20
_POLL_RECORDS: Final = 8_000
_BATCH_BYTES: Final = 256 << 10
_REQUEST_BYTES: Final = 1 << 20
_REQUEST_TIMEOUT_S: Final = 90.0
_HEARTBEATS_PER_SESSION: Final = 4
_WATCHES_PER_STALL: Final = 10
_EXIT_FAILED: Final = 70


class _App(faust.App):
    """Without the folder that Faust makes where it was started: our state is in changelogs, and no table of Faust's is used."""

    def _create_directories(self) -> None:
        pass


class _FaustWorker(faust.Worker):
    """Faust's signal handling and loop, without its logging: ours is set up."""

    def _setup_logging(self) -> None:
        pass


class Worker:
    """One worker process.

    Args:
        settings: All settings.
        specs: The stages, as :func:`streams.stages.stage_specs` gives them.
    """

    def __init__(self, settings: Settings, specs: list[StageSpec[Any]]) -> None:
        self.settings, self.specs = settings, {spec.topic: spec for spec in specs}
        self.events_topic = topics.topic(settings, "auth.events")
        self.partitions: dict[TP, Partition[Any]] = {}
        self.pacing = Pacing(settings, self._emit, self._progress)
        self.app = self._new_app()
        self._generation = -1
        for spec in specs:
            self._add_agent(spec)
        self.app.on_partitions_assigned.connect(cast("Any", self._on_assigned), weak=False)
        for work in (self._write_checkpoints, *self.pacing.tasks()):
            self._add_task(work)

    def run(self) -> None:
        """Run until told to stop."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        serve_probes(self.settings.worker.host, self.settings.worker.port, self.is_ready)
        telemetry.info("service.started", service="worker")
        _FaustWorker(self.app, quiet=True).execute_from_commandline()

    def is_ready(self) -> bool:
        """Whether this worker has its partitions, all of them are recovered, and it knows how far the others are."""
        return self.pacing.is_ready and self._generation >= 0 and all(p.ready.is_set() for p in self.partitions.values())

    # -- Faust -------------------------------------------------------------------------------------------------------

    def _new_app(self) -> faust.App:
        kafka = self.settings.kafka
        app = _App(
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
            broker_request_timeout=max(_REQUEST_TIMEOUT_S, kafka.session_timeout_s + 1),
            broker_commit_interval=1.0,
            stream_buffer_maxsize=4,  # it counts batches
            stream_wait_empty=True,
            producer_max_batch_size=_BATCH_BYTES,
            producer_max_request_size=_REQUEST_BYTES,
        )
        app.transport = BatchTransport(app.conf.broker_consumer, app, self.events_topic, self.pacing.horizon)
        app.producer_transport = app.transport
        return app

    def _add_agent(self, spec: StageSpec[Any]) -> None:
        channel = self.app.topic(spec.topic, schema=BatchSchema(), internal=False)

        async def agent(stream: Any) -> None:
            async for event in stream.noack().events():
                await self._guard(self._deliver(event))

        self.app.agent(channel, name=spec.name, concurrency=1)(agent)

    def _add_task(self, work: Callable[[], Awaitable[None]]) -> None:
        async def task() -> None:
            await self._guard(work())

        self.app.task(task)

    async def _deliver(self, event: Any) -> None:
        partition = self.partitions.get(event.message.tp)
        if partition is None:
            return
        await partition.ready.wait()
        if self.partitions.get(event.message.tp) is not partition or event.message.generation_id != self.app.consumer_generation_id:
            return  # delivered under an earlier assignment: what came before it may be missing, and it will come again
        await partition.process(event)
        worker = self.settings.worker
        if partition.is_due(monotonic(), worker.checkpoint_interval_s, worker.checkpoint_events):
            await partition.checkpoint()

    async def _guard(self, work: Awaitable[Any]) -> None:
        """Once something unexpected happens our state is only as good as its last checkpoint: end the process."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except CribleError as error:  # it says what to do
            sys.stderr.write(f"error: {error}\n")
            sys.stderr.flush()
            os._exit(error.exit_code)
        except BaseException as error:
            telemetry.error("service.stopped", error, service="worker", reason="unexpected error")
            os._exit(_EXIT_FAILED)

    async def _emit(self, send: Send) -> Any:
        headers = [("crible-schema", send.schema.encode()), *send.headers]
        return await self.app.producer.send(send.topic, send.key, send.value, send.partition, send.ts, headers)

    def _dead_letter(self, stage: str, letter: DeadLetter) -> Send:
        record = letter.record
        place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        telemetry.DEAD_LETTERS.labels(stage, letter.reason).inc()
        telemetry.warning("record.refused", stage=stage, reason=letter.reason, **place)
        where = {**place, "stage": stage, "reason": letter.reason, "error": letter.error}
        headers = [(f"dlq.{name}", str(value).encode()) for name, value in where.items()]
        original = [header for header in record.headers if header[0] != "crible-schema"]
        topic = topics.topic(self.settings, "auth.dlq")
        return Send(topic, record.value or b"", "dead-letter/1", key=record.key, headers=(*original, *headers))

    def _progress(self) -> dict[int, Progress]:
        """How far our partitions of ``auth.events`` are; the time of what is next is known where it waits here."""
        consumer = cast("BatchConsumer", self.app.consumer)
        return {
            tp.partition: Progress(partition.stage.offset + 1, consumer.head_ts(tp))
            for tp, partition in self.partitions.items()
            if tp.topic == self.events_topic and partition.ready.is_set()
        }

    # -- assignment --------------------------------------------------------------------------------------------------

    async def _on_assigned(self, _app: Any, assigned: set[TP], **_: Any) -> None:
        generation = self.app.consumer_generation_id
        ours = {TP(tp.topic, tp.partition) for tp in assigned if tp.topic in self.specs}
        # Who was absent from a generation does not know who had his partitions meanwhile.
        kept = ours & self.partitions.keys() if generation == self._generation + 1 else set()
        self._generation = generation
        for tp in self.partitions.keys() - kept:
            self.partitions.pop(tp).ready.set()  # who waits for it finds that its generation is over
            telemetry.info("partition.revoked", topic=tp.topic, partition=tp.partition)
        new = {tp: self._new_partition(tp) for tp in ours - kept}
        self.partitions.update(new)
        if new:
            self.app.loop.create_task(self._guard(self._take_over(new)))

    def _new_partition(self, tp: TP) -> Partition[Any]:
        telemetry.info("partition.assigned", topic=tp.topic, partition=tp.partition)
        return Partition(self.specs[tp.topic], tp.partition, self._emit, self._dead_letter, self._delete_before)

    async def _take_over(self, new: dict[TP, Partition[Any]]) -> None:
        """Fence, then read the changelogs up to the fences."""
        started = monotonic()
        readers = await self._read_changelogs(new, self._generation)
        outranked = {tp: reader.generation for tp, reader in readers.items() if reader.writer != new[tp].writer}
        for tp, partition in new.items():
            if tp not in outranked:
                self._start(partition, readers[tp], started)
        if not outranked:
            return
        # Either we are a straggler, which the broker tells us within the session timeout, or the group was forgotten (it had no
        # member for days) and counts from 1 again: then we are the one to continue above the old count.
        await asyncio.sleep(self.settings.kafka.session_timeout_s)
        ours = {tp: new[tp] for tp in outranked if self.partitions.get(tp) is new[tp]}
        for tp in outranked.keys() - ours.keys():
            new[tp].ready.set()  # whoever waits for it drops what he has: it belongs to an earlier assignment
        if ours:
            readers = await self._read_changelogs(ours, max(outranked.values()) + 1)
            for tp, partition in ours.items():
                self._start(partition, readers[tp], started)

    def _start(self, partition: Partition[Any], reader: FrameReader[Any], started: float) -> None:
        partition.take_over(reader)
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
            fences[_changelog(partition)] = await partition.write_fence(generation)
            readers[_changelog(partition)] = FrameReader(partition.stage)
        options = self.settings.kafka.async_client_options()
        consumer = AIOKafkaConsumer(**options, enable_auto_commit=False, max_partition_fetch_bytes=_FETCH_BYTES)
        await consumer.start()
        try:
            consumer.assign(list(fences))
            await consumer.seek_to_beginning(*fences)
            waiting = set(fences)
            while waiting:
                for changelog, records in (await consumer.getmany(timeout_ms=_MS_PER_S)).items():
                    for record in records:
                        if record.offset <= fences[changelog]:
                            _feed(readers[changelog], record)
                    if records[-1].offset >= fences[changelog]:
                        waiting.discard(changelog)
                        consumer.pause(changelog)
        finally:
            await consumer.stop()
        return {tp: readers[_changelog(partition)] for tp, partition in new.items()}

    async def _delete_before(self, partition: Partition[Any], offset: int) -> None:
        admin = AIOKafkaAdminClient(**self.settings.kafka.async_client_options())
        await admin.start()
        try:
            await admin.delete_records({_changelog(partition): RecordsToDelete(offset)})
        finally:
            await admin.close()

    # -- background --------------------------------------------------------------------------------------------------

    async def _write_checkpoints(self) -> None:
        """Make idle partitions durable too."""
        worker = self.settings.worker
        while True:
            now = monotonic()
            due = [p for p in self.partitions.values() if p.is_due(now, worker.checkpoint_interval_s, worker.checkpoint_events)]
            await asyncio.gather(*(partition.checkpoint() for partition in due))
            await asyncio.sleep(_TICK_S)

    def _watch(self) -> None:
        """End the process where a partition has work and makes no progress; in a thread, as it is the event loop that may hang."""
        stall_s = self.settings.worker.stall_timeout_s
        awake_at = monotonic()
        while True:
            threading.Event().wait(stall_s / _WATCHES_PER_STALL)
            was_awake_at, awake_at = awake_at, monotonic()
            if awake_at - was_awake_at > stall_s / 2:  # the whole process was stopped: give it time to find its feet
                for partition in list(self.partitions.values()):
                    partition.progress_at = awake_at
            for tp, partition in list(self.partitions.items()):
                stalled_s = awake_at - partition.progress_at
                if stalled_s > stall_s and (partition.has_work() or self._lags(tp, partition)):
                    telemetry.error("partition.stalled", topic=tp.topic, partition=tp.partition, seconds=round(stalled_s))
                    os._exit(_EXIT_FAILED)

    def _lags(self, tp: TP, partition: Partition[Any]) -> bool:
        """Whether the broker has records for a partition that do not come; what waits here for its horizon has come."""
        consumer = cast("BatchConsumer", self.app.consumer)
        highwater = consumer.highwater(tp)
        return highwater is not None and partition.stage.offset + 1 < highwater and consumer.head_ts(tp) is None


def _feed(reader: FrameReader[Any], record: Any) -> None:
    try:
        reader.feed(record.value)
    except OtherVersion as error:
        hint = (
            "upgrade crible" if error.is_newer else "start the version that wrote it, or begin anew: 'crible topics --prefix NAME'"
        )
        where = f"{record.topic}/{record.partition}/{record.offset}"
        raise CribleError(str(error), where=where, hint=hint) from None


def _changelog(partition: Partition[Any]) -> TopicPartition:
    return TopicPartition(partition.spec.changelog, partition.number)


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


@click.command()
@standard_options
def command(settings: Settings, as_json: bool) -> None:
    """Count, judge and raise alerts: the Faust stages."""
    topics.verify(settings)
    resolver = load_resolver(settings)
    Worker(settings, stage_specs(settings, resolver, load_groups(settings, resolver))).run()
