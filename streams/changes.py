"""Account changes in and out: ``POST /v1/account-changes`` of the blocking service -> ``auth.account-changes`` -> ``ChangeReader``.

A body is one JSON object, or one a line, so that a file can be sent as it is. Nothing of a body with a wrong line is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Annotated, Final

import msgspec

from models.accounts import AccountDirectory
from models.addresses import normalise
from models.by_hand import MAX_ATTACK_S
from models.changes import SCHEMA, AccountChange, By, Change
from models.decisions import DAY_S
from models.errors import InputError
from models.events import MAX_FUTURE_S, MAX_TEXT, Refused, parse_time
from models.reopening import Register
from streams.compacted import CompactedReader, decoded
from streams.lines import Lines
from streams.settings import Settings
from streams.sources import TOPIC_PREFIX, topic_records
from streams.writing import TopicWriter, Written

__all__ = ["ChangeReader", "ChangeTopic", "past_changes", "read_changes"]

#: A decision that lets in changed passwords holds for a day, about an attack that began a week before at most.
_FROM_S: Final = MAX_ATTACK_S + DAY_S

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]


class _Posted(msgspec.Struct):
    """``account`` is an account key as the events have it; instead of it ``login`` is resolved like theirs."""

    ts: str | float
    change: Change
    by: By
    account: Name | None = None
    login: Name | None = None
    remote: str | None = None


def read_changes(body: bytes, accounts: AccountDirectory, now: float) -> list[AccountChange]:
    """The changes in a body; blank lines are left out.

    Args:
        body: One JSON object, or one a line.
        accounts: Resolves log-in names.
        now: UTC seconds.

    Raises:
        InputError: A line is no change, or nothing is there; ``where`` is the line.
    """
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    if not lines:
        raise InputError("no account change", where="line 1", hint='send {"ts", "account", "change", "by"}, one a line')
    return [_read(line, accounts, now, f"line {number}") for number, line in lines]


def _read(line: bytes, accounts: AccountDirectory, now: float, where: str) -> AccountChange:
    try:
        posted = msgspec.json.decode(line, type=_Posted)
        ts = parse_time(posted.ts)
        remote = normalise(posted.remote) if posted.remote else None
    except (msgspec.DecodeError, UnicodeError, RecursionError, Refused, ValueError) as error:
        raise InputError(str(error), where=where) from None
    if ts > now + MAX_FUTURE_S:
        raise InputError(str(Refused("future_ts")), where=where)
    account = posted.account or (accounts.resolve(posted.login) if posted.login else "")
    if not account or (posted.account and posted.login):
        raise InputError("one of account and login is needed", where=where)
    return AccountChange(ts=ts, account=account, change=posted.change, by=posted.by, remote=remote)


def past_changes(source: str, settings: Settings, accounts: AccountDirectory) -> list[AccountChange]:
    """What happened to accounts, in order of time.

    Args:
        source: A file as ``POST /v1/account-changes`` takes it, or ``kafka:TOPIC``. Of a topic what is none is logged.
        settings: Where the broker is; the topic is named in full.
        accounts: Resolves log-in names.

    Raises:
        InputError: A line of the file is no change, or there is no such file or topic.
        CribleError: The broker does not answer.
    """
    if source.startswith(TOPIC_PREFIX):
        records = topic_records(settings, source.removeprefix(TOPIC_PREFIX))
        changes = [change for change in (decoded(record, SCHEMA, AccountChange) for record in records) if change is not None]
    else:
        try:
            changes = read_changes(b"\n".join(Lines(source)), accounts, inf)
        except InputError as error:
            if not (error.where or "").startswith("line "):
                raise
            where = f"{source}:{(error.where or '').removeprefix('line ')}"
            raise InputError(error.what, where=where, hint=error.hint) from None
    return sorted(changes, key=lambda change: (change.ts, change.account))


class ChangeTopic:
    """Writes to ``auth.account-changes``.

    Args:
        settings: Where the broker is.
    """

    def __init__(self, settings: Settings) -> None:
        self._writer = TopicWriter(settings, "auth.account-changes", SCHEMA)

    def send(self, changes: Sequence[AccountChange]) -> None:
        """Return when the broker has them all.

        Raises:
            CribleError: It does not take them in time; some may have arrived.
        """
        self._writer.send([Written(change.account, msgspec.json.encode(change), change.ts) for change in changes])

    def close(self) -> None:
        """Leave the broker."""
        self._writer.close()


class ChangeReader:
    """Keeps ``register`` equal to ``auth.account-changes``, as far back as a re-opening may look.

    Args:
        settings: Where the broker is.
        register: Is told of each change.
        now: UTC seconds.

    Raises:
        KafkaError: No broker, or it refused.
    """

    def __init__(self, settings: Settings, register: Register, now: float) -> None:
        self._register = register
        self._reader = CompactedReader(settings, "auth.account-changes", from_ts=now - _FROM_S)

    def look(self) -> None:
        """Take all that has come, without waiting."""
        while records := list(self._reader.poll(timeout_ms=0)):
            for change in (decoded(record, SCHEMA, AccountChange) for record in records):
                if change is not None:
                    self._register.note(change)

    def caught_up(self) -> bool:
        """Whether everything has been read that was there at the start."""
        return self._reader.caught_up()

    def close(self) -> None:
        """Leave the broker."""
        self._reader.close()
