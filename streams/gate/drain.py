"""Sends what is in the spool to Kafka, in order, for as long as it takes.

One window at a time: everything in it is acknowledged, then released from the spool, then the next one is read. The next stages
drop what they have seen from a producer up to its highest number, so in no partition may a record be delivered while one before
it is not. Hence a window of a partition is one batch, which the broker takes whole or not at all; the producer is idempotent and
gives up nothing by itself; and where the broker refused for good, the whole window is sent again by a new producer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError

from streams import telemetry, topics
from streams.gate.spool import Entry, Spool
from streams.settings import Settings

__all__ = ["Drain"]

_WINDOW_RECORDS: Final = 1000
#: Lines hold values in base64, so what is sent of a window is smaller; far below the 1 MiB that the broker takes.
_WINDOW_BYTES: Final = 256 << 10
_BATCH_BYTES: Final = 512 << 10
#: A batch goes out when the window is complete, not before.
_LINGER_MS: Final = 1000
#: Between windows that are not nearly full: fewer, larger batches, at a delay that nobody notices.
_PAUSE_S: Final = 0.05
_AGAIN_S: Final = 2.0
_CONNECT_MS: Final = 5000
_RECONNECT_MS: Final = 1000
_FLUSH_S: Final = 1.0
#: What a process that ends still gives to the broker.
_LAST_S: Final = 5.0
_MS_PER_S: Final = 1000
_STAGE: Final = "gate"


class _Stopped(Exception):
    """The process ends before the broker has acknowledged a window."""


class Drain:
    """See the module's text.

    Args:
        settings: Where the broker is.
        spool: What to send.
    """

    def __init__(self, settings: Settings, spool: Spool) -> None:
        self._settings, self._spool = settings, spool
        self._names = {name: topics.topic(settings, name) for name in topics.TOPICS}
        self._stop = threading.Event()
        self._deadline: float | None = None

    def run(self, stop: threading.Event) -> None:
        """Send until ``stop``, and then what is left, for a few seconds; begin anew after every failure."""
        self._stop, told = stop, False
        while not stop.is_set():
            try:
                self._run()
            except _Stopped:
                return
            except (KafkaConnectionError, KafkaTimeoutError):
                if not told:
                    telemetry.warning("kafka.unreachable", broker=self._settings.kafka.bootstrap)
                told = True
            except Exception as error:  # whatever it is, the records are in the spool
                told = False
                telemetry.error("spool.stuck", error)
            stop.wait(_AGAIN_S)

    def _run(self) -> None:
        producer = KafkaProducer(
            **self._settings.kafka.client_options(),
            bootstrap_timeout_ms=_CONNECT_MS,
            max_block_ms=_CONNECT_MS,
            reconnect_backoff_max_ms=_RECONNECT_MS,
            allow_auto_create_topics=False,
            enable_idempotence=True,
            delivery_timeout_ms=float("inf"),
            linger_ms=_LINGER_MS,
            batch_size=_BATCH_BYTES,
            compression_type="gzip",
        )
        try:
            while not self._is_over():
                entries = self._spool.read(_WINDOW_RECORDS, _WINDOW_BYTES)
                if entries:
                    self._send(producer, entries)
                    self._spool.release(entries[-1].after)
                elif self._stop.is_set():
                    return
                if sum(len(entry.line) for entry in entries) < _WINDOW_BYTES // 2:
                    self._stop.wait(_PAUSE_S)
        finally:
            with suppress(KafkaError):
                producer.close(timeout=0)

    def _send(self, producer: KafkaProducer, entries: Sequence[Entry]) -> None:
        """Send a window, and wait until the broker has all of it."""
        futures = [self._hand_over(producer, entry) for entry in entries]
        self._insist(lambda: producer.flush(timeout=_FLUSH_S))
        for future in futures:
            future.get(timeout=_FLUSH_S)
        newest = entries[-1].record
        telemetry.EVENTS.labels(_STAGE, "sent").inc(len(entries))
        if newest is not None and newest.ts is not None:
            telemetry.WATERMARK_TIMESTAMP_SECONDS.labels(_STAGE, "0").set(newest.ts)

    def _hand_over(self, producer: KafkaProducer, entry: Entry) -> Any:
        record = entry.record
        if record is None:
            return self._bury(producer, entry)
        headers = {"crible-schema": record.schema, "crible-producer": entry.producer, "crible-seq": str(record.seq)}
        # A clock that was ahead when the record was written must not keep it from the broker for ever.
        timestamp_ms = None if record.ts is None else int(min(record.ts, time.time()) * _MS_PER_S)
        key = None if record.key is None else record.key.encode()
        options = {"key": key, "headers": _encoded(headers | record.headers), "timestamp_ms": timestamp_ms}
        return self._insist(lambda: producer.send(self._names[record.topic], record.value, **options))

    def _bury(self, producer: KafkaProducer, entry: Entry) -> Any:
        """A damaged line goes to the dead letters as it is."""
        telemetry.error("spool.damaged", path=str(entry.path), offset=entry.place.offset)
        telemetry.SPOOL_LOST.labels("damaged").inc()
        about = {
            "crible-schema": "dead-letter/1",
            "dlq.source": f"{entry.path.name}:{entry.place.offset}",
            "dlq.stage": _STAGE,
            "dlq.reason": "damaged",
            "dlq.error": "Damaged",
        }
        return self._insist(lambda: producer.send(self._names["auth.dlq"], entry.line, headers=_encoded(about)))

    def _insist(self, action: Callable[[], Any]) -> Any:
        """Do something again for as long as the broker does not answer.

        Raises:
            _Stopped: The process ends.
        """
        told = False
        while True:
            try:
                return action()
            except KafkaTimeoutError:
                if self._is_over():
                    raise _Stopped from None
                if not told:
                    telemetry.warning("kafka.unreachable", broker=self._settings.kafka.bootstrap)
                told = True

    def _is_over(self) -> bool:
        """Whether the process was told to end, and has had its time for what is left."""
        if not self._stop.is_set():
            return False
        self._deadline = self._deadline or time.monotonic() + _LAST_S
        return time.monotonic() >= self._deadline


def _encoded(headers: Mapping[str, str]) -> list[tuple[str, bytes]]:
    return [(name, text.encode()) for name, text in headers.items()]
