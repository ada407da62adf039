"""A real Dovecot asks the gate and reports to it; its clients are Python's own."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from kafka import KafkaProducer

from models.campaigns import HISTORY, Campaign, Mix
from models.events import AuthEvent, decode_event
from models.frames import encode
from models.profiles import Profile, encode_profile, network_number
from streams import topics
from streams.local_kafka import free_port
from streams.stages import CAMPAIGN_KEY
from tests import dovecot as dovecot_module
from tests.block_service import Topics, block_service, spray, wait_for
from tests.dovecot import NONCE, PASSWORD, USER, Dovecot, dovecot
from tests.gate_service import GATE_KEY, GateService, gate_service

pytestmark = [pytest.mark.dovecot, pytest.mark.kafka]

POLICY = """
version = "test-1"
enforce_delay_s = 0
default_duration_s = 40
[enforce]
kinds = ["password_spray"]
scopes = ["ip"]
"""


@pytest.fixture(autouse=True)
def _dovecot_is_there() -> None:
    reason = dovecot_module.unavailable()
    if reason and os.environ.get("CRIBLE_REQUIRE_KAFKA") == "1":
        pytest.fail(f"CRIBLE_REQUIRE_KAFKA=1, and {reason}", pytrace=False)
    if reason:
        pytest.skip(reason)


@pytest.fixture
def channel(_dovecot_is_there: None, kafka_broker: str, topic_prefix: str) -> Iterator[Topics]:
    """The topics of this test."""
    opened = Topics(kafka_broker, topic_prefix)
    yield opened
    opened.close()


@pytest.fixture
def gate(channel: Topics, tmp_path: Path) -> Iterator[GateService]:
    """A gate that knows whom to refuse."""
    with gate_service(channel.settings, tmp_path, free_port()) as service:
        wait_for(service.is_ready, f"readiness; it said {service.said()}")
        yield service


@pytest.fixture
def server(gate: GateService) -> Iterator[Dovecot]:
    """A Dovecot that asks the gate."""
    with dovecot(gate.port, GATE_KEY) as running:
        yield running


def events_of(channel: Topics, count: int) -> list[AuthEvent]:
    """The events that have arrived, in the order of their times, once there are ``count``."""
    found: list[AuthEvent] = []

    def are_there() -> bool:
        found[:] = [decode_event(record.value) for record in channel.read("auth.events")]
        return len(found) >= count

    wait_for(are_there, f"{count} events")
    return sorted(found, key=lambda event: event.ts)


def pwhash(password: str) -> str:
    """The first 12 bits of SHA-256 over nonce, user, NUL and password, as Dovecot's documentation says."""
    digest = sha256(f"{NONCE}{USER}\0{password}".encode()).digest()
    return f"{int.from_bytes(digest[:2], 'big') >> 4:04x}"


def test_log_ins_become_events(server: Dovecot, gate: GateService, channel: Topics) -> None:
    """Right and wrong ones, over IMAP and POP3, with everything that Dovecot knows."""
    before = time.time()
    assert server.imap() is None
    assert server.imap("wrong", remote="2001:db8:1:2::3") == "[AUTHENTICATIONFAILED] Authentication failed."
    assert server.pop3() is None
    assert server.pop3("wrong 2", remote="198.51.100.7", user="Nobody@Example.Org") == "-ERR [AUTH] Authentication failed."
    events = events_of(channel, 4)
    assert [(event.login, event.remote, event.success, event.protocol) for event in events] == [
        (USER, "203.0.113.7", True, "imap"),
        (USER, "2001:db8:1:2::3", False, "imap"),
        (USER, "203.0.113.7", True, "pop3"),
        ("nobody@example.org", "198.51.100.7", False, "pop3"),
    ]
    assert {(event.mech, event.realm, event.tls, event.policy_reject) for event in events} == {
        ("PLAIN", "example.org", False, False)
    }
    assert [event.pwhash for event in events[:3]] == [pwhash(PASSWORD), pwhash("wrong"), pwhash(PASSWORD)]
    assert [event.device_id for event in events] == ['"name" "Test"', '"name" "Test"', None, None]
    assert len({event.session_id for event in events if event.session_id}) == 4
    assert all(event.server for event in events)
    assert {event.account for event in events} == {None}
    assert all(before <= event.ts <= time.time() for event in events)
    assert gate.metric('crible_verdicts_total{action="accept"}') == 6  # after a right password Dovecot asks again
    assert gate.metric('crible_verdicts_total{action="failed"}') == 0


def test_a_decision_refuses_over_imap_and_pop3(server: Dovecot, gate: GateService, channel: Topics, tmp_path: Path) -> None:
    """An alert becomes a decision, and Dovecot refuses its address: the same temporary code for right and wrong passwords.

    Until the decision ends, by itself; the service that made it is gone by then.
    """
    with block_service(channel.settings, tmp_path, free_port(), POLICY) as blocking:
        wait_for(blocking.is_ready, f"readiness; it said {blocking.said()}")
        assert server.imap() is None
        channel.send_alerts([spray("203.0.113.7", time.time())])
        wait_for(lambda: server.imap() is not None, f"the refusal; the gate said {gate.said()}")
    (decision,) = channel.decisions()
    text = f"Log-in is not possible at the moment, please try again later. Reference: {decision.decision_id[:12]}"
    assert server.imap() == server.imap("wrong") == f"[UNAVAILABLE] {text}"
    assert server.pop3() == server.pop3("wrong") == f"-ERR [SYS/TEMP] {text}"
    assert server.imap(remote="203.0.113.8") is None
    assert server.pop3(remote="203.0.113.8") is None
    refused = [event for event in events_of(channel, 8) if event.policy_reject]
    assert len(refused) >= 5
    assert {(event.remote, event.success, event.protocol) for event in refused} == {
        ("203.0.113.7", False, "imap"),
        ("203.0.113.7", False, "pop3"),
    }
    assert time.time() < decision.until, "too slow a machine: all of this was to happen before its end"
    wait_for(lambda: server.imap() is None, "the end of the block")
    assert time.time() >= decision.until


def tell(channel: Topics, name: str, key: str, value: bytes, schema: str) -> None:
    """Write what the worker does."""
    producer = KafkaProducer(bootstrap_servers=channel.settings.kafka.bootstrap)
    producer.send(topics.topic(channel.settings, name), value, key=key.encode(), headers=[("crible-schema", schema.encode())])
    producer.close()


def test_a_verdict_refuses_a_right_password(channel: Topics, tmp_path: Path) -> None:
    """In the hands of a bot, in the words for a wrong one, and the event says that we refused; at home the owner gets in."""
    now, failing, strangers = time.time(), Mix(), Mix()
    for protocol, device in (("imap", 'id:"name" "Test"'), ("pop3", "")):
        failing.add((protocol, "", 0, device), HISTORY, 3000)
    strangers.add(("imap", "", 0, "ua:phone"), HISTORY, 500)
    kind, until = "credential_stuffing", now + 3600
    campaign = Campaign("c" * 32, kind, now - 600, now - 60, until, failing, 300.0, strangers, Mix(), 1000.0)
    home = Profile({network_number("192.0.2.0/24"): 1}, {}, {"": 1}, {})
    tell(channel, "auth.profiles", USER, encode_profile(home), "profile/1")
    tell(channel, "auth.control", CAMPAIGN_KEY, encode(campaign), "campaign/2")
    policy = tmp_path / "policy.toml"
    policy.write_text('version = "test-1"\n[enforce]\nkinds = ["campaign"]\nscopes = []\n')
    with gate_service(channel.settings, tmp_path, free_port(), CRIBLE_BLOCK_POLICY=str(policy)) as gate:
        wait_for(gate.is_ready, f"readiness; it said {gate.said()}")
        with dovecot(gate.port, GATE_KEY) as server:
            text = f"Log-in is not possible at the moment, please try again later. Reference: {'c' * 12}"
            assert server.imap() == server.imap("wrong") == f"[UNAVAILABLE] {text}"
            assert server.pop3() == server.pop3("wrong") == f"-ERR [SYS/TEMP] {text}"
            assert server.imap(remote="192.0.2.9") is None
            assert server.imap("wrong", remote="192.0.2.9") == "[AUTHENTICATIONFAILED] Authentication failed."
            events = events_of(channel, 6)
    assert [(event.remote, event.success, event.policy_reject) for event in events] == [
        *[("203.0.113.7", False, True)] * 4,
        ("192.0.2.9", True, False),
        ("192.0.2.9", False, False),
    ]


def test_a_gate_that_is_gone_or_hangs_locks_nobody_out(server: Dovecot, gate: GateService) -> None:
    """Dovecot waits two seconds for each of its questions, and lets in."""
    gate.process.send_signal(signal.SIGSTOP)
    started = time.monotonic()
    assert server.imap() is None
    assert time.monotonic() - started < 10
    gate.process.send_signal(signal.SIGCONT)
    assert server.imap("wrong") is not None
    gate.kill()
    assert server.pop3() is None
    assert "Policy server HTTP error" in server.said()
