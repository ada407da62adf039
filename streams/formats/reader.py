"""Turns lines into events by the rules of the formats, counting each attempt once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any, Final, NamedTuple

from models.events import AuthEvent, Refused, event_from_fields
from streams.formats.format import Format, Rule
from streams.formats.syslog import Clock, Frame, split, unwrap

__all__ = ["MAX_TIMES", "LogReader"]

#: Most equal attempts that one line can stand for.
MAX_TIMES: Final = 9_999
#: Connections that are remembered at a time; each takes a few hundred bytes.
_CONNECTIONS: Final = 65_536
#: sshd ends an unfinished log-in after two minutes; process numbers come back much later than this.
_CONNECTION_S: Final = 600.0


class _Connection(NamedTuple):
    """What a connection has shown last; ``counted``: how many failures to come are counted already."""

    login: str
    remote: str
    ts: float
    fail_type: str | None
    counted: int

    def is_of(self, event: AuthEvent) -> bool:
        """Can ``event`` be of this connection? Process numbers come back."""
        return (self.login, self.remote) == (event.login, event.remote) and event.ts - self.ts <= _CONNECTION_S


class LogReader:
    """Reads the lines of one file in their order.

    Args:
        formats: Which formats a line may have; the program's name decides.
        clock: Reads the times.
        at: UTC seconds of lines that carry no time; without it such a log-in is refused.
    """

    def __init__(self, formats: Iterable[Format], clock: Clock, at: float | None = None) -> None:
        self._formats, self._clock, self._at = tuple(formats), clock, at
        self._by_tag = {tag: form for form in self._formats for tag in form.tags}
        self._by_own_tag = {tag: form for form in self._formats for tag in form.own_tags}
        self._connections: OrderedDict[object, _Connection] = OrderedDict()
        self._hints: OrderedDict[object, str] = OrderedDict()

    def read(self, raw: bytes) -> list[AuthEvent]:
        """The attempts of one line; none if it is no log-in or belongs to an attempt that is counted already.

        Raises:
            Refused: The line is a log-in without a time or address.
        """
        frame = split(raw.decode("utf-8", "surrogateescape"))
        times, message = unwrap(frame.message)
        form = self._by_tag.get(frame.tag)
        if form is not None:
            return self._apply(form, frame, message, times)
        form = self._by_own_tag.get(frame.tag)
        if form is not None:
            return self._apply(form, frame, frame.tagged, times)
        if not frame.tag:
            for form in self._formats:
                if events := self._apply(form, frame, message, times):
                    return events
        return []

    def _apply(self, form: Format, frame: Frame, message: str, times: int) -> list[AuthEvent]:
        for rule in form.rules:
            match = rule.pattern.match(message)
            if match is None:
                continue
            fields = _fields(rule, match.groupdict())
            key = fields.get("session_id") if form.connection == "session_id" else frame.process and (frame.host, frame.process)
            if rule.role == "hint":
                _remember(self._hints, key, str(fields["fail_type"]))
                return []
            times = min(times * int(fields.pop("times", None) or 1), MAX_TIMES)
            fields["ts"], fields["server"] = self._ts(frame), frame.host or None
            event = event_from_fields(fields)
            return _copies(event, self._new_attempts(rule, event, key, times))
        return []

    def _ts(self, frame: Frame) -> float | None:
        try:
            return self._clock.ts(frame.time) if frame.time else self._at
        except (ValueError, OverflowError):
            raise Refused("bad_ts") from None

    def _new_attempts(self, rule: Rule, event: AuthEvent, key: object, times: int) -> int:
        """How many attempts this line adds to what its connection has shown; completes the event from it."""
        reason = self._hints.pop(key, None)
        seen = self._connections.pop(key, None)
        if event.success:
            return times
        counted = 0
        if seen is not None and seen.is_of(event):
            counted = times if rule.role == "closing" else seen.counted
            reason = seen.fail_type or reason
        event.fail_type = reason or event.fail_type
        if rule.role == "opening":
            counted = 0
        if rule.role != "closing" and key:
            opened = 1 if rule.role == "opening" else 0
            _remember(self._connections, key, _Connection(event.login, event.remote, event.ts, event.fail_type, opened))
        return max(times - counted, 0)


def _fields(rule: Rule, captured: Mapping[str, str | None]) -> dict[str, Any]:
    """The event's fields: constants, and captured text with what it stands for."""
    fields: dict[str, Any] = {**captured, **rule.fields}
    for name, values in rule.values.items():
        text = fields.get(name)
        fields[name] = values.get(text, text)
    return fields


def _remember(memory: OrderedDict[Any, Any], key: object, value: object) -> None:
    """Keep ``value``; the oldest goes when the memory is full."""
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > _CONNECTIONS:
        memory.popitem(last=False)


def _copies(event: AuthEvent, count: int) -> list[AuthEvent]:
    return [event] + [copy(event) for _ in range(count - 1)] if count else []
