"""``crible policy`` against real services: a policy put in force without a restart, and over restarts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from models.applied_policy import POLICY_KEY
from models.policy import Policy
from streams.local_kafka import free_port
from streams.writing import TopicWriter, Written
from tests.block_service import KEY, Topics, block_service, spray, wait_for
from tests.gate_service import gate_service
from tests.streams.desk.test_desk import ADDRESSES, Desk

SHADOW = 'version = "shadow"\nenforce_delay_s = 0\n'
ENFORCE = 'version = "enforce"\nenforce_delay_s = 0\n[enforce]\nkinds = ["password_spray"]\nscopes = ["ip"]\n'


@pytest.fixture
def channel(kafka_broker: str, topic_prefix: str) -> Iterator[Topics]:
    """The topics of this test."""
    opened = Topics(kafka_broker, topic_prefix)
    yield opened
    opened.close()


def damage(channel: Topics) -> None:
    """Write a policy that is none."""
    writer = TopicWriter(channel.settings, "auth.control", "policy/1")
    writer.send([Written(POLICY_KEY, b'{"version":"damaged"}', time.time())])
    writer.close()


@pytest.mark.kafka
def test_a_policy_is_put_in_force_without_a_restart(channel: Topics, tmp_path: Path) -> None:
    """A service and a gate go by it within seconds and after restarts, whatever their file says; damage changes nothing."""
    port, gate_port = free_port(), free_port()
    keys = json.dumps([{"name": "ops", "sha256": sha256(KEY.encode()).hexdigest(), "operator": True}])
    desk = Desk(tmp_path, [port])
    desk._environment["CRIBLE_DESK_GATES"] = json.dumps([f"http://127.0.0.1:{gate_port}"])
    new, exempt = tmp_path / "new.toml", tmp_path / "exempt.toml"
    new.write_text(ENFORCE)
    exempt.write_text('never_block = ["203.0.113.2/32"]\n' + ENFORCE.replace('"enforce"', '"exempt"', 1))

    def versions() -> set[str]:
        return {each.get("policy", "") for each in desk.told("policy", "show")["services"].values()}

    with (
        block_service(channel.settings, tmp_path, port, SHADOW) as service,
        gate_service(channel.settings, tmp_path, gate_port, CRIBLE_GATE_API_KEYS=keys) as gate,
    ):
        wait_for(lambda: service.is_ready() and gate.is_ready(), "readiness")
        channel.send_alerts([spray(ADDRESSES[0], time.time())])
        wait_for(lambda: desk.told("decisions", "list")["total"] == 1, f"a decision; it said {service.said()}")
        assert service.served() == set()

        declined = desk.run("policy", "apply", str(new), "--reason", "two weeks of shadow")
        assert (declined.returncode, 'version: "shadow" -> "enforce"' in declined.stderr) == (130, True)
        told = desk.told("policy", "apply", str(new), "--reason", "two weeks of shadow", "--yes")
        assert told["changes"] == ['version: "shadow" -> "enforce"', 'enforce.kinds: + "password_spray"', 'enforce.scopes: + "ip"']
        began = time.monotonic()
        wait_for(lambda: versions() == {"enforce"}, f"the policy everywhere; they said {service.said()} {gate.said()}")
        assert time.monotonic() - began < 15
        channel.send_alerts([spray(ADDRESSES[1], time.time())])
        wait_for(lambda: service.served() == {ADDRESSES[1]}, f"enforcement; it said {service.said()}")
        again = desk.run("policy", "apply", str(new), "--reason", "twice", "--yes")
        assert (again.returncode, "nothing changes" in again.stderr) == (2, True)

        # What nobody can understand is reported, and changes nothing.
        damage(channel)
        for each in (service, gate):
            wait_for(lambda each=each: "not_policy" in each.said(), "a report")
        assert (versions(), service.served()) == ({"enforce"}, {ADDRESSES[1]})

        # The next one is told to bouncers: what it spares is no longer refused.
        desk.told("policy", "apply", str(exempt), "--reason", "our own office", "--yes")
        wait_for(lambda: service.served() == set(), f"an empty list; it said {service.said()}")
        wait_for(lambda: versions() == {"exempt"}, f"the policy everywhere; they said {service.said()} {gate.said()}")

    with (
        block_service(channel.settings, tmp_path, port, SHADOW) as service,
        gate_service(channel.settings, tmp_path, gate_port, CRIBLE_GATE_API_KEYS=keys) as gate,
    ):
        wait_for(lambda: service.is_ready() and gate.is_ready(), "readiness")
        assert versions() == {"exempt"}
        assert '"auth.control goes before the file"' in service.said()
        shown = desk.run("policy", "show")
        assert "by test: our own office" in shown.stdout
        assert Policy.parse(shown.stdout.encode(), where="shown") == Policy.load(exempt)
        channel.send_alerts([spray(address, time.time(), hour=1) for address in ADDRESSES[1:3]])
        wait_for(lambda: service.served() == {ADDRESSES[2]}, f"enforcement; it said {service.said()}")

    made = {(each.value, each.mode): each.policy_version for each in channel.decisions()}
    assert made == {
        (ADDRESSES[0], "shadow"): "shadow",
        (ADDRESSES[1], "enforce"): "enforce",
        (ADDRESSES[2], "enforce"): "exempt",
    }
    notes = channel.notes()
    assert [(note["decision_id"], note["action"], note["by"], note["reason"].partition(": ")[2]) for note in notes] == [
        (POLICY_KEY, "apply", "test", "two weeks of shadow"),
        (POLICY_KEY, "apply", "test", "our own office"),
    ]


def test_a_wrong_file_is_not_sent(tmp_path: Path) -> None:
    """The line is named, and nobody is asked."""
    (tmp_path / "p.toml").write_text('version = "1"\nmax_legit = 5\n')
    done = Desk(tmp_path, [free_port()]).run("policy", "apply", str(tmp_path / "p.toml"), "--reason", "r")
    assert (done.returncode, "p.toml:2: not a valid policy" in done.stderr) == (2, True)
