"""One attempt, one event: what several lines say about the same attempt is joined (contract section 1).

A webmail in front of Dovecot in front of PAM gives one attempt three to six lines, and only the webmail's shows the client's
address. A line that shows the client is an event at once. A line that does not (its address is one of ours), and one that was
written on behalf of another program (an *echo*), waits ``JOIN_S`` for the better line and is left out when that comes; what
nobody else speaks of is an event then. All times are those of the lines.

Lines belong together if they have a connection in common (the logging process, Dovecot's session), else if account and
address are the same, else if account is and the address is ours. A line takes part in few joins (``_ECHOES`` echoes for an
attempt, one line behind a front), so that one attempt that is seen cannot hide many that are not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from copy import copy
from dataclasses import dataclass
from typing import Final

from models.events import AuthEvent, event_from_fields

__all__ = ["JOIN_S", "MAX_TIMES", "Joiner", "Located"]

#: An event with the number of its line.
Located = tuple[int, AuthEvent]

#: How far apart the lines of one attempt are: Dovecot delays the answer to a wrong password by up to 17 s.
JOIN_S: Final = 30.0
#: Dovecot writes its line when the connection ends, up to three minutes after the echo.
_TOLD_S: Final = 200.0
#: Most attempts that one line can stand for.
MAX_TIMES: Final = 9_999
#: Lines about one attempt by PAM's modules, the authentication process and its workers.
_ECHOES: Final = 4
#: Lines that wait at a time, and keys that are remembered; each takes a few hundred bytes.
_WAITING: Final = 65_536
#: Reasons that are kept for attempts to come.
_REASONS: Final = 1_024
#: How many waiting lines of the same address and a similar account are looked at.
_LOOKED_AT: Final = 8
#: In a key: whoever it is that logs in.
_ANYBODY: Final = None
#: What stands for a name that no line tells.
_UNNAMED: Final = event_from_fields({"ts": 0, "login": "", "remote": "::", "success": False}).login


@dataclass(slots=True)
class _Waiting:
    """``times`` attempts of a line that may still be told by a better one; 0: they were. ``keys``: where it is found."""

    line: int
    event: AuthEvent
    times: int
    until: float
    is_echo: bool
    keys: tuple[Hashable, ...]


class _Recent:
    """Numbers by key that are kept for one to two times ``span_s`` of the lines' own time."""

    def __init__(self, span_s: float) -> None:
        self._span_s, self._began = span_s, float("-inf")
        self._young: dict[Hashable, int] = {}
        self._old: dict[Hashable, int] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def add(self, key: Hashable, number: int, ts: float) -> None:
        """There are ``number`` more of ``key``."""
        young = self._young
        if ts - self._began > self._span_s or len(young) >= _WAITING:
            young = self._turn(ts)
        young[key] = young.get(key, 0) + number

    def take(self, key: Hashable, number: int, ts: float) -> int:
        """Take away up to ``number`` of ``key``; how many there were."""
        if ts - self._began > self._span_s:
            self._turn(ts)
        taken = 0
        for part in (self._old, self._young):
            there = part.get(key, 0)
            if there and taken < number:
                some = min(there, number - taken)
                taken += some
                if some == there:
                    del part[key]
                else:
                    part[key] = there - some
        return taken

    def _turn(self, ts: float) -> dict[Hashable, int]:
        """What was young gets old, what was old is forgotten."""
        self._old = self._young if ts - self._began <= 2 * self._span_s else {}
        self._young, self._began = {}, ts
        return self._young


class Joiner:
    """Joins the lines of one file, in their order.

    Args:
        done: Lines up to this one were counted before a restart.

    Attributes:
        joined: How many lines were left out because another tells of the same attempt.
    """

    def __init__(self, done: int = -1) -> None:
        self._done = done
        self._queue: deque[_Waiting] = deque()
        self._by: dict[Hashable, deque[_Waiting]] = {}
        self._room, self._behind, self._fronts = _Recent(JOIN_S), _Recent(JOIN_S), _Recent(JOIN_S)
        self._shown, self._twins, self._told = _Recent(JOIN_S), _Recent(JOIN_S), _Recent(_TOLD_S)
        #: Most files have no such lines, and need no look for them.
        self._has_front = self._has_told = False
        self._reasons: dict[str, str] = {}
        self.joined = 0

    def attempt(self, line: int, event: AuthEvent, times: int, connection: Hashable) -> list[Located]:
        """The program that was logged in to tells of ``times`` attempts, and shows the client."""
        ready: list[Located] = []
        if self._queue:
            ready = self.release(event.ts)
            self._absorb(event, times, connection)
        who, remote, success, ts = _who(event.login), event.remote, event.success, event.ts
        key = (who, remote, success)
        if self._has_front and self._fronts.take(key, 1, ts):
            times -= 1
        if not success and times:
            times = self._failed((who, remote), event, times)
        if not times:
            self.joined += 1
            return ready
        self._shown.add(key, times, ts)
        located = copies(line, event, times)
        return ready + located if ready else located

    def front(self, line: int, event: AuthEvent, times: int, *, is_second: bool) -> list[Located]:
        """A program tells of ``times`` attempts through which clients reach another server.

        Args:
            line: The number of the line.
            event: The attempt.
            times: How many.
            is_second: Such a program may tell of each attempt twice, and this is the second kind of line.
        """
        who, success, ts = _who(event.login), event.success, event.ts
        key = (who, event.remote, success)
        ready = self.release(ts)
        if self._queue:
            self._absorb(event, times, None)
            self._take_waiting((who, ""), event, _ECHOES * times, echoes_only=True)
        if self._twins.take((key, not is_second), 1, ts):
            self.joined += 1
            return ready
        self._twins.add((key, is_second), 1, ts)
        hidden = self._first((who, success))
        if hidden is not None:
            self._join(hidden)
        else:
            self._behind.add((who, success), 1, ts)
        times -= self._shown.take(key, times, ts)
        self._has_front = True
        self._fronts.add(key, times, ts)
        if not success:
            self._room.add((who, ""), _ECHOES, ts)
            times = self._failed(key[:2], event, times)
        if not times:
            self.joined += 1
        return ready + copies(line, event, times)

    def hidden(self, line: int, event: AuthEvent, times: int) -> list[Located]:
        """The program that was logged in to tells of ``times`` attempts by one of our own machines, perhaps before a client."""
        ready, who = self.release(event.ts), _who(event.login)
        self._take_waiting((who, ""), event, _ECHOES * times, echoes_only=True)
        if self._behind.take((who, event.success), 1, event.ts):
            self.joined += 1
            return ready
        if not event.success:
            self._room.add((who, ""), _ECHOES * times, event.ts)
        keys = ((who, ""), (who, event.success))
        self._wait(_Waiting(line, event, times, event.ts + JOIN_S, is_echo=False, keys=keys))
        return ready

    def echo(self, line: int, event: AuthEvent, times: int, connection: Hashable, *, is_hidden: bool) -> list[Located]:
        """Another program, or another part of the same, tells of ``times`` failures."""
        ready, who, at = self.release(event.ts), _who(event.login), "" if is_hidden else event.remote
        if self._room.take((who, at), times, event.ts):
            self.joined += 1
            return ready
        keys = (connection, (_ANYBODY, at), (who, at))
        self._wait(_Waiting(line, event, times, event.ts + JOIN_S, is_echo=True, keys=keys))
        return ready

    def left_out(self, ts: float) -> list[Located]:
        """A line at ``ts`` tells of nothing new."""
        self.joined += 1
        return self.release(ts)

    def reason(self, login: str | None, fail_type: str | None) -> None:
        """A program that knows no addresses says why the next attempt of ``login`` fails."""
        if login and fail_type:
            if len(self._reasons) >= _REASONS:
                del self._reasons[next(iter(self._reasons))]
            self._reasons[login.lower()] = fail_type

    @property
    def waits_since(self) -> int | None:
        """The first line that waits."""
        return next((waiting.line for waiting in self._queue if waiting.times), None)

    def release(self, now: float) -> list[Located]:
        """The events of lines that have waited long enough at ``now`` (UTC seconds)."""
        queue, ready = self._queue, []
        count = 0
        while queue and (queue[0].until < now or not queue[0].times or len(queue) > _WAITING) and count < MAX_TIMES:
            waiting = queue.popleft()
            count += waiting.times
            ready += self._let_go(waiting)
        return ready

    def _let_go(self, waiting: _Waiting) -> list[Located]:
        times, waiting.times = waiting.times, 0
        event = waiting.event
        if times and waiting.is_echo:
            self._has_told = True
            self._told.add((_who(event.login), event.remote), times, event.ts)
        for key in waiting.keys:
            self._first(key)
        return copies(waiting.line, event, times)

    def _first(self, key: Hashable) -> _Waiting | None:
        """The first line that waits under ``key``; what does not wait any more is forgotten."""
        waiting = self._by.get(key)
        while waiting:
            if waiting[0].times:
                return waiting[0]
            waiting.popleft()
        self._by.pop(key, None)
        return None

    def _failed(self, who_and_where: tuple[str, str], event: AuthEvent, times: int) -> int:
        """How many of ``times`` failures no echo was counted for; what echoes are still to come is left out."""
        self._room.add(who_and_where, _ECHOES * times, event.ts)
        if self._reasons and event.fail_type is None:
            event.fail_type = self._reasons.pop(event.login.lower(), None)
        return times - self._told.take(who_and_where, times, event.ts) if self._has_told else times

    def _absorb(self, event: AuthEvent, times: int, connection: Hashable) -> None:
        """Leave out the waiting echoes of ``event``, and learn from them what it does not say."""
        if connection is not None and (waiting := self._by.pop(connection, None)):
            for each in waiting:
                self._learn(event, each)
        if not event.login:
            self._take_waiting((_ANYBODY, event.remote), event, times)
        who = _who(event.login)
        self._take_waiting((who, event.remote), event, _ECHOES * times)
        if who:
            self._take_waiting(("", event.remote), event, _ECHOES * times)

    def _take_waiting(self, key: Hashable, event: AuthEvent, room: int, *, echoes_only: bool = False) -> None:
        """Leave out up to ``room`` waiting lines under ``key`` that fit ``event``."""
        waiting = self._by.get(key)
        if not waiting:
            return
        for _ in range(min(len(waiting), room + _LOOKED_AT)):
            each = waiting.popleft()
            if not each.times:
                continue
            if room > 0 and (each.is_echo or not echoes_only) and _is_same(event.login, each.event.login):
                room -= 1
                self._learn(event, each)
            else:
                waiting.append(each)
        if not waiting:
            del self._by[key]

    def _learn(self, event: AuthEvent, waiting: _Waiting) -> None:
        if not event.success and _is_same(event.login, waiting.event.login):
            event.login = event.login or waiting.event.login
            event.fail_type = event.fail_type or waiting.event.fail_type
        self._join(waiting)

    def _join(self, waiting: _Waiting) -> None:
        if waiting.times:
            waiting.times = 0
            self.joined += waiting.line > self._done

    def _wait(self, waiting: _Waiting) -> None:
        self._queue.append(waiting)
        for key in waiting.keys:
            if key is not None:
                self._by.setdefault(key, deque()).append(waiting)


def copies(line: int, event: AuthEvent, count: int) -> list[Located]:
    """``count`` equal events; each is given an id of its own later."""
    event.login = event.login or _UNNAMED
    if count == 1:
        return [(line, event)]
    return [(line, copy(event)) for _ in range(count)]


def _who(login: str) -> str:
    """What a log-in name has in common where one program completes it with a domain and another does not."""
    return login.partition("@")[0].lower()


def _is_same(one: str, other: str) -> bool:
    """Whether two log-in names may be of one account: equal, or one lacks the domain."""
    return not one or "@" not in one or "@" not in other or one.lower() == other.lower()
