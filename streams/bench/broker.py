"""The broker of a bench, the processes that it measures there, and how far they have come."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any, Final, Self
from uuid import uuid4

import msgspec
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import CoordinatorNotAvailableError, NotCoordinatorError

from models.errors import CribleError
from models.events import AuthEvent, encode_event
from streams import local_kafka, topics
from streams.ingest import KafkaSink, Origin
from streams.settings import Kafka, Settings

__all__ = ["Drained", "Process", "Processes", "broker_of", "drain", "fresh_topics", "load", "wait_for"]

_ROOT: Final = Path(__file__).resolve().parents[2]
_POLL_S: Final = 0.1
_LIMIT_S: Final = 900.0
_STOP_S: Final = 20.0
_QUOTED: Final = 2_000


class Drained(msgspec.Struct, frozen=True):
    """What a consumer group did.

    ``seconds`` run from the first commit of an input offset to the last commit of all topics; ``start_up_s`` is the time before.
    The ``events`` of the first commit are left out.
    """

    events: int
    seconds: float
    start_up_s: float

    @property
    def events_per_s(self) -> int:
        """The speed."""
        return round(self.events / self.seconds)


class Process:
    """One process that we started.

    Args:
        program: What ``python -c`` gets.
        settings: Passed on as variables.
        directory: Where it runs, and its log is kept.
    """

    def __init__(self, program: str, settings: Settings, directory: Path) -> None:
        self.log = directory / f"{uuid4().hex}.log"
        command = [sys.executable, "-c", program]
        environment = os.environ | {"PYTHONPATH": str(_ROOT)} | _variables(settings)
        with self.log.open("wb") as file:
            self._process = subprocess.Popen(command, cwd=directory, env=environment, stdout=subprocess.DEVNULL, stderr=file)  # noqa: S603  made here
        self.pid = self._process.pid

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Its log lines of one kind."""
        lines = (line for line in self.log.read_bytes().splitlines() if line.startswith(b"{") and line.endswith(b"}"))
        return [line for line in map(msgspec.json.decode, lines) if line.get("event") == event]

    def check(self) -> None:
        """Raise where it has ended by itself.

        Raises:
            CribleError: It has; the error quotes the end of its log.
        """
        code = self._process.poll()
        if code is not None:
            raise CribleError(f"a measured process ended with {code}: {self.log.read_text('utf-8', 'replace')[-_QUOTED:]}")

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it, kindly first."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()


class Processes(list[Process]):
    """Processes that end with the ``with`` block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self:
            process.stop()


@contextmanager
def broker_of(settings: Settings) -> Iterator[Settings]:
    """The broker that the settings name; where they name none, a new one that ends with the block."""
    if settings.kafka.bootstrap != Kafka().bootstrap:
        yield settings
        return
    with TemporaryDirectory() as directory:
        running = local_kafka.start(Path(directory), local_kafka.free_port())
        try:
            yield _with_kafka(settings, bootstrap=running.bootstrap)
        finally:
            running.stop()


@contextmanager
def fresh_topics(settings: Settings, prefix: str) -> Iterator[Settings]:
    """All topics under a fresh prefix, deleted afterwards with what processes made beside them."""
    ours = _with_kafka(settings, prefix=prefix)
    topics.create(ours)
    try:
        yield ours
    finally:
        with topics.admin(ours) as client:
            client.delete_topics([name for name in client.list_topics() if name.startswith(prefix)])


def load(settings: Settings, events: Iterable[AuthEvent]) -> int:
    """Write events as ingest does; returns how many."""
    seq, producer = 0, uuid4().hex  # numbers of a known producer would be taken for duplicates
    with KafkaSink(settings, None) as sink:
        for seq, event in enumerate(events, 1):
            sink.event(event, encode_event(event), Origin("bench", producer, seq))
    return seq


def drain(settings: Settings, group: str, names: Sequence[str], processes: Iterable[Process]) -> Drained:
    """Wait until a group has committed all of some topics; the first is its input, whose end is fixed.

    Args:
        settings: Where the topics are.
        group: Name of the consumer group.
        names: Full names of the topics.
        processes: Watched: one that ends is an error.
    """
    started = monotonic()
    first: tuple[float, int] | None = None
    with topics.admin(settings) as client:
        ends = _ends(client, names)
        total = sum(end for tp, end in ends.items() if tp.topic == names[0])

        def progress() -> tuple[int, bool]:
            for process in processes:
                process.check()
            committed = _committed(client, group)
            done = sum(offset for tp, offset in committed.items() if tp.topic == names[0])
            drained = done >= total and all(end <= committed.get(tp, 0) for tp, end in _ends(client, names).items())
            return done, drained

        before, _ = progress()
        while True:
            done, drained = progress()
            now = monotonic()
            if first is None and done > before:
                first = now, done
            if drained:
                break
            if now - started > _LIMIT_S:
                raise CribleError(f"{names[0]} was not drained within {_LIMIT_S:g} s: {done:,} of {total:,} committed")
            sleep(_POLL_S)
    if first is None or first[1] == total:  # too few to see it begin
        return Drained(total - before, now - started, 0.0)
    return Drained(total - first[1], round(now - first[0], 2), round(first[0] - started, 2))


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Return when ``condition`` holds.

    Raises:
        CribleError: It does not within the limit.
    """
    deadline = monotonic() + _LIMIT_S
    while not condition():
        if monotonic() > deadline:
            raise CribleError(f"not within {_LIMIT_S:g} s: {what}")
        sleep(_POLL_S)


def _committed(client: KafkaAdminClient, group: str) -> dict[TopicPartition, int]:
    try:
        found = client.list_group_offsets([group]).get(group, {})
    except (CoordinatorNotAvailableError, NotCoordinatorError):  # the first group of a new broker
        return {}
    return {tp: max(each.offset, 0) for tp, each in found.items()}


def _ends(client: KafkaAdminClient, names: Sequence[str]) -> dict[TopicPartition, int]:
    partitions = {found["name"]: len(found["partitions"]) for found in client.describe_topics(list(names))}
    wanted = {TopicPartition(name, number): OffsetSpec.LATEST for name in names for number in range(partitions[name])}
    return {tp: found.offset for tp, found in client.list_partition_offsets(wanted).items()}


def _with_kafka(settings: Settings, **changes: Any) -> Settings:
    return msgspec.structs.replace(settings, kafka=msgspec.structs.replace(settings.kafka, **changes))


def _variables(settings: Settings) -> dict[str, str]:
    """The sections that a bench changes, as variables for a process of ours."""
    sections: dict[str, dict[str, Any]] = msgspec.to_builtins({"kafka": settings.kafka, "worker": settings.worker})
    return {
        f"CRIBLE_{section}_{name}".upper(): str(value)
        for section, fields in sections.items()
        for name, value in fields.items()
        if value is not None
    } | {"CRIBLE_KAFKA": settings.kafka.bootstrap}
