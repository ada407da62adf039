"""Writes a few records at a time for clients that wait: nothing is answered before the broker has them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaError

from models.errors import CribleError
from streams import topics
from streams.settings import Settings

__all__ = ["TopicWriter", "Written"]

#: A client waits for the answer, and tries again where it does not come.
_TIMEOUT_MS: Final = 5_000
_MS_PER_S: Final = 1000


class Written(NamedTuple):
    """One record; ``ts`` is UTC seconds."""

    key: str
    value: bytes
    ts: float


class TopicWriter:
    """Writes to one topic; reaches the broker when it is first needed.

    Args:
        settings: Where the broker is.
        name: The topic, without the prefix.
        schema: Of every record.
    """

    def __init__(self, settings: Settings, name: str, schema: str) -> None:
        kafka = msgspec.structs.replace(settings.kafka, connect_timeout_s=_TIMEOUT_MS / _MS_PER_S)
        self._settings = msgspec.structs.replace(settings, kafka=kafka)
        self._topic, self._headers = topics.topic(settings, name), [("crible-schema", schema.encode())]
        self._producer: KafkaProducer | None = None
        self._starting = threading.Lock()

    def send(self, records: Sequence[Written]) -> None:
        """Return when the broker has them all.

        Raises:
            CribleError: It does not take them in time; some may have arrived.
        """
        try:
            producer = self._started()
            futures = [self._send(producer, record) for record in records]
            for future in futures:
                future.get(timeout=_TIMEOUT_MS / _MS_PER_S)
        except KafkaError as error:
            raise CribleError(
                f"the broker did not take a record for {self._topic} ({type(error).__name__})",
                where=self._settings.kafka.bootstrap,
                hint="send it again",
            ) from error

    def close(self) -> None:
        """Leave the broker."""
        if self._producer is not None:
            self._producer.close(timeout=_TIMEOUT_MS / _MS_PER_S)

    def _started(self) -> KafkaProducer:
        with self._starting:
            if self._producer is None:
                with topics.admin(self._settings):  # says so where there is no broker
                    options = self._settings.kafka.client_options()
                    self._producer = KafkaProducer(**options, enable_idempotence=True, max_block_ms=_TIMEOUT_MS)
            return self._producer

    def _send(self, producer: KafkaProducer, record: Written) -> Any:
        timestamp_ms = int(record.ts * _MS_PER_S)
        return producer.send(
            self._topic, key=record.key.encode(), value=record.value, headers=self._headers, timestamp_ms=timestamp_ms
        )
