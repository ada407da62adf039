"""The blocking service on a real broker: alerts in, decisions out once, whoever leads."""

from __future__ import annotations

import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.alerts import Alert, Subject, alert_id
from models.notices import Notice
from streams import topics
from streams.local_kafka import LocalKafka, free_port, start
from streams.settings import Kafka, Settings
from tests.block_service import LIMIT_S, BlockService, Topics, block_service, spray, wait_for
from tests.factories import ban

ENFORCE = """
version = "test-1"
[enforce]
kinds = ["password_spray"]
scopes = ["ip"]
"""


@pytest.fixture
def channel(kafka_broker: str, topic_prefix: str) -> Iterator[Topics]:
    """The topics of this test."""
    opened = Topics(kafka_broker, topic_prefix)
    yield opened
    opened.close()


def ready(*services: BlockService) -> None:
    for service in services:
        wait_for(service.is_ready, f"readiness; it said {service.said()}")


def test_unreachable_broker_is_one_line_and_exit_1(tmp_path: Path) -> None:
    """Without a broker the service waits as long as it is told to, says so, and ends with 1."""
    settings = Settings(kafka=Kafka(bootstrap=f"127.0.0.1:{free_port()}"))
    with block_service(settings, tmp_path, free_port(), CRIBLE_KAFKA_CONNECT_TIMEOUT_S="1") as service:
        assert service.process.wait(LIMIT_S) == 1
    assert f"error: {settings.kafka.bootstrap}: no Kafka broker answered within 1 s" in service.said()


def test_wrong_policy_is_one_line_and_exit_2(tmp_path: Path) -> None:
    """A policy with an unknown key never starts."""
    with block_service(Settings(), tmp_path, free_port(), policy='version = "1"\nenforced = 1') as service:
        assert service.process.wait(LIMIT_S) == 2
    assert "enforced" in service.said().splitlines()[-1]


@pytest.mark.kafka
def test_alerts_become_a_served_list(channel: Topics, tmp_path: Path) -> None:
    """Alerts are decided on and served; what is no alert goes to the dead letters with its place, and the rest goes on."""
    now = time.time()
    channel.send_alerts([spray("203.0.113.1", now)])
    channel.send(b"not json", key=b"k")
    channel.send(b'{"alert_id": 1}')
    channel.send(b"{}", schema="alert/2")
    channel.send(b"{}", schema="decision/1")
    channel.send_alerts([spray("203.0.113.2", now), spray("203.0.113.2", now), spray("203.0.113.3", now - 3600)])
    with block_service(channel.settings, tmp_path, free_port(), ENFORCE) as service:
        ready(service)
        wait_for(lambda: service.served() == {"203.0.113.1", "203.0.113.2"}, f"the list; it said {service.said()}")
        service.signal(signal.SIGTERM)
        assert service.process.wait(LIMIT_S) == 0

    made = channel.decisions()
    assert Counter(decision.value for decision in made) == {"203.0.113.1": 1, "203.0.113.2": 1, "203.0.113.3": 1}
    assert {d.value: d.mode for d in made}["203.0.113.3"] == "proposed"
    records = channel.read("auth.decisions")
    assert {record.key.decode() for record in records} == {decision.decision_id for decision in made}
    assert all(dict(record.headers)["crible-schema"] == b"decision/1" for record in records)
    assert {record.timestamp for record in records} == {int(now * 1000), int((now - 3600) * 1000)}

    buried = {record.value: record for record in channel.read("auth.dlq")}
    reasons = [dict(record.headers)["dlq.reason"].decode() for record in channel.read("auth.dlq")]
    assert sorted(reasons) == ["another_schema", "higher_major", "not_an_alert", "not_an_alert"]
    about = {name: value.decode() for name, value in buried[b"not json"].headers}
    assert buried[b"not json"].key == b"k"
    assert (about["dlq.topic"], about["dlq.partition"], about["dlq.offset"], about["dlq.stage"]) == (
        f"{channel.settings.kafka.prefix}auth.alerts",
        "0",
        "1",
        "block",
    )
    assert about["crible-schema"] == "alert/1"
    assert about["dlq.error"]


@pytest.mark.kafka
def test_owners_are_told_through_the_outbox(channel: Topics, tmp_path: Path) -> None:
    """A notice for each enforced decision to notify, keyed by account; not again for the next hour's alert."""
    alice = "alice@example.org"
    policy = 'version = "1"\n[enforce]\nkinds = ["stale_password"]\nscopes = ["account_ip"]'
    now = time.time()
    for hour in range(2):
        subject = Subject(account=alice, network="203.0.113.0/24")
        told = {"kind": "stale_password", "subject": subject, "alert_id": alert_id("stale_password", subject, hour)}
        channel.send_alerts([msgspec.structs.replace(spray("203.0.113.1", now + hour), **told)])
    with block_service(channel.settings, tmp_path, free_port(), policy) as service:
        wait_for(lambda: len(channel.decisions()) == 2, f"a decision and its extension; it said {service.said()}")
    (record,) = channel.read("auth.notices")
    notice = msgspec.json.decode(record.value, type=Notice)
    assert (record.key.decode(), notice.account, record.timestamp) == (alice, alice, int(now * 1000))
    assert dict(record.headers)["crible-schema"] == b"notice/1"
    assert {notice.decision_id} == {decision.decision_id for decision in channel.decisions()}


@pytest.mark.kafka
def test_enforcement_points_follow(channel: Topics, tmp_path: Path) -> None:
    """A decision gets from Kafka into a list and to Postfix once it starts; a killed service leaves the list as it is."""
    listed, port = tmp_path / "list", free_port()
    points = [{"kind": "list", "file": str(listed)}, {"kind": "postfix", "port": port}]

    def postfix_is_told() -> str:
        with socket.create_connection(("127.0.0.1", port), LIMIT_S) as connection:
            connection.sendall(b"request=smtpd_access_policy\nclient_address=203.0.113.1\nsasl_username=\n\n")
            return connection.recv(4096).decode()

    variables = {"CRIBLE_BLOCK_POINTS": msgspec.json.encode(points).decode()}
    with block_service(channel.settings, tmp_path, free_port(), f"enforce_delay_s = 3\n{ENFORCE}", **variables) as service:
        ready(service)
        assert postfix_is_told() == "action=DUNNO\n\n"
        started_at = time.time()
        channel.send_alerts([spray("203.0.113.1", started_at)])
        wait_for(lambda: listed.exists() and "203.0.113.1" in listed.read_text(), f"the list; it said {service.said()}")
        assert time.time() > started_at + 3
        wait_for(lambda: postfix_is_told().startswith("action=421 "), f"Postfix's answer; it said {service.said()}")
        service.signal(signal.SIGKILL)
        service.process.wait(LIMIT_S)
    assert "\n203.0.113.1\n" in listed.read_text()


@pytest.mark.kafka
def test_references_that_were_told_before_a_restart_are_known(channel: Topics, tmp_path: Path) -> None:
    """A campaign's, though the next has taken its place on auth.control, and a decision's that has ended."""
    now = time.time()
    subject = Subject(campaign="c" * 32)
    fields: dict[str, Any] = {"severity": "high", "score": 1.0, "first_ts": now - 90_000, "last_ts": now - 86_400}
    identifier = alert_id("campaign", subject, 1)
    channel.send_alerts(
        [Alert(alert_id=identifier, kind="campaign", ts=now - 86_400, campaign_id="c" * 32, subject=subject, **fields)]
    )
    ended = ban(start=now - 90_000, until=now - 86_400)
    name = topics.topic(channel.settings, "auth.decisions")
    channel.producer.send(name, msgspec.json.encode(ended), key=ended.decision_id.encode()).get(LIMIT_S)
    with block_service(channel.settings, tmp_path, free_port(), ENFORCE) as service:
        ready(service)
        for ref in ("c" * 12, ended.decision_id[:12]):

            def told(ref: str = ref) -> list[str]:
                response = service.get(f"/v1/why?ref={ref}")
                assert response is not None
                return [answer["state"] for answer in response.json()["answers"]]

            wait_for(lambda told=told: told() == ["ended"], f"{ref}; it said {service.said()}")


@pytest.mark.kafka
def test_shadow_without_a_policy(channel: Topics, tmp_path: Path) -> None:
    """Started without a policy, the service decides in shadow and serves nothing."""
    channel.send_alerts([spray("203.0.113.1", time.time())])
    with block_service(channel.settings, tmp_path, free_port()) as service:
        ready(service)
        wait_for(channel.decisions, f"a decision; it said {service.said()}")
        assert {decision.mode for decision in channel.decisions()} == {"shadow"}
        assert service.served() == set()


#: While the file is there what it sends gets lost, nothing comes in, and nobody answers anew: it alone is cut off from the broker.
CUT_OFF = """
import errno, os, time
from kafka.net import inet, transport
transport, connect = transport.KafkaTCPTransport, inet.KafkaNetSocket.connect_ex
send, receive = transport._sock_send, transport._sock_recv
def is_cut():
    return os.path.exists({file!r})
def lossy_send(self):
    if is_cut():
        self._write_buffer.clear()
        return 0, None
    return send(self)
def deaf_receive(self):
    if is_cut():
        time.sleep(0.05)
        return b"", None
    return receive(self)
transport._sock_send, transport._sock_recv = lossy_send, deaf_receive
inet.KafkaNetSocket.connect_ex = lambda self, sock, address: errno.ECONNREFUSED if is_cut() else connect(self, sock, address)
"""


@pytest.mark.kafka
@pytest.mark.parametrize("blow", ["killed", "paused", "cut off"])
def test_another_instance_takes_over(channel: Topics, tmp_path: Path, blow: str) -> None:
    """When the leader dies, hangs or loses the broker, another decides on every alert once, extends what was decided, serves all.

    Back again, the old one decides nothing.
    """
    cuts = [tmp_path / name for name in ("first", "second")]
    preludes = [CUT_OFF.format(file=str(file)) for file in cuts]
    addresses = [f"203.0.113.{n}" for n in range(1, 201)]
    now = time.time()
    with (
        block_service(channel.settings, tmp_path, free_port(), ENFORCE, preludes[0]) as first,
        block_service(channel.settings, tmp_path, free_port(), ENFORCE, preludes[1]) as second,
    ):
        ready(first, second)
        wait_for(lambda: first.leads() or second.leads(), "a leader")
        leader, other, cut = (first, second, cuts[0]) if first.leads() else (second, first, cuts[1])
        channel.send_alerts(spray(address, now) for address in addresses[:100])
        wait_for(channel.decisions, f"a decision of the first leader; it said {leader.said()}")
        if blow == "cut off":
            cut.touch()
        else:
            leader.signal(signal.SIGKILL if blow == "killed" else signal.SIGSTOP)
        channel.send_alerts(spray(address, now) for address in addresses[100:])
        wait_for(other.leads, f"the other to lead; it said {other.said()}")
        wait_for(lambda: other.served() == set(addresses), f"the whole list; it said {other.said()}")
        channel.send_alerts([spray(addresses[0], now + 1, hour=1), spray(addresses[-1], now + 1, hour=1)])
        wait_for(lambda: len(channel.decisions()) == len(addresses) + 2, "the extensions")
        if blow != "killed":
            leader.signal(signal.SIGCONT)
            cut.unlink(missing_ok=True)
            channel.send_alerts([spray("198.51.100.1", now)])
            wait_for(lambda: "198.51.100.1" in other.served(), f"a further decision; it said {other.said()}")
        made = channel.decisions()
        if blow != "killed" and leader.process.poll() is not None:
            assert leader.process.returncode == 1
            assert "error: another instance has taken over the decisions" in leader.said()

    by_value = Counter(decision.value for decision in made if not decision.value.startswith("198."))
    assert by_value == Counter(addresses) + Counter([addresses[0], addresses[-1]])
    assert len({decision.decision_id for decision in made}) == len({decision.value for decision in made})
    longest = max((d for d in made if d.value == addresses[0]), key=lambda d: d.until)
    assert len(longest.alert_ids) == 2

    with block_service(channel.settings, tmp_path, free_port(), ENFORCE) as third:
        ready(third)
        assert set(addresses) <= third.served()


@pytest.mark.kafka
def test_failure_of_our_own_code_is_buried_and_work_goes_on(channel: Topics, tmp_path: Path) -> None:
    """An alert on which our code fails goes to the dead letters; the next one is decided on, by a ledger read anew."""
    prelude = """
from models.ledger import Ledger
apply = Ledger.apply
def failing(self, alert, now):
    made = apply(self, alert, now)
    if alert.subject.ip == "203.0.113.2":
        raise KeyError("half way")
    return made
Ledger.apply = failing
"""
    now = time.time()
    channel.send_alerts([spray("203.0.113.1", now), spray("203.0.113.2", now), spray("203.0.113.3", now)])
    with block_service(channel.settings, tmp_path, free_port(), ENFORCE, prelude=prelude) as service:
        ready(service)
        wait_for(lambda: service.served() == {"203.0.113.1", "203.0.113.3"}, f"the list; it said {service.said()}")
    assert Counter(d.value for d in channel.decisions()) == {"203.0.113.1": 1, "203.0.113.3": 1}
    (buried,) = channel.read("auth.dlq")
    assert dict(buried.headers)["dlq.reason"] == b"our_own_failure"
    assert dict(buried.headers)["dlq.error"] == b"KeyError"


@pytest.mark.kafka
def test_leader_killed_within_its_transaction(channel: Topics, tmp_path: Path) -> None:
    """Decisions that were sent and not committed are never seen; the next leader makes them again, with the same ids."""
    prelude = """
import os, signal
from kafka import KafkaProducer
def killed(self):
    self.flush()
    os.kill(os.getpid(), signal.SIGKILL)
KafkaProducer.commit_transaction = killed
"""
    addresses = {f"203.0.113.{n}" for n in range(1, 21)}
    channel.send_alerts(spray(address, time.time()) for address in sorted(addresses))
    with block_service(channel.settings, tmp_path, free_port(), ENFORCE, prelude) as first:
        assert first.process.wait(LIMIT_S) == -signal.SIGKILL
    assert channel.decisions() == []
    with block_service(channel.settings, tmp_path, free_port(), ENFORCE) as second:
        ready(second)
        wait_for(lambda: second.served() == addresses, f"the list; it said {second.said()}")
    assert Counter(decision.value for decision in channel.decisions()) == Counter(addresses)


@pytest.mark.kafka
def test_broker_restart(own_kafka: LocalKafka, topic_prefix: str, tmp_path: Path) -> None:
    """The list is served while the broker is away, and deciding goes on when it is back."""
    channel = Topics(own_kafka.bootstrap, topic_prefix)
    with block_service(channel.settings, tmp_path, free_port(), ENFORCE) as service:
        ready(service)
        channel.send_alerts([spray("203.0.113.1", time.time())])
        wait_for(lambda: service.served() == {"203.0.113.1"}, f"the first decision; it said {service.said()}")
        channel.close()
        own_kafka.stop()
        assert service.served() == {"203.0.113.1"}
        start(own_kafka.directory, own_kafka.port)
        channel = Topics(own_kafka.bootstrap, topic_prefix)
        channel.send_alerts([spray("203.0.113.2", time.time())])
        wait_for(lambda: service.served() == {"203.0.113.1", "203.0.113.2"}, f"the second; it said {service.said()}")
    assert Counter(decision.value for decision in channel.decisions()) == {"203.0.113.1": 1, "203.0.113.2": 1}
    channel.close()


@pytest.mark.kafka
def test_clocks_that_differ_change_no_block(channel: Topics, tmp_path: Path) -> None:
    """Of a leader two minutes ahead, and of the next one two minutes behind: one decision, which begins and ends by its alerts."""
    clock = "import time\nreal = time.time\ntime.time = lambda: real() {skew}"
    began = time.time()
    with block_service(channel.settings, tmp_path, free_port(), ENFORCE, clock.format(skew="+ 120")) as ahead:
        ready(ahead)
        channel.send_alerts([spray("203.0.113.1", began)])
        wait_for(lambda: len(channel.decisions()) == 1, f"a decision; it said {ahead.said()}")
        ahead.signal(signal.SIGKILL)
        ahead.process.wait(LIMIT_S)
    with block_service(channel.settings, tmp_path, free_port(), ENFORCE, clock.format(skew="- 120")) as behind:
        ready(behind)
        channel.send_alerts([spray("203.0.113.1", began + 60, hour=1)])
        wait_for(lambda: len(channel.decisions()) > 1, f"an extension; it said {behind.said()}")
        assert behind.served() == {"203.0.113.1"}
    made, extended = channel.decisions()
    assert (made.decision_id, made.mode, made.start) == (extended.decision_id, "enforce", began + 10)
    assert extended.start == made.start
    assert extended.until - made.until == pytest.approx(60)
