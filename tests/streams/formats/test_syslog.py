"""Syslog framing: headers of five kinds, and times without year or zone."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest

from streams.formats.syslog import Clock, split, unwrap

PARIS = ZoneInfo("Europe/Paris")


def clock(year: int | None = 2022, zone: tzinfo = UTC, now: str = "2026-11-24T00:00:00") -> Clock:
    """A clock whose file starts in ``year``."""
    return Clock(zone, year, datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp())


def iso(ts: float) -> str:
    """``ts`` as text."""
    return datetime.fromtimestamp(ts, UTC).isoformat()


@pytest.mark.parametrize(
    ("line", "frame"),
    [
        ("Apr 12 06:00:01 mx1 sshd[501]: Failed", ("Apr 12 06:00:01", "mx1", "sshd", "501", "Failed")),
        ("Apr  2 06:00:01 mx1 dovecot: x: y", ("Apr  2 06:00:01", "mx1", "dovecot", "", "x: y")),
        ("Apr 2 06:00:01 mx1 dovecot: x", ("Apr 2 06:00:01", "mx1", "dovecot", "", "x")),
        ("<38>Apr 12 06:00:01 mx1 sshd[501]: x", ("Apr 12 06:00:01", "mx1", "sshd", "501", "x")),
        ("Apr 12 06:00:01.123 2001:db8::1 sshd-session[501]: x", ("Apr 12 06:00:01", "2001:db8::1", "sshd-session", "501", "x")),
        ("Apr 12 06:00:01 192.0.2.1 sshd[501]: [ID 800047 auth.info] x", ("Apr 12 06:00:01", "192.0.2.1", "sshd", "501", "x")),
        ("2022-04-12T06:00:01.5+02:00 mx1 sshd[501]: x", ("2022-04-12T06:00:01.5+02:00", "mx1", "sshd", "501", "x")),
        ("2022-04-12 06:00:01.5-0700  mx1 sshd[501]: x", ("2022-04-12 06:00:01.5-0700", "mx1", "sshd", "501", "x")),
        ("<38>1 2022-04-12T06:00:01Z mx1 sshd 501 - - x", ("2022-04-12T06:00:01Z", "mx1", "sshd", "501", "x")),
        ('<38>1 - mx1 sshd 501 m [a@1 b="\\]"][c@1] \ufeffx', ("", "mx1", "sshd", "501", "x")),
        ("Apr 12 06:00:01 imap-login: Info: x", ("Apr 12 06:00:01", "", "imap-login", "", "Info: x")),
        ("Apr 12 06:00:01 auth(bob,192.0.2.1)<s>: x", ("Apr 12 06:00:01", "", "", "", "auth(bob,192.0.2.1)<s>: x")),
        ("mx1 sshd[501]: x", ("", "mx1", "sshd", "501", "x")),
        ("no header at all", ("", "", "", "", "no header at all")),
        ("", ("", "", "", "", "")),
    ],
)
def test_headers(line: str, frame: tuple[str, ...]) -> None:
    """Each kind of header is taken apart; what is absent is empty."""
    assert split(line)[:5] == frame


def test_own_log_keeps_the_program() -> None:
    """For a program's own file the word before the colon is part of what the rules see."""
    assert split("Apr 12 06:00:01 imap-login: Info: x").tagged == "imap-login: Info: x"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("message repeated 5 times: [ Failed password]", (5, "Failed password")),
        ("message repeated 5 times: [ a ] b]", (5, "a ] b")),
        ("message repeated many times: [ x]", (1, "message repeated many times: [ x]")),
        ("message repeated 99999 times: [ x]", (1, "message repeated 99999 times: [ x]")),
        ("Failed password", (1, "Failed password")),
    ],
)
def test_repeated_messages(message: str, expected: tuple[int, str]) -> None:
    """A folded message stands for as many as it says."""
    assert unwrap(message) == expected


@pytest.mark.parametrize(
    ("time", "utc"),
    [
        ("2022-04-12T06:00:01Z", "2022-04-12T06:00:01+00:00"),
        ("2022-04-12T06:00:01.25+0200", "2022-04-12T04:00:01.250000+00:00"),
        ("2022-04-12 06:00:01,5", "2022-04-12T04:00:01.500000+00:00"),
        ("Apr 12 06:00:01", "2022-04-12T04:00:01+00:00"),
        ("Jan  2 06:00:01", "2022-01-02T05:00:01+00:00"),
    ],
)
def test_times_in_a_zone(time: str, utc: str) -> None:
    """A time's own zone wins; summer and winter time are kept apart."""
    assert iso(clock(zone=PARIS).ts(time)) == utc


def test_hours_and_minutes() -> None:
    """Times of the same hour share its start."""
    reader = clock()
    assert [reader.ts(f"Apr 12 {time}") - reader.ts("Apr 12 00:00:00") for time in ("00:59:59", "01:00:00", "00:00:01")] == [
        3599,
        3600,
        1,
    ]


def test_year_turns_with_the_months() -> None:
    """From December to January a year begins; a late December line still belongs to the old one."""
    reader = clock(2022)
    times = ["Nov 30 10:00:00", "Dec 31 23:59:59", "Jan  1 00:00:00", "Dec 31 23:59:58", "Jan  1 00:00:01", "Feb  1 00:00:00"]
    assert [iso(reader.ts(time))[:7] for time in times] == ["2022-11", "2022-12", "2023-01", "2022-12", "2023-01", "2023-02"]


@pytest.mark.parametrize(
    ("first", "year"), [("Nov 24 12:00:00", 2026), ("Nov 25 00:00:00", 2026), ("Dec  1 00:00:00", 2025), ("Jan  1 00:00:00", 2026)]
)
def test_guessed_year_is_not_in_the_future(first: str, year: int) -> None:
    """Without a given year the first line is of the latest year that does not put it more than a day ahead."""
    reader = clock(None, now="2026-11-24T00:00:00")
    assert iso(reader.ts(first))[:4] == str(year)
    assert reader.guessed_year == year


def test_given_year_is_no_guess() -> None:
    """A given year is used as it is."""
    reader = clock(2030)
    assert iso(reader.ts("Dec  1 00:00:00"))[:4] == "2030"
    assert reader.guessed_year is None


@pytest.mark.parametrize(
    "time", ["Feb 30 00:00:00", "Xyz  1 00:00:00", "Apr 12 25:00:00", "2022-13-01T00:00:00Z", "2022-02-29 00:00:00"]
)
def test_times_that_do_not_exist(time: str) -> None:
    """There is no 30 February."""
    with pytest.raises(ValueError, match=r"month|day|hour|isoformat"):
        clock().ts(time)
