"""Takes a log line apart: time, host, program, process and message.

Headers: RFC 3164 (``Apr 12 06:00:01 mx1 dovecot[88]: …``, without year and zone), the same with an ISO 8601 time as
rsyslog and journald write it, RFC 5424 (``<38>1 2022-04-12T06:00:01Z mx1 sshd 501 - - …``), and a time followed by the
message as programs write it to a file of their own.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from typing import Final, NamedTuple

__all__ = ["Clock", "Frame", "split", "unwrap"]

_NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS: Final = {name: number for number, name in enumerate(_NAMES, start=1)}
#: A month this far back or ahead of the line before belongs to another year.
_HALF_YEAR: Final = 6
_TOLERATED_FUTURE: Final = timedelta(days=1)

_BSD: Final = r"[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d"
_ISO: Final = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
_TIME: Final = re.compile(rf"(?:<\d{{1,3}}>)?(?:(?P<bsd>{_BSD})(?:\.\d+)?|(?P<iso>{_ISO})) +")
#: A host never ends in a colon, a program always does.
_PROGRAM: Final = re.compile(r"(?:(?P<host>\S*[^\s:]) +)?(?P<tag>[\w./-]+)(?:\[(?P<pid>\d+)\])?: +(?:\[ID \d+ \S+\] )?")
_RFC5424: Final = re.compile(
    rf"<\d{{1,3}}>1 (?P<iso>{_ISO}|-) (?P<host>\S+) (?P<tag>\S+) (?P<pid>\S+) \S+ (?:-|(?:\[(?:[^\]\\]|\\.)*\])+) ?\ufeff?"
)
_REPEATED: Final = re.compile(r"message repeated (\d{1,4}) times: \[ (.*)\]$", re.DOTALL)


class Frame(NamedTuple):
    """``time`` is as written, "" if absent; ``message`` follows the tag, ``tagged`` starts with it."""

    time: str
    host: str
    tag: str
    process: str
    message: str
    tagged: str


def split(line: str) -> Frame:
    """Take ``line`` apart; what is not there is "".

    >>> split("Apr 12 06:00:01 mx1 sshd[501]: Failed")[:5]
    ('Apr 12 06:00:01', 'mx1', 'sshd', '501', 'Failed')
    """
    if line.startswith("<") and (match := _RFC5424.match(line)):
        time, host, tag, process = match["iso"].removeprefix("-"), match["host"], match["tag"], match["pid"]
        message = line[match.end() :]
        return Frame(time, host, tag, process, message, f"{tag}: {message}")
    start, time = 0, ""
    if match := _TIME.match(line):
        start, time = match.end(), match["bsd"] or match["iso"]
    if match := _PROGRAM.match(line, start):
        host, tag, process = match.groups("")
        return Frame(time, host, tag, process, line[match.end() :], line[match.start("tag") :])
    return Frame(time, "", "", "", line[start:], line[start:])


def unwrap(message: str) -> tuple[int, str]:
    """How often a message stands for itself, as syslog daemons fold equal lines, and the message.

    >>> unwrap("message repeated 2 times: [ Failed password]")
    (2, 'Failed password')
    """
    if message.startswith("message repeated ") and (match := _REPEATED.match(message)):
        return int(match[1]), match[2]
    return 1, message


class Clock:
    """Reads the times of one file.

    A time without a year belongs to the year of the line before, or to the next one where the months wrap from December
    to January. A local time that a change of the clocks makes ambiguous is taken as the first of the two.

    Args:
        zone: Of times that name none.
        year: Of the first line; ``None``: the latest that does not put it into the future.
        now: UTC seconds; only used to choose the year.
    """

    def __init__(self, zone: tzinfo, year: int | None, now: float) -> None:
        self._zone, self._year, self._now = zone, year, datetime.fromtimestamp(now, zone)
        self._month = 0
        self._hour, self._hour_ts = "", 0.0
        #: Whether a year had to be chosen.
        self.guessed_year: int | None = None

    def ts(self, time: str) -> float:
        """UTC seconds.

        Raises:
            ValueError: There is no such time.
        """
        if time[0].isdigit():
            moment = datetime.fromisoformat(time)
            return (moment if moment.tzinfo else moment.replace(tzinfo=self._zone)).timestamp()
        hour = time[:-6]
        if hour != self._hour:
            self._hour_ts = self._start_of(hour)
            self._hour = hour
        return self._hour_ts + int(time[-5:-3]) * 60 + int(time[-2:])

    def _start_of(self, hour: str) -> float:
        """UTC seconds of, for example, ``Apr 12 06``."""
        name, day, clock = hour.split()
        month = _MONTHS.get(name)
        if month is None:
            raise ValueError("no such month")
        if self._year is None:
            moment = datetime(self._now.year, month, int(day), int(clock), tzinfo=self._zone)
            self._year = self.guessed_year = self._now.year - (moment > self._now + _TOLERATED_FUTURE)
        elif self._month:
            self._year += (self._month - month > _HALF_YEAR) - (month - self._month > _HALF_YEAR)
        self._month = month
        return datetime(self._year, month, int(day), int(clock), tzinfo=self._zone).timestamp()
