"""The drill on a doctor's mailbox, live: workers learn what is familiar, the leader guards by it, the gate lets the owner in."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from models.events import encode_event
from streams.local_kafka import free_port
from tests.block_service import Topics, block_service, wait_for
from tests.gate_service import gate_service
from tests.models.test_drills import EVENING, REFUSED, guarded_mailbox
from tests.worker_runs import PARTITIONS, Run

POLICY = """version = "1"
enforce_delay_s = 0
[enforce]
kinds = ["brute_force"]
scopes = ["account", "account_ip"]
"""


@pytest.mark.kafka
def test_guard_lets_the_owner_in_and_the_bot_not(kafka_broker: str, topic_prefix: str, tmp_path: Path) -> None:
    """As in a replay (tests/models/test_drills.py): the same log-ins, asked one by one."""
    run, shift_s = Run(kafka_broker, topic_prefix, tmp_path), time.time() - 30 - EVENING
    past, after = [], {}
    for event in guarded_mailbox():
        event.ts += shift_s
        event.login += "@example.org"
        if event.event_id.startswith(str(EVENING)[:4]):
            past.append(event)
        else:
            after[event.event_id] = msgspec.json.decode(encode_event(event))
    with run.worker() as worker:
        worker.wait_ready()
        run.produce(past)
        run.wait_drained()
    channel = Topics(kafka_broker, topic_prefix, PARTITIONS)
    with (
        block_service(run.settings, tmp_path, free_port(), POLICY) as block,
        gate_service(run.settings, tmp_path, free_port()) as gate,
    ):
        wait_for(lambda: any(each.type == "guard" for each in channel.decisions()), f"a guard; it said {block.said()}")
        (guard,) = (each for each in channel.decisions() if each.type == "guard")
        assert (guard.mode, len(guard.except_)) == ("enforce", 3)
        names = ("login", "remote", "protocol", "mech", "user_agent", "asn", "country", "credential_id")

        def refused() -> set[str]:
            asked = {name: {field: given[field] for field in names if field in given} for name, given in after.items()}
            return {name for name, body in asked.items() if gate.ask("allow", body | {"pwhash": "0ee0"}).json()["status"] != 0}

        wait_for(lambda: gate.is_ready() and refused(), f"the guard at the gate; it said {gate.said()}")
        assert refused() == REFUSED
    channel.close()
