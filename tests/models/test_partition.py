"""models.partition: the emulated partitions are Kafka's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner import murmur2

from models.partition import partitions_of

keys = st.text(st.characters(codec="utf-8"), max_size=40)


def kafkas(key: str, partitions: int) -> int:
    """What kafka-python's default partitioner says."""
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % partitions)


@given(st.lists(keys, max_size=20), st.integers(1, 1000))
def test_equal_to_kafka_python(texts: list[str], partitions: int) -> None:
    """For any keys, of lengths that mix, together as one by one."""
    expected = [kafkas(text, partitions) for text in texts]
    assert partitions_of(texts, partitions) == expected
    assert partitions_of(texts * 9, partitions) == expected * 9
    assert [partitions_of([text], partitions)[0] for text in texts] == expected


@pytest.mark.parametrize("length", range(13))
def test_every_length_modulo_four(length: int) -> None:
    """The rest of a key after its last whole word counts, zero bytes included."""
    texts = ["a" * length, "\0" * length, "\x7f" * length, ("é" * length)[:length]]
    expected = [kafkas(text, 997) for text in texts]
    assert partitions_of(texts, 997) == expected
    assert partitions_of(texts * 5, 997) == expected * 5


def test_known_values() -> None:
    """Those of the Java client (Apache Kafka, UtilsTest), sign bit cleared."""
    java = {
        "21": -973932308,
        "foobar": -790332482,
        "a-little-bit-long-string": -985981536,
        "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    }
    java |= {"a-little-bit-longer-string": -1486304829, "abc": 479470107}
    expected = [value & 0x7FFFFFFF for value in java.values()]
    assert partitions_of(list(java), 1 << 31) == expected
    assert partitions_of(list(java) * 2, 1 << 31) == expected * 2


def test_no_keys() -> None:
    """Nothing in, nothing out."""
    assert partitions_of([], 16) == []


def test_partitions_fill_evenly() -> None:
    """Networks spread over sixteen partitions."""
    found = partitions_of([f"10.{high}.{low}.0/24" for high in range(64) for low in range(250)], 16)
    shares = [found.count(partition) for partition in range(16)]
    assert sum(shares) == 16_000
    assert 850 < min(shares) <= max(shares) < 1150
