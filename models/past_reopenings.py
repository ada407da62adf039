"""Whom re-openings let in at past times, for those who judge what was cut then (:mod:`models.reopening`)."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterable
from operator import attrgetter
from typing import Final

from models.accounts import Groups
from models.attempts import Attempt
from models.changes import AccountChange
from models.decisions import DAY_S, Decision
from models.ids import hash64
from models.profiles import STABLE_DAYS
from models.reopening import Register, Reopening

__all__ = ["PastReopenings"]

_watched_from: Final = attrgetter("watched_from")


class PastReopenings:
    """Asked in order of time; knows habits from the good log-ins that it was shown, as gates know them from profiles.

    Args:
        states: What each re-opening was, from its ``watched_from`` on, as ``auth.audit`` has it.
        groups: Which groups an account belongs to.
        changes: What happened to accounts.
    """

    def __init__(self, states: Iterable[Reopening], groups: Groups, changes: Iterable[AccountChange] = ()) -> None:
        self._states: defaultdict[str, list[Reopening]] = defaultdict(list)
        for state in sorted(states, key=_watched_from):
            self._states[state.decision_id].append(state)
        self._changes = deque(sorted(changes, key=attrgetter("ts")))
        self._first_days: dict[int, int] = {}  # hash of an account -> day of its first good log-in
        self._register = Register(groups, self)

    def note(self, attempt: Attempt) -> None:
        """Take over an attempt, and what happened to accounts until then."""
        while self._changes and self._changes[0].ts <= attempt.ts:
            self._register.note(self._changes.popleft())
        if attempt.success:
            self._first_days.setdefault(hash64(attempt.account), int(attempt.ts // DAY_S))

    def lets_in(self, decision: Decision, attempt: Attempt) -> bool:
        """Whether ``attempt`` passes ``decision`` because what that cut was being opened again."""
        states = self._states.get(decision.decision_id, [])
        passed = bisect_right(states, attempt.ts, key=_watched_from)
        return self._register.lets_in(attempt.account, decision, states[passed - 1] if passed else None)

    def stable_since(self, account: str) -> float | None:
        """As :func:`models.profiles.stable_since`: a week after the day of the first good log-in."""
        day = self._first_days.get(hash64(account))
        return None if day is None else float((day + STABLE_DAYS) * DAY_S)

    def count_stable(self, before: float) -> int | None:
        """How many accounts' habits were stable before a time."""
        return sum((day + STABLE_DAYS) * DAY_S < before for day in self._first_days.values())
