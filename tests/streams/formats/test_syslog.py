"""Syslog framing: headers of five kinds, and times without year or zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.formats import syslog
from streams.formats.syslog import Clock, Splitter, split, unwrap
from tests.hostile import adversarial, growth_problem

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
        ("Apr 12 06:00:01 auth-worker(7): Info: x", ("Apr 12 06:00:01", "", "auth-worker", "", "Info: x")),
        ("Apr 12 06:00:01 mx1 su(pam_unix)[7]: x", ("Apr 12 06:00:01", "mx1", "su", "7", "x")),
        ("Apr 12 06:00:01 mx1 proftpd[7] mx1 (a[b]): x", ("Apr 12 06:00:01", "mx1", "proftpd", "7", "mx1 (a[b]): x")),
        ("Apr 12 06:00:01 sogod [7]: x", ("Apr 12 06:00:01", "", "sogod", "7", "x")),
        ("Apr 12 06:00:01 [sshd]: x", ("Apr 12 06:00:01", "", "sshd", "", "x")),
        ("Apr 12 06:00:01 mx1 exim[7]: 2022-04-12 06:00:00 x", ("Apr 12 06:00:01", "mx1", "exim", "7", "x")),
        ("mx1 exim[7]: 2022-04-12 06:00:00 x", ("2022-04-12 06:00:00", "mx1", "exim", "7", "x")),
        ("mx1 sshd[501]: x", ("", "mx1", "sshd", "501", "x")),
        ("2022-04-12 06:00:01   SMTP Server: x", ("2022-04-12 06:00:01", "", "", "", "SMTP Server: x")),
        ("[12-Apr-2022 06:00:01 +0200]: IMAP Error: x", ("12-Apr-2022 06:00:01 +0200", "", "", "", "IMAP Error: x")),
        ("2022/04/12 06:00:01 [error] 7#7: x", ("2022/04/12 06:00:01", "", "error", "", "7#7: x")),
        ("2022-04-12T06:00:01.530Z,0E,2", ("2022-04-12T06:00:01.530Z", "", "", "", "0E,2")),
        ("@4000000062551525044077a9 imap-login: x", ("@4000000062551525044077a9", "", "imap-login", "", "x")),
        ('<38>1 - mx1 sshd - m [a b="[c]"][d] x', ("", "mx1", "sshd", "", "x")),
        ("Apr 12 06:00:01 mx1 auth.info sshd[501]: x", ("Apr 12 06:00:01", "mx1", "sshd", "501", "x")),
        ("Apr 12 06:00:01 <10.5> mx1 sshd[501]: x", ("Apr 12 06:00:01", "mx1", "sshd", "501", "x")),
        ("2022-04-12T06:00:01.10040 auth.info: sshd[501]:  x", ("2022-04-12T06:00:01.10040", "", "sshd", "501", "x")),
        ("2022-04-12T06:00:00.1 auth.info: Apr 12 06:00:01 sshd[501]: x", ("Apr 12 06:00:01", "", "sshd", "501", "x")),
        ("Apr 12 06:00:01 mx1 mx1 sshd[501]: x", ("Apr 12 06:00:01", "mx1", "sshd", "501", "x")),
        ("1649743201.123456 mx1 sshd[501]: x", ("1649743201.123456", "mx1", "sshd", "501", "x")),
        ("mail-1  | Apr 12 06:00:01 mx1 dovecot: x", ("Apr 12 06:00:01", "mx1", "dovecot", "", "x")),
        ("2022-04-12T06:00:01.123456789Z stdout F Apr 12 06:00:00 imap-login: x", ("Apr 12 06:00:00", "", "imap-login", "", "x")),
        ("2022-04-12T06:00:01Z stderr F sshd[501]: x", ("2022-04-12T06:00:01Z", "", "sshd", "501", "x")),
        ("no header at all", ("", "", "", "", "no header at all")),
        ("", ("", "", "", "", "")),
    ],
)
def test_headers(line: str, frame: tuple[str, ...]) -> None:
    """Each kind of header is taken apart; what is absent is empty."""
    found = split(line)
    assert (*found[:4], line[found.message_at :]) == frame


def test_headers_around_headers_are_bounded() -> None:
    """However many stand before a line, two are taken off."""
    for header in ("a | ", "auth.info: ", "2022-04-12T06:00:01Z stdout F "):
        found = split(header * 5_000 + "sshd[501]: x")
        assert found.message_at < 5 * len(header)


PIECES = (
    *("Apr 12 06:00:01", "Apr 12 06:00:02", "2022-04-12 06:00:01", " +0100", "<38>", " ", "  ", "mx1", "gw", "sshd", "dovecot:"),
    *("mail.info ", "a | ", " stdout F ", "<1.2> ", "1649743201.123456 ", " c1fc66d724ec[7]: "),
    *("[501]", "[7]:", "(pam)", "[ID 7 a.b] ", ":", "[", "7", "x", "imap-login: Login"),
)


@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=9).map("".join), max_size=4), st.data())
def test_a_line_that_begins_as_the_one_before_is_split_as_if_alone(lines: list[str], data: st.DataObject) -> None:
    """What is known of the line before never changes what is read in the next."""
    splitter = Splitter()
    for line in lines:
        header = line[: split(line).message_at]
        follows = header + data.draw(st.lists(st.sampled_from(PIECES), max_size=5).map("".join))
        for each in (line, follows):
            assert splitter.split(each) == split(each)


def test_what_stands_where() -> None:
    """The program's own file starts its lines with the tag, and a line without one is all message."""
    line = "Apr 12 06:00:01 imap-login: Info: x"
    assert line[split(line).tag_at :] == "imap-login: Info: x"
    assert line[split(line).rest_at :] == "imap-login: Info: x"
    assert split("<38>1 2022-04-12T06:00:01Z mx1 imap-login 7 - - x").tag_at == -1
    assert split("[Tue Apr 12 06:00:01.5 2022] [error] x").rest_at == 29


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


def test_headers_and_times_take_linear_time() -> None:
    """Texts made of each pattern's own pieces take as many times as long as they are longer."""
    patterns = [
        part
        for value in vars(syslog).values()
        for part in (value if type(value) is tuple else (value,))
        if isinstance(part, re.Pattern)
    ]
    assert len(patterns) > 10
    for pattern in patterns:
        for job in adversarial(pattern):
            assert growth_problem(job) == "", (pattern.pattern, job.__doc__)


@pytest.mark.parametrize(
    ("time", "utc"),
    [
        ("2022-04-12T06:00:01Z", "2022-04-12T06:00:01+00:00"),
        ("2022-04-12T06:00:01.25+0200", "2022-04-12T04:00:01.250000+00:00"),
        ("2022-04-12 06:00:01,5", "2022-04-12T04:00:01.500000+00:00"),
        ("Apr 12 06:00:01", "2022-04-12T04:00:01+00:00"),
        ("Jan  2 06:00:01", "2022-01-02T05:00:01+00:00"),
        ("2022/04/12 06:00:01", "2022-04-12T04:00:01+00:00"),
        ("Tue Apr 12 06:00:01 2022", "2022-04-12T04:00:01+00:00"),
        ("Tue Apr 12 06:00:01.250000 2022", "2022-04-12T04:00:01.250000+00:00"),
        ("12-Apr-2022 06:00:01 +0000", "2022-04-12T06:00:01+00:00"),
        ("12/Apr/2022:06:00:01 -0130", "2022-04-12T07:30:01+00:00"),
        ("04/12/2022 06:00:01", "2022-04-12T04:00:01+00:00"),
        ("12-04-2022 06:00:01", "2022-04-12T04:00:01+00:00"),
        ("2022 Apr 12 06:00:01", "2022-04-12T04:00:01+00:00"),
        ("Apr 12 2022 06:00:01", "2022-04-12T04:00:01+00:00"),
        ("Apr-12-22 06:00:01", "2022-04-12T04:00:01+00:00"),
        ("2022-04-12  6:00:01", "2022-04-12T04:00:01+00:00"),
        ("2022-04-12 06:00:01 UTC", "2022-04-12T06:00:01+00:00"),
        ("04-12 06:00:01", "2022-04-12T04:00:01+00:00"),
        ("220412  6:00:01", "2022-04-12T04:00:01+00:00"),
        ("20220412-06:00:01", "2022-04-12T04:00:01+00:00"),
        ("2022:04:12-06:00:01", "2022-04-12T04:00:01+00:00"),
        ("04/12/2022, 12:00:01 AM", "2022-04-11T22:00:01+00:00"),
        ("04/12/2022, 7:00:01 PM", "2022-04-12T17:00:01+00:00"),
        ("2022-04-12 time=06:00:01", "2022-04-12T04:00:01+00:00"),
        ("12 Apr 2022 06:00:01 UTC", "2022-04-12T06:00:01+00:00"),
        ("04/12/2022 - 06:00:01", "2022-04-12T04:00:01+00:00"),
        ("04/12/2022:06:00:01 -0000", "2022-04-12T06:00:01+00:00"),
        ("1649743201", "2022-04-12T06:00:01+00:00"),
        ("1649743201.250", "2022-04-12T06:00:01.250000+00:00"),
        ("1649743201250000000", "2022-04-12T06:00:01.250000+00:00"),
        ("@40000000625515e500000000", "2022-04-12T06:02:03+00:00"),
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


def test_a_leap_day_is_of_a_leap_year() -> None:
    """29 February is of the latest year that has one."""
    assert iso(clock(None, now="2026-11-24T00:00:00").ts("Feb 29 12:00:00")) == "2024-02-29T12:00:00+00:00"


@pytest.mark.parametrize("spelling", ["Oct 30 {}", "2022-10-30 {}", "2022/10/30 {}"])
def test_the_hour_that_comes_twice(spelling: str) -> None:
    """When clocks are turned back the hour is read as its first turn, and as its second once times go back within it."""
    times = ["01:59:59", "02:00:00", "02:59:58", "02:59:57", "02:59:59", "02:00:00", "02:00:02", "02:00:01", "02:59:59", "03:00:00"]
    reader = clock(zone=PARIS)
    found = [iso(reader.ts(spelling.format(time)))[11:19] for time in times]
    assert found == [
        "23:59:59",
        "00:00:00",
        "00:59:58",
        "00:59:57",
        "00:59:59",
        "01:00:00",
        "01:00:02",
        "01:00:01",
        "01:59:59",
        "02:00:00",
    ]


def test_the_hour_that_is_left_out() -> None:
    """When clocks are turned forward the times around it are an hour apart on the wall and a second in truth."""
    reader = clock(zone=PARIS)
    assert reader.ts("Mar 27 03:00:00") - reader.ts("Mar 27 01:59:59") == 1


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
    with pytest.raises(ValueError, match=r"month|day|hour|time"):
        clock().ts(time)
