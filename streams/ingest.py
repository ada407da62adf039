"""``crible ingest``: log lines or JSON in, authentication events out, to a file or to ``auth.events``.

Every line is accounted for: it is a log-in (and gives one event or more), or refused with a reason, or no log-in.
On Kafka each record names its producer (this file, read with these options) and a number that grows with the line, so
what is sent again after a crash is dropped by the next stage (design section 2).
"""

from __future__ import annotations

import json
import re
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from os import fsencode
from pathlib import Path
from time import time
from typing import IO, Any, Final, NamedTuple, Protocol, Self
from uuid import uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaError

from models.addresses import locate
from models.errors import CribleError, InputError
from models.events import (
    MAX_FUTURE_S,
    MAX_LINE_BYTES,
    SCHEMA,
    AuthEvent,
    EventIds,
    Refused,
    decode_event,
    encode_event,
    parse_time,
)
from models.geo import Geo
from models.ids import stable_id
from streams import topics
from streams.cli import print_json, standard_options
from streams.formats import FORMATS
from streams.formats.format import Format
from streams.formats.reader import MAX_TIMES, LogReader
from streams.formats.syslog import Clock
from streams.knowledge import load_geo
from streams.lines import STDIN, Lines, create
from streams.progress import reading
from streams.settings import Settings

__all__ = ["FileSink", "Ingest", "KafkaSink", "Options", "Origin", "Sink", "Summary", "command"]

_JSON: Final = "authevent"
_AUTO: Final = "auto"
_MS_PER_S: Final = 1000
#: Room for the events of one line in ``crible-seq``.
_SEQ_PER_LINE: Final = MAX_TIMES + 1
#: What is sent before the broker must have acknowledged it all: the producer's memory has no other bound.
_UNACKNOWLEDGED: Final = 20_000
#: Fewer, larger batches: the producer's work per batch is what limits it.
_LINGER_MS: Final = 100
_CLOSE_S: Final = 10
_BATCH_BYTES: Final = 256 << 10
_MAX_SOURCE: Final = 200
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")


class Origin(NamedTuple):
    """Where a record comes from: ``file:line`` for people; ``producer`` and ``seq`` identify it for the next stage."""

    source: str
    producer: str
    seq: int


class Sink(Protocol):
    """Where events and refused lines go."""

    def event(self, event: AuthEvent, encoded: bytes, origin: Origin) -> None:
        """Take one event."""

    def refused(self, raw: bytes, refusal: Refused, origin: Origin) -> None:
        """Take one line that could not be read."""


@dataclass(slots=True)
class Summary:
    """``lines`` = ``logins`` + refused + ``not_logins``; a log-in line gives one event or more."""

    lines: int = 0
    logins: int = 0
    not_logins: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    events: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The figures with their names."""
        return {
            "lines": self.lines,
            "logins": self.logins,
            "refused": dict(self.refused),
            "not_logins": self.not_logins,
            "events": self.events,
        }

    def __str__(self) -> str:
        refused = self.refused.total()
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in self.refused.most_common())
        return (
            f"{self.lines:,} lines = {self.logins:,} log-ins + {refused:,} refused"
            + (f" ({reasons})" if reasons else "")
            + f" + {self.not_logins:,} not log-ins; {self.events:,} events"
        )


@dataclass(frozen=True, slots=True)
class Options:
    """How files are read: ``year`` of the first line, ``zone`` and ``at`` (UTC seconds) of times that lack them."""

    format: str = _AUTO
    year: int | None = None
    zone: tzinfo = UTC
    at: float | None = None

    def __str__(self) -> str:
        return f"{self.format} {self.year} {self.zone} {self.at}"


class FileSink:
    """Writes events as JSON lines, and refused lines with reason and position to a file of their own."""

    def __init__(self, out: IO[bytes], errors: IO[bytes] | None) -> None:
        self._out, self._errors = out, errors
        self._escape = out.isatty()

    def event(self, event: AuthEvent, encoded: bytes, origin: Origin) -> None:
        """Write one line; on a terminal everything beyond ASCII is escaped, because a client chose it."""
        if self._escape:
            encoded = json.dumps(json.loads(encoded)).encode()
        self._out.write(encoded + b"\n")

    def refused(self, raw: bytes, refusal: Refused, origin: Origin) -> None:
        """Write where, why and what, the last in base64."""
        _write_error(self._errors, raw, refusal, origin)


class KafkaSink:
    """Sends events to ``auth.events`` and refused lines to ``auth.dlq``.

    Raises:
        CribleError: No broker, a topic is missing, or the broker did not take a record.
        InputError: An event is older than what the topic keeps.
    """

    def __init__(self, settings: Settings, errors: IO[bytes] | None) -> None:
        topics.verify(settings)
        self._events, self._dead_letters = topics.topic(settings, "auth.events"), topics.topic(settings, "auth.dlq")
        self._kept_s = topics.retention_s(settings, "auth.events")
        self._errors = errors
        self._failure: BaseException | None = None
        self._sent = 0
        self._broker = settings.kafka.bootstrap
        self._producer = KafkaProducer(
            **settings.kafka.client_options(),
            enable_idempotence=True,
            linger_ms=_LINGER_MS,
            batch_size=_BATCH_BYTES,
            compression_type="gzip",
        )

    def event(self, event: AuthEvent, encoded: bytes, origin: Origin) -> None:
        """Send one event under its network, at its time."""
        if self._kept_s is not None and event.ts < time() - self._kept_s:
            raise InputError(
                f"event is older than the {self._kept_s / 86_400:g} days that {self._events} keeps",
                where=origin.source,
                hint="make topics for history with 'crible topics --prefix NAME --retention none' and set kafka.prefix = NAME",
            )
        headers = [("crible-schema", SCHEMA.encode()), *_producer_headers(origin)]
        self._send(self._events, encoded, locate(event.remote).network.encode(), headers, int(event.ts * _MS_PER_S))

    def refused(self, raw: bytes, refusal: Refused, origin: Origin) -> None:
        """Send the line to the dead letters; headers say where it stood and why it was refused."""
        _write_error(self._errors, raw, refusal, origin)
        headers = [
            ("crible-schema", b"dead-letter/1"),
            *_producer_headers(origin),
            ("dlq.source", origin.source.encode()),
            ("dlq.stage", b"ingest"),
            ("dlq.reason", refusal.reason.encode()),
            ("dlq.error", type(refusal).__name__.encode()),
        ]
        self._send(self._dead_letters, raw, None, headers, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        """Wait until the broker has everything; after a failure, not for long."""
        try:
            if failure is None:
                self._wait()
        finally:
            self._producer.close(timeout=_CLOSE_S)

    def _send(
        self, topic: str, value: bytes, key: bytes | None, headers: list[tuple[str, bytes]], timestamp_ms: int | None
    ) -> None:
        try:
            future = self._producer.send(topic, value, key=key, headers=headers, timestamp_ms=timestamp_ms)
        except KafkaError as error:
            raise self._not_taken(error) from error
        future.add_errback(self._fail)
        self._sent += 1
        if self._sent % _UNACKNOWLEDGED == 0:
            self._wait()

    def _wait(self) -> None:
        try:
            self._producer.flush()
        except KafkaError as error:
            self._fail(error)
        if self._failure is not None:
            raise self._not_taken(self._failure)

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error

    def _not_taken(self, error: BaseException) -> CribleError:
        return CribleError(
            f"the broker did not take a record ({type(error).__name__})", where=self._broker, hint="run the command again"
        )


class Ingest:
    """Reads files one after the other.

    Args:
        sink: Where events and refused lines go.
        options: How to read.
        geo: Stamps events that carry no country or ASN.
        name: Of this ingest; enters the name of each producer.
        live: Whether lines in the future are refused.

    Attributes:
        summary: What was read so far.
        guessed_year: The year that was assumed for times without one.
    """

    def __init__(self, sink: Sink, options: Options, geo: Geo, name: str, *, live: bool) -> None:
        self._sink, self._options, self._geo, self._name, self._live = sink, options, geo, name, live
        self._ids = EventIds()
        self.summary = Summary()
        self.guessed_year: int | None = None

    def read(self, lines: Lines, raw_lines: Iterable[bytes] | None = None) -> None:
        """Read one file; ``raw_lines`` passes its lines on, for example to show progress.

        Raises:
            InputError: The file cannot be read.
        """
        options, summary = self._options, self.summary
        clock = Clock(options.zone, options.year, time())
        reader = LogReader(_formats(options.format), clock, options.at)
        producer, all_json = "", options.format == _JSON
        name = lines.name[-_MAX_SOURCE:].encode("utf-8", "replace").decode()
        for raw in lines if raw_lines is None else raw_lines:
            if not producer:
                producer = self._producer(lines.name, raw)
                all_json = all_json or (options.format == _AUTO and raw.startswith(b"{"))
            origin = Origin(f"{name}:{lines.number}", producer, lines.number * _SEQ_PER_LINE)
            summary.lines += 1
            try:
                events = self._events(raw, reader, all_json=all_json)
                encoded = [self._complete(event, origin) for event in events]
            except Refused as refusal:
                summary.refused[refusal.reason] += 1
                self._sink.refused(raw, refusal, origin)
                continue
            summary.logins += bool(events)
            summary.not_logins += not events
            summary.events += len(events)
            for index, event in enumerate(events):
                self._sink.event(event, encoded[index], origin._replace(seq=origin.seq + index))
        self.guessed_year = self.guessed_year or clock.guessed_year

    def _events(self, raw: bytes, reader: LogReader, *, all_json: bool) -> list[AuthEvent]:
        if not raw or raw.isspace():
            return []
        if len(raw) > MAX_LINE_BYTES:
            raise Refused("too_long")
        now = time() if self._live else None
        if all_json or (self._options.format == _AUTO and raw.startswith(b"{")):
            return [decode_event(raw, now)]
        events = reader.read(raw)
        if now is not None and events and events[0].ts > now + MAX_FUTURE_S:
            raise Refused("future_ts")
        return events

    def _complete(self, event: AuthEvent, origin: Origin) -> bytes:
        """Give ``event`` its id, where it was read and where it came from; return it as JSON."""
        self._ids.assign(event)
        event.attrs = {"source": origin.source, **(event.attrs or {})}
        if self._geo.build is not None and (event.country is None or event.asn is None):
            place = self._geo.place(event)
            event.country, event.asn, event.geo_build = place.country or None, place.asn or None, self._geo.build
        encoded = encode_event(event)
        if len(encoded) > MAX_LINE_BYTES:
            raise Refused("too_long")
        return encoded

    def _producer(self, file: str, first_line: bytes) -> str:
        """The same file, read in the same way, has the same name; standard input has a new one each time."""
        if file == STDIN:
            return uuid4().hex
        path = fsencode(Path(file).resolve())
        return stable_id(self._name, path.hex(), first_line.hex(), str(self._options))


@click.command()
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE… | -", type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@click.option(
    "--format", "form", type=click.Choice([_AUTO, _JSON, *FORMATS]), default=_AUTO, show_default=True, help="What the lines are."
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write events to this file instead of standard output."
)
@click.option("--to-kafka", is_flag=True, help="Send events to the topic auth.events.")
@click.option("--errors", type=click.Path(dir_okay=False, path_type=Path), help="Write refused lines, with reason and position.")
@click.option("--year", type=click.IntRange(1970, 9999), help="Year of each file's first line, where times have none.")
@click.option("--tz", default="UTC", show_default=True, help="Zone of times that name none, such as Europe/Paris.")
@click.option("--at", help="Time of lines that carry none: UTC seconds or RFC 3339.")
@standard_options
def command(
    files: tuple[str, ...],
    form: str,
    out: Path | None,
    to_kafka: bool,
    errors: Path | None,
    year: int | None,
    tz: str,
    at: str | None,
    settings: Settings,
    as_json: bool,
) -> None:
    """Turn log lines into authentication events.

    FILE may be packed (.gz, .zst). With --format auto each line is read by the program that wrote it, and a file whose first
    line is JSON as events.
    """
    if out and to_kafka:
        raise click.UsageError("Give --out or --to-kafka, not both.")
    if as_json and not (out or to_kafka):
        raise click.UsageError("--json needs --out or --to-kafka: the events would be on standard output too.")
    written = [path.resolve() for path in (out, errors) if path]
    if len(set(written)) < len(written) or set(written) & {Path(file).resolve() for file in files}:
        raise click.UsageError("A file cannot have two uses at once.")
    options = Options(form, year, _zone(tz), None if at is None else _time(at))
    inputs = [Lines(file) for file in files]
    with ExitStack() as stack:
        error_file = stack.enter_context(create(errors)) if errors else None
        sink: FileSink | KafkaSink
        if to_kafka:
            sink = stack.enter_context(KafkaSink(settings, error_file))
        else:
            sink = FileSink(stack.enter_context(create(out)) if out else sys.stdout.buffer, error_file)
        job = Ingest(sink, options, load_geo(settings), settings.ingest.producer, live=to_kafka)
        track = stack.enter_context(reading(inputs))
        for lines in inputs:
            job.read(lines, track(lines))
    if as_json:
        print_json(job.summary.as_dict())
        return
    to_stderr = not (out or to_kafka)
    sys.stdout.flush()
    click.echo(str(job.summary), err=to_stderr)
    if job.guessed_year is not None:
        click.echo(f"times without a year were taken as of {job.guessed_year}; --year says otherwise", err=True)


def _formats(name: str) -> list[Format]:
    return [form for form in FORMATS.values() if name in (_AUTO, form.name)]


def _time(text: str) -> float:
    try:
        return parse_time(float(text) if _NUMBER.fullmatch(text) else text)
    except Refused:
        raise click.BadParameter(
            "is neither UTC seconds nor RFC 3339, such as 2022-04-12T06:00:00Z.", param_hint="'--at'"
        ) from None


def _zone(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise click.BadParameter(f"no time zone {name!r}; an example is Europe/Paris.", param_hint="'--tz'") from None


def _producer_headers(origin: Origin) -> list[tuple[str, bytes]]:
    return [("crible-producer", origin.producer.encode()), ("crible-seq", str(origin.seq).encode())]


def _write_error(errors: IO[bytes] | None, raw: bytes, refusal: Refused, origin: Origin) -> None:
    if errors is not None:
        line = {"source": origin.source, "reason": refusal.reason, "text": str(refusal), "raw_base64": b64encode(raw).decode()}
        errors.write(msgspec.json.encode(line) + b"\n")
