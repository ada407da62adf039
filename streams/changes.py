"""Account changes in: ``POST /v1/account-changes`` of the blocking service -> ``auth.account-changes``.

A body is one JSON object, or one a line, so that a file can be sent as it is. Nothing of a body with a wrong line is taken.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaError

from models.accounts import AccountDirectory
from models.addresses import normalise
from models.changes import SCHEMA, AccountChange, By, Change
from models.errors import CribleError, InputError
from models.events import MAX_FUTURE_S, MAX_TEXT, Refused, parse_time
from streams import topics
from streams.settings import Settings

__all__ = ["ChangeTopic", "read_changes"]

#: A client waits for the answer, and tries again where it does not come.
_TIMEOUT_MS: Final = 5_000
_MS_PER_S: Final = 1000

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


class ChangeTopic:
    """Writes to ``auth.account-changes``; reaches the broker when it is first needed.

    Args:
        settings: Where the broker is.
    """

    def __init__(self, settings: Settings) -> None:
        kafka = msgspec.structs.replace(settings.kafka, connect_timeout_s=_TIMEOUT_MS / _MS_PER_S)
        self._settings = msgspec.structs.replace(settings, kafka=kafka)
        self._topic = topics.topic(settings, "auth.account-changes")
        self._producer: KafkaProducer | None = None
        self._starting = threading.Lock()

    def send(self, changes: Sequence[AccountChange]) -> None:
        """Return when the broker has them all.

        Raises:
            CribleError: It does not take them in time; some may have arrived.
        """
        try:
            producer = self._started()
            futures = [self._send(producer, change) for change in changes]
            for future in futures:
                future.get(timeout=_TIMEOUT_MS / _MS_PER_S)
        except KafkaError as error:
            raise CribleError(
                f"the broker did not take an account change ({type(error).__name__})",
                where=self._settings.kafka.bootstrap,
                hint="send it again",
            ) from error

    def close(self) -> None:
        """Leave the broker."""
        if self._producer is not None:
            self._producer.close(timeout=_TIMEOUT_MS / _MS_PER_S)

    def _started(self) -> KafkaProducer:
        with self._starting:
            if self._producer is None:
                with topics.admin(self._settings):  # says so where there is no broker
                    options = self._settings.kafka.client_options()
                    self._producer = KafkaProducer(**options, enable_idempotence=True, max_block_ms=_TIMEOUT_MS)
            return self._producer

    def _send(self, producer: KafkaProducer, change: AccountChange) -> Any:
        return producer.send(
            self._topic,
            key=change.account.encode(),
            value=msgspec.json.encode(change),
            headers=[("crible-schema", SCHEMA.encode())],
            timestamp_ms=int(change.ts * _MS_PER_S),
        )
