"""``crible alerts``: shows the alerts, or hands each on to a SOC's webhook or syslog server.

    auth.alerts -> formats -> stdout | webhook | syslog

On stdout everything that is kept, and with ``--follow`` what is raised from now on. To a webhook or syslog it goes on where it was
when it ended: the place is committed once an alert was taken, so none is left out and one may come twice, with the same id.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal, Protocol, get_args

import click
import msgspec
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from models import alerts
from models.alerts import Alert
from models.errors import CribleError, InputError
from streams import telemetry, topics
from streams.alerts.formats import FORMATS, FormatName
from streams.alerts.syslog import SyslogSender
from streams.alerts.webhook import WebhookSender
from streams.cli import standard_options
from streams.compacted import Record, is_of
from streams.settings import Settings

__all__ = ["command", "deliver", "show"]

Destination = Literal["stdout", "webhook", "syslog"]

_POLL_MS: Final = 500
_BATCH: Final = 100


class _Sender(Protocol):
    def send(self, alert: Alert, stop: threading.Event) -> bool:
        """Send until taken; whether it was done with when ``stop`` came."""


def show(settings: Settings, form: FormatName, follow: bool, stop: threading.Event, out: Callable[[str], object]) -> None:
    """Give ``out`` the alerts that are kept, or with ``follow`` those that come from now on until ``stop``.

    Raises:
        KafkaError: The broker refused.
    """
    with _reading(settings, group=None) as (consumer, partition):
        end = consumer.end_offsets([partition])[partition]
        if follow:
            consumer.seek(partition, end)
        else:
            consumer.seek_to_beginning(partition)
        while not stop.is_set() and (follow or consumer.position(partition) < end):
            for record in consumer.poll(timeout_ms=_POLL_MS).get(partition, ()):
                alert = _alert(record)
                if alert is not None:
                    out(FORMATS[form](alert))


def deliver(settings: Settings, sender: _Sender, name: str, stop: threading.Event) -> None:
    """Send what comes through ``sender`` until ``stop``; it begins, the first time, with what is raised from now on.

    Raises:
        KafkaError: The broker refused.
    """
    with _reading(settings, group=f"{settings.kafka.prefix}{settings.kafka.group}-alerts-{name}") as (consumer, partition):
        offset = consumer.committed(partition)
        if offset is None:
            offset = consumer.end_offsets([partition])[partition]
            _commit(consumer, partition, offset)
        consumer.seek(partition, offset)
        telemetry.info("service.started", service=f"alerts-{name}")
        while not stop.is_set():
            for record in consumer.poll(timeout_ms=_POLL_MS).get(partition, ()):
                alert = _alert(record)
                if alert is not None and not sender.send(alert, stop):
                    return
                _commit(consumer, partition, record.offset + 1)


@contextmanager
def _reading(settings: Settings, group: str | None) -> Iterator[tuple[KafkaConsumer, TopicPartition]]:
    """A consumer of ``auth.alerts``, which has one partition. The group only keeps its place: nobody else is in it."""
    partition = TopicPartition(topics.topic(settings, "auth.alerts"), 0)
    topics.verify(settings)
    consumer = KafkaConsumer(
        **settings.kafka.client_options(),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_poll_records=_BATCH,
    )
    try:
        consumer.assign([partition])
        yield consumer, partition
    finally:
        consumer.close()


def _commit(consumer: KafkaConsumer, partition: TopicPartition, offset: int) -> None:
    consumer.commit({partition: OffsetAndMetadata(offset, "", -1)})


def _alert(record: Record) -> Alert | None:
    """The alert in a record; ``None`` where there is none, which the log says."""
    try:
        if is_of(record, alerts.SCHEMA):
            return msgspec.json.decode(record.value or b"", type=Alert)
        reason = "another_schema"
    except msgspec.DecodeError:
        reason = "not_an_alert"
    telemetry.warning("record.refused", reason=reason, topic=record.topic, partition=record.partition, offset=record.offset)
    return None


def _sender(settings: Settings, to: Literal["webhook", "syslog"], form: FormatName) -> _Sender:
    if to == "webhook":
        if settings.alerts.webhook is None:
            raise InputError("alerts.webhook is not set", where="settings", hint="give it url and secret_file")
        return WebhookSender(settings.alerts.webhook, form)
    if settings.alerts.syslog is None:
        raise InputError("alerts.syslog is not set", where="settings", hint="give it a url")
    return SyslogSender(settings.alerts.syslog, form)


@click.command()
@click.option("--follow", is_flag=True, help="Show what is raised from now on, until interrupted.")
@click.option("--format", "form", type=click.Choice(get_args(FormatName)), default="json", help="How an alert is written.")
@click.option(
    "--to",
    type=click.Choice(get_args(Destination)),
    default="stdout",
    help="Where to; [alerts] in the settings says where webhook and syslog are, and they always follow.",
)
@standard_options
def command(follow: bool, form: FormatName, to: Destination, settings: Settings, as_json: bool) -> None:
    """Show the alerts, one a line, or hand each on to a webhook or syslog server."""
    stop = threading.Event()
    sender = None if to == "stdout" else _sender(settings, to, form)
    try:
        if sender is None:
            show(settings, "json" if as_json else form, follow, stop, click.echo)
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        deliver(settings, sender, to, stop)
        telemetry.info("service.stopped", service=f"alerts-{to}")
    except KafkaError as error:
        raise CribleError(f"the broker refused: {error}", where=settings.kafka.bootstrap) from error
