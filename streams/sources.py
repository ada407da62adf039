"""Past events for a replay, from files or from a topic, in (``ts``, ``event_id``) order.

Each file, and each partition of a topic, is nearly in order by itself. It is put in order within ``DISORDER_S``, then all are
merged, so what is held in memory is what happens in ``DISORDER_S``, however long the history is.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from time import monotonic
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from models.errors import CribleError, InputError
from models.events import AuthEvent, EventIds, Refused, decode_event
from streams import topics
from streams.compacted import Record
from streams.lines import Lines
from streams.settings import Settings

__all__ = ["DISORDER_S", "TOPIC_PREFIX", "Sources", "topic_records"]

TOPIC_PREFIX: Final = "kafka:"
#: How far behind the newest event of its own source an event may come.
DISORDER_S: Final = 300.0
_SORT_EVERY: Final = 20_000
_POLL_MS: Final = 500
_POLL_RECORDS: Final = 5_000
_SILENT_S: Final = 30.0
_MS_PER_S: Final = 1000
_order: Final = itemgetter(0, 1)


class Sources:
    """The events of several sources, merged.

    Args:
        names: NDJSON files (``.gz`` and ``.zst`` too), ``-``, or ``kafka:TOPIC``.
        settings: Where the broker is; the topic is named in full.
        since: Events before this time are left out; UTC seconds.
        until: So are events from this time on.

    Attributes:
        from_topics: Whether any of them is a topic.
        read: Events read so far.
        refused: What could not be read, by reason.
        first_refused: Where the first of them is.

    Raises:
        InputError: While iterating: a file cannot be read, a source is not in order, or there is no such topic.
        CribleError: The broker does not answer.
    """

    def __init__(self, names: Sequence[str], settings: Settings, since: float | None = None, until: float | None = None) -> None:
        self.names, self.settings = names, settings
        self.from_topics = any(name.startswith(TOPIC_PREFIX) for name in names)
        self.since = since if since is not None else float("-inf")
        self.until = until if until is not None else float("inf")
        self.read = 0
        self.refused: Counter[str] = Counter()
        self.first_refused = ""

    def __iter__(self) -> Iterator[AuthEvent]:
        parts: list[Iterable[tuple[float, str, AuthEvent]]] = []
        for name in self.names:
            if name.startswith(TOPIC_PREFIX):
                parts += self._topic(name.removeprefix(TOPIC_PREFIX))
            else:
                parts.append(self._ordered(self._file(name), name))
        last_id = ""
        for _, event_id, event in heapq.merge(*parts, key=_order) if len(parts) > 1 else parts[0]:
            if event_id != last_id:  # a record that was sent twice
                self.read += 1
                last_id = event_id
                yield event

    def _file(self, name: str) -> Iterator[AuthEvent]:
        lines = Lines(name)
        ids = EventIds()
        for raw in lines:
            if raw:
                event = self._decode(raw, ids, lambda: f"{name}:{lines.number}")
                if event is not None:
                    yield event

    def _topic(self, topic: str) -> list[Iterator[tuple[float, str, AuthEvent]]]:
        """One ordered stream per partition; read without joining any group."""
        numbers = range(_partitions(self.settings, topic))
        return [self._ordered(self._partition(topic, number), f"{topic}/{number}") for number in numbers]

    def _partition(self, topic: str, number: int) -> Iterator[AuthEvent]:
        ids = EventIds()
        for record in _records(self.settings, topic, number, self.since - DISORDER_S):
            event = self._decode(record.value or b"", ids, lambda at=record.offset: f"{topic}/{number}/{at}")
            if event is not None:
                yield event

    def _decode(self, raw: bytes, ids: EventIds, where: Any) -> AuthEvent | None:
        try:
            event = decode_event(raw)
        except Refused as refusal:
            self.refused[refusal.reason] += 1
            self.first_refused = self.first_refused or f"{where()}: {refusal.reason}"
            return None
        if not event.event_id:
            ids.assign(event)
        return event if self.since <= event.ts < self.until else None

    def _ordered(self, events: Iterable[AuthEvent], name: str) -> Iterator[tuple[float, str, AuthEvent]]:
        """Put a nearly ordered source in order."""
        waiting: list[tuple[float, str, AuthEvent]] = []
        passed_ts = float("-inf")
        for event in events:
            if event.ts < passed_ts:
                raise InputError(
                    f"an event is more than {DISORDER_S:g} s older than one before it",
                    where=name,
                    hint="sort the events by ts first",
                )
            waiting.append((event.ts, event.event_id, event))
            if len(waiting) % _SORT_EVERY == 0:
                waiting.sort(key=_order)
                passed_ts = max(passed_ts, waiting[-1][0] - DISORDER_S)
                ready = bisect_left(waiting, passed_ts, key=lambda item: item[0])
                yield from waiting[:ready]
                del waiting[:ready]
        waiting.sort(key=_order)
        yield from waiting


def topic_records(settings: Settings, topic: str) -> Iterator[Record]:
    """All that a topic has now, one partition after the other.

    Args:
        settings: Where the broker is.
        topic: Named in full.

    Raises:
        InputError: There is no such topic.
        CribleError: The broker does not answer.
    """
    for number in range(_partitions(settings, topic)):
        yield from _records(settings, topic, number)


def _partitions(settings: Settings, topic: str) -> int:
    """How many partitions a topic has."""
    with topics.admin(settings) as client:
        found = {each["name"]: len(each["partitions"]) for each in client.describe_topics()}
    if topic not in found:
        raise InputError(f"no topic {topic}", where=settings.kafka.bootstrap, hint="list what there is with 'crible topics'")
    return found[topic]


def _records(settings: Settings, topic: str, number: int, since: float = float("-inf")) -> Iterator[Record]:
    """What a partition has now, from where the record timestamps, which are event times, reach ``since``; without any group."""
    partition = TopicPartition(topic, number)
    try:
        consumer = KafkaConsumer(
            **settings.kafka.client_options(),
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            max_poll_records=_POLL_RECORDS,
        )
        try:
            consumer.assign([partition])
            end = consumer.end_offsets([partition])[partition]
            _seek(consumer, partition, since)
            yield from _until(end, consumer, partition)
        finally:
            consumer.close()
    except KafkaError as error:
        raise CribleError(f"reading failed: {error}", where=f"{topic}/{number}") from error


def _seek(consumer: KafkaConsumer, partition: TopicPartition, since: float) -> None:
    if since <= 0:
        consumer.seek_to_beginning(partition)
        return
    found = consumer.offsets_for_times({partition: int(since * _MS_PER_S)})[partition]
    if found is None:
        consumer.seek_to_end(partition)
    else:
        consumer.seek(partition, found.offset)


def _until(end: int, consumer: KafkaConsumer, partition: TopicPartition) -> Iterator[Record]:
    silent_s = 0.0
    while consumer.position(partition) < end:
        asked_at = monotonic()
        records: Sequence[Record] = consumer.poll(timeout_ms=_POLL_MS).get(partition, ())
        silent_s = 0.0 if records else silent_s + monotonic() - asked_at
        if silent_s > _SILENT_S:
            raise CribleError(f"no record for {_SILENT_S:g} s", where=f"{partition.topic}/{partition.partition}")
        for record in records:
            if record.offset >= end:
                return
            yield record
