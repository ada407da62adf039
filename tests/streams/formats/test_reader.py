"""Reading by rules: one attempt is one event, whatever a client puts into the line."""

from __future__ import annotations

import re
import time
from datetime import UTC

import pytest

from models.events import AuthEvent, Refused
from streams.formats import FORMATS
from streams.formats.format import Format
from streams.formats.reader import MAX_TIMES, LogReader
from streams.formats.syslog import Clock, split

ALL = pytest.mark.parametrize("form", FORMATS.values(), ids=list(FORMATS))


def reader(at: float | None = None) -> LogReader:
    """A reader of all formats for a file that starts in 2022."""
    return LogReader(FORMATS.values(), Clock(UTC, 2022, 0.0), at)


def read(*lines: str | bytes) -> list[AuthEvent]:
    """The events of the lines of one file."""
    log = reader()
    return [event for line in lines for event in log.read(line.encode() if isinstance(line, str) else line)]


@ALL
def test_samples(form: Format) -> None:
    """Each sample of a format gives the fields it promises, or no event."""
    for sample in form.samples:
        events = read(sample.line)
        if sample.fields is None:
            assert events == [], sample.line
        else:
            assert len(events) == 1, sample.line
            assert {name: getattr(events[0], name) for name in sample.fields} == sample.fields


@ALL
def test_a_format_documents_itself(form: Format) -> None:
    """A format says where it comes from, what it cannot see, and shows a success, a failure and a line to leave out."""
    outcomes = {None if sample.fields is None else sample.fields["success"] for sample in form.samples}
    assert outcomes == {True, False, None}
    assert form.provenance
    assert form.gaps


@ALL
def test_rules_capture_fields_of_the_event(form: Format) -> None:
    """Groups are named like fields, and every rule but a hint finds a login and an address."""
    for rule in form.rules:
        groups = set(rule.pattern.groupindex)
        assert groups <= set(AuthEvent.__struct_fields__) | {"times"}
        assert rule.role == "hint" or {"login", "remote"} <= groups
        assert set(rule.values) <= groups


@ALL
def test_patterns_take_linear_time(form: Format) -> None:
    """Text that repeats any part of a sample, 60 kB of it, is read in a moment."""
    for sample in form.samples:
        message = split(sample.line).message
        parts = {message, *re.split(r"(?<=[ (<,:])", message)}
        for part in parts:
            hostile = message + part * (60_000 // len(part))
            for rule in form.rules:
                start = time.process_time()
                rule.pattern.match(hostile)
                rule.pattern.match(hostile + "\n!")
                assert time.process_time() - start < 0.5, (rule.pattern.pattern, part)


def test_other_programs_are_no_logins() -> None:
    """Lines of other programs, and lines that only look alike, give nothing."""
    assert read(
        "Apr 12 06:00:01 mx1 cron[1]: Failed password for root from 192.0.2.1 port 1 ssh2",
        "Apr 12 06:00:01 mx1 sshd[1]: Server listening on 0.0.0.0 port 22.",
        "Apr 12 06:00:01 mx1 dovecot: master: Warning: Killed with signal 15",
        "imap-login",
        "\x00\xff",
    ) == []  # fmt: skip


def test_time_is_needed() -> None:
    """A log-in without a time is refused unless one is given for the whole file; a time that does not exist is refused."""
    line = b"sshd[1]: Failed password for root from 192.0.2.1 port 1 ssh2"
    with pytest.raises(Refused) as caught:
        reader().read(line)
    assert caught.value.reason == "no_ts"
    assert reader(at=7.0).read(line)[0].ts == 7.0
    assert reader(at=7.0).read(b"Failed password for root from 192.0.2.1 port 1 ssh2")[0].login == "root"
    with pytest.raises(Refused) as caught:
        reader().read(b"Feb 30 00:00:00 gw " + line)
    assert caught.value.reason == "bad_ts"


def test_names_in_place_of_addresses_are_refused() -> None:
    """A host name is no address."""
    with pytest.raises(Refused) as caught:
        read("Apr 12 06:00:01 gw sshd[1]: Failed password for root from evil.example port 1 ssh2")
    assert caught.value.reason == "bad_remote"


def test_undecodable_names_are_kept() -> None:
    """Bytes that are not UTF-8 do not lose the attempt."""
    (event,) = read(b"Apr 12 06:00:01 gw sshd[1]: Failed password for r\xfft from 192.0.2.1 port 1 ssh2")
    assert event.login.startswith("r~")
    (event,) = read("Apr 12 06:00:01 gw sshd[1]: Failed password for \u00e9va from 192.0.2.1 port 1 ssh2")
    assert event.login == "\u00e9va"


def test_repeated_lines_are_as_many_attempts() -> None:
    """A folded line counts as often as it says, up to a bound."""
    failed = "Failed password for root from 192.0.2.1 port 1 ssh2"
    assert len(read(f"Apr 12 06:00:01 gw sshd[1]: message repeated 5 times: [ {failed}]")) == 5
    dovecot = "imap-login: Disconnected (auth failed, 9999 attempts in 2 secs): user=<bob>, rip=192.0.2.1, lip=192.0.2.2"
    assert len(read(f"Apr 12 06:00:01 gw dovecot: message repeated 9999 times: [ {dovecot}]")) == MAX_TIMES


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the newest connections are remembered."""
    monkeypatch.setattr("streams.formats.reader._CONNECTIONS", 3)
    log = reader()
    for pid in range(10):
        log.read(f"Apr 12 06:00:01 gw sshd[{pid}]: Invalid user guest from 192.0.2.1 port 1".encode())
        log.read(f"Apr 12 06:00:01 gw dovecot: auth: sql(bob,192.0.2.1,<s{pid}>): unknown user".encode())
    assert (len(log._connections), len(log._hints)) == (3, 3)
