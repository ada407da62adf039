"""``crible alerts``: shows the alerts, or hands each on to a SOC's webhook or syslog server.

    auth.alerts -> formats -> stdout | webhook | syslog

With ``alerts.pseudonym_key_file`` what is handed on has pseudonyms instead of accounts, addresses and devices; here, where people
refuse and let in, ``--who`` says whom one stands for.

With ``--order`` what nobody has judged yet (``crible feedback``), most worth a look first (:mod:`models.triage`).

On stdout everything that is kept, and with ``--follow`` what is raised from now on. To a webhook or syslog it goes on where it was
when it ended: the place is committed once an alert was taken, so none is left out and one may come twice, with the same id.
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, Protocol, get_args

import click
import msgspec
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError
from rich.console import Console

from models import alerts
from models.alerts import Alert
from models.errors import CribleError, InputError
from models.pseudonyms import LEAST_KEY_BYTES, Pseudonyms
from streams import telemetry, topics
from streams.alerts.formats import FORMATS, FormatName
from streams.alerts.syslog import SyslogSender
from streams.alerts.webhook import WebhookSender
from streams.cli import print_json, standard_options
from streams.compacted import Record, is_of
from streams.settings import Settings

__all__ = ["command", "deliver", "kept", "show"]

Destination = Literal["stdout", "webhook", "syslog"]

_POLL_MS: Final = 500
_BATCH: Final = 100
#: So many alerts are held at once.
_MOST_KEPT: Final = 100_000


class _Sender(Protocol):
    def send(self, alert: Alert, stop: threading.Event) -> bool:
        """Send until taken; whether it was done with when ``stop`` came."""


def show(
    settings: Settings,
    form: FormatName,
    follow: bool,
    stop: threading.Event,
    out: Callable[[str], object],
    shown: Callable[[Alert], Alert | None] = lambda alert: alert,
) -> None:
    """Give ``out`` the alerts that are kept, or with ``follow`` those that come from now on until ``stop``.

    ``shown`` says as what each is shown; ``None`` leaves it out.

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
                alert = None if alert is None else shown(alert)
                if alert is not None:
                    out(FORMATS[form](alert))


def kept(settings: Settings) -> list[Alert]:
    """The alerts that are kept, the newest hundred thousand.

    Raises:
        KafkaError: The broker refused.
    """
    found: deque[Alert] = deque(maxlen=_MOST_KEPT)

    def take(alert: Alert) -> None:
        found.append(alert)

    show(settings, "json", False, threading.Event(), lambda _line: None, take)
    return list(found)


def deliver(settings: Settings, sender: _Sender, name: str, stop: threading.Event, pseudonyms: Pseudonyms | None = None) -> None:
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
                if alert is not None and pseudonyms is not None:
                    alert = pseudonyms.alert(alert)
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


def _pseudonyms(settings: Settings) -> Pseudonyms | None:
    """Those of the settings; ``None`` where there are none.

    Raises:
        InputError: The key cannot be read, or is too short.
    """
    file = settings.alerts.pseudonym_key_file
    if file is None:
        return None
    try:
        return Pseudonyms(Path(file).read_bytes().strip())
    except (OSError, ValueError):
        hint = f"make one: openssl rand -hex {LEAST_KEY_BYTES}"
        raise InputError(f"holds no secret of at least {LEAST_KEY_BYTES} bytes", where=file, hint=hint) from None


def _show_in_order(
    settings: Settings, pseudonyms: Pseudonyms | None, shown: Callable[[Alert], Alert | None], as_json: bool
) -> None:
    from streams.alerts import order  # noqa: PLC0415 - River's linear models take two seconds to import

    found = order.order(kept(settings), order.judgements(settings), pseudonyms, shown)
    if as_json:
        print_json(found)
    else:
        order.show_listing(found, Console())


@click.command()
@click.option("--follow", is_flag=True, help="Show what is raised from now on, until interrupted.")
@click.option("--format", "form", type=click.Choice(get_args(FormatName)), default="json", help="How an alert is written.")
@click.option(
    "--to",
    type=click.Choice(get_args(Destination)),
    default="stdout",
    help="Where to; [alerts] in the settings says where webhook and syslog are, and they always follow.",
)
@click.option(
    "--pseudonyms", "with_pseudonyms", is_flag=True, help="Show them as they are handed on: accounts and addresses hidden."
)
@click.option("--who", metavar="PSEUDONYM", help="Show, in clear, only the alerts that have this pseudonym or pseudonymous id.")
@click.option("--order", "in_order", is_flag=True, help="Show what 'crible feedback' has not judged yet, most worth a look first.")
@standard_options
def command(
    follow: bool,
    form: FormatName,
    to: Destination,
    with_pseudonyms: bool,
    who: str | None,
    in_order: bool,
    settings: Settings,
    as_json: bool,
) -> None:
    """Show the alerts, one a line, or hand each on to a webhook or syslog server."""
    stop, pseudonyms = threading.Event(), _pseudonyms(settings)
    if (with_pseudonyms or who) and pseudonyms is None:
        raise InputError("alerts.pseudonym_key_file is not set", where="settings", hint="name a file with 32 random bytes")
    if who and (with_pseudonyms or to != "stdout"):
        raise InputError("shows alerts in clear, on stdout only", where="--who")
    if in_order and (follow or to != "stdout"):
        raise InputError("is a list of what is kept, on stdout only", where="--order")
    sender = None if to == "stdout" else _sender(settings, to, form)

    def shown(alert: Alert) -> Alert | None:
        if pseudonyms is None or not (with_pseudonyms or who):
            return alert
        if who:
            return alert if who in pseudonyms.names(alert).values() else None
        return pseudonyms.alert(alert)

    try:
        if in_order:
            _show_in_order(settings, pseudonyms, shown, as_json)
            return
        if sender is None:
            show(settings, "json" if as_json else form, follow, stop, click.echo, shown)
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        deliver(settings, sender, to, stop, pseudonyms)
        telemetry.info("service.stopped", service=f"alerts-{to}")
    except KafkaError as error:
        raise CribleError(f"the broker refused: {error}", where=settings.kafka.bootstrap) from error
