"""``crible gate`` as a process: without a broker it takes what it is told, with one everything arrives, once."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import httpx
import msgspec
import pytest
from kafka import KafkaProducer

from models.changes import AccountChange
from models.decisions import Decision
from models.events import decode_event
from models.orders import Audit
from streams import topics
from streams.ingest import KafkaSink, Origin
from streams.local_kafka import LocalKafka, free_port, start
from streams.settings import Kafka, Settings
from tests.block_service import LIMIT_S, Topics, wait_for
from tests.factories import ban
from tests.gate_service import GateService, asked, gate_service, reported, seen_once

NOWHERE = Settings(kafka=Kafka(bootstrap="127.0.0.1:1"))


@pytest.fixture
def channel(kafka_broker: str, topic_prefix: str) -> Iterator[Topics]:
    """The topics of this test."""
    opened = Topics(kafka_broker, topic_prefix)
    yield opened
    opened.close()


def up(service: GateService) -> None:
    wait_for(service.is_up, f"it to listen; it said {service.said()}")


def ready(service: GateService) -> None:
    wait_for(service.is_ready, f"readiness; it said {service.said()}")


def drained(service: GateService) -> None:
    wait_for(lambda: service.metric("crible_spool_bytes") == 0, f"the spool to be empty; it said {service.said()}")


def arrived(channel: Topics) -> list[int]:
    """The numbers of the reported attempts that the stages count, in no order."""
    return [int(decode_event(record.value).event_id) for record in seen_once(channel.read("auth.events"))]


# -- without a broker ----------------------------------------------------------------------------------------------------


def test_it_needs_no_broker(tmp_path: Path) -> None:
    """It answers, keeps what it is told, says once that nobody is there, and ends at a signal."""
    with gate_service(NOWHERE, tmp_path, free_port()) as service:
        up(service)
        assert service.ask("allow", asked()).json()["status"] == 0
        assert service.report(range(3)) == [0, 1, 2]
        assert not service.is_ready()
        assert service.metric("crible_spool_bytes") > 0
        wait_for(lambda: "kafka.unreachable" in service.said(), "a line in the log")
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(LIMIT_S) == 0
    assert service.said().count('"event": "spool.stuck"') == 0


def test_a_used_spool_is_one_line_and_exit_2(tmp_path: Path) -> None:
    """Two gates need two spools."""
    with gate_service(NOWHERE, tmp_path, free_port()) as first:
        up(first)
        with gate_service(NOWHERE, tmp_path, free_port()) as second:
            assert second.process.wait(LIMIT_S) == 2
            assert second.said().splitlines()[-1].startswith(f"error: {tmp_path / 'spool'}: is used by another process")


def test_a_full_spool_answers_503_and_counts(tmp_path: Path) -> None:
    """Every report that was not taken is counted as lost, and log-ins go on."""
    with gate_service(NOWHERE, tmp_path, free_port(), CRIBLE_GATE_SPOOL_BYTES=str(1 << 20)) as service:
        up(service)
        long = "x" * 250
        big = {"user_agent": long, "session_id": long, "server": long, "attrs": {str(n): long for n in range(200)}}
        codes = [service.ask("report", reported(number, **big)).status_code for number in range(40)]
        assert set(codes) == {200, 503}
        assert service.metric('crible_spool_lost_total{reason="full"}') == codes.count(503)
        assert service.metric("crible_spool_bytes") <= 1 << 20
        assert service.ask("allow", asked()).json()["status"] == 0
        assert service.said().count("spool.refused") == 1


# -- with one ------------------------------------------------------------------------------------------------------------


@pytest.mark.kafka
def test_what_is_reported_arrives_as_ingest_would_send_it(channel: Topics, tmp_path: Path) -> None:
    """Key, partition, time and schema; the producer is the spool, and each record has its number there."""
    with gate_service(channel.settings, tmp_path, free_port()) as service:
        ready(service)
        assert service.report(range(50)) == list(range(50))
        service.ask("report", {"login": "x"})
        drained(service)
        assert 'service.started"' in service.said()
    records = channel.read("auth.events")
    events = {int(decode_event(record.value).event_id): (record, decode_event(record.value)) for record in records}
    assert sorted(events) == list(range(50))
    assert len(records) == 50
    assert {dict(record.headers)["crible-schema"] for record in records} == {b"auth-event/1"}
    assert len({dict(record.headers)["crible-producer"] for record in records}) == 1
    in_order = sorted(events, key=lambda number: int(dict(events[number][0].headers)["crible-seq"]))
    assert in_order == list(range(50))
    assert all(record.timestamp == int(event.ts * 1000) for record, event in events.values())
    (letter,) = channel.read("auth.dlq")
    assert dict(letter.headers)["dlq.reason"] == b"no_remote"

    with KafkaSink(channel.settings, None) as sink:
        for number, (record, event) in events.items():
            sink.event(event, record.value, Origin("test:1", "ingest", number))
    by_ingest = [record for record in channel.read("auth.events") if dict(record.headers)["crible-producer"] == b"ingest"]
    placed = {int(decode_event(record.value).event_id): record for record in by_ingest}
    assert {number: (record.partition, record.key) for number, record in placed.items()} == {
        number: (record.partition, record.key) for number, (record, _) in events.items()
    }


@pytest.mark.kafka
def test_decisions_refuse(channel: Topics, tmp_path: Path) -> None:
    """An enforced one within a second or so, until it is lifted; a shadow one never."""
    now = time.time()
    decision = ban("203.0.113.7", now - 60, now + 600)
    shadow = ban("203.0.113.8", now - 60, now + 600, mode="shadow")
    with gate_service(channel.settings, tmp_path, free_port()) as service:
        ready(service)
        assert service.ask("allow", asked()).json()["status"] == 0
        write_decisions(channel, decision, shadow)
        wait_for(lambda: service.ask("allow", asked()).json()["status"] == -1, f"the refusal; it said {service.said()}")
        assert decision.decision_id[:12] in service.ask("allow", asked()).json()["msg"]
        assert service.ask("allow", asked(remote="203.0.113.8")).json()["status"] == 0
        write_decisions(channel, msgspec.structs.replace(decision, lifted=time.time(), lifted_by="test"))
        wait_for(lambda: service.ask("allow", asked()).json()["status"] == 0, f"the end; it said {service.said()}")


def write_decisions(channel: Topics, *decisions: Decision) -> None:
    """As the blocking service does."""
    producer = KafkaProducer(bootstrap_servers=channel.settings.kafka.bootstrap)
    for decision in decisions:
        producer.send(
            topics.topic(channel.settings, "auth.decisions"),
            msgspec.json.encode(decision),
            key=decision.decision_id.encode(),
            headers=[("crible-schema", b"decision/1")],
        )
    producer.flush()
    producer.close()


@pytest.mark.kafka
def test_lists_hold_at_every_gate_and_after_a_restart(channel: Topics, tmp_path: Path) -> None:
    """What one gate is told, the others know, those that start later too; reset is an account change."""
    settings = channel.settings
    with (
        gate_service(settings, tmp_path, free_port(), spool="one") as one,
        gate_service(settings, tmp_path, free_port(), spool="two") as two,
    ):
        ready(one)
        ready(two)
        entry = {"ip": "203.0.113.7", "expire_secs": 600, "reason": "by hand"}
        assert one.ask("addBLEntry", entry).json() == {"status": "ok"}
        assert one.ask("allow", asked()).json()["status"] == -1
        wait_for(lambda: two.ask("allow", asked()).json()["status"] == -1, f"the other gate; it said {two.said()}")
        one.kill()
    with gate_service(settings, tmp_path, free_port(), spool="one") as again:
        ready(again)
        assert [entry["ip"] for entry in again.ask("getBL").json()["bl_entries"]] == ["203.0.113.7"]
        assert again.ask("allow", asked()).json()["status"] == -1
        assert again.ask("reset", {"ip": "203.0.113.7", "login": "user0"}).json() == {"status": "ok"}
        assert again.ask("delBLEntry", {"ip": "203.0.113.7"}).json() == {"status": "ok"}
        assert again.ask("allow", asked()).json()["status"] == 0
        drained(again)
    (change,) = channel.read("auth.account-changes")
    assert change.key == b"user0@example.org"
    assert msgspec.json.decode(change.value, type=AccountChange).remote == "203.0.113.7"


@pytest.mark.kafka
@pytest.mark.parametrize("moment", ["before it is noted", "after it is noted"])
def test_a_kill_between_sending_and_noting_counts_nothing_twice(channel: Topics, tmp_path: Path, moment: str) -> None:
    """kill -9 when the broker has a window and the spool does not know it yet, or just does."""
    prelude = f"""
import os, signal
from streams.gate.spool import Spool
release, calls = Spool.release, 0
def killing(self, after):
    global calls
    calls += 1
    if {moment == "after it is noted"}:
        release(self, after)
    if calls == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    release(self, after)
Spool.release = killing
"""
    port = free_port()
    taken: list[int] = []
    with gate_service(channel.settings, tmp_path, port, prelude) as service:
        up(service)
        with suppress(httpx.TransportError):
            for number in range(2000):
                taken += service.report(range(number, number + 1))
        assert service.process.wait(LIMIT_S) == -signal.SIGKILL
    assert 0 < len(taken) < 2000
    with gate_service(channel.settings, tmp_path, port) as service:
        ready(service)
        assert service.report(range(3000, 3010)) == list(range(3000, 3010))
        drained(service)
    counted = arrived(channel)
    assert len(counted) == len(set(counted))
    # The report that was under way when the process died may have been written though its answer was not.
    assert set(counted) - {len(taken)} == {*taken, *range(3000, 3010)}


@pytest.mark.kafka
def test_a_damaged_line_goes_to_the_dead_letters(channel: Topics, tmp_path: Path) -> None:
    """As it is, with its place; the others arrive."""
    with gate_service(NOWHERE, tmp_path, free_port()) as service:
        up(service)
        service.report(range(3))
        service.kill()
    (path,) = (tmp_path / "spool").glob("*.spool")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"auth.events", b"auth.eventz") + lines[2][:50])
    with gate_service(channel.settings, tmp_path, free_port()) as service:
        ready(service)
        drained(service)
        assert service.metric('crible_spool_lost_total{reason="damaged"}') == 2
        assert service.said().count('"event": "spool.damaged"') == 2
    assert arrived(channel) == [0]
    letters = {dict(record.headers)["dlq.source"].decode(): record for record in channel.read("auth.dlq")}
    assert set(letters) == {f"{path.name}:{len(lines[0])}", f"{path.name}:{len(lines[0]) + len(lines[1])}"}
    assert letters[f"{path.name}:{len(lines[0]) + len(lines[1])}"].value == lines[2][:50]
    assert {dict(record.headers)["dlq.reason"] for record in letters.values()} == {b"damaged"}


@pytest.mark.kafka
def test_what_the_kill_switch_did_reaches_the_audit_over_a_restart(channel: Topics, tmp_path: Path) -> None:
    """Stopped and resumed while there is no broker, and killed: on auth.audit once there is one, in order, once each."""
    digest = sha256(b"ops").hexdigest()
    keys = {"CRIBLE_GATE_API_KEYS": f'[{{"name":"ops","sha256":"{digest}","operator":true}}]'}
    with gate_service(NOWHERE, tmp_path, free_port(), **keys) as service:
        up(service)
        url, headers = f"http://127.0.0.1:{service.port}/v1/stops", {"X-API-Key": "ops"}
        stopped = httpx.post(url, headers=headers, json={"reason": "a drill"}, timeout=LIMIT_S)
        resumed = httpx.delete(url, headers=headers, timeout=LIMIT_S)
        assert (stopped.json()["stopped"], resumed.json()["stopped"]) == (["all"], [])
        service.kill()
    with gate_service(channel.settings, tmp_path, free_port(), **keys) as service:
        ready(service)
        drained(service)
    records = sorted(channel.read("auth.audit"), key=lambda record: record.timestamp)
    notes = [msgspec.json.decode(record.value, type=Audit) for record in records]
    assert [(note.decision_id, note.action, note.by) for note in notes] == [("stop/all", "stop", "ops"), ("stop", "resume", "ops")]


@pytest.mark.kafka
def test_the_broker_goes_and_comes_back(own_kafka: LocalKafka, topic_prefix: str, tmp_path: Path) -> None:
    """Away before the gate starts, frozen, and away again: nothing is lost, nothing counted twice, and the order holds."""
    channel = Topics(own_kafka.bootstrap, topic_prefix)
    channel.close()
    own_kafka.stop()
    taken = 0

    def report(service: GateService, count: int) -> None:
        nonlocal taken
        assert len(service.report(range(taken, taken + count))) == count
        taken += count

    with gate_service(channel.settings, tmp_path, free_port()) as service:
        up(service)
        report(service, 100)
        assert service.ask("allow", asked()).json()["status"] == 0
        kafka = start(own_kafka.directory, own_kafka.port)
        ready(service)
        drained(service)
        kafka.pause()
        report(service, 100)
        kafka.resume()
        drained(service)
        kafka.stop()
        report(service, 100)
        kafka = start(own_kafka.directory, own_kafka.port)
        report(service, 100)
        drained(service)
    channel = Topics(own_kafka.bootstrap, topic_prefix)
    counted = seen_once(channel.read("auth.events"))
    channel.close()
    assert sorted(int(decode_event(record.value).event_id) for record in counted) == list(range(400))
    for partition in {record.partition for record in counted}:
        numbers = [int(decode_event(record.value).event_id) for record in counted if record.partition == partition]
        assert numbers == sorted(numbers)
