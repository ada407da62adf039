"""Who uses what a wide decision cuts: countries, providers, protocols and devices, as one partition of the source stage sees them.

A source network belongs to one partition, but a country does not: each partition keeps theta sketches of its own, of 512 accounts
by country, provider, protocol and device with its provider, and whoever decides unites those of all partitions
(:mod:`models.scope_book`). As for addresses, what counts is good log-ins of about a day, familiar and doubtful ones
(:mod:`models.usage`); and for an hour or two the failures of accounts from where they have had no good log-in.

The counts are rows of the stage, one per value, protocol and six hours, so they survive as all rows do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from math import inf
from typing import Final

import msgspec

from models.attempts import Attempt
from models.events import PROTOCOLS
from models.scopes import join_value
from models.sketches import ProtocolUse, ScopeUse, Sketch
from models.usage import USAGE_CELLS, USAGE_S
from models.windows import HOUR_S

__all__ = ["DOUBTFUL", "FAILED", "FAMILIAR", "USE_PREFIX", "Telling", "UseRow", "WideUse"]

#: Begins the keys of these rows; no address does.
USE_PREFIX: Final = "~"
FAMILIAR, DOUBTFUL, FAILED = "familiar", "doubtful", "failed"
#: Failures are counted by the hour, and shown of the hour that runs and the one before.
_HOURS: Final = 2
#: 16 partitions of 512 accounts know more than the 2,048 of the sketch that they are united in.
_LG_K: Final = 9
_MOST_WAITING: Final = 256
#: A value is told so long after something new of it; a few at a time, so that nobody waits for it.
_TELL_AFTER_S: Final = 300
_TOLD_AT_ONCE: Final = 4
#: A client can name itself as it likes, and a device's own id is nobody else's: so many devices with good log-ins in six hours.
_MAX_DEVICES: Final = 2_048
_OWN_ID: Final = "id:"
_SORTED_PROTOCOLS: Final = tuple(sorted(PROTOCOLS))

_Bundle = list[tuple["UseRow", str]]


class UseRow(msgspec.Struct, array_like=True, gc=False):
    """Attempts of one kind with one value, over one protocol, in six hours or one: how many, and the accounts.

    ``waiting`` are hashes that are still to be added to ``sketch``.
    """

    newest_ts: float = 0.0
    attempts: int = 0
    waiting: list[int] = msgspec.field(default_factory=list)
    sketch: bytes = b""

    def add(self, account: int) -> None:
        """Add an account, unless it is the last one again: a client that polls."""
        waiting = self.waiting
        if not waiting or waiting[-1] != account:
            waiting.append(account)
            if len(waiting) >= _MOST_WAITING:
                self.sketch, self.waiting = self.accounts().dump(), []

    def accounts(self) -> Sketch:
        """The accounts."""
        return Sketch.united([*([Sketch.load(self.sketch)] if self.sketch else []), Sketch.of(self.waiting, _LG_K)], _LG_K)


class Telling(msgspec.Struct, array_like=True):
    """What a partition is about to tell, with the time from which on there is something new; and since when it counts."""

    waiting: dict[str, float] = msgspec.field(default_factory=dict)
    since: float = 0.0


class WideUse:
    """Counts for one partition.

    Args:
        row: The stage's row of a key, to change.
        peek: The same to look at; ``None`` where there is none.
    """

    def __init__(self, row: Callable[[str], UseRow], peek: Callable[[str], UseRow | None]) -> None:
        self._row, self._peek = row, peek
        self.telling = Telling()
        self._bundles: dict[tuple[str, int, str, int, str, str], _Bundle] = {}

    def let_go(self) -> None:
        """Rows have been packed or forgotten: look them up anew."""
        self._bundles.clear()

    def count(self, kind: str, attempt: Attempt, account: int) -> None:
        """Count an attempt of a kind; ``account`` is the hash of its account key."""
        index = int(attempt.ts) // (HOUR_S if kind == FAILED else USAGE_S)
        key = (kind, index, attempt.country, attempt.asn, attempt.protocol, attempt.device)
        bundle = self._bundles.get(key)
        if bundle is None:
            bundle = self._bundles[key] = [
                (self._row(_key(kind, index, *each)), each[0]) for each in self._values(kind, index, attempt)
            ]
        ts, told_later = attempt.ts, self.telling.waiting
        for row, name in bundle:
            row.attempts += 1
            if ts > row.newest_ts:
                row.newest_ts = ts
            row.add(account)
            if name not in told_later:
                told_later[name] = ts
        if not self.telling.since:
            self.telling.since = ts

    def due_ts(self) -> float:
        """When there is something to tell, UTC seconds."""
        for since in self.telling.waiting.values():
            return since + _TELL_AFTER_S
        return inf

    def take_told(self, now: float) -> list[ScopeUse]:
        """What is to be told at ``now``, a few values at most."""
        due = [name for name, since in islice(self.telling.waiting.items(), _TOLD_AT_ONCE) if since + _TELL_AFTER_S <= now]
        for name in due:
            del self.telling.waiting[name]
        return [self._tell(name, now) for name in due]

    def _values(self, kind: str, index: int, attempt: Attempt) -> Iterable[tuple[str, str]]:
        """Names of the values that an attempt counts for, with the protocol by which each is told apart."""
        yield f"protocol:{attempt.protocol}", attempt.protocol
        if attempt.country:
            yield f"country:{attempt.country}", attempt.protocol
        if attempt.asn:
            yield f"asn:{attempt.asn}", attempt.protocol
        if kind != FAILED and attempt.device and not attempt.device.startswith(_OWN_ID):
            name = f"asn_device:{join_value(str(attempt.asn), attempt.device)}"
            if self._has_room(_key(kind, index, name, ""), index):
                yield name, ""
            else:
                yield "device:", ""  # told of as such: not all devices are counted

    def _has_room(self, key: str, index: int) -> bool:
        if self._peek(key) is not None:
            return True
        devices = self._row(f"{USE_PREFIX}devices{index}")
        devices.newest_ts = max(devices.newest_ts, float(index * USAGE_S))
        devices.attempts += 1
        return devices.attempts <= _MAX_DEVICES

    def _tell(self, name: str, now: float) -> ScopeUse:
        scope, _, value = name.partition(":")
        newest, hour = int(now) // USAGE_S, int(now) // HOUR_S
        cells, hours = range(newest - USAGE_CELLS + 1, newest + 1), range(hour - _HOURS + 1, hour + 1)
        protocols = (value,) if scope == "protocol" else _SORTED_PROTOCOLS if scope in {"country", "asn"} else ("",)
        by_protocol = {}
        for protocol in protocols:
            failed, familiar, doubtful = (
                [row for index in indices if (row := self._peek(_key(kind, index, name, protocol))) is not None]
                for kind, indices in ((FAILED, hours), (FAMILIAR, cells), (DOUBTFUL, cells))
            )
            if failed or familiar or doubtful:
                sketches = (_accounts(rows) for rows in (failed, doubtful, familiar))
                by_protocol[protocol] = ProtocolUse(sum(row.attempts for row in failed), *(each.dump() for each in sketches))
        return ScopeUse.of(scope, value, now, by_protocol, self.telling.since)  # type: ignore[arg-type]  # a scope as above


def _key(kind: str, index: int, name: str, protocol: str) -> str:
    return f"{USE_PREFIX}{kind}{index} {protocol} {name}"


def _accounts(rows: Iterable[UseRow]) -> Sketch:
    return Sketch.united([row.accounts() for row in rows], _LG_K)
