"""streams.gate.reports: whom verdicts refuse is in the budget of the leader, who opens the breaker for all gates."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.verdicts import Verdict
from streams.gate.reports import Reports
from streams.local_kafka import free_port
from streams.settings import Kafka, Settings
from streams.writing import TopicWriter, Written
from tests.block_service import Topics, block_service, wait_for
from tests.streams.desk.test_desk import ENFORCE, Desk
from tests.streams.gate.test_standing import judging


@pytest.fixture
def channel(kafka_broker: str, topic_prefix: str) -> Iterator[Topics]:
    """The topics of this test."""
    opened = Topics(kafka_broker, topic_prefix)
    yield opened
    opened.close()


def verdict(number: int, ts: float) -> Verdict:
    account = f"user{number}@example.org"
    return Verdict(
        account=account, remote="203.0.113.9", phase="before", ts=ts, action="refuse", reasons=(), alert_id="c", owner=0.1
    )


@pytest.mark.kafka
def test_verdicts_open_the_breaker(channel: Topics, tmp_path: Path) -> None:
    """Told twice they count once; a person closes it, and what was before counts no more. A damaged record stops nobody."""
    port, now = free_port(), time.time()
    desk, (standing, _) = Desk(tmp_path, [port]), judging()
    reports = Reports(channel.settings, standing)

    def refuse(count: int) -> None:
        for number in range(count):
            standing._count(verdict(number, now))
        reports.tell()

    with block_service(channel.settings, tmp_path, port, f"{ENFORCE}[budget]\nhour = 4\nday = 9\n") as service:
        wait_for(lambda: service.is_ready() and service.leads(), f"a leader; it said {service.said()}")
        writer = TopicWriter(channel.settings, "auth.control", "refused/1")
        writer.send([Written("refused/gate/1", b"nonsense", now)])
        writer.close()
        wait_for(lambda: "not_refused" in service.said(), "a report")
        refuse(8)
        refuse(8)
        refuse(20)
        wait_for(lambda: desk.told("decisions", "list")["breaker"], f"the breaker; it said {service.said()}")
        breaker = desk.told("decisions", "list")["breaker"]
        assert (breaker["decision_id"], breaker["reason"]) == ("verdicts", "5 accounts within an hour, 4 allowed")
        assert desk.told("decisions", "close-breaker", "--reason", "looked at") == {"breaker": "closed"}
        refuse(25)
    with block_service(channel.settings, tmp_path, port, f"{ENFORCE}[budget]\nhour = 4\nday = 9\n") as service:
        wait_for(lambda: service.is_ready() and service.leads(), f"a leader; it said {service.said()}")
        assert desk.told("decisions", "list")["breaker"] is None
    reports._writer.close()
    notes = channel.notes()
    assert {note["decision_id"] for note in notes} == {"verdicts"}
    assert [note["action"] for note in notes] == ["open_breaker", "close_breaker"]


def test_what_the_broker_does_not_take_is_told_again() -> None:
    """Nothing is lost while it is away, and nobody waits for it but the reports."""
    standing, _ = judging()
    reports = Reports(Settings(kafka=Kafka(bootstrap=f"127.0.0.1:{free_port()}", connect_timeout_s=0.2)), standing)
    standing._count(verdict(1, 0.0))
    reports.tell()
    assert len(standing.refused_anew()) == 1
