"""The end of the demo: a person cuts a protocol for everybody, as was done in April 2022, and opens it again wave by wave.

The decision, its impact and its re-opening are those of ``crible decisions add`` and ``crible restore``, in event time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

import msgspec

from models.accounts import AccountDirectory, Groups
from models.by_hand import Asked, impact_of, made_by_hand, reopening_of
from models.changes import AccountChange
from models.decisions import Decision
from models.pipeline import Pipeline
from models.policy import Policy
from models.profiles import stable_since
from models.reopening import WAVES, Register, Reopening, Reopenings, Step
from models.sketches import Counted
from models.usage import Exact, UsageBook

__all__ = ["Cut", "Wave", "cut_widely"]

_PROTOCOL: Final = "pop3"
_FOR_S: Final = 86_400
_BY: Final = "the demo"


class Wave(msgspec.Struct, frozen=True):
    """A wave: its name, how many of the customers cut off are in it, and how long after the cut which share of it is let in.

    ``opened`` are (seconds, percent, customers let in of all waves by then), in order of time.
    """

    name: str
    customers: int
    opened: list[tuple[int, int, int]]


class Cut(msgspec.Struct, frozen=True):
    """A wide decision with its impact, and its re-opening; ``lifted_s`` is how long after the cut everybody was let in."""

    decision: Decision
    waves: list[Wave]
    lifted_s: int


def cut_widely(
    pipeline: Pipeline, usage: UsageBook, policy: Policy, groups: Groups, changed: Iterable[str], began: float, now: float
) -> Cut:
    """Cut at ``now`` what has been attacked since ``began``, both UTC seconds; ``changed`` accounts have new passwords."""
    users = usage.users("protocol", _PROTOCOL, now)
    asked = Asked(scope="protocol", value=_PROTOCOL, for_s=_FOR_S, reason="as in April 2022", attack_s=int(now - began))
    bare = made_by_hand(asked, _BY, now, policy, AccountDirectory())
    decision = msgspec.structs.replace(bare, impact=impact_of(bare, Counted(users, 0, 0, now, 0.0), groups))
    reopening = cast("Reopening", reopening_of(decision, policy, began))  # every cut of a protocol has one
    customers = sorted(cast("Exact", users.familiar).accounts)
    register = Register(groups, _Histories(pipeline))
    for account in changed:
        register.note(AccountChange(ts=now, account=account, change="password_changed", by="forced"))
    counts = [0] * len(WAVES)
    for account in customers:
        counts[reopening.wave_of(register.facts(account))] += 1
    opened, lifted_s = _opened(reopening, register, customers, now)
    return Cut(decision, list(map(Wave, WAVES, counts, opened)), lifted_s)


def _opened(
    reopening: Reopening, register: Register, customers: list[str], now: float
) -> tuple[list[list[tuple[int, int, int]]], int]:
    """By wave what was let in when, as long as no gate objects: with the attack refused, none has reason to."""
    reopenings = Reopenings()
    reopenings.begin(reopening)
    reopenings.step(Step(decision_id=reopening.decision_id, automatic=True), _BY, "the attack is over", now)
    opened: list[list[tuple[int, int, int]]] = [[] for _ in WAVES]
    shares, at = (0,) * len(WAVES), now
    while (state := reopenings.take_changed().get(reopening.decision_id)) is not None:
        let_in = sum(state.admits(account, register.facts(account)) for account in customers)
        for wave, (before, after) in enumerate(zip(shares, state.shares, strict=True)):
            if after != before:
                opened[wave].append((int(at - now), after, let_in))
        shares = state.shares
        at += reopening.ramp.wait_s
        reopenings.turn(at, detecting=True)
    return opened, int(at - now)


class _Histories:
    """The habits that the pipeline has learnt; nobody asks for their number."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def stable_since(self, account: str) -> float | None:
        return stable_since(self._pipeline.profile(account))

    def count_stable(self, before: float) -> int | None:
        return None
