"""Turns lines into events by the rules of the formats, counting each attempt once.

This is the hot path of ingest: a tag is looked up once, patterns begin with what tells lines apart, and a line whose parts
are short and clean becomes an event without another check.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

from models.addresses import Proxies, normalise
from models.events import ADDRESS_UNKNOWN, FORWARDED, MAX_TEXT, AuthEvent, Refused, event_from_fields, set_client
from streams.formats.connections import Connections
from streams.formats.format import Format, Rule
from streams.formats.joining import MAX_TIMES, Joiner, Located
from streams.formats.syslog import REPEATED, Clock, Frame, Splitter, unwrap

__all__ = ["MAX_TIMES", "LogReader"]

#: Tags that are remembered at a time.
_TAGS: Final = 4_096
#: Numbered connections that are remembered at a time; each takes a few hundred bytes.
_CONNECTIONS: Final = 16_384
#: What fails with these is a token, not a password (RFC 7628; Google's XOAUTH2).
_TOKEN_MECHS: Final = frozenset({"OAUTHBEARER", "XOAUTH2", "oauthbearer", "xoauth2"})
_WRONG_PASSWORD: Final = frozenset({None, "credentials"})


class _Meanings(dict[str | None, object]):
    """What captured texts stand for; a text that is not named is itself, or of a fixed vocabulary ``other``."""

    __slots__ = ("_is_fixed", "_other")

    def __init__(self, values: Mapping[str | None, object], *, is_fixed: bool, other: object) -> None:
        super().__init__(values)
        self._is_fixed, self._other = is_fixed, other

    def __missing__(self, text: str | None) -> object:
        return self._other if self._is_fixed else text


class _Step:
    """A rule made ready: what it looks up once for all lines.

    Attributes:
        rule: The rule.
        match: Of its pattern.
        connection: What the lines of a connection have in common.
        constants: Fields of every such line that the pattern does not capture.
        ambiguous: Of the rule: where this is found the line is refused.
        is_echo: Whether the line was written for another program.
        meanings: By field, what its captured texts stand for.
        has_times: Whether the line may say how many attempts it stands for.
        has_conn: Whether the line is one of several of a connection that the program numbers.
    """

    __slots__ = ("ambiguous", "connection", "constants", "has_conn", "has_times", "is_echo", "match", "meanings", "rule")

    def __init__(self, form: Format, protocol: str, rule: Rule) -> None:
        self.rule, self.match, self.connection = rule, rule.pattern.match, form.connection
        self.ambiguous, self.is_echo = rule.ambiguous, rule.role == "echo"
        constants: dict[str, object] = {"protocol": protocol, "login": "", **rule.fields}
        self.constants = {name: value for name, value in constants.items() if name not in rule.pattern.groupindex}
        others = {"protocol": protocol, "fail_type": None}
        self.meanings = tuple(
            (name, _Meanings(values, is_fixed=name in others, other=others.get(name))) for name, values in rule.values.items()
        )
        self.has_times = "times" in rule.pattern.groupindex
        self.has_conn = "conn" in rule.pattern.groupindex


#: A rule, what it matched, and how often the line stands for itself.
_Found = tuple[_Step, re.Match[str], int]


class LogReader:
    """Reads the lines of one file in their order.

    Args:
        formats: Which formats a line may have; the program's name decides.
        clock: Reads the times.
        at: UTC seconds of lines that carry no time; without it such a log-in is refused.
        proxies: Our own machines, behind which the client is not seen.
        done: Lines up to this one were read before a restart; they are not counted in ``joined`` once more.
    """

    def __init__(
        self,
        formats: Iterable[Format],
        clock: Clock,
        at: float | None = None,
        proxies: Proxies | None = None,
        done: int = -1,
    ) -> None:
        self._formats, self._clock, self._at = tuple(formats), clock, at
        self._proxies = proxies or Proxies()
        self._is_ours = self._proxies.trusts
        self._split = Splitter().split
        self._joiner, self._connections = Joiner(done), Connections()
        self._told: OrderedDict[tuple[str, ...], dict[str, Any]] = OrderedDict()
        self._of_tag: dict[str, tuple[tuple[bool, tuple[_Step, ...]], ...]] = {}
        untagged = [(form.words, _steps(form, form.protocol)) for form in self._formats]
        self._untagged = tuple((word, steps) for words, steps in untagged for word in words)
        self._anywhere = tuple((form.anywhere.match, _steps(form, form.protocol)) for form in self._formats if form.anywhere)

    @property
    def joined(self) -> int:
        """Lines that were left out because another tells of the same attempt."""
        return self._joiner.joined

    @property
    def waits_since(self) -> int | None:
        """The first line that waits for a better one."""
        return self._joiner.waits_since

    def read(self, raw: bytes, line: int = 0) -> list[Located] | None:
        """The attempts that are certain after this line, each with the number of its own line; ``None`` if it is no log-in.

        A line that may be told again by a better one waits (:mod:`streams.formats.joining`).

        Raises:
            Refused: The line is a log-in without a time or address.
        """
        try:
            text, is_text = raw.decode(), True
        except UnicodeDecodeError:
            text, is_text = raw.decode("utf-8", "surrogateescape"), False
        frame = self._split(text)
        found = self._find(text, frame)
        if found is None:
            return None
        step, match, times = found
        if step.ambiguous is not None and step.ambiguous.search(match.string):
            raise Refused("bad_remote")
        fields, times = _fields(step, match, times)
        if step.has_conn and not self._complete(step.rule, fields, (frame.host, frame.tag, match["conn"])):
            return None
        if step.is_echo and not fields.get("remote"):
            self._joiner.reason(fields["login"], fields.get("fail_type"))
            return None
        event = self._event(fields, frame, is_short=is_text and len(match.string) <= MAX_TEXT)
        return self._ready(step, event, line, frame, times)

    def _complete(self, rule: Rule, fields: dict[str, Any], connection: tuple[str, ...]) -> bool:
        """Whether a line of a numbered connection is an attempt of somebody: then ``fields`` has what earlier lines told."""
        del fields["conn"]
        told = self._told.pop(connection, {})
        if rule.role == "over":
            return False
        self._told[connection] = told
        if len(self._told) > _CONNECTIONS:
            self._told.popitem(last=False)
        if rule.role == "told":
            told |= {name: fields[name] for name in ("login", "remote") if name in rule.pattern.groupindex}
            return False
        fields.update(told)
        return bool(fields["login"])

    @property
    def connections(self) -> list[list[str]]:
        """What lines have told of numbered connections that are not over: host, tag, number, name and address of each."""
        return [[*connection, told.get("login", ""), told.get("remote", "")] for connection, told in self._told.items()]

    def resume(self, connections: Iterable[Sequence[str]]) -> None:
        """Know of ``connections`` what another reader knew."""
        for host, tag, number, login, remote in connections:
            told = {"login": login, "remote": remote}
            self._told[host, tag, number] = {name: text for name, text in told.items() if text}

    def release(self, now: float) -> list[Located]:
        """What has waited long enough at ``now`` (UTC seconds), for a file that gets no more lines for a while."""
        return self._joiner.release(now)

    def close(self) -> list[Located]:
        """What still waits at the end of the file."""
        ready: list[Located] = []
        while self._joiner.waits_since is not None:
            ready += self._joiner.release(float("inf"))
        return ready

    def _find(self, text: str, frame: Frame) -> _Found | None:
        """The first rule that a line matches: one of its program, or of any program, or one that its words suggest."""
        message = text[frame.message_at :]
        times, message = unwrap(message) if message.startswith(REPEATED) else (1, message)
        tag = frame.tag
        if tag:
            known = self._of_tag.get(tag)
            for keeps_tag, steps in self._learn(tag) if known is None else known:
                seen = _with_tag(text, frame) if keeps_tag else message
                for step in steps:
                    if match := step.match(seen):
                        return step, match, times
        for starts, steps in self._anywhere:
            if starts(message) and (found := _first(steps, message, times)):
                return found
        if not frame.host or not frame.time:
            times, message = unwrap(text[frame.rest_at :])
            for word, steps in self._untagged:
                if word in message and (found := _first(steps, message, times)):
                    return found
        return None

    def _learn(self, tag: str) -> tuple[tuple[bool, tuple[_Step, ...]], ...]:
        """The rules of the program ``tag``, by format; first whether they see the tag."""
        found = []
        name = tag.rpartition("/")[2] if tag.startswith("/") else tag
        for form in self._formats:
            for tags, keeps_tag in ((form.tags, False), (form.own_tags, True)):
                if tags is not None and (match := tags.fullmatch(name)):
                    found.append((keeps_tag, _steps(form, match.lastgroup or form.protocol)))
        if len(self._of_tag) >= _TAGS:
            self._of_tag.clear()
        self._of_tag[tag] = tuple(found)
        return self._of_tag[tag]

    def _event(self, fields: dict[str, Any], frame: Frame, *, is_short: bool) -> AuthEvent:
        host, inner = frame.host, fields.pop("time", "")
        time = frame.time or inner
        try:
            ts = fields["ts"] = self._clock.ts(time) if time else self._at
        except (ValueError, OverflowError):
            raise Refused("bad_ts") from None
        if host:
            fields["server"] = host
        login = fields["login"] = fields["login"] or ""
        forwarded = fields.pop("forwarded", None)
        remote = fields.get("remote")
        is_clean = is_short and len(host) <= MAX_TEXT and login.isprintable() and not login.isspace()
        if is_clean and remote and ts is not None:
            try:
                fields["remote"] = normalise(remote)
            except ValueError:
                raise Refused("bad_remote") from None
            event = AuthEvent(**fields)
        else:
            event = event_from_fields(fields)
            event.login = event.login if login else ""
        if event.mech in _TOKEN_MECHS and not event.success and event.fail_type in _WRONG_PASSWORD:
            event.fail_type = "token"
        if self._is_ours(event.remote):
            event.attrs = {FORWARDED: forwarded} if forwarded else None
            set_client(event, self._proxies)
        return event

    def _ready(self, step: _Step, event: AuthEvent, line: int, frame: Frame, times: int) -> list[Located]:
        """The events that are certain now, ``event`` among them if its line is the first and best to tell of the attempt."""
        rule, joiner = step.rule, self._joiner
        is_echo = step.is_echo
        connection: Hashable = None
        if step.connection == "session_id":
            connection = event.session_id
        elif step.connection == "process" and frame.process:
            process = connection = (frame.host, frame.process)
            if is_echo:
                times *= not self._connections.has_shown(process, event.ts)
            else:
                times = self._connections.new_attempts(rule.role, event, process, times)
        if not times:
            return joiner.left_out(event.ts)
        if rule.front:
            return joiner.front(line, event, times, is_second=is_echo)
        is_hidden = event.attrs is not None and ADDRESS_UNKNOWN in event.attrs
        if is_echo:
            return joiner.echo(line, event, times, connection, is_hidden=is_hidden)
        if is_hidden:
            return joiner.hidden(line, event, times)
        return joiner.attempt(line, event, times, connection)


def _steps(form: Format, protocol: str) -> tuple[_Step, ...]:
    return tuple(_Step(form, protocol, rule) for rule in form.rules)


def _first(steps: tuple[_Step, ...], message: str, times: int) -> _Found | None:
    return next(((step, match, times) for step in steps if (match := step.match(message))), None)


def _fields(step: _Step, match: re.Match[str], times: int) -> tuple[dict[str, Any], int]:
    """The event's fields, and how many attempts the line stands for."""
    fields: dict[str, Any] = match.groupdict()
    fields.update(step.constants)
    for name, meanings in step.meanings:
        fields[name] = meanings[fields[name]]
    if step.has_times and (number := fields.pop("times")):
        times = min(times * int(number), MAX_TIMES)
    return fields, times


def _with_tag(text: str, frame: Frame) -> str:
    """The message with its tag, as the program's own file has it."""
    return text[frame.tag_at :] if frame.tag_at >= 0 else f"{frame.tag}: {text[frame.message_at :]}"
