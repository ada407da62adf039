"""``crible ingest``: log lines or JSON in, authentication events out, to a file or to ``auth.events``.

A line that begins with ``{`` is an AuthEvent, or a record that a module of ``streams.documents`` knows, or a journal entry or a
shipper's record around a line of text; every other line goes to the formats of ``streams.formats``. Every line is accounted for: it
is a log-in (and gives one event or more), or one of several lines about the same attempt, or refused with a reason, or no log-in.

On Kafka each record names its producer (this file, read with these options) and a number that grows with the line, so
what is sent again after a crash is dropped by the next stage (design section 2). What waits for other lines about the same attempt
is sent later than its neighbours, under a producer of its own.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from itertools import groupby
from operator import itemgetter
from os import fsencode
from pathlib import Path
from threading import Event
from time import time
from typing import IO, Any, Final, NamedTuple, Protocol, Self
from uuid import uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaError

from models.addresses import Proxies, locate
from models.errors import CribleError, InputError
from models.events import (
    ADDRESS_UNKNOWN,
    MAX_FUTURE_S,
    MAX_LINE_BYTES,
    SCHEMA,
    AuthEvent,
    EventIds,
    Refused,
    decode_event,
    decode_fields,
    encode_event,
    parse_time,
    set_client,
)
from models.geo import Geo
from models.ids import stable_id
from streams import topics
from streams.cli import print_json, standard_options
from streams.documents import DOCUMENTS
from streams.documents.document import Document
from streams.documents.journald import journal_line
from streams.documents.reader import DocumentReader, records_of
from streams.documents.shippers import shipped_line
from streams.follow import Checkpoint, follow
from streams.formats import FORMATS
from streams.formats.format import Format
from streams.formats.joining import Located
from streams.formats.reader import MAX_TIMES, LogReader
from streams.formats.syslog import Clock
from streams.knowledge import load_geo
from streams.lines import STDIN, Lines, create
from streams.progress import reading
from streams.settings import Settings

__all__ = ["FileSink", "Ingest", "KafkaSink", "Options", "Origin", "Reading", "Sink", "Summary", "command"]

_JSON: Final = "authevent"
_AUTO: Final = "auto"
_MS_PER_S: Final = 1000
#: What an AuthEvent must have; an object with two of these was meant to be one.
_EVENT_KEYS: Final = frozenset({"ts", "login", "remote", "success"})
_MEANT: Final = 2
#: What tells events that waited from the others of a producer, whose numbers have passed theirs.
_WAITED: Final = "w"
#: A line that is an envelope holds several records; the lower bits of a *place* count them, the upper ones are the line's number.
_RECORD_BITS: Final = 16
#: Room for the events of one line in ``crible-seq``.
_SEQ_PER_LINE: Final = MAX_TIMES + 1
#: What is sent before the broker must have acknowledged it all: the producer's memory has no other bound.
_UNACKNOWLEDGED: Final = 20_000
#: Fewer, larger batches: the producer's work per batch is what limits it.
_LINGER_MS: Final = 100
_CLOSE_S: Final = 10
_BATCH_BYTES: Final = 256 << 10
_MAX_SOURCE: Final = 200
_PACKED: Final = frozenset({".gz", ".zst"})
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

    def flush(self) -> None:
        """Return when everything that was taken is safe."""


@dataclass(slots=True)
class Summary:
    """``lines`` = ``logins`` + ``joined`` + refused + ``not_logins``, once all files are closed.

    A log-in line gives one event or more, as many as the attempts it tells of. One that is ``joined`` gives none, because another
    line gives the event of the same attempt. Records that came in one line count as lines. Lines that are read again after a
    restart, because the next may belong to them, are not counted.
    """

    lines: int = 0
    logins: int = 0
    joined: int = 0
    not_logins: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    events: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The figures with their names."""
        return {
            "lines": self.lines,
            "logins": self.logins,
            "joined": self.joined,
            "refused": dict(self.refused),
            "not_logins": self.not_logins,
            "events": self.events,
        }

    def __str__(self) -> str:
        refused = self.refused.total()
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in self.refused.most_common())
        return (
            f"{self.lines:,} lines = {self.logins:,} log-ins"
            + (f" + {self.joined:,} joined to them" if self.joined else "")
            + f" + {refused:,} refused"
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

    def flush(self) -> None:
        """Hand everything to the system."""
        for file in (self._out, self._errors):
            if file is not None:
                file.flush()


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

    def flush(self) -> None:
        """Wait until the broker has everything."""
        self._wait()
        if self._errors is not None:
            self._errors.flush()

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
        proxies: Our own machines that speak for clients.

    Attributes:
        summary: What was read so far.
        guessed_year: The year that was assumed for times without one.
    """

    def __init__(self, sink: Sink, options: Options, geo: Geo, name: str, *, live: bool, proxies: Proxies | None = None) -> None:
        self.sink, self.options, self.geo, self.live, self.proxies = sink, options, geo, live, proxies or Proxies()
        self._name = name
        self.ids = EventIds()
        self.summary = Summary()
        self.guessed_year: int | None = None

    def read(self, lines: Lines, raw_lines: Iterable[bytes] | None = None) -> None:
        """Read one file; ``raw_lines`` passes its lines on, for example to show progress.

        Raises:
            InputError: The file cannot be read.
        """
        reading: Reading | None = None
        damage: list[InputError] = []
        for raw in _until_damaged(lines if raw_lines is None else raw_lines, damage):
            reading = reading or self.reading(lines.name, self._producer(lines.name, raw))
            reading.take(raw, lines.number)
        if reading:
            reading.close()
        if damage:
            raise damage[0]

    def reading(self, name: str, producer: str, done: int = 0) -> Reading:
        """What reads the lines of the file ``name``; those up to ``done`` give nothing, but belong to those that follow."""
        return Reading(self, name, producer, done)

    def complete(self, event: AuthEvent, source: str) -> bytes:
        """Give ``event`` its id, its client's address, and where it was read and where it came from; return it as JSON.

        Raises:
            Refused: It is too long or in the future.
        """
        if self.live and event.ts > time() + MAX_FUTURE_S:
            raise Refused("future_ts")
        self.ids.assign(event)
        set_client(event, self.proxies)
        attrs = event.attrs
        event.attrs = {"source": source, **attrs} if attrs else {"source": source}
        if not (attrs and attrs.get(ADDRESS_UNKNOWN)):
            self.geo.stamp(event)
        encoded = encode_event(event)
        if len(encoded) > MAX_LINE_BYTES:
            raise Refused("too_long")
        return encoded

    def _producer(self, file: str, first_line: bytes) -> str:
        """The same file, read in the same way, has the same name; standard input has a new one each time."""
        if file == STDIN:
            return uuid4().hex
        path = fsencode(Path(file).resolve())
        return stable_id(self._name, path.hex(), first_line.hex(), str(self.options))


class Reading:
    """Reads the lines of one file in their order; see :meth:`Ingest.reading`."""

    def __init__(self, job: Ingest, name: str, producer: str, done: int) -> None:
        options = job.options
        self._job, self._producer, self._done = job, producer, done
        self._name = name[-_MAX_SOURCE:].encode("utf-8", "replace").decode()
        self._clock = Clock(options.zone, options.year, time())
        last_done = (done + 1 << _RECORD_BITS) - 1
        self._text = LogReader(_formats(options.format), self._clock, options.at, job.proxies, last_done)
        self._documents = DocumentReader(_documents(options.format), options.zone, options.at)
        self._form, self._asks_for_events = options.format, options.format in {_AUTO, _JSON}
        #: Whether the file holds AuthEvents, as its first line says; then what is none is refused.
        self._holds_events: bool | None = True if options.format == _JSON else None
        self._joined = 0
        self._waited = producer + _WAITED
        #: By producer.
        self._next_seq = {producer: 0, self._waited: 0}

    @property
    def waits_since(self) -> int | None:
        """The first line that still waits for others about the same attempt."""
        place = self._text.waits_since
        return None if place is None else place >> _RECORD_BITS

    @property
    def connections(self) -> list[list[str]]:
        """What was told of connections that are not over."""
        return self._text.connections

    def resume(self, connections: Sequence[Sequence[str]]) -> None:
        """Know of ``connections`` what was known before a restart."""
        self._text.resume(connections)

    def take(self, raw: bytes, number: int) -> None:
        """Take the next line."""
        summary = self._job.summary if number > self._done else Summary()
        place = number << _RECORD_BITS
        for record in records_of(raw) if raw.startswith(b"{") else (raw,):
            place += 1
            summary.lines += 1
            try:
                located = self._events(record, place)
            except Refused as refusal:
                self._refuse(record, refusal, number)
                continue
            if located:
                self._give(located, place, record)
            elif located is None:
                summary.not_logins += 1
        if number <= self._done:
            self._joined = self._text.joined

    def release(self, now: float) -> None:
        """Give what has waited long enough at ``now`` (UTC seconds)."""
        self._give(self._text.release(now))
        self._count_joined()

    def close(self) -> None:
        """Give what still waits."""
        self._give(self._text.close())
        self._count_joined()
        self._job.guessed_year = self._job.guessed_year or self._clock.guessed_year

    def _events(self, raw: bytes, place: int) -> list[Located] | None:
        """The events that are certain after this line; ``None`` if it is no log-in."""
        if len(raw) > MAX_LINE_BYTES:
            raise Refused("too_long")
        if raw.startswith(b"{"):
            return self._json(raw, place)
        if not raw or raw.isspace():
            return None
        if self._holds_events:
            return [(place, decode_event(raw))]
        self._holds_events = False
        return self._text.read(raw, place)

    def _json(self, raw: bytes, place: int) -> list[Located] | None:
        """An AuthEvent before all; what was meant to be one is refused, what nobody knows is no log-in."""
        if self._asks_for_events and (self._holds_events or b'"success"' in raw):
            try:
                event = decode_event(raw)
            except Refused:
                if self._form == _JSON:
                    raise
            else:
                self._holds_events = self._holds_events is not False
                return [(place, event)]
        try:
            record = decode_fields(raw)
        except Refused:
            if self._form in FORMATS:  # a line of text may begin so
                return self._text.read(raw, place)
            raise
        line = journal_line(record)
        if line is not None:
            self._holds_events = bool(self._holds_events)
            return self._text.read(line, place)
        events = self._documents.read(record)
        if events is None and (line := shipped_line(record)) is not None:
            self._holds_events = bool(self._holds_events)
            return self._json(line, place) if line.startswith(b"{") else self._text.read(line, place)
        was_meant = self._holds_events or len(_EVENT_KEYS & record.keys()) >= _MEANT
        if events is None and self._asks_for_events and was_meant:
            self._holds_events = self._holds_events is not False
            return [(place, decode_event(raw))]
        self._holds_events = bool(self._holds_events)
        return [(place, event) for event in events] if events else None

    def _give(self, located: list[Located], now: int = 0, raw: bytes = b"") -> None:
        """Send events on. ``raw`` at the place ``now`` is what was just read; events of other places have waited."""
        if len(located) == 1:
            place, event = located[0]
            self._give_record(place, [event], now, raw)
        else:
            for place, found in groupby(located, key=itemgetter(0)):
                self._give_record(place, [event for _, event in found], now, raw)

    def _give_record(self, place: int, events: list[AuthEvent], now: int, raw: bytes) -> None:
        job, line = self._job, place >> _RECORD_BITS
        if line <= self._done:
            for event in events:
                job.ids.assign(event)  # the same as before, so that equal ones that follow get theirs
            return
        source = f"{self._name}:{line}"
        producer = self._producer if place == now else self._waited
        seq = max(self._next_seq[producer], line * _SEQ_PER_LINE)
        try:
            if seq + len(events) > (line + 1) * _SEQ_PER_LINE:
                raise Refused("too_many")
            complete = [(event, job.complete(event, source)) for event in events]
        except Refused as refusal:
            self._refuse(raw if place == now else encode_event(events[0]), refusal, line)
            return
        summary = job.summary
        summary.logins += 1
        summary.events += len(events)
        for event, data in complete:
            job.sink.event(event, data, Origin(source, producer, seq))
            seq += 1
        self._next_seq[producer] = seq

    def _refuse(self, raw: bytes, refusal: Refused, line: int) -> None:
        if line > self._done:
            self._job.summary.refused[refusal.reason] += 1
            self._job.sink.refused(raw, refusal, Origin(f"{self._name}:{line}", self._producer, line * _SEQ_PER_LINE))

    def _count_joined(self) -> None:
        self._job.summary.joined += self._text.joined - self._joined
        self._joined = self._text.joined


@click.command()
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE… | -", type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@click.option(
    "--format",
    "form",
    type=click.Choice([*dict.fromkeys((_AUTO, _JSON, *FORMATS, *DOCUMENTS))]),
    default=_AUTO,
    show_default=True,
    help="What the lines are.",
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write events to this file instead of standard output."
)
@click.option("--to-kafka", is_flag=True, help="Send events to the topic auth.events.")
@click.option("--errors", type=click.Path(dir_okay=False, path_type=Path), help="Write refused lines, with reason and position.")
@click.option("--year", type=click.IntRange(1970, 9999), help="Year of each file's first line, where times have none.")
@click.option("--tz", default="UTC", show_default=True, help="Zone of times that name none, such as Europe/Paris.")
@click.option("--at", help="Time of lines that carry none: UTC seconds or RFC 3339.")
@click.option("--follow", "goes_on", is_flag=True, help="Wait for more lines, also after FILE was rotated, until a signal comes.")
@click.option(
    "--checkpoint", type=click.Path(dir_okay=False, path_type=Path), help="Where --follow keeps how far it has read, for a restart."
)
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
    goes_on: bool,
    checkpoint: Path | None,
    settings: Settings,
    as_json: bool,
) -> None:
    """Turn log lines and JSON records into authentication events.

    FILE may be packed (.gz, .zst). With --format auto each line is read as what wrote it does, and in a file whose first line is an
    AuthEvent what is none is refused.
    """
    _check_call(files, out, errors, checkpoint, to_kafka=to_kafka, goes_on=goes_on, as_json=as_json)
    options = Options(form, year, _zone(tz), None if at is None else _time(at))
    inputs = [Lines(file) for file in files]
    with ExitStack() as stack:
        error_file = stack.enter_context(create(errors, goes_on=goes_on)) if errors else None
        sink: FileSink | KafkaSink
        if to_kafka:
            sink = stack.enter_context(KafkaSink(settings, error_file))
        else:
            sink = FileSink(stack.enter_context(create(out, goes_on=goes_on)) if out else sys.stdout.buffer, error_file)
        proxies = Proxies(settings.ingest.trusted_proxies)
        job = Ingest(sink, options, load_geo(settings), settings.ingest.producer, live=to_kafka, proxies=proxies)
        try:
            if goes_on:
                with _stopped_by_signal() as stop:
                    follow(files, job.reading, sink.flush, Checkpoint(checkpoint) if checkpoint else None, stop)
            else:
                track = stack.enter_context(reading(inputs))
                for lines in inputs:
                    job.read(lines, track(lines))
        except InputError:  # what was read before it is accounted for as well
            _tell(job, as_json=as_json, to_stderr=not (out or to_kafka))
            raise
    _tell(job, as_json=as_json, to_stderr=not (out or to_kafka))


def _tell(job: Ingest, *, as_json: bool, to_stderr: bool) -> None:
    """Print what became of the lines."""
    if as_json:
        print_json(job.summary.as_dict())
        return
    sys.stdout.flush()
    click.echo(str(job.summary), err=to_stderr)
    if job.guessed_year is not None:
        click.echo(f"times without a year were taken as of {job.guessed_year}; --year says otherwise", err=True)


def _check_call(
    files: tuple[str, ...],
    out: Path | None,
    errors: Path | None,
    checkpoint: Path | None,
    *,
    to_kafka: bool,
    goes_on: bool,
    as_json: bool,
) -> None:
    """Options that do not go together."""
    if out and to_kafka:
        raise click.UsageError("Give --out or --to-kafka, not both.")
    if as_json and not (out or to_kafka):
        raise click.UsageError("--json needs --out or --to-kafka: the events would be on standard output too.")
    if goes_on and any(file == STDIN or Path(file).suffix in _PACKED for file in files):
        raise click.UsageError("--follow takes plain files.")
    if goes_on and to_kafka and not checkpoint:
        raise click.UsageError("--follow --to-kafka needs --checkpoint: without one a restart would count lines twice.")
    if checkpoint and not goes_on:
        raise click.UsageError("--checkpoint needs --follow.")
    written = [path.resolve() for path in (out, errors, checkpoint) if path]
    if len(set(written)) < len(written) or set(written) & {Path(file).resolve() for file in files}:
        raise click.UsageError("A file cannot have two uses at once.")


def _until_damaged(lines: Iterable[bytes], damage: list[InputError]) -> Iterator[bytes]:
    """The lines up to where the file cannot be read, which becomes ``damage``: those that wait are still to be given."""
    try:
        yield from lines
    except InputError as error:
        damage.append(error)


@contextmanager
def _stopped_by_signal() -> Iterator[Event]:
    """An event that SIGTERM and SIGINT set."""
    stop = Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _formats(name: str) -> list[Format]:
    return [form for form in FORMATS.values() if name in (_AUTO, form.name)]


def _documents(name: str) -> list[Document]:
    return [document for document in DOCUMENTS.values() if name in (_AUTO, document.name)]


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
