"""What is familiar about accounts, as the workers tell it on ``auth.profiles``: a copy in memory, 108 bytes an account."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Final

import msgspec

from models import profiles
from models.profiles import Profile, Profiles
from streams import telemetry
from streams.compacted import Record, is_of

__all__ = ["AccountProfiles"]

#: Counting a million accounts takes a second or two, and whoever looks at a re-opening asks four times a second.
_COUNT_AGAIN_S: Final = 60.0


class AccountProfiles:
    """The newest profile of every account; one thread may take records while others ask.

    Attributes:
        complete: To be set once all profiles have been taken.
    """

    def __init__(self) -> None:
        self.complete = threading.Event()
        self._profiles = Profiles()
        self._counted: dict[float, tuple[float, int]] = {}  # before when -> until when that holds, and how many

    def take(self, records: Iterable[Record]) -> None:
        """Take over records of the topic."""
        for record in records:
            account = (record.key or b"").decode("utf-8", "replace")
            try:
                if not is_of(record, profiles.SCHEMA):
                    raise ValueError("another schema")
                self._profiles.put(account, record.value)
            except (msgspec.DecodeError, ValueError):  # an account without a profile is guarded by people alone
                self._profiles.put(account, None)
                telemetry.error(
                    "record.refused",
                    reason="not_profile",
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                )

    def find(self, account: str) -> Profile | None:
        """The profile of an account."""
        return self._profiles.find(account)

    def stable_since(self, account: str) -> float | None:
        """Since when the habits of ``account`` are stable, UTC seconds; ``None`` where they are not."""
        return self._profiles.stable_since(account)

    def count_stable(self, before: float) -> int | None:
        """How many accounts' habits were stable before a time, as of a minute ago at most; ``None`` before all are known."""
        if not self.complete.is_set():
            return None
        now = time.monotonic()
        until, counted = self._counted.get(before, (0.0, 0))
        if now >= until:
            counted = self._profiles.count_stable(before)
            self._counted = {asked: each for asked, each in self._counted.items() if each[0] > now} | {
                before: (now + _COUNT_AGAIN_S, counted)
            }
        return counted
