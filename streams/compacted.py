"""Reads compacted topics whole, or others from a time on, and goes on reading them; committed records only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import msgspec
from kafka import KafkaConsumer, TopicPartition

from streams import telemetry, topics
from streams.settings import Settings

__all__ = ["CompactedReader", "Record", "decoded", "is_of"]

_POLL_MS: Final = 500
_MS_PER_S: Final = 1000
#: After the broker was away, readers are back within a second; the library's own limit is 30.
_RECONNECT_MS: Final = 1000
_SCHEMA_HEADER: Final = "crible-schema"

#: kafka-python's ConsumerRecord; the library ships no types.
Record = Any

AnyStruct = TypeVar("AnyStruct", bound=msgspec.Struct)


class CompactedReader:
    """See the module's text.

    Args:
        settings: Where the broker is.
        names: Topics, without the prefix.
        from_ts: Leave out records before this time, UTC seconds; ``None`` reads all.

    Raises:
        KafkaError: No broker, or it refused.
    """

    def __init__(self, settings: Settings, *names: str, from_ts: float | None = None) -> None:
        self._partitions = [
            TopicPartition(topics.topic(settings, name), number)
            for name in names
            for number in range(topics.partitions(settings, name))
        ]
        self._consumer = KafkaConsumer(
            **settings.kafka.client_options(),
            reconnect_backoff_max_ms=_RECONNECT_MS,
            allow_auto_create_topics=False,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        try:
            self._consumer.assign(self._partitions)
            self._consumer.seek_to_beginning(*self._partitions)
            self._ends = self._consumer.end_offsets(self._partitions)
            if from_ts is not None:
                self._skip_to(from_ts)
        except BaseException:
            self._consumer.close()
            raise

    def _skip_to(self, ts: float) -> None:
        found = self._consumer.offsets_for_times(dict.fromkeys(self._partitions, int(ts * _MS_PER_S)))
        for partition in self._partitions:
            first = found.get(partition)
            self._consumer.seek(partition, self._ends[partition] if first is None else first.offset)

    def caught_up(self) -> bool:
        """Whether everything has been read that was there at the start."""
        return all((self._consumer.position(partition) or 0) >= self._ends[partition] for partition in self._partitions)

    def poll(self, timeout_ms: int = _POLL_MS) -> Iterator[Record]:
        """The next records, after half a second at most."""
        for batch in self._consumer.poll(timeout_ms=timeout_ms).values():
            yield from batch

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()


def is_of(record: Record, schema: str) -> bool:
    """Whether a record is of the kind ``name/major`` and not of a higher major; one without the header may be."""
    name, _, major = schema.partition("/")
    for header, value in record.headers:
        if header == _SCHEMA_HEADER:
            given_name, _, given_major = value.decode("utf-8", "replace").partition("/")
            return given_name == name and given_major.isdecimal() and int(given_major) <= int(major)
    return True


def decoded(
    record: Record, schema: str, kind: type[AnyStruct], decode: Callable[..., Any] = msgspec.json.decode
) -> AnyStruct | None:
    """What a record says; ``None`` for a tombstone, and, with a line in the log, for what cannot be understood.

    Args:
        record: Of a compacted topic.
        schema: ``name/major`` of what it should be.
        kind: As what it is decoded.
        decode: :func:`msgspec.msgpack.decode` where it is no JSON.
    """
    if record.value is None:
        return None
    reason = "another_schema"
    if is_of(record, schema):
        try:
            said: AnyStruct = decode(record.value, type=kind)
            return said
        except msgspec.DecodeError:
            reason = f"not_{schema.partition('/')[0].replace('-', '_')}"
    telemetry.error("record.refused", reason=reason, topic=record.topic, partition=record.partition, offset=record.offset)
    return None
