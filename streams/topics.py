"""The Kafka topics (contract section 2), and ``crible topics``, which creates them.

Creating is idempotent. A topic that exists keeps what it has; only its number of partitions is compared, because state
and keys are cut by it and it never changes.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import click
import msgspec
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError

from models.campaigns import Campaign
from models.changelog import Frame
from models.errors import CribleError, InputError
from models.frames import CAMPAIGN_SCHEMA, CHANGES_SCHEMA, AttemptFrame, ChangeFrame, PulseFrame
from models.profiles import Profile
from models.refused import SCHEMA as REFUSED_SCHEMA
from models.refused import RefusedSlot
from models.sketches import SCOPE_USE_SCHEMA, ScopeUse
from streams import telemetry
from streams.cli import print_json, standard_options
from streams.settings import Kafka, Settings

__all__ = ["TOPICS", "Topic", "admin", "command", "create", "retention_s", "topic", "verify"]

_DAY_S: Final = 86400
_MS_PER_S: Final = 1000
_PROBE_TIMEOUT_S: Final = 2
_BACK_OFF_S: Final = 0.25
_LONGEST_BACK_OFF_S: Final = 5


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic.

    Args:
        single: One partition instead of the P of the settings.
        kept_s: Seconds for which records are kept by age; ``None`` keeps them.
        compacted: Only the newest record of a key is kept.
        append_time: Record timestamps are the broker's clock instead of event time.
        segment_bytes: Size of a log segment where the broker's 1 GiB is wrong.
        names_accounts: Records say something about somebody's account.
    """

    name: str
    kept_s: int | None = None
    single: bool = False
    compacted: bool = False
    append_time: bool = False
    segment_bytes: int | None = None
    names_accounts: bool = False

    def config(self, *, keep_all: bool) -> dict[str, str]:
        """The topic's settings on the broker; ``keep_all`` lifts the limit of age, for history.

        >>> Topic("auth.events", kept_s=7 * 86400).config(keep_all=False)["retention.ms"]
        '604800000'
        """
        kept = self.kept_s is not None
        config = {
            "cleanup.policy": "compact,delete" if self.compacted and kept else "compact" if self.compacted else "delete",
            "message.timestamp.type": "LogAppendTime" if self.append_time else "CreateTime",
            # Event time may be ahead of the broker's clock; Kafka 4 otherwise refuses what is an hour ahead.
            "message.timestamp.after.max.ms": str(_DAY_S * _MS_PER_S),
        }
        if not self.compacted or kept:
            config["retention.ms"] = "-1" if keep_all or self.kept_s is None else str(self.kept_s * _MS_PER_S)
        if self.compacted:
            # What a tombstone takes back is gone from the disks within two days; else when there is enough of it, perhaps never.
            config["max.compaction.lag.ms"] = str(_DAY_S * _MS_PER_S)
        if self.segment_bytes is not None:
            config["segment.bytes"] = str(self.segment_bytes)
        return config


#: The worker deletes old frames itself (DeleteRecords). That frees whole segments only, hence small ones.
_STATE_SEGMENT_BYTES: Final = 64 << 20

TOPICS: Final = {
    topic.name: topic
    for topic in (
        Topic("auth.raw", kept_s=7 * _DAY_S, names_accounts=True),
        Topic("auth.events", kept_s=7 * _DAY_S, names_accounts=True),
        Topic("auth.by-account", kept_s=7 * _DAY_S, names_accounts=True),
        Topic("auth.pulse", kept_s=7 * _DAY_S, single=True, names_accounts=True),
        Topic("auth.alerts", kept_s=30 * _DAY_S, single=True, names_accounts=True),
        Topic("auth.decisions", compacted=True, names_accounts=True),
        Topic("auth.account-changes", kept_s=365 * _DAY_S, names_accounts=True),
        Topic("auth.scopes", compacted=True, kept_s=2 * _DAY_S),
        Topic("auth.profiles", compacted=True, names_accounts=True),
        Topic("auth.control", compacted=True, names_accounts=True),
        Topic("auth.feedback", compacted=True),
        Topic("auth.notices", kept_s=30 * _DAY_S, names_accounts=True),
        Topic("auth.audit", kept_s=365 * _DAY_S),
        Topic("auth.dlq", kept_s=3 * _DAY_S, append_time=True, names_accounts=True),
        Topic("auth.source-state", segment_bytes=_STATE_SEGMENT_BYTES),
        Topic("auth.account-state", segment_bytes=_STATE_SEGMENT_BYTES, names_accounts=True),
        Topic("auth.change-state", segment_bytes=_STATE_SEGMENT_BYTES),
        Topic("auth.service-state", segment_bytes=_STATE_SEGMENT_BYTES, single=True, names_accounts=True),
    )
}

#: The topics whose records are frames.
_FRAMES: Final[dict[str, type[msgspec.Struct]]] = {
    "auth.by-account": AttemptFrame,
    "auth.pulse": PulseFrame,
    "auth.profiles": Profile,
    "auth.source-state": Frame,
    "auth.account-state": Frame,
    "auth.change-state": Frame,
    "auth.service-state": Frame,
}
#: The records that are frames in a topic of others, by their schema.
_FRAME_OF_SCHEMA: Final[dict[bytes, type[msgspec.Struct]]] = {
    CAMPAIGN_SCHEMA.encode(): Campaign,
    CHANGES_SCHEMA.encode(): ChangeFrame,
    REFUSED_SCHEMA.encode(): RefusedSlot,
    SCOPE_USE_SCHEMA.encode(): ScopeUse,
}


def topic(settings: Settings, name: str) -> str:
    """The full name of one of :data:`TOPICS`.

    >>> topic(Settings(), "auth.events")
    'auth.events'
    """
    return settings.kafka.prefix + TOPICS[name].name


def partitions(settings: Settings, name: str) -> int:
    """How many partitions a topic has by these settings."""
    return 1 if TOPICS[name].single else settings.kafka.partitions


@contextmanager
def admin(settings: Settings) -> Iterator[KafkaAdminClient]:
    """An admin client; waits for the broker up to ``kafka.connect_timeout_s``.

    Raises:
        CribleError: No broker answered in that time, its certificate is not trusted, or it refused what was asked inside the
            ``with`` block.
    """
    kafka = settings.kafka
    deadline = time.monotonic() + kafka.connect_timeout_s
    try:
        _wait_for_listener(kafka, deadline)
        remaining_s = max(deadline - time.monotonic(), _PROBE_TIMEOUT_S)
        client = KafkaAdminClient(**kafka.client_options(), bootstrap_timeout_ms=int(remaining_s * _MS_PER_S))
    except ssl.SSLCertVerificationError as error:
        raise CribleError(
            f"the broker's certificate is not trusted: {error.verify_message}", where=kafka.bootstrap, hint="set kafka.ssl_cafile"
        ) from None
    except (OSError, KafkaError) as error:
        # A broker hangs up on who has the wrong password, and the client tries again: it looks the same.
        secret = kafka.security_protocol.startswith("SASL")
        raise CribleError(
            f"no Kafka broker answered within {kafka.connect_timeout_s:g} s" + (", or it refuses the password" if secret else ""),
            where=kafka.bootstrap,
            hint="look at kafka.sasl_username and its password file"
            if secret
            else "start one with 'crible kafka up', or set kafka.bootstrap",
        ) from error
    try:
        yield client
    except KafkaError as error:
        raise CribleError(f"the broker refused: {error}", where=kafka.bootstrap) from error
    finally:
        client.close()


def create(settings: Settings, *, keep_all: bool = False) -> list[str]:
    """Create the topics that do not exist; return their names.

    Args:
        keep_all: Lift the limit of age, for topics that hold history.

    Raises:
        CribleError: No broker, or a topic exists with another number of partitions.
    """
    with admin(settings) as client:
        missing = _missing(client, settings)
        for name in missing:
            _create_one(client, settings, name, keep_all=keep_all)
        client.wait_for_topics([topic(settings, name) for name in missing])
        _missing(client, settings)  # again, for what another process created meanwhile
    if missing:
        telemetry.info("topics.created", topics=len(missing))
    return [topic(settings, name) for name in missing]


def verify(settings: Settings) -> None:
    """Check that every topic exists with the right number of partitions.

    Raises:
        CribleError: No broker, a topic is missing, or it has another number of partitions.
    """
    with admin(settings) as client:
        missing = _missing(client, settings)
    if missing:
        names = ", ".join(topic(settings, name) for name in missing)
        raise CribleError(f"no topic {names}", where=settings.kafka.bootstrap, hint="create them with 'crible topics'")


def retention_s(settings: Settings, name: str) -> float | None:
    """How long the broker keeps the records of a topic, as the broker says; ``None`` is for ever.

    Raises:
        CribleError: No broker, or the topic does not exist.
    """
    full_name = topic(settings, name)
    with admin(settings) as client:
        resource = ConfigResource(ConfigResourceType.TOPIC, full_name, {"retention.ms": None})
        found = client.describe_configs([resource], config_filter="all")["topic"][full_name]
    retention_ms = int(found["retention.ms"]["value"])
    return None if retention_ms < 0 else retention_ms / _MS_PER_S


def _wait_for_listener(kafka: Kafka, deadline: float) -> None:
    """Return when one of the servers accepts a connection, over TLS where that is set.

    The client retries by itself, but logs four lines each time; asked like this, there is one line for all.

    Raises:
        ssl.SSLCertVerificationError: A server's certificate is not trusted.
        OSError: None accepts one in time.
    """
    back_off_s, told = _BACK_OFF_S, False
    tls: ssl.SSLContext | None = kafka.async_client_options().get("ssl_context")
    while True:
        for server in kafka.bootstrap.split(","):
            host, _, port = server.strip().rpartition(":")
            host = host.strip("[]")
            try:
                with socket.create_connection((host, int(port)), timeout=_PROBE_TIMEOUT_S) as connection:
                    if tls is not None:
                        tls.wrap_socket(connection, server_hostname=host).close()
            except ssl.SSLCertVerificationError:
                raise
            except OSError as error:
                failure = error
            else:
                return
        if time.monotonic() + back_off_s > deadline:
            raise failure
        if not told:
            telemetry.warning("kafka.unreachable", broker=kafka.bootstrap)
            told = True
        time.sleep(back_off_s)
        back_off_s = min(2 * back_off_s, _LONGEST_BACK_OFF_S)


def _missing(client: KafkaAdminClient, settings: Settings) -> list[str]:
    """The topics that do not exist; those that do have the right number of partitions."""
    existing = {found["name"]: len(found["partitions"]) for found in client.describe_topics()}
    for name in TOPICS:
        found, expected = existing.get(topic(settings, name)), partitions(settings, name)
        if found is not None and found != expected:
            raise CribleError(
                f"topic {topic(settings, name)} has {found} partitions, expected {expected}",
                where=settings.kafka.bootstrap,
                hint=f"set kafka.partitions = {found}, or use another kafka.prefix: topics are never altered in place",
            )
    return [name for name in TOPICS if topic(settings, name) not in existing]


def _create_one(client: KafkaAdminClient, settings: Settings, name: str, *, keep_all: bool) -> None:
    options = {
        "num_partitions": partitions(settings, name),
        "replication_factor": settings.kafka.replication,
        "configs": TOPICS[name].config(keep_all=keep_all),
    }
    try:
        client.create_topics({topic(settings, name): options})
    except TopicAlreadyExistsError:
        return  # another process was faster


@click.group(invoke_without_command=True)
@click.option("--prefix", help="Put this before every topic's name, for example to hold history apart.")
@click.option("--retention", type=click.Choice(["none"]), help="none: keep records of every age, for history.")
@standard_options
@click.pass_context
def command(context: click.Context, prefix: str | None, retention: str | None, settings: Settings, as_json: bool) -> None:
    """Create the Kafka topics, or check those that exist."""
    if prefix is not None:
        settings = settings.with_prefix(prefix)
    if context.invoked_subcommand:
        return
    created = create(settings, keep_all=retention == "none")
    if as_json:
        print_json({"created": created, "existing": len(TOPICS) - len(created)})
    else:
        click.echo(f"{len(created)} topics created, {len(TOPICS) - len(created)} existed already")


@command.command()
@click.argument("name", type=click.Choice(list(TOPICS)), metavar="TOPIC")
@click.option("--partition", type=click.IntRange(0), default=0, help="Of which partition; 0 if not said.")
@click.option("--last", type=click.IntRange(1, 10_000), default=10, help="How many of the newest records; 10 if not said.")
@standard_options
def peek(name: str, partition: int, last: int, settings: Settings, as_json: bool) -> None:
    """Print the newest records of a topic as JSON lines (always JSON), the internal frames included.

    TOPIC is the name without the prefix, such as auth.by-account.
    """
    for record in _newest(settings, name, partition, last):
        shown = {
            "offset": record.offset,
            "ts": record.timestamp / _MS_PER_S,
            "key": record.key.decode("utf-8", "backslashreplace") if record.key else None,
            "headers": {key: value.decode("utf-8", "backslashreplace") for key, value in record.headers},
            "value": _decoded(name, dict(record.headers).get("crible-schema", b""), record.value),
        }
        click.echo(json.dumps(shown, default=_plain))


def _newest(settings: Settings, name: str, number: int, last: int) -> Iterator[Any]:
    partition = TopicPartition(topic(settings, name), number)
    with admin(settings):  # waits for the broker, and says so where there is none
        consumer = KafkaConsumer(**settings.kafka.client_options(), enable_auto_commit=False)
    try:
        if number not in (consumer.partitions_for_topic(partition.topic) or ()):
            raise InputError(f"no partition {partition.topic}/{number}", where=settings.kafka.bootstrap)
        consumer.assign([partition])
        end = consumer.end_offsets([partition])[partition]
        consumer.seek(partition, max(end - last, consumer.beginning_offsets([partition])[partition]))
        while consumer.position(partition) < end:
            yield from consumer.poll(timeout_ms=_MS_PER_S).get(partition, ())
    finally:
        consumer.close()


def _decoded(name: str, schema: bytes, value: bytes | None) -> object:
    """What a record says: a frame, JSON, or text."""
    frame = _FRAME_OF_SCHEMA.get(schema) or _FRAMES.get(name)
    try:
        return None if value is None else msgspec.msgpack.decode(value, type=frame) if frame else json.loads(value)
    except (msgspec.DecodeError, ValueError):
        return (value or b"").decode("utf-8", "backslashreplace")


def _plain(part: object) -> object:
    """Structs by field name, and dictionaries' composite keys as text."""
    if isinstance(part, msgspec.Struct):
        fields = {name: getattr(part, name) for name in part.__struct_fields__}
        return {name: _plain_keys(value) for name, value in fields.items()}
    return f"{len(part)} bytes" if isinstance(part, bytes) else str(part)


def _plain_keys(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {"/".join(map(str, key)) if isinstance(key, tuple) else key: count for key, count in value.items()}
