"""streams.desk.orders: what services and the leader make of the records on ``auth.control``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from models.breaker import Breaker
from models.lists import ListEntry
from models.policy import Policy, Ramp
from models.reopening import Reopening
from streams.desk.current_policy import CurrentPolicy
from streams.desk.orders import ControlView, Heartbeats
from streams.settings import Kafka, Settings
from tests.factories import HOUR_S, T0

SETTINGS = Settings(kafka=Kafka(partitions=2))
REOPENING = Reopening(
    decision_id="d", until=T0 + HOUR_S, attack_since=T0, protected_groups=(), ramp=Ramp(), watched_from=T0, counts_from=T0
)


def record(key: str, value: object, schema: str, ts: float = T0) -> Any:
    """A record as kafka-python gives it."""
    encoded = value if isinstance(value, bytes | None) else msgspec.json.encode(value)
    headers = [("crible-schema", schema.encode())]
    return SimpleNamespace(topic="c", key=key.encode(), value=encoded, headers=headers, timestamp=ts * 1000, partition=0, offset=0)


def test_all_partitions_need_a_worker() -> None:
    """One that has been silent for a minute counts for none, nor do other records."""
    heartbeats = Heartbeats(SETTINGS)
    for key, ts in (("watermark/0", T0), ("service/login_flood", T0)):
        heartbeats.take(key, record(key, b"[0,null]", "watermark/1", ts))
    assert not heartbeats.all_beat(T0)
    heartbeats.take("watermark/1", record("watermark/1", b"[0,null]", "watermark/1", T0 + 30))
    assert heartbeats.all_beat(T0 + 60)
    assert not heartbeats.all_beat(T0 + 61)


@pytest.mark.parametrize("end", [None, b"nonsense"])
def test_a_service_shows_lists_and_reopenings(end: bytes | None) -> None:
    """The newest of each key; what others are reading stays as it was while they do."""
    view = ControlView(SETTINGS, CurrentPolicy(Policy.default()))
    office = ListEntry(list="allow", address="192.0.2.0/28", ts=T0, until=T0 + 60, reason="our office", by="anne")
    thief = ListEntry(list="block", address="203.0.113.7", ts=T0, until=T0 + 60, reason="a thief", by="anne")
    view.take([record(entry.key, entry, "list-entry/1") for entry in (office, thief)])
    view.take([record(REOPENING.key, REOPENING, "reopening/1"), record("watermark/0", b"[0,null]", "watermark/1")])
    assert (view.block_list, view.reopenings) == ([thief], {"d": REOPENING})
    assert [view.spares("ip", address, T0) for address in ("192.0.2.7", "203.0.113.7")] == [True, False]
    assert not view.spares("ip", "192.0.2.7", T0 + 60)
    block_list, reopenings = view.block_list, view.reopenings
    view.take([record(thief.key, end, "list-entry/1"), record(REOPENING.key, end, "reopening/1")])
    assert (view.block_list, view.reopenings) == ([], {})
    assert (block_list, reopenings) == ([thief], {"d": REOPENING})


def test_an_open_breaker_is_a_metric() -> None:
    """For who is on call; closed again where the record says so."""
    view = ControlView(SETTINGS, CurrentPolicy(Policy.default()))
    for breaker, expected in ((Breaker(opened=T0), 1.0), (Breaker(counts_from=T0), 0.0)):
        view.take([record("breaker", breaker, "breaker/1")])
        assert REGISTRY.get_sample_value("crible_breaker_open") == expected
