"""Lines read by the formats, for the tests beside."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC

from models.addresses import Proxies
from models.events import AuthEvent
from streams.formats import FORMATS
from streams.formats.format import Format
from streams.formats.reader import LogReader
from streams.formats.syslog import Clock

__all__ = ["read", "read_messages", "reader", "told", "what"]


def reader(forms: Iterable[Format] = FORMATS.values(), at: float | None = None, proxies: Proxies | None = None) -> LogReader:
    """A reader for a file that starts in 2022."""
    return LogReader(forms, Clock(UTC, 2022, 0.0), at, proxies)


def told(log: LogReader, lines: Iterable[str | bytes]) -> list[tuple[int, AuthEvent]]:
    """The events of a whole file with the numbers of their lines, from 1, in the order in which they come out."""
    found = []
    for number, line in enumerate(lines, start=1):
        found += log.read(line.encode("utf-8", "surrogateescape") if isinstance(line, str) else line, number) or []
    return found + log.close()


def read(*lines: str | bytes, proxies: Proxies | None = None) -> list[AuthEvent]:
    """The events of the lines of one file, by all formats."""
    return [event for _, event in told(reader(proxies=proxies), lines)]


def read_messages(program: str, *messages: str) -> list[AuthEvent]:
    """The events of one program's messages, a second apart, under the tag ``program`` (with or without ``[pid]``)."""
    return read(*(f"Apr 12 06:00:{second:02} mx1 {program}: {message}" for second, message in enumerate(messages)))


def what(events: Iterable[AuthEvent]) -> list[tuple[str, str, bool, str | None]]:
    """Who, from where, how it went and why."""
    return [(event.login, event.remote, event.success, event.fail_type) for event in events]
