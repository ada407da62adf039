"""streams.topics: the table, and what the broker makes of it."""

from __future__ import annotations

import socket

import msgspec
import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from models.errors import CribleError
from streams import topics
from streams.settings import Kafka, Settings
from streams.topics import TOPICS


def settings(bootstrap: str, prefix: str, partitions: int = 2) -> Settings:
    return Settings(kafka=Kafka(bootstrap=bootstrap, prefix=prefix, partitions=partitions, connect_timeout_s=20))


DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("name", "partitions", "policy", "retention_ms"),
    [
        ("auth.raw", 16, "delete", 7 * DAY_MS),
        ("auth.events", 16, "delete", 7 * DAY_MS),
        ("auth.by-account", 16, "delete", 7 * DAY_MS),
        ("auth.pulse", 1, "delete", 7 * DAY_MS),
        ("auth.alerts", 1, "delete", 30 * DAY_MS),
        ("auth.decisions", 16, "compact", None),
        ("auth.account-changes", 16, "delete", 365 * DAY_MS),
        ("auth.scopes", 16, "compact,delete", 2 * DAY_MS),
        ("auth.profiles", 16, "compact", None),
        ("auth.control", 16, "compact", None),
        ("auth.feedback", 16, "compact", None),
        ("auth.notices", 16, "delete", 30 * DAY_MS),
        ("auth.audit", 16, "delete", 365 * DAY_MS),
        ("auth.dlq", 16, "delete", 3 * DAY_MS),
        ("auth.source-state", 16, "delete", -1),
        ("auth.account-state", 16, "delete", -1),
        ("auth.change-state", 16, "delete", -1),
        ("auth.service-state", 1, "delete", -1),
    ],
)
def test_the_table_is_the_contracts(name: str, partitions: int, policy: str, retention_ms: int | None) -> None:
    """Partitions, clean-up and age of each topic are those of contract section 2; state topics keep their frames."""
    config = TOPICS[name].config(keep_all=False)
    assert topics.partitions(Settings(), name) == partitions
    assert config["cleanup.policy"] == policy
    assert config.get("retention.ms") == (None if retention_ms is None else str(retention_ms))
    assert config["message.timestamp.after.max.ms"] == str(DAY_MS)
    assert config["message.timestamp.type"] == ("LogAppendTime" if name == "auth.dlq" else "CreateTime")


def test_the_table_has_no_other_topics() -> None:
    """A new topic needs its line in the test above."""
    assert len(TOPICS) == 18


def test_history_is_kept_whatever_its_age() -> None:
    """With keep_all every topic kept by age is kept for ever; compacted ones are as before."""
    for topic in TOPICS.values():
        config = topic.config(keep_all=True)
        assert config.get("retention.ms") == (None if topic.compacted and topic.kept_s is None else "-1")


def test_no_broker_is_one_clear_error() -> None:
    """After the configured time the error names the broker and what to do."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        absent = Settings(kafka=Kafka(bootstrap=address, connect_timeout_s=0.5))
        with pytest.raises(
            CribleError, match=f"{address}: no Kafka broker answered within 0.5 s; start one with 'crible kafka up'"
        ):
            topics.create(absent)


def test_a_listener_that_is_no_broker_is_the_same_error(caplog: pytest.LogCaptureFixture) -> None:
    """Something that accepts connections and says nothing is not waited for longer than configured."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(CribleError, match=f"{address}: no Kafka broker answered"):
            topics.create(Settings(kafka=Kafka(bootstrap=address, connect_timeout_s=0.5)))


@pytest.mark.kafka
def test_creating_twice_changes_nothing(kafka_broker: str, topic_prefix: str) -> None:
    """The first call creates all topics as the table says, the second none; verify agrees."""
    wanted = settings(kafka_broker, topic_prefix)
    with pytest.raises(CribleError, match=r"no topic .*auth.raw.*create them with 'crible topics'"):
        topics.verify(wanted)
    assert sorted(topics.create(wanted)) == sorted(topic_prefix + name for name in TOPICS)
    assert topics.create(wanted) == []
    topics.verify(wanted)
    client = KafkaAdminClient(bootstrap_servers=kafka_broker)
    full_names = [topic_prefix + name for name in TOPICS]
    counts = {found["name"]: len(found["partitions"]) for found in client.describe_topics(full_names)}
    configs = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in full_names], config_filter="all")
    client.close()
    for name, topic in TOPICS.items():
        assert counts[topic_prefix + name] == topics.partitions(wanted, name)
        on_broker = configs["topic"][topic_prefix + name]
        expected = topic.config(keep_all=False)
        assert {key: on_broker[key]["value"] for key in expected} == expected


@pytest.mark.kafka
def test_another_number_of_partitions_is_refused(kafka_broker: str, topic_prefix: str) -> None:
    """The error names the topic, what was found, what was expected and the way out; nothing is altered."""
    topics.create(settings(kafka_broker, topic_prefix, partitions=2))
    other = settings(kafka_broker, topic_prefix, partitions=3)
    said = rf"topic {topic_prefix}auth.raw has 2 partitions, expected 3; set kafka.partitions = 2"
    for check in (topics.create, topics.verify):
        with pytest.raises(CribleError, match=said):
            check(other)


@pytest.mark.kafka
def test_retention_is_what_the_broker_says(kafka_broker: str, topic_prefix: str) -> None:
    """Seven days for live events, none under a prefix made for history."""
    live, history = settings(kafka_broker, topic_prefix), settings(kafka_broker, topic_prefix + "history.")
    topics.create(live)
    topics.create(history, keep_all=True)
    assert topics.retention_s(live, "auth.events") == 7 * 86_400
    assert topics.retention_s(history, "auth.events") is None


@pytest.mark.kafka
def test_a_prefix_that_kafka_allows_not_is_refused(kafka_broker: str) -> None:
    """What the broker refuses becomes one clear error."""
    bad = msgspec.structs.replace(settings(kafka_broker, ""), kafka=Kafka(bootstrap=kafka_broker, prefix="a b"))
    with pytest.raises(CribleError, match="the broker refused"):
        topics.create(bad)
