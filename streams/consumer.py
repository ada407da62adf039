"""A Faust transport that delivers batches.

Faust makes two asyncio tasks per record, which limits an agent without any work to about 9,000 events/s on one core (measured).
This consumer yields one message per partition and fetch, whose value is the list of records: the limit becomes the fetch.
Everything else (group, rebalancing, flow control, commits) stays Faust's.

It also holds back a partition of ``auth.events`` whose records lie beyond the common horizon (see :mod:`streams.watermarks`): what
was fetched waits here, and the partition is not fetched until it has gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from math import inf
from time import monotonic
from typing import Any, ClassVar, Final

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from faust import App
from faust.serializers.schemas import Schema
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message

__all__ = ["BatchSchema", "BatchTransport"]

#: Records of one delivery at most: what a checkpoint holds, so that memory and the work lost in a crash stay bounded.
_BATCH_RECORDS: Final = 2_000
_FETCH_WAIT_S: Final = 1.0
#: While something is held back, look this often whether the horizon has moved.
_HELD_WAIT_S: Final = 0.02
_MS_PER_S: Final = 1000


class BatchSchema(Schema[Any, Any]):
    """Hands the list of records through untouched."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:
        """No key: a batch has many."""
        return None

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        """The records themselves; decoding them is the stage's work."""
        return message.value


class BatchConsumer(driver.Consumer):
    """See the module's text."""

    transport: BatchTransport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pending: dict[TP, deque[ConsumerRecord[bytes, bytes]]] = {}
        self._fetched_at: dict[TP, float] = {}
        self._pending_generation = -1

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """One message per partition that has something to deliver; its offset is that of its last record."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # as Faust itself does
        generation = self.app.consumer_generation_id
        if generation != self._pending_generation:
            if self._pending and not await self._fetch_again():
                return
            self._pending_generation = generation
        active = self._get_active_partitions()
        wanted = active - self._pending.keys()
        wait_s = _HELD_WAIT_S if self._pending else _FETCH_WAIT_S
        if wanted:
            fetched = await self._getmany(active_partitions=wanted, timeout=wait_s)
        else:
            fetched = {}
            await self.sleep(wait_s)
        if self.should_stop:
            return
        if not self.flow_active:
            await self._fetch_again()
            return
        for tp, records in fetched.items():
            self._pending[tp] = deque(records)
            self._fetched_at[tp] = monotonic()
        for tp in list(self._pending):
            if not self.flow_active or self.app.consumer_generation_id != generation:
                break
            if tp in active or tp in self._buffered_partitions:
                batch = self._cut(tp)
                if batch:
                    yield tp, self._message(tp, batch)

    async def _fetch_again(self) -> bool:
        """Drop what waits, fetched for another assignment or perhaps just after its end, and go back to where this one starts.

        Returns:
            Whether that was possible; in the middle of a rebalance it is not.
        """
        try:
            await self.perform_seek()
        except (AssertionError, KafkaError):  # aiokafka asserts that something is assigned
            return False
        self._pending.clear()
        return True

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """As the parent, and to the beginning where nothing is committed yet: aiokafka leaves such a partition where it is."""
        committed = await super().seek_to_committed()
        if uncommitted := [tp for tp, offset in committed.items() if not offset]:
            await self._thread.seek_to_beginning(*uncommitted)
        return committed

    def head_ts(self, tp: TP) -> float | None:
        """Event time of the first record that is fetched and not delivered."""
        pending = self._pending.get(tp)
        return pending[0].timestamp / _MS_PER_S if pending else None

    def _cut(self, tp: TP) -> list[ConsumerRecord[bytes, bytes]]:
        """Take the next records of a partition, up to the horizon."""
        pending = self._pending[tp]
        gated = tp.topic == self.transport.gated_topic
        limit_ms = self.transport.horizon(pending[0].timestamp / _MS_PER_S, self._fetched_at[tp]) * _MS_PER_S if gated else inf
        batch: list[ConsumerRecord[bytes, bytes]] = []
        while pending and len(batch) < _BATCH_RECORDS and pending[0].timestamp <= limit_ms:
            batch.append(pending.popleft())
        if not pending:
            del self._pending[tp]
        return batch

    def _message(self, tp: TP, batch: list[ConsumerRecord[bytes, bytes]]) -> Message:
        last = batch[-1]
        message: Message = self._to_message(tp, last)
        message.value = batch  # type: ignore[assignment]  # a batch in place of one record's bytes is the point
        return message

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing: a batch's message stands for all offsets up to its own."""

    def _new_offset(self, tp: TP) -> int | None:
        """Highest acknowledged + 1: one agent of concurrency 1 takes each partition in order, so nothing below is open."""
        acked = self._acked[tp]
        if not acked:
            return None
        highest = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return highest + 1

    def ack(self, message: Message) -> bool:
        """Ignore what was delivered under an earlier assignment: its offset may have another owner by now."""
        if message.generation_id != self.app.consumer_generation_id:
            return False
        return super().ack(message)


class IdempotentProducer(driver.Producer):
    """Faust turns idempotence on only together with its transactions."""

    def _settings_extra(self) -> dict[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class BatchTransport(driver.Transport):
    """Faust's Kafka transport with the two classes above.

    Args:
        gated_topic: The topic that is held at the horizon.
        horizon: Event time up to which records may be delivered, given the first one's and the monotonic time of the fetch.
    """

    Consumer: ClassVar[type[driver.Consumer]] = BatchConsumer
    Producer: ClassVar[type[driver.Producer]] = IdempotentProducer

    def __init__(self, url: list[Any], app: App, gated_topic: str, horizon: Callable[[float, float], float]) -> None:
        super().__init__(url, app)
        self.gated_topic, self.horizon = gated_topic, horizon
