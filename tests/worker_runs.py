"""Runs of real workers on a real broker, and what they must have left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx
import msgspec
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from models.accounts import AccountDirectory, Groups
from models.addresses import locate
from models.alerts import Alert
from models.attempts import Resolver
from models.changelog import FrameReader
from models.events import AuthEvent, encode_event
from models.geo import Geo
from models.partition import partitions_of
from models.pipeline import Pipeline
from models.stage import Stage
from models.wide_use import UseRow
from streams import topics
from streams.local_kafka import free_port
from streams.partitions import StageSpec
from streams.settings import Kafka, Settings
from streams.stages import stage_specs
from tests.block_service import wait_for

__all__ = ["INSTANT", "PARTITIONS", "Run", "WorkerProcess", "counters", "undisturbed"]

PARTITIONS = 4
INSTANT = frozenset({"brute_force", "password_spray"})
_ROOT = Path(__file__).resolve().parents[1]
_SESSION_TIMEOUT_S = 6
_LIMIT_S = 120


class WorkerProcess:
    """One worker; ``crash`` are the arguments of :mod:`tests.crashing_worker`."""

    def __init__(
        self, settings: Settings, log: Path, crash: Sequence[str] = (), session_timeout_s: float = _SESSION_TIMEOUT_S
    ) -> None:
        self.port = free_port()
        self.log = log
        kafka = settings.kafka
        environment = os.environ | {
            "CRIBLE_KAFKA": kafka.bootstrap,
            "CRIBLE_KAFKA_PREFIX": kafka.prefix,
            "CRIBLE_KAFKA_PARTITIONS": str(kafka.partitions),
            "CRIBLE_KAFKA_SESSION_TIMEOUT_S": str(session_timeout_s),
            "CRIBLE_WORKER_PORT": str(self.port),
            "CRIBLE_WORKER_CHECKPOINT_INTERVAL_S": "0.2",
        }
        module = ["tests.crashing_worker", *crash] if crash else ["streams", "worker"]
        with log.open("wb") as file:
            self.process = subprocess.Popen([sys.executable, "-m", *module], cwd=_ROOT, env=environment, stdout=file, stderr=file)

    def is_ready(self) -> bool:
        """Whether it has recovered its partitions."""
        assert self.process.poll() is None, f"the worker ended with {self.process.returncode}: {self.tail()}"
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/ready", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def wait_ready(self) -> None:
        """Wait until it has recovered its partitions."""
        wait_for(self.is_ready, "the worker is ready", _LIMIT_S)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self.process.poll() is not None

    def stop(self) -> None:
        """End it, kindly first."""
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_bytes()[-3000:].decode("utf-8", "replace")


class Run:
    """Topics under one prefix, events in them, and workers on them.

    Args:
        bootstrap: The broker.
        prefix: Of the topics.
        directory: For the workers' logs.
    """

    def __init__(self, bootstrap: str, prefix: str, directory: Path) -> None:
        self.settings = Settings(kafka=Kafka(bootstrap=bootstrap, prefix=prefix, partitions=PARTITIONS))
        self.directory = directory
        self.resolver = Resolver(AccountDirectory(), Geo())
        topics.create(self.settings, keep_all=True)
        self.specs: dict[str, StageSpec[Any]] = {spec.name: spec for spec in stage_specs(self.settings, self.resolver, Groups())}
        self._workers = 0

    def produce(self, events: Iterable[AuthEvent], *, order: Sequence[int] | None = None, first_seq: int = 0) -> None:
        """Write events as ingest does, from ``first_seq`` on; ``order``: one whole partition after the other, in this order."""
        by_partition: dict[int, list[tuple[int, AuthEvent]]] = {number: [] for number in range(PARTITIONS)}
        listed = list(events)
        networks = [locate(event.remote).network for event in listed]
        for seq, (event, number) in enumerate(zip(listed, partitions_of(networks, PARTITIONS), strict=True), first_seq):
            by_partition[number].append((seq, event))
        producer = KafkaProducer(bootstrap_servers=self.settings.kafka.bootstrap, linger_ms=20)
        topic = topics.topic(self.settings, "auth.events")
        futures = []
        for number in order or range(PARTITIONS):
            for seq, event in by_partition[number]:
                headers = [("crible-schema", b"auth-event/1"), ("crible-producer", b"test"), ("crible-seq", str(seq).encode())]
                ts_ms = int(event.ts * 1000)
                futures.append(producer.send(topic, encode_event(event), partition=number, timestamp_ms=ts_ms, headers=headers))
        for future in futures:
            future.get(60)
        producer.close()

    @contextmanager
    def worker(self, crash: Sequence[str] = (), **options: Any) -> Iterator[WorkerProcess]:
        """A worker that is ended at the end."""
        self._workers += 1
        worker = WorkerProcess(self.settings, self.directory / f"worker-{self._workers}.log", crash, **options)
        try:
            yield worker
        finally:
            worker.stop()

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Log lines of all workers that name ``event``."""
        lines = [line for log in self.directory.glob("worker-*.log") for line in log.read_bytes().splitlines()]
        named = [msgspec.json.decode(line) for line in lines if f'"{event}"'.encode() in line]
        return [line for line in named if line["event"] == event]

    def is_drained(self) -> bool:
        """Whether every input is processed, durable and committed."""
        group = self.settings.kafka.prefix + self.settings.kafka.group
        try:
            with KafkaAdminClient(bootstrap_servers=self.settings.kafka.bootstrap) as admin:
                committed = admin.list_group_offsets([group])[group]
            ends = {tp: end for spec in self.specs.values() for tp, end in self._ends(spec.topic).items() if end}
        except KafkaError:  # a broker that has just come back does not know its groups yet
            return False
        return all(tp in committed and committed[tp].offset >= end for tp, end in ends.items())

    def wait_drained(self, limit_s: float = _LIMIT_S) -> None:
        """Wait until every input is processed, durable and committed."""
        wait_for(self.is_drained, "everything is processed and committed", limit_s)

    def durable(self, stage: str) -> list[Stage[Any, Any]]:
        """The state of each partition as the changelog has it."""
        spec, states = self.specs[stage], []
        for number in range(self._partitions(spec.changelog)):
            reader = FrameReader(spec.new_stage())
            for record in self.records(spec.changelog, number):
                reader.feed(record.value)
            states.append(reader.finish())
        return states

    def fold(self, stage: str, seed: int) -> list[Stage[Any, Any]]:
        """What one process makes of the stage's input as recorded, in batches of any size."""
        spec, states, random = self.specs[stage], [], Random(seed)
        for number in range(self._partitions(spec.topic)):
            state = spec.new_stage()
            records = self.records(spec.topic, number)
            while records:
                size = random.randint(1, 700)
                batch, _ = spec.read(records[:size])
                state.apply(batch)
                if random.random() < 0.3:
                    state.checkpoint()
                records = records[size:]
            states.append(state)
        return states

    def alerts(self) -> dict[str, Alert]:
        """Alerts by id; one that was written twice counts once."""
        decoded = (
            msgspec.json.decode(record.value, type=Alert) for record in self.records(topics.topic(self.settings, "auth.alerts"), 0)
        )
        return {alert.alert_id: alert for alert in decoded}

    def records(self, topic: str, number: int) -> list[Any]:
        """Everything in a partition."""
        partition = TopicPartition(topic, number)
        consumer = KafkaConsumer(bootstrap_servers=self.settings.kafka.bootstrap, enable_auto_commit=False)
        found: list[Any] = []
        try:
            consumer.assign([partition])
            consumer.seek_to_beginning(partition)
            end = consumer.end_offsets([partition])[partition]
            while consumer.position(partition) < end:
                found += consumer.poll(timeout_ms=500).get(partition, ())
        finally:
            consumer.close()
        return found

    def _ends(self, topic: str) -> dict[TopicPartition, int]:
        consumer = KafkaConsumer(bootstrap_servers=self.settings.kafka.bootstrap)
        try:
            return dict(consumer.end_offsets([TopicPartition(topic, number) for number in range(self._partitions(topic))]))
        finally:
            consumer.close()

    def _partitions(self, topic: str) -> int:
        return topics.partitions(self.settings, topic.removeprefix(self.settings.kafka.prefix))


def undisturbed(events: Sequence[AuthEvent]) -> Pipeline:
    """The same events in one process without a broker."""
    pipeline = Pipeline(Resolver(AccountDirectory(), Geo()), Groups(), PARTITIONS, on_scope=lambda _use: None)
    for _ in pipeline.run(iter(events)):
        pass
    return pipeline


def counters(states: Iterable[Stage[Any, Any]]) -> dict[str, Any]:
    """What was counted per key, without what depends on the order of arrival: by hour, failures and distinct members."""
    counted: dict[str, Any] = {}
    for state in states:
        state.checkpoint()
        for key, _ in state.rows():
            row = state.peek(key)
            if isinstance(row, UseRow):
                counted[key] = (row.attempts, row.accounts().dump())
                continue
            hours: dict[int, Any] = {}
            for hour, cell in [*((index // 12, cell) for index, cell in row.recent.items()), *row.hours.items()]:
                into = hours.setdefault(hour, {"failures": 0})
                into["failures"] += cell.failures
                for name in cell.__struct_fields__:
                    members = getattr(cell, name)
                    if isinstance(members, list):
                        into[name] = sorted({*into.get(name, []), *members})[:64]
            usage = {index: (cell.successes, sorted(cell.accounts)) for index, cell in getattr(row, "usage", {}).items()}
            counted[key] = (hours, usage)
    return counted
