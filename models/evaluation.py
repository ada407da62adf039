"""How good the decisions were: what they stopped, whom they saved and whom they hit (contract section 6).

Decisions, verdicts and alerts are held against events whose truth is known, beside what a provider without a finer tool can do:
nothing, cut every foreign address, cut POP and IMAP. The events are given: what attackers and customers do after they were
refused is in them, or it isn't there.

* An attempt is **refused** by a decision (the paragraph of contract section 4, never-block set included, but for whom a re-opening
  let in), by its verdict, or if it was refused when it happened (``policy_reject``, as in a closed loop). One that is only delayed
  or challenged counts as accepted: nobody knows what would have come of it.
* A log-in is **good** where the right password was presented: a success, or a refused attempt whose label says ``password_ok``. A
  customer is an account with a good log-in of its owner in the judged time.
* A customer is **touched** when such a log-in is refused (cut), held up (``tarpit``: delayed; the contract counts from 2 s, and no
  tar pit is shorter) or challenged, or when an enforced decision in the judged time makes him choose a new password (reset).
* An account is **exposed** when an attacker presented its right password (``password_ok``; attackers' own mailboxes are nobody's),
  **lost** when at least one such attempt was accepted: it succeeded and is not refused. What a closed loop refused would have been
  accepted by doing nothing, and by a cruder measure that does not meet it.
* The **time to the first decision** about an actor runs from his first attempt to the ``start`` of the first enforced ``ban``,
  ``guard``, ``tarpit`` or ``challenge`` whose scope and value are those of one of his attempts, made while it was in force or in
  the day before (what it was decided on); or to the first attempt that a verdict did not accept. Undecided actors count with the
  length of the judged time, or with theirs where that is longer. Quantiles are by nearest rank.
* Alerts: see :mod:`models.accusations`.

What happened before the judged time is not counted, but who came first when is known from it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from math import ceil, inf
from typing import Final, Literal, get_args

import msgspec

from models.accounts import Groups
from models.accusations import BENIGN, Accusations, AlertFigures, Truth
from models.alerts import Alert
from models.attempts import Attempt
from models.decision_index import DecisionIndex, refuses_all
from models.decisions import DAY_S, REFUSING, Decision, holds, split_value
from models.policy import Policy
from models.verdicts import Action

__all__ = [
    "ALL",
    "FLOOD",
    "GRACE_S",
    "AccountFigures",
    "AttemptFigures",
    "DecisionTime",
    "Effect",
    "Evaluation",
    "Figures",
    "Judge",
    "Measure",
]

#: Its attempts cost nothing and are many: one flood would drown every other kind in a sum.
FLOOD: Final = "login_flood"
#: The key of the sum: attempts of all kinds but floods, accounts and actors of all kinds.
ALL: Final = "all"
#: An attack cannot be known by its first attempts; what comes later than this should be stopped.
GRACE_S: Final = 60

#: Crible's decisions and verdicts, and what they are compared with.
Measure = Literal["crible", "do_nothing", "cut_foreign", "cut_pop_imap"]
_MEASURES: Final[tuple[Measure, ...]] = get_args(Measure)

_POP_IMAP: Final = frozenset({"pop3", "imap"})
#: Types of decisions that do something to an attempt.
_ACTING: Final = REFUSING | {"tarpit", "challenge"}


class AccountFigures(msgspec.Struct, frozen=True):
    """``accounts_saved`` is the share of the exposed accounts that was not lost, ``None`` where none was exposed."""

    accounts_exposed: int
    accounts_lost: int
    accounts_saved: float | None

    @classmethod
    def of(cls, exposed: int, lost: int) -> AccountFigures:
        """The figures with their share.

        >>> AccountFigures.of(exposed=8, lost=2).accounts_saved
        0.75
        """
        return cls(exposed, lost, 1 - lost / exposed if exposed else None)


class AttemptFigures(msgspec.Struct, frozen=True):
    """Attack attempts; ``late`` are those later than :data:`GRACE_S` after their actor's first."""

    attempts: int
    stopped: int
    late: int
    late_stopped: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one measure achieved and what it cost.

    ``accounts`` and ``attempts`` are by kind of attack, and under :data:`ALL`. ``legit_accounts`` are the customers,
    ``protected_touched`` are those touched that are in a protected group.
    """

    accounts: dict[str, AccountFigures]
    attempts: dict[str, AttemptFigures]
    legit_accounts: int
    legit_accounts_cut: int
    legit_accounts_delayed: int
    legit_accounts_challenged: int
    legit_accounts_reset: int
    legit_accounts_touched: int
    protected_touched: int


class DecisionTime(msgspec.Struct, frozen=True):
    """How long it took to decide about ``actors``; see the module's text. ``never_decided`` is the share of the ``undecided``."""

    actors: int
    p50_s: float | None
    p90_s: float | None
    undecided: int
    never_decided: float | None

    @classmethod
    def of(cls, decided_s: Iterable[float], undecided_s: Iterable[float]) -> DecisionTime:
        """The figures of these times, until a decision or until the end.

        >>> DecisionTime.of([40.0, 10.0, 20.0], [3600.0])
        DecisionTime(actors=4, p50_s=20.0, p90_s=3600.0, undecided=1, never_decided=0.25)
        """
        never = list(undecided_s)
        ordered = sorted([*decided_s, *never])
        if not ordered:
            return cls(0, None, None, 0, None)
        return cls(len(ordered), _quantile(ordered, 0.5), _quantile(ordered, 0.9), len(never), len(never) / len(ordered))


class Effect(msgspec.Struct, frozen=True):
    """What one decision did: attack attempts stopped, legitimate accounts whose good log-in it refused."""

    stopped: int
    legit_accounts: int


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """All figures; ``time_to_decision`` is by kind of attack and under :data:`ALL`, ``alerts`` is ``None`` where none were given.

    ``start_ts`` and ``end_ts`` bound the judged time, ``attempts`` are those within.
    """

    start_ts: float
    end_ts: float
    attempts: int
    measures: dict[Measure, Figures]
    time_to_decision: dict[str, DecisionTime]
    alerts: AlertFigures | None


class Judge:
    """Holds attempts, in time order, against what was done about them.

    A crude measure starts with the first attack attempt: the best that it could do.

    Args:
        decisions: The last state of each.
        policy: Its never-block set and its protected groups.
        groups: Who is in a protected group.
        alerts: All that were raised, or ``None`` to leave them unjudged.
        since: Start of the judged time, UTC seconds; else the first attempt.
        until: Its end; else the last attempt.
        home: The one country that is not foreign, as a naive rule sees it: overseas territories have codes of their own.
        lets_in: Whether an attempt passes a decision that would refuse it, because what was cut was being opened again.
    """

    def __init__(
        self,
        decisions: Iterable[Decision],
        policy: Policy,
        groups: Groups,
        *,
        alerts: Iterable[Alert] | None = None,
        since: float | None = None,
        until: float | None = None,
        home: str = "FR",
        lets_in: Callable[[Decision, Attempt], bool] = refuses_all,
    ) -> None:
        enforced = [decision for decision in decisions if decision.mode == "enforce"]
        self._acting = DecisionIndex(policy)
        for decision in enforced:
            if decision.type in _ACTING:
                self._acting.put(decision)
        self._resets = [decision for decision in enforced if decision.type == "reset_password"]
        self._policy, self._groups, self._at_home = policy, groups, frozenset({"", home})
        self._since, self._until, self._lets_in = since, until, lets_in
        self._from = -inf if since is None else since
        self._accusations = None if alerts is None else Accusations(alerts, self._from, inf if until is None else until)
        self._first_ts: dict[str, float] = {}  # by attacking actor, before the judged time as well
        self._decided_ts: dict[str, float] = {}  # by actor
        # In the judged time:
        self._attempts = 0
        self._first_of_all_ts: float | None = None
        self._last_of_all_ts = 0.0
        self._attacks: Counter[tuple[str, bool, tuple[bool, ...]]] = Counter()  # (kind, late, stopped by which measures)
        self._actors: defaultdict[str, set[str]] = defaultdict(set)  # by kind, as are exposed and lost accounts
        self._exposed: defaultdict[str, set[str]] = defaultdict(set)
        self._lost: dict[Measure, defaultdict[str, set[str]]] = {measure: defaultdict(set) for measure in _MEASURES}
        self._customers: set[str] = set()
        self._cut: dict[Measure, set[str]] = {measure: set() for measure in _MEASURES}
        self._delayed: set[str] = set()
        self._challenged: set[str] = set()
        self._stopped_by: Counter[str] = Counter()  # decision_id -> attack attempts
        self._cut_by: defaultdict[str, set[str]] = defaultdict(set)

    def add(self, attempt: Attempt, truth: Truth, action: Action = "accept") -> None:
        """Count one attempt; ``action`` is its verdict."""
        judged = attempt.ts >= self._from
        attack = truth.label != BENIGN
        if judged:
            self._attempts += 1
            self._last_of_all_ts = attempt.ts
            if self._first_of_all_ts is None:
                self._first_of_all_ts = attempt.ts
        if attack:
            self._add_attack(attempt, truth, action, judged=judged)
        elif judged and (attempt.success or truth.password_ok):
            self._add_customer(attempt, action)
        if self._accusations is not None and (attack or truth.trait is not None):
            self._accusations.add(attempt, truth, judged=judged)

    def _add_attack(self, attempt: Attempt, truth: Truth, action: Action, *, judged: bool) -> None:
        ts, actor, kind = attempt.ts, truth.actor, truth.label
        first_ts = self._first_ts.setdefault(actor, ts)
        matching = self._acting.matching(attempt)
        decided = [decision.start for decision in matching if decision.start - DAY_S <= ts < decision.end]
        if action != "accept" or attempt.policy_reject:
            decided.append(ts)
        if decided:
            self._decided_ts[actor] = min(*decided, self._decided_ts.get(actor, inf))
        if not judged:
            return
        refusing = self._refusing(matching, attempt)
        if refusing is not None:
            self._stopped_by[refusing.decision_id] += 1
        refused = refusing is not None or action == "refuse" or attempt.policy_reject
        stopped = (refused, False, self._is_foreign(attempt), attempt.protocol in _POP_IMAP)
        self._attacks[kind, ts > first_ts + GRACE_S, stopped] += 1
        self._actors[kind].add(actor)
        if truth.password_ok:
            self._exposed[kind].add(attempt.account)
            if attempt.success or attempt.policy_reject:
                for measure, is_stopped in zip(_MEASURES, stopped, strict=True):
                    if not is_stopped:
                        self._lost[measure][kind].add(attempt.account)

    def _add_customer(self, attempt: Attempt, action: Action) -> None:
        """Count a good log-in of an owner."""
        account = attempt.account
        self._customers.add(account)
        if self._attacks:
            if self._is_foreign(attempt):
                self._cut["cut_foreign"].add(account)
            if attempt.protocol in _POP_IMAP:
                self._cut["cut_pop_imap"].add(account)
        matching = self._acting.matching(attempt)
        refusing = self._refusing(matching, attempt)
        if refusing is not None:
            self._cut_by[refusing.decision_id].add(account)
        if refusing is not None or action == "refuse" or attempt.policy_reject:
            self._cut["crible"].add(account)
            return
        actions = {action, *(decision.type for decision in matching if holds(decision, attempt))}
        if "tarpit" in actions:
            self._delayed.add(account)
        if "challenge" in actions:
            self._challenged.add(account)

    def _refusing(self, matching: Sequence[Decision], attempt: Attempt) -> Decision | None:
        """Of these decisions the one that refuses ``attempt``; of several the one that began first."""
        holding = (decision for decision in matching if decision.type in REFUSING and holds(decision, attempt))
        refusing = [decision for decision in holding if not self._lets_in(decision, attempt)]
        return min(refusing, key=lambda decision: (decision.start, decision.decision_id)) if refusing else None

    def _is_foreign(self, attempt: Attempt) -> bool:
        return attempt.country not in self._at_home

    def evaluation(self) -> Evaluation:
        """The figures so far."""
        start_ts = self._since if self._since is not None else self._first_of_all_ts or 0.0
        end_ts = self._until if self._until is not None else max(start_ts, self._last_of_all_ts)
        horizon_s = end_ts - start_ts
        alerts = None if self._accusations is None else self._accusations.figures(horizon_s / DAY_S, len(self._customers))
        return Evaluation(
            start_ts=start_ts,
            end_ts=end_ts,
            attempts=self._attempts,
            measures={measure: self._figures(measure, start_ts, end_ts) for measure in _MEASURES},
            time_to_decision=self._decision_times(end_ts, horizon_s),
            alerts=alerts,
        )

    def effects(self) -> dict[str, Effect]:
        """What each decision did, by ``decision_id``; an attempt that several refuse counts for the one that began first."""
        identifiers = dict.fromkeys([*self._stopped_by, *self._cut_by])
        return {each: Effect(self._stopped_by[each], len(self._cut_by.get(each, ()))) for each in identifiers}

    def _figures(self, measure: Measure, start_ts: float, end_ts: float) -> Figures:
        delayed, challenged, reset = set[str](), set[str](), set[str]()
        if measure == "crible":
            delayed, challenged, reset = self._delayed, self._challenged, self._reset(start_ts, end_ts)
        touched = self._cut[measure] | delayed | challenged | reset
        lost = self._lost[measure]
        accounts = {kind: AccountFigures.of(len(self._exposed[kind]), len(lost[kind])) for kind in self._actors}
        attempts = {kind: self._attempt_figures(measure, {kind}) for kind in self._actors}
        return Figures(
            accounts={**accounts, ALL: AccountFigures.of(_union(self._exposed), _union(lost))},
            attempts={**attempts, ALL: self._attempt_figures(measure, self._actors.keys() - {FLOOD})},
            legit_accounts=len(self._customers),
            legit_accounts_cut=len(self._cut[measure]),
            legit_accounts_delayed=len(delayed),
            legit_accounts_challenged=len(challenged),
            legit_accounts_reset=len(reset),
            legit_accounts_touched=len(touched),
            protected_touched=sum(map(self._is_protected, touched)),
        )

    def _attempt_figures(self, measure: Measure, kinds: Set[str]) -> AttemptFigures:
        place = _MEASURES.index(measure)
        counts: Counter[tuple[bool, bool]] = Counter()  # (late, stopped)
        for (kind, late, stopped), count in self._attacks.items():
            if kind in kinds:
                counts[late, stopped[place]] += count
        late_stopped = counts[True, True]
        return AttemptFigures(
            attempts=counts.total(),
            stopped=counts[False, True] + late_stopped,
            late=counts[True, False] + late_stopped,
            late_stopped=late_stopped,
        )

    def _reset(self, start_ts: float, end_ts: float) -> set[str]:
        """The customers that a decision in the judged time made choose a new password."""
        in_time = (decision for decision in self._resets if decision.start < end_ts and decision.end > start_ts)
        return {split_value(decision.value)[0] for decision in in_time} & self._customers

    def _is_protected(self, account: str) -> bool:
        return not self._policy.protected_groups.isdisjoint(self._groups.of(account))

    def _decision_times(self, end_ts: float, horizon_s: float) -> dict[str, DecisionTime]:
        def time(actors: set[str]) -> DecisionTime:
            decided = [actor for actor in actors if self._decided_ts.get(actor, inf) < end_ts]
            return DecisionTime.of(
                (max(0.0, self._decided_ts[actor] - self._first_ts[actor]) for actor in decided),
                (max(horizon_s, end_ts - self._first_ts[actor]) for actor in actors.difference(decided)),
            )

        return {kind: time(actors) for kind, actors in {**self._actors, ALL: set().union(*self._actors.values())}.items()}


def _union(accounts: Mapping[str, set[str]]) -> int:
    return len(set().union(*accounts.values()))


def _quantile(ordered: Sequence[float], share: float) -> float:
    """By nearest rank."""
    return ordered[ceil(share * len(ordered)) - 1]
