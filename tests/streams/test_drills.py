"""Drills of deploy/README.md: what each point does while Kafka is away for long, or Crible is."""

from __future__ import annotations

import json
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from streams.local_kafka import LocalKafka, free_port, start
from tests.block_service import LIMIT_S, Topics, block_service, spray, wait_for
from tests.gate_service import GateService, asked, gate_service

ADDRESS, LATER = "203.0.113.1", "203.0.113.2"
#: A leader that forgets what ended ten seconds ago, so that it has something to write while Kafka is away.
PRELUDE = "import models.ledger, streams.leader\nmodels.ledger.KEEP_S = 10\nstreams.leader._TOMBSTONES_EVERY_S = 1"
POLICY = """
version = "1"
enforce_delay_s = 0
default_duration_s = {}
[duration_s]
login_flood = {{ ip = 1 }}
[enforce]
kinds = ["password_spray"]
scopes = ["ip"]
"""


def is_refused(gate: GateService, address: str) -> bool:
    """By a verdict."""
    return gate.ask("allow", asked(remote=address)).json()["status"] == -1


def is_refused_by_postfix(port: int, address: str) -> bool:
    """By the answer to its question; nobody who answers refuses nobody."""
    try:
        with socket.create_connection(("127.0.0.1", port), LIMIT_S) as connection:
            connection.sendall(f"request=smtpd_access_policy\nclient_address={address}\nsasl_username=\n\n".encode())
            return connection.recv(4096).decode().startswith("action=421 ")
    except ConnectionError:
        return False


@pytest.mark.kafka
def test_kafka_is_away_for_long(own_kafka: LocalKafka, topic_prefix: str, tmp_path: Path) -> None:
    """Longer than anything waits for it: what stands is refused to its end and no longer; nothing ends; then new blocks come."""
    listed, postfix = tmp_path / "list", free_port()
    points = json.dumps([{"kind": "list", "file": str(listed)}, {"kind": "postfix", "port": postfix}])
    variables = {"CRIBLE_KAFKA_CONNECT_TIMEOUT_S": "2"}
    channel = Topics(own_kafka.bootstrap, topic_prefix)
    with ExitStack() as running:
        settings = channel.settings
        block = running.enter_context(
            block_service(settings, tmp_path, free_port(), POLICY.format(40), PRELUDE, CRIBLE_BLOCK_POINTS=points, **variables)
        )
        gate = running.enter_context(gate_service(settings, tmp_path, free_port(), **variables))

        def refused_at(address: str) -> list[bool]:
            in_file = listed.exists() and f"\n{address}\n" in listed.read_text()
            return [address in block.served(), in_file, is_refused_by_postfix(postfix, address), is_refused(gate, address)]

        wait_for(lambda: block.is_ready() and gate.is_ready(), "both are ready")
        wait_for(block.leads, f"a leader; it said {block.said()}")
        flood = msgspec.structs.replace(spray("198.51.100.9", time.time()), kind="login_flood", alert_id="f" * 32)
        channel.send_alerts([flood, spray(ADDRESS, time.time())])
        wait_for(lambda: all(refused_at(ADDRESS)), f"a block everywhere; it said {block.said()}")
        (decision,) = (each for each in channel.decisions() if each.value == ADDRESS)
        channel.close()
        own_kafka.stop()
        while time.time() < decision.until - 5:
            assert refused_at(ADDRESS) == [True] * 4, block.said() + gate.said()
            time.sleep(1)
        wait_for(lambda: not any(refused_at(ADDRESS)), "its end everywhere", decision.until - time.time() + 20)
        assert (block.process.poll(), gate.process.poll()) == (None, None), block.said() + gate.said()

        start(own_kafka.directory, own_kafka.port)
        channel = Topics(own_kafka.bootstrap, topic_prefix)
        channel.send_alerts([spray(LATER, time.time())])
        wait_for(lambda: all(refused_at(LATER)), f"the next block everywhere; it said {block.said()}")
        channel.close()


@pytest.mark.kafka
def test_crible_is_down(kafka_broker: str, topic_prefix: str, tmp_path: Path) -> None:
    """Killed: Postfix is not answered, the list stays with its ends above it, the gate goes on; started again, all is as it was."""
    listed, postfix, port = tmp_path / "list", free_port(), free_port()
    points = json.dumps([{"kind": "list", "file": str(listed)}, {"kind": "postfix", "port": postfix}])
    channel = Topics(kafka_broker, topic_prefix)
    channel.send_alerts([spray(ADDRESS, time.time())])
    with gate_service(channel.settings, tmp_path, free_port()) as gate:
        with block_service(channel.settings, tmp_path, port, POLICY.format(600), CRIBLE_BLOCK_POINTS=points) as block:
            wait_for(lambda: is_refused_by_postfix(postfix, ADDRESS), f"Postfix's answer; it said {block.said()}")
            wait_for(lambda: is_refused(gate, ADDRESS), f"the gate's verdict; it said {gate.said()}")
            wait_for(lambda: listed.exists() and f"\n{ADDRESS}\n" in listed.read_text(), "the list")
            block.signal(signal.SIGKILL)
            block.process.wait(LIMIT_S)
        assert not is_refused_by_postfix(postfix, ADDRESS)
        assert is_refused(gate, ADDRESS)
        (decision,) = channel.decisions()
        assert f"# until {int(decision.until)}\n{ADDRESS}\n" in listed.read_text()
        with block_service(channel.settings, tmp_path, port, POLICY.format(600), CRIBLE_BLOCK_POINTS=points) as block:
            wait_for(lambda: is_refused_by_postfix(postfix, ADDRESS), f"Postfix's answer; it said {block.said()}")
    channel.close()
