"""How good the decisions were: what they stopped, whom they saved and whom they hit (contract section 6).

Decisions are applied to events whose truth is known, as every enforcement point applies them, beside what a provider
without a finer tool can do: nothing, cut every foreign address, cut POP and IMAP. The events are given: attackers do not
react to being refused.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, Protocol

import msgspec

from models.accounts import Groups
from models.attempts import Attempt
from models.decisions import Decision, DecisionIndex
from models.policy import Policy

__all__ = [
    "ALL",
    "BENIGN",
    "FLOOD",
    "GRACE_S",
    "AccountFigures",
    "AttemptFigures",
    "Effect",
    "Evaluation",
    "Figures",
    "Truth",
    "evaluate",
]

BENIGN: Final = "benign"
#: Its attempts cost nothing and are many: one flood would drown every other kind in a sum.
FLOOD: Final = "login_flood"
#: The key of the sum: attempts of all kinds but floods, accounts of all kinds.
ALL: Final = "all"
#: An attack cannot be known by its first attempts; what comes later than this should be stopped.
GRACE_S: Final = 60

Measure = Literal["crible", "do_nothing", "cut_foreign", "cut_pop_imap"]


class Truth(Protocol):
    """What ``labels.ndjson`` says about an event (contract section 5)."""

    @property
    def label(self) -> str:
        """``benign``, or the kind of attack."""

    @property
    def actor(self) -> str:
        """Who is behind it, from whatever address."""

    @property
    def password_ok(self) -> bool | None:
        """On attacks: whether the attacker presented the right password."""


class AccountFigures(msgspec.Struct, frozen=True):
    """``exposed``: an attacker presented the right password; ``lost``: at least one such attempt was accepted.

    ``saved`` is the share of the exposed accounts that was not lost, ``None`` where none was exposed.
    """

    exposed: int
    lost: int
    saved: float | None

    @classmethod
    def of(cls, exposed: int, lost: int) -> AccountFigures:
        """The figures with their share.

        >>> AccountFigures.of(exposed=8, lost=2).saved
        0.75
        """
        return cls(exposed, lost, 1 - lost / exposed if exposed else None)


class AttemptFigures(msgspec.Struct, frozen=True):
    """Attack attempts; ``late`` are those later than :data:`GRACE_S` after their actor's first."""

    attempts: int
    stopped: int
    late: int
    late_stopped: int


class Figures(msgspec.Struct, frozen=True):
    """What one measure achieved and what it cost.

    ``accounts`` and ``attempts`` are by kind of attack, and under :data:`ALL`. ``legit_accounts`` had a good log-in;
    ``legit_accounts_touched`` had one refused, ``protected_touched`` of them are in a protected group.
    """

    accounts: dict[str, AccountFigures]
    attempts: dict[str, AttemptFigures]
    legit_accounts: int
    legit_accounts_touched: int
    protected_touched: int


class Effect(msgspec.Struct, frozen=True):
    """What one decision did: attack attempts stopped, legitimate accounts whose good log-in it refused."""

    stopped: int
    legit_accounts: int


class Evaluation(msgspec.Struct, frozen=True):
    """``effects`` is by ``decision_id``. An attempt that several decisions refuse counts for one of them."""

    measures: dict[Measure, Figures]
    effects: dict[str, Effect]


def evaluate(
    steps: Iterable[tuple[Attempt, Truth]], decisions: Iterable[Decision], policy: Policy, groups: Groups, home: str = "FR"
) -> Evaluation:
    """Apply ``decisions`` and the crude measures to ``steps``.

    A crude measure starts with the first attack attempt: the best that it could do.

    Args:
        steps: Attempts in time order, each with its truth.
        decisions: The last state of each.
        policy: Its never-block set and its protected groups.
        groups: Who is in a protected group.
        home: The one country that is not foreign, as a naive rule sees it: overseas territories have codes of their own.
    """
    index = DecisionIndex(policy)
    for decision in decisions:
        index.put(decision)
    tallies: dict[Measure, _Tally] = {"crible": _Tally(), "do_nothing": _Tally(), "cut_foreign": _Tally(), "cut_pop_imap": _Tally()}
    by_decision: defaultdict[str, _Tally] = defaultdict(_Tally)
    first_ts: dict[str, float] = {}  # by attacking actor
    for attempt, truth in steps:
        attack = truth.label != BENIGN
        late = attack and attempt.ts > first_ts.setdefault(truth.actor, attempt.ts) + GRACE_S
        refusing = index.refusing(attempt)
        refused: dict[Measure, bool] = {
            "crible": refusing is not None,
            "do_nothing": False,
            "cut_foreign": bool(first_ts) and attempt.country not in {"", home},
            "cut_pop_imap": bool(first_ts) and attempt.protocol in {"pop3", "imap"},
        }
        for measure, tally in tallies.items():
            tally.add(attempt, truth, late=late, refused=refused[measure])
        if refusing is not None:
            by_decision[refusing.decision_id].add(attempt, truth, late=late, refused=True)

    def is_protected(account: str) -> bool:
        return not policy.protected_groups.isdisjoint(groups.of(account))

    return Evaluation(
        {measure: tally.figures(is_protected) for measure, tally in tallies.items()},
        {identifier: Effect(tally.stopped.total(), len(tally.touched)) for identifier, tally in by_decision.items()},
    )


class _Tally:
    """Counts what happened under one measure."""

    def __init__(self) -> None:
        self.attempts: Counter[str] = Counter()
        self.stopped: Counter[str] = Counter()
        self.late: Counter[str] = Counter()
        self.late_stopped: Counter[str] = Counter()
        self.exposed: defaultdict[str, set[str]] = defaultdict(set)
        self.lost: defaultdict[str, set[str]] = defaultdict(set)
        self.legit: set[str] = set()
        self.touched: set[str] = set()

    def add(self, attempt: Attempt, truth: Truth, *, late: bool, refused: bool) -> None:
        """Count one attempt."""
        if truth.label == BENIGN:
            if attempt.success:
                self.legit.add(attempt.account)
                if refused:
                    self.touched.add(attempt.account)
            return
        self.attempts[truth.label] += 1
        self.stopped[truth.label] += refused
        self.late[truth.label] += late
        self.late_stopped[truth.label] += late and refused
        if truth.password_ok:
            self.exposed[truth.label].add(attempt.account)
            if not refused:
                self.lost[truth.label].add(attempt.account)

    def figures(self, is_protected: Callable[[str], bool]) -> Figures:
        """The figures so far."""
        accounts = {kind: AccountFigures.of(len(self.exposed[kind]), len(self.lost[kind])) for kind in self.attempts}
        attempts = {kind: self._attempts(kind) for kind in self.attempts}
        return Figures(
            accounts={**accounts, ALL: AccountFigures.of(_union(self.exposed), _union(self.lost))},
            attempts={**attempts, ALL: self._attempts(*self.attempts.keys() - {FLOOD})},
            legit_accounts=len(self.legit),
            legit_accounts_touched=len(self.touched),
            protected_touched=sum(map(is_protected, self.touched)),
        )

    def _attempts(self, *kinds: str) -> AttemptFigures:
        counters = (self.attempts, self.stopped, self.late, self.late_stopped)
        return AttemptFigures(*(sum(counter[kind] for kind in kinds) for counter in counters))


def _union(accounts: Mapping[str, set[str]]) -> int:
    return len(set().union(*accounts.values()))
