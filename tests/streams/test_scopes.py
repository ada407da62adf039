"""streams.scopes: what the workers tell of scopes under attack reaches whoever decides about them."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from models.accounts import Groups
from models.alerts import Evidence
from models.ids import hash32
from models.pipeline import Pipeline
from models.policy import Scope
from models.scope_book import ScopeBook
from models.sketches import SCOPE_USE_SCHEMA, ScopeUse, Sketch
from models.usage import UsageBook
from simulator import simulate
from streams import topics
from streams.local_kafka import free_port
from streams.scopes import ScopeUses
from tests.block_service import Topics, block_service, spray, wait_for
from tests.worker_runs import PARTITIONS, Run

ENFORCE = """version = "1"
protected_groups = ["health"]
[enforce]
kinds = ["password_spray"]
scopes = ["ip", "range"]
"""


def use_of(value: str, *accounts: str, ts: float) -> ScopeUse:
    return ScopeUse("range" if "/" in value else "ip", value, ts, 40, 30, 0, Sketch.of(map(hash32, accounts)).dump())


@pytest.mark.kafka
def test_what_workers_tell_of_a_simulated_day_is_what_a_replay_knows(kafka_broker: str, topic_prefix: str, tmp_path: Path) -> None:
    """Through the topics: of every country, provider and protocol, within the sketches' error, five minutes late at most."""
    run = Run(kafka_broker, topic_prefix, tmp_path)
    events = [event for event, _ in simulate("demo", 7, accounts=400)]
    exact, now = UsageBook(Groups()), events[-1].ts
    Pipeline(run.resolver, None, PARTITIONS, usage=exact).apply(events)
    with run.worker() as worker:
        worker.wait_ready()
        run.produce(events)
        run.wait_drained()
    live = ScopeBook(Groups())
    ScopeUses(run.settings, live).close()
    asked: set[tuple[Scope, str]] = {("country", event.country) for event in events if event.country}
    asked |= {("asn", str(event.asn)) for event in events if event.asn} | {("protocol", event.protocol) for event in events}
    assert len(asked) > 20
    for scope, value in asked:
        users = live.users(scope, value, now)
        assert users is not None
        told = users.familiar.interval()
        assert told.low <= exact.users(scope, value, now).familiar.interval().estimate
        assert exact.users(scope, value, now - 301).familiar.interval().estimate <= told.high


@pytest.mark.kafka
def test_decisions_follow_from_who_uses_the_scope(kafka_broker: str, topic_prefix: str, tmp_path: Path) -> None:
    """An IPv6 network that no alert counts the users of is decided about; a doctor's address is spared; nonsense is passed over."""
    channel, now = Topics(kafka_broker, topic_prefix), time.time()
    groups = tmp_path / "groups.csv"
    groups.write_text("login,group\ndoctor@example.org,health\n")

    def tell(key: str, value: bytes) -> None:
        headers = [("crible-schema", SCOPE_USE_SCHEMA.encode())]
        topic = topics.topic(channel.settings, "auth.scopes")
        channel.producer.send(topic, value, key=key.encode(), headers=headers).get(20)

    tell("ip:203.0.113.9", b"no record")
    for use in (use_of("203.0.113.7", "doctor@example.org", ts=now), use_of("2001:db8:1::/48", "anne", "bob", ts=now)):
        tell(f"{use.scope}:{use.value}", msgspec.msgpack.encode(use))
    uncounted = Evidence(counts={"failures": 40}, distinct={"accounts": 30})
    alerts = [spray("203.0.113.7", now), msgspec.structs.replace(spray("2001:db8:1::/48", now), evidence=uncounted)]
    channel.send_alerts(alerts)
    with block_service(channel.settings, tmp_path, free_port(), ENFORCE, CRIBLE_GROUPS_FILE=str(groups)) as service:
        wait_for(service.is_ready, f"readiness; it said {service.said()}")
        wait_for(lambda: len(channel.decisions()) == 2, f"two decisions; it said {service.said()}")
    made = {decision.value: decision for decision in channel.decisions()}
    assert made["203.0.113.7"].mode == "proposed"
    assert made["203.0.113.7"].impact.by_group == {"health": 1}
    assert made["2001:db8:1::/48"].mode == "enforce"
    legit = made["2001:db8:1::/48"].impact.legit_accounts
    assert legit is not None
    assert (legit.low, legit.estimate, legit.high) == (2, 2, 2)
    channel.close()
