"""Takes a log line apart: time, host, program, process and message.

Headers: RFC 3164 (``Apr 12 06:00:01 mx1 dovecot[88]: …``, without year and zone), the same with an ISO 8601 time as
rsyslog and journald write it, RFC 5424 (``<38>1 2022-04-12T06:00:01Z mx1 sshd 501 - - …``), and a time followed by the
message as programs write it to a file of their own, in the spellings of :data:`_SPELLINGS`. Facility and level, the host twice, and
what containers' runtimes put before a line are left out.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final, NamedTuple

from models.events import END_OF_TIME_S

__all__ = ["REPEATED", "Clock", "Frame", "Splitter", "split", "unwrap"]

_NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS: Final = {name: number for number, name in enumerate(_NAMES, start=1)}
#: A month this far back or ahead of the line before belongs to another year.
_HALF_YEAR: Final = 6
_TOLERATED_FUTURE: Final = timedelta(days=1)
#: 29 February comes again within so many years.
_LEAP_YEARS: Final = 8
#: Lines come out of order by seconds; going back by more than this in the hour that clocks repeat is its second turn.
_TURNED_BACK_S: Final = 1_800.0
#: TAI64 counts from 1970 + 2**62 and is ahead of UTC by the leap seconds, which log writers leave at 10.
_TAI64_EPOCH: Final = (1 << 62) + 10

_MONTH: Final = r"[A-Z][a-z]{2}"
_BSD: Final = rf"{_MONTH} {{1,2}}\d{{1,2}} \d\d:\d\d:\d\d"
_ISO: Final = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?[+-]\d\d:?\d\d|Z| UTC| GMT)?+"
_HOST: Final = r"(?:(?P<host>(?=[\w:])(?!\d+\.\d+\.\d+\.\d+:\d)\S{0,254}[^\s:]) +)?"
_PROGRAM: Final = r"(?P<tag>%{0,2}[\w./+-]+)(?:\([\w.-]+\))?(?: ?\[(?P<pid>\d+)\]:?|:) +(?:\[ID \d+ \S+\] )?"
#: What nearly all lines begin with. A host never ends in a colon and has no port; a program ends in one, or in its process number.
_SYSLOG: Final = re.compile(rf"(?:<\d{{1,3}}>)?(?:(?P<bsd>{_BSD})(?:\.\d+)?|(?P<iso>{_ISO})) {{1,2}}{_HOST}{_PROGRAM}")
_TAG: Final = _SYSLOG.groupindex["tag"]
_RFC5424: Final = re.compile(
    rf"<\d{{1,3}}>1 (?P<iso>{_ISO}|-) (?P<host>\S+) (?P<tag>\S+) (?P<pid>\S+) \S+ "
    r"(?:-|(?:\[(?:[^\]\"]|\"(?:[^\"\\]|\\.)*\")*\])+) ?\ufeff?"
)
#: Facility and level, as BSD's, BusyBox's and socklog's daemons write them before or behind the host.
_LEVEL: Final = (
    r"(?:kern|user|mail|daemon|auth|security|syslog|lpr|news|uucp|cron|authpriv|ftp|local\d)\."
    r"(?:debug|info|notice|warn(?:ing)?|err(?:or)?|crit|alert|emerg|panic)"
)
_LABEL: Final = re.compile(rf"(?:<\w{{1,10}}\.\w{{1,10}}> ?|{_LEVEL}:? +)")
#: Some write the host twice.
_BARE_PROGRAM: Final = re.compile(rf"{_HOST}(?:(?P=host) +)?(?:{_LEVEL} +)?{_PROGRAM}")
#: What Docker Compose, a container's runtime (CRI) and ``journalctl -o short-unix`` put before a line.
_CONTAINER: Final = re.compile(rf"[\w.-]{{1,64}} +\| +|(?P<time>{_ISO}) std(?:out|err) [FP] +")
_EPOCH: Final = re.compile(r"\d{10}\.\d{6} ")
#: The tag that Docker gives to what a container logs by syslog; a line of the container's own syslog may follow.
_CONTAINER_ID: Final = re.compile(r"[0-9a-f]{12}")
#: Metalog puts the program into brackets and names no host.
_BRACKETED: Final = re.compile(r"\[(?P<tag>[\w.-]+)\]:? +")
#: How a folded line begins.
REPEATED: Final = "message repeated "
_REPEATED: Final = re.compile(r"message repeated (\d{1,4}) times: \[ (.*)\]$", re.DOTALL)

_CLOCK: Final = r"(?P<hour>\d{1,2}):(?P<minute>\d\d):(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?"
_ZONE: Final = r"(?: ?(?P<zone>[+-]\d\d:?\d\d|Z|UTC|GMT))?"
_NAMED: Final = rf"(?P<name>{_MONTH})"
_SPELLINGS: Final = tuple(
    map(
        re.compile,
        (
            rf"{_NAMED} {{1,2}}(?P<day>\d{{1,2}})(?: (?P<year>\d{{4}}))? {_CLOCK}",  # syslog
            rf"(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)[T ] ?{_CLOCK}{_ZONE}",  # ISO 8601; MySQL puts a space for 0
            rf"(?P<year>\d{{4}})/(?P<month>\d\d)/(?P<day>\d\d) {_CLOCK}",  # nginx
            rf"{_MONTH} {_NAMED} {{1,2}}(?P<day>\d{{1,2}}) {_CLOCK} (?P<year>\d{{4}})",  # ctime: vsftpd, Apache
            rf"(?P<day>\d{{1,2}})[-/]{_NAMED}[-/](?P<year>\d{{4}})[ :]{_CLOCK}{_ZONE}",  # PHP, Kerio
            rf"(?P<month>\d\d)/(?P<day>\d\d)/(?P<year>\d{{4}}) {_CLOCK}",  # SquirrelMail
            rf"(?P<day>\d\d)-(?P<month>\d\d)-(?P<year>\d{{4}}) {_CLOCK}",  # Domino
            rf"(?P<year>\d{{4}}) {_NAMED} {{1,2}}(?P<day>\d{{1,2}}) {_CLOCK}",  # syslog-ng with year
            rf"{_NAMED}-(?P<day>\d\d)-(?P<short_year>\d\d) {_CLOCK}",  # ASSP
            rf"(?P<month>\d\d)-(?P<day>\d\d) {_CLOCK}",  # FreeSWITCH
            rf"(?P<short_year>\d\d)(?P<month>\d\d)(?P<day>\d\d) {{1,2}}{_CLOCK}",  # MySQL before 5.6
            rf"(?P<year>\d{{4}})(?P<month>\d\d)(?P<day>\d\d)-{_CLOCK}",  # xrdp
            rf"(?P<year>\d{{4}}):(?P<month>\d\d):(?P<day>\d\d)-{_CLOCK}",  # DirectAdmin
            r"@(?P<tai64n>[0-9a-f]{24})",  # multilog
        ),
    )
)
#: Times that only formats find, within a line.
_INNER: Final = tuple(
    map(
        re.compile,
        (
            rf"(?P<month>\d\d)/(?P<day>\d\d)/(?P<year>\d{{4}}), {_CLOCK}(?: (?P<half>[AP]M))?",  # NestJS
            rf"(?P<month>\d\d)/(?P<day>\d\d)/(?P<year>\d{{4}}):{_CLOCK}{_ZONE}",  # cPanel
            rf"(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d) time={_CLOCK}",  # FortiOS
            rf"(?P<day>\d\d) {_NAMED} (?P<year>\d{{4}}) {_CLOCK}{_ZONE}",  # RFC 5322: Samba
            rf"(?P<month>\d\d)/(?P<day>\d\d)/(?P<year>\d{{4}}) - {_CLOCK}",  # Half-Life
            rf"(?P<month>\d\d)/(?P<day>\d\d)/(?P<short_year>\d\d) {_CLOCK}",  # ZoneMinder
            r"(?P<epoch>\d{10})(?:\.?(?P<fraction>\d{1,9}))?",
        ),
    )
)
_CENTURY: Final = 2000
#: A container's header, then a level.
_LAYERS: Final = 2
#: Syslog puts one or two spaces after the time.
_OWN_FILE: Final = "   "


class Frame(NamedTuple):
    """``time`` is as written, "" if absent; ``message_at`` is where the message starts, to the end of the line.

    ``tag_at`` is where the tag starts in the line, -1 if not before the message; ``rest_at`` where what follows the time does, for
    lines that lack a time or a host.
    """

    time: str
    host: str
    tag: str
    process: str
    message_at: int
    tag_at: int
    rest_at: int


class Splitter:
    """Takes the lines of one file apart.

    Many lines begin as the one before, because a program wrote both in the same second; those take no second look.
    """

    def __init__(self) -> None:
        self._start, self._frame = "", split("")

    def split(self, line: str) -> Frame:
        """The same as :func:`split`."""
        if self._start and line.startswith(self._start):
            char = line[self._frame.message_at : self._frame.message_at + 1]
            if not (char in " [" or char.isdigit()):  # or the header would go on
                return self._frame
        match = _SYSLOG.match(line)
        if match is None:
            return _split_other(line)
        self._frame = frame = _split_syslog(line, match)
        # Without a host the tag might be one, according to what follows; a time of the program's own stands in one line only.
        is_plain = frame.host and (frame.tag_at, frame.message_at) == (match.start(_TAG), match.end())
        self._start = match[0] if is_plain else ""
        return frame


def split(line: str, layers: int = _LAYERS) -> Frame:
    """Take ``line`` apart; what is not there is "". At most ``layers`` headers are taken off that are about another header.

    >>> split("Apr 12 06:00:01 mx1 sshd[501]: Failed")[:5]
    ('Apr 12 06:00:01', 'mx1', 'sshd', '501', 31)
    """
    match = _SYSLOG.match(line)
    return _split_syslog(line, match, layers) if match else _split_other(line, layers)


def _split_syslog(line: str, match: re.Match[str], layers: int = _LAYERS) -> Frame:
    bsd, iso, host, tag, process = match.groups("")
    if not host and _LABEL.match(tag + " "):
        return _split_other(line, layers)
    message_at, tag_at = match.end(), match.start(_TAG)
    if layers and _CONTAINER_ID.fullmatch(tag):
        inner = _split_inner(line, message_at, bsd or iso, layers)
        return inner if inner.host else inner._replace(host=host)
    if line[message_at : message_at + 1].isdigit():  # the program writes the time again
        message_at = _leading_time(line, message_at)[1]
    return Frame(bsd or iso, host, tag, process, message_at, tag_at, tag_at)


def _split_other(line: str, layers: int = _LAYERS) -> Frame:
    """A line with another header than most, or none."""
    if line.startswith("<") and (match := _RFC5424.match(line)):
        iso, host, tag, process = ("" if part == "-" else part for part in match.groups())
        return Frame(iso, host, tag, process, match.end(), -1, match.end())
    if layers and (match := _CONTAINER.match(line)):
        return _split_inner(line, match.end(), match["time"] or "", layers)
    return _split_bare(line, layers)


def _split_bare(line: str, layers: int) -> Frame:
    """A time at most, and perhaps a program."""
    time, at = _leading_time(line)
    if not time and (match := _EPOCH.match(line)):
        time, at = match[0].rstrip(), match.end()
    if layers and (match := _LABEL.match(line, at)):
        return _split_inner(line, match.end(), time, layers)
    if time and (line.startswith("[") or line.startswith(_OWN_FILE, at - len(_OWN_FILE))):
        return Frame(time, "", "", "", at, at, at)
    if match := _BARE_PROGRAM.match(line, at):
        host, tag, process = match.groups("")
        message_at = match.end()
        if not time:  # journald without times: the program may write one
            time, message_at = _leading_time(line, message_at)
        return Frame(time, host, tag, process, message_at, match.start("tag"), at)
    if time and (match := _BRACKETED.match(line, at)):
        return Frame(time, "", match["tag"], "", match.end(), at, at)
    return Frame(time, "", "", "", at, at, at)


def _split_inner(line: str, start: int, time: str, layers: int) -> Frame:
    """A line within a line, at ``start``; ``time`` if it has none."""
    inner = split(line[start:], layers - 1)
    tag_at = inner.tag_at + start if inner.tag_at >= 0 else -1
    return inner._replace(
        time=inner.time or time, message_at=inner.message_at + start, tag_at=tag_at, rest_at=inner.rest_at + start
    )


def _leading_time(line: str, start: int = 0) -> tuple[str, int]:
    """The time that ``line`` has at ``start``, perhaps in brackets, and where the text after it starts."""
    in_brackets = line.startswith("[", start)
    at = start + in_brackets
    first = line[at : at + 1]
    if not (first.isalnum() or first == "@"):
        return "", start
    for spelling in _SPELLINGS:
        if match := spelling.match(line, at):
            end = match.end()
            after = line[end : end + 3]
            if in_brackets and after.startswith("]"):
                end += 2 if after.startswith("]:") else 1
            elif in_brackets or not after.startswith((" ", ",", ":", ".", "|")):
                continue
            elif not after.startswith(" "):
                end += 1
            while line.startswith(" ", end):
                end += 1
            return match[0], end
    return "", start


def unwrap(message: str) -> tuple[int, str]:
    """How often a message stands for itself, as syslog daemons fold equal lines, and the message.

    >>> unwrap("message repeated 2 times: [ Failed password]")
    (2, 'Failed password')
    """
    if message.startswith(REPEATED) and (match := _REPEATED.match(message)):
        return int(match[1]), match[2]
    return 1, message


class Clock:
    """Reads the times of one file.

    A time without a year belongs to the year of the line before, or to the next one where the months wrap from December
    to January. The hour that comes twice when clocks are turned back is its first turn, until times go back within it.

    Args:
        zone: Of times that name none.
        year: Of the first line; ``None``: the latest that does not put it into the future.
        now: UTC seconds; only used to choose the year.
    """

    def __init__(self, zone: tzinfo, year: int | None, now: float) -> None:
        self._zone, self._year, self._now = zone, year, datetime.fromtimestamp(now, zone)
        self._month = 0
        self._text, self._ts = "", 0.0
        self._hour, self._hour_ts, self._hour_repeats_s = "", 0.0, 0.0
        #: Whether a year had to be chosen.
        self.guessed_year: int | None = None

    def ts(self, time: str) -> float:
        """UTC seconds.

        Raises:
            ValueError: There is no such time.
        """
        if time == self._text:
            return self._ts
        hour = time[:-6]
        if hour == self._hour and time[-6] == ":" == time[-3]:
            ts = self._in_hour(int(time[-5:-3]) * 60.0 + int(time[-2:]))
        else:
            ts = self._parse(time)
        if not 0.0 <= ts < END_OF_TIME_S:
            raise ValueError("before 1970 or after 9999")
        self._text, self._ts = time, ts
        return ts

    def _in_hour(self, second: float) -> float:
        """UTC seconds of a second of the hour at hand."""
        ts = self._hour_ts + second
        if self._hour_repeats_s and ts < self._ts - _TURNED_BACK_S:
            self._hour_ts, self._hour_repeats_s = self._hour_ts + self._hour_repeats_s, 0.0
            ts = self._hour_ts + second
        return ts

    def _parse(self, time: str) -> float:
        match = next((match for spelling in (*_SPELLINGS, *_INNER) if (match := spelling.fullmatch(time))), None)
        if match is None:
            raise ValueError("not a time")
        parts = match.groupdict()
        if tai64n := parts.get("tai64n"):
            return int(tai64n[:16], 16) - _TAI64_EPOCH + int(tai64n[16:], 16) / 1e9
        if epoch := parts.get("epoch"):
            return int(epoch) + float("0." + (parts["fraction"] or "0"))
        month = int(parts.get("month") or _MONTHS.get(parts.get("name") or "", 0))
        day, hour = int(parts["day"]), int(parts["hour"])
        if half := parts.get("half"):
            hour = hour % 12 + 12 * (half == "PM")
        second = int(parts["minute"]) * 60.0 + int(parts["second"]) + float("0." + (parts["fraction"] or "0"))
        if zone := parts.get("zone"):
            return datetime(int(parts["year"]), month, day, hour, tzinfo=_offset(zone)).timestamp() + second
        if parts.get("year"):
            year = int(parts["year"])
        elif parts.get("short_year"):
            year = _CENTURY + int(parts["short_year"])
        else:
            year = self._year_of(month, day, hour)
        start = datetime(year, month, day, hour, tzinfo=self._zone)
        self._hour_ts = start.timestamp()
        self._hour_repeats_s = max(start.replace(fold=1).timestamp() - self._hour_ts, 0.0)
        self._hour = time[:-6]
        return self._in_hour(second)

    def _year_of(self, month: int, day: int, hour: int) -> int:
        """The year of a time that names none."""
        if self._year is None:
            for year in range(self._now.year, self._now.year - _LEAP_YEARS, -1):
                try:
                    moment = datetime(year, month, day, hour, tzinfo=self._zone)
                except ValueError:  # 29 February, or no day at all
                    continue
                if moment <= self._now + _TOLERATED_FUTURE:
                    self._year = self.guessed_year = year
                    break
            else:
                raise ValueError("no such day")
        elif self._month:
            self._year += (self._month - month > _HALF_YEAR) - (month - self._month > _HALF_YEAR)
        self._month = month
        return self._year


def _offset(zone: str) -> tzinfo:
    if zone in ("Z", "UTC", "GMT"):
        return UTC
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return timezone(timedelta(minutes=-minutes if zone[0] == "-" else minutes))
