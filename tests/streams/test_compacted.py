"""streams.compacted: what was committed is read, from the beginning, and it is known when that was all."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaProducer

from streams import topics
from streams.compacted import CompactedReader, is_of
from streams.settings import Kafka, Settings


@pytest.mark.kafka
def test_committed_records_of_several_topics_are_read_whole(kafka_broker: str, topic_prefix: str) -> None:
    """Tombstones too, not what a transaction took back; and what is written later is read as well."""
    settings = Settings(kafka=Kafka(bootstrap=kafka_broker, prefix=topic_prefix, partitions=3))
    topics.create(settings)
    decisions, control = (topics.topic(settings, name) for name in ("auth.decisions", "auth.control"))
    producer = KafkaProducer(bootstrap_servers=kafka_broker, transactional_id=f"{topic_prefix}test")
    producer.init_transactions()

    def write(*records: tuple[str, bytes, bytes | None], commit: bool = True) -> None:
        producer.begin_transaction()
        for topic, key, value in records:
            producer.send(topic, key=key, value=value)
        producer.flush()
        if commit:
            producer.commit_transaction()
        else:
            producer.abort_transaction()

    write((decisions, b"a", b"1"), (decisions, b"b", b"2"), (control, b"c", b"3"), (decisions, b"a", None))
    write((decisions, b"d", b"4"), commit=False)
    reader = CompactedReader(settings, "auth.decisions", "auth.control")
    found: list[Any] = []
    while not reader.caught_up():
        found += reader.poll()
    assert sorted((record.topic, record.key, record.value or b"-") for record in found) == sorted(
        [(decisions, b"a", b"1"), (decisions, b"b", b"2"), (control, b"c", b"3"), (decisions, b"a", b"-")]
    )
    assert [record.value for record in found if record.key == b"a"] == [b"1", None]
    write((control, b"e", b"5"))
    later: list[Any] = []
    while not later:
        later += reader.poll()
    assert [record.key for record in later] == [b"e"]
    reader.close()
    producer.close()


@pytest.mark.kafka
def test_other_topics_are_read_from_a_time_on(kafka_broker: str, topic_prefix: str) -> None:
    """What is older is left out, a partition with nothing newer too, and what comes later is read from all."""
    settings = Settings(kafka=Kafka(bootstrap=kafka_broker, prefix=topic_prefix, partitions=2))
    topics.create(settings)
    now, topic = time.time(), topics.topic(settings, "auth.account-changes")
    producer = KafkaProducer(bootstrap_servers=kafka_broker)

    def write(partition: int, value: bytes, ts: float) -> None:
        producer.send(topic, value, partition=partition, timestamp_ms=int(ts * 1000)).get(20)

    for partition, value, ago_s in ((0, b"old", 7200), (0, b"new", 60), (1, b"older", 9000)):
        write(partition, value, now - ago_s)
    reader = CompactedReader(settings, "auth.account-changes", from_ts=now - 3600)
    found: list[Any] = []
    while not reader.caught_up():
        found += reader.poll()
    write(1, b"late", now - 8000)
    while len(found) < 2:
        found += reader.poll()
    assert [record.value for record in found] == [b"new", b"late"]
    reader.close()
    producer.close()


@pytest.mark.parametrize(
    ("header", "is_ours"),
    [
        ("decision/1", True),
        ("decision/2", False),
        ("decision/0", True),
        ("alert/1", False),
        ("decision/", False),
        ("decision", False),
    ],
)
def test_a_record_says_what_it_is(header: str, is_ours: bool) -> None:
    """Another kind, a higher major, or no number is not ours; a record that says nothing is judged by its content."""
    assert is_of(SimpleNamespace(headers=[("other", b"x"), ("crible-schema", header.encode())]), "decision/1") is is_ours
    assert is_of(SimpleNamespace(headers=[("other", b"x")]), "decision/1")
