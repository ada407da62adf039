"""Orders on ``auth.control``: a service writes one for a person, the leader reads it, carries it out and removes it.

The leader writes what it lifted, the note for ``auth.audit`` and the order's tombstone in one transaction, so that an order is
carried out once, whoever leads, and none is carried out anew on what was decided after it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from models.orders import ORDER_PREFIX, SCHEMA, Order
from streams import telemetry
from streams.compacted import CompactedReader, Record, is_of
from streams.settings import Settings
from streams.writing import TopicWriter, Written

__all__ = ["OrderTopic", "Orders"]


class OrderTopic:
    """Writes orders to ``auth.control``.

    Args:
        settings: Where the broker is.
    """

    def __init__(self, settings: Settings) -> None:
        self._writer = TopicWriter(settings, "auth.control", SCHEMA)

    def send(self, order: Order) -> None:
        """Return when the broker has it.

        Raises:
            CribleError: It does not take it in time.
        """
        self._writer.send([Written(order.key, msgspec.json.encode(order), order.ts)])

    def close(self) -> None:
        """Leave the broker."""
        self._writer.close()


class Orders:
    """The orders that wait, the earliest first; for the leader, after it fenced the last one.

    Args:
        settings: Where the broker is.

    Raises:
        KafkaError: No broker, or it refused.
    """

    def __init__(self, settings: Settings) -> None:
        self.waiting: dict[str, Order] = {}
        self._reader = CompactedReader(settings, "auth.control")
        try:
            # An order may be followed by its tombstone: none is waiting before all has been read.
            while not self._reader.caught_up():
                self._take(self._reader.poll())
        except BaseException:
            self.close()
            raise

    def look(self) -> None:
        """Take what has come, without waiting."""
        self._take(self._reader.poll(timeout_ms=0))

    def close(self) -> None:
        """Leave the broker."""
        self._reader.close()

    def _take(self, records: Iterable[Record]) -> None:
        for record in records:
            key = (record.key or b"").decode("utf-8", "replace")
            if key.startswith(ORDER_PREFIX):
                self._take_one(key, record)

    def _take_one(self, key: str, record: Record) -> None:
        self.waiting.pop(key, None)
        if record.value is None:
            return
        try:
            if is_of(record, SCHEMA):
                self.waiting[key] = msgspec.json.decode(record.value, type=Order)
                return
            reason = "another_schema"
        except msgspec.DecodeError:
            reason = "not_an_order"
        telemetry.error("record.refused", reason=reason, topic=record.topic, partition=record.partition, offset=record.offset)
