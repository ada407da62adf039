"""Orders on ``auth.control``: a service writes one for a person, the leader reads it, carries it out and removes it.

Entries of the allow list are there too; a new one lifts what refuses whom it names. So are orders to forget an account.

The leader writes what it lifted, the note for ``auth.audit`` and the order's tombstone in one transaction, so that an order is
carried out once, whoever leads, and none is carried out anew on what was decided after it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from models import forgetting, lists
from models.breaker import BREAKER_KEY, Breaker
from models.breaker import SCHEMA as BREAKER_SCHEMA
from models.forgetting import FORGET_PREFIX, Forget
from models.lists import LIST_PREFIX, ListEntry, Lists
from models.orders import ORDER_PREFIX, SCHEMA, Order
from streams.compacted import CompactedReader, Record, decoded
from streams.settings import Settings
from streams.writing import TopicWriter, Written

__all__ = ["BlockList", "ControlTopic", "Orders"]


class ControlTopic:
    """Writes orders, and entries of people's lists, to ``auth.control``.

    Args:
        settings: Where the broker is.
    """

    def __init__(self, settings: Settings) -> None:
        self._orders, self._entries, self._forgets = (
            TopicWriter(settings, "auth.control", schema) for schema in (SCHEMA, lists.SCHEMA, forgetting.SCHEMA)
        )

    def order(self, order: Order) -> None:
        """Return when the broker has it.

        Raises:
            CribleError: It does not take it in time.
        """
        self._orders.send([Written(order.key, msgspec.json.encode(order), order.ts)])

    def list(self, entry: ListEntry) -> None:
        """Return when the broker has it.

        Raises:
            CribleError: It does not take it in time.
        """
        self._entries.send([Written(entry.key, msgspec.json.encode(entry), entry.ts)])

    def forget(self, forget: Forget) -> None:
        """Return when the broker has it.

        Raises:
            CribleError: It does not take it in time.
        """
        self._forgets.send([Written(forget.key, msgspec.json.encode(forget), forget.ts)])

    def close(self) -> None:
        """Leave the broker."""
        self._orders.close()
        self._entries.close()
        self._forgets.close()


class BlockList:
    """The entries of people's block list, and the breaker, as far as ``auth.control`` has been read.

    Args:
        settings: Where the broker is.

    Raises:
        KafkaError: No broker, or it refused.
    """

    def __init__(self, settings: Settings) -> None:
        self._lists = Lists()
        self.breaker = Breaker()
        self._reader = CompactedReader(settings, "auth.control")

    def look(self) -> list[ListEntry]:
        """All of them, after taking what has come, without waiting."""
        for record in self._reader.poll(timeout_ms=0):
            key = _key(record)
            if key == BREAKER_KEY:
                self.breaker = _breaker_in(record)
            _take_entry(self._lists, key, record)
        return self._lists.entries("block")

    def close(self) -> None:
        """Leave the broker."""
        self._reader.close()


class Orders:
    """The orders that wait, the earliest first, the lists of people and the breaker; for the leader, who fenced the last one.

    Args:
        settings: Where the broker is.

    Raises:
        KafkaError: No broker, or it refused.
    """

    def __init__(self, settings: Settings) -> None:
        self.waiting: dict[str, Order] = {}
        self.lists = Lists()
        self.breaker = Breaker()
        self.allowed: list[ListEntry] = []
        self.forgets: dict[str, Forget] = {}
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

    def carried_out(self) -> None:
        """Everything that waited has been done."""
        self.waiting.clear()
        self.allowed.clear()
        self.forgets.clear()

    def _take(self, records: Iterable[Record]) -> None:
        for record in records:
            key = _key(record)
            if key.startswith(ORDER_PREFIX):
                self.waiting.pop(key, None)
                order = decoded(record, SCHEMA, Order)
                if order is not None:
                    self.waiting[key] = order
                continue
            if key == BREAKER_KEY:
                self.breaker = _breaker_in(record)
                continue
            if key.startswith(FORGET_PREFIX):
                self.forgets.pop(key, None)
                forget = decoded(record, forgetting.SCHEMA, Forget)
                if forget is not None:
                    self.forgets[key] = forget
                continue
            entry = _take_entry(self.lists, key, record)
            if entry is not None and entry.list == "allow":
                self.allowed.append(entry)


def _key(record: Record) -> str:
    return (record.key or b"").decode("utf-8", "replace")


def _breaker_in(record: Record) -> Breaker:
    """The breaker that a record tells of; closed where it cannot be read."""
    return decoded(record, BREAKER_SCHEMA, Breaker) or Breaker()


def _take_entry(lists_: Lists, key: str, record: Record) -> ListEntry | None:
    """Take over an entry; ``None`` where the record is none, or takes one back."""
    if not key.startswith(LIST_PREFIX):
        return None
    entry = decoded(record, lists.SCHEMA, ListEntry)
    lists_.take(key, entry)
    return entry
