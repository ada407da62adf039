"""Opening again what a person cut widely: wave by wave of accounts, a growing share of each, and a step back where it hurts.

A decision on a provider, a country or a protocol refuses customers too, so it comes with a re-opening: the protected groups are
let in from the start, then accounts whose habits were stable before the attack, then those whose password has changed since it
began, then the rest. A gate that knows the account lets pass whom the state of the re-opening lets in. Between steps are gates:
accounts newly entered, tries that alerts name, and how long the servers behind take. The share of failures is none of them: after
a cut, customers' forgotten phones fail for days.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Literal, NamedTuple, Protocol, get_args

import msgspec
from msgspec.structs import replace

from models.accounts import Groups
from models.alerts import Alert, Kind
from models.changes import AccountChange
from models.decisions import ORIGIN, Decision
from models.ids import hash64
from models.policy import Ramp, Scope

__all__ = [
    "NO_HISTORIES",
    "REOPENING_PREFIX",
    "SCHEMA",
    "WAVES",
    "WIDE_SCOPES",
    "Facts",
    "Histories",
    "Move",
    "Register",
    "Reopening",
    "Reopenings",
    "Step",
    "Wave",
]

SCHEMA: Final = "reopening/1"
#: Begins the keys of re-openings on ``auth.control``; the id of the decision follows.
REOPENING_PREFIX: Final = "reopening/"
#: Decisions that touch customers whoever they are; each comes with a re-opening.
WIDE_SCOPES: Final[frozenset[Scope]] = frozenset({"asn", "country", "protocol"})

Wave = Literal["protected", "stable", "password_changed", "rest"]
WAVES: Final[tuple[Wave, ...]] = get_args(Wave)

#: The kinds whose alerts name tries; a flood's are not about passwords.
_TRIES: Final[frozenset[Kind]] = frozenset({"brute_force", "password_spray", "credential_stuffing"})
#: Of more accounts that were entered than this no more is to be known.
_MAX_ENTERED: Final = 1000
#: Accounts with a changed password; what is forgotten beyond them opens with the rest.
_MAX_CHANGED: Final = 1_000_000
_HASHES: Final = 1 << 64
_PERCENT: Final = 100


class Facts(NamedTuple):
    """What is known of an account: its groups; since when its habits are stable, and its newest password; UTC seconds."""

    groups: tuple[str, ...] = ()
    stable_since: float | None = None
    password_changed: float | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a person asks of a re-opening: a share of a wave, or that it goes on, or stops going on, by itself.

    Raises:
        ValueError: It asks for both or neither, or there is no such wave or share.

    >>> Step(decision_id="d", wave=5, share=10)
    Traceback (most recent call last):
    ValueError: wave is 1 to 4 and share 0 to 100 percent
    """

    decision_id: str
    wave: int | None = None
    share: int = _PERCENT
    automatic: bool | None = None

    def __post_init__(self) -> None:
        if (self.wave is None) == (self.automatic is None):
            raise ValueError("a step names a wave, or says whether the re-opening goes on by itself")
        if not (self.wave in {None, *range(1, len(WAVES) + 1)} and 0 <= self.share <= _PERCENT):
            raise ValueError(f"wave is 1 to {len(WAVES)} and share 0 to {_PERCENT} percent")


class Reopening(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a decision has been opened again; the record under ``reopening/<decision_id>`` on ``auth.control``.

    ``shares`` are the percent of each of :data:`WAVES` that are let in. ``attack_since`` is when the attack began: a password is
    new, and a history old, as seen from there. ``automatic`` goes on by itself; ``held`` says what stopped that. What the gates
    have seen since ``watched_from``: ``entered`` are hashes of accounts, ``tries`` is a number, ``latency_ms`` the last that was
    told, at ``latency_ts``. An alert comes after what it tells of, so it counts where that was after ``counts_from``, which lies
    before. ``ordered`` counts the steps that people ordered. All times are UTC seconds.
    """

    decision_id: str
    until: float
    attack_since: float
    protected_groups: tuple[str, ...]
    ramp: Ramp
    watched_from: float
    counts_from: float
    shares: tuple[int, int, int, int] = (_PERCENT, 0, 0, 0)
    automatic: bool = False
    held: str | None = None
    entered: tuple[int, ...] = ()
    tries: int = 0
    latency_ms: int | None = None
    latency_ts: float = 0.0
    ordered: int = 0

    @property
    def key(self) -> str:
        """Its key on ``auth.control``."""
        return REOPENING_PREFIX + self.decision_id

    @property
    def open_wave(self) -> int | None:
        """The number, from 0, of the last wave that lets anybody in; ``None`` where everything is cut."""
        return max((number for number, share in enumerate(self.shares) if share), default=None)

    def wave_of(self, facts: Facts) -> int:
        """The number, from 0, of the first wave that an account belongs to."""
        if not set(self.protected_groups).isdisjoint(facts.groups):
            return 0
        if facts.stable_since is not None and facts.stable_since < self.attack_since:
            return 1
        if facts.password_changed is not None and facts.password_changed >= self.attack_since:
            return 2
        return 3

    def admits(self, account: str, facts: Facts) -> bool:
        """Whether ``account`` is let in: always the same accounts at a share, and all of them at a greater one too."""
        share = self.shares[self.wave_of(facts)]
        return hash64(f"{self.decision_id}\0{account}") * _PERCENT < share * _HASHES

    def violated(self) -> str | None:
        """Which gate says that it hurts, in words; ``None`` where none does."""
        ramp = self.ramp
        if len(self.entered) > ramp.max_entered:
            return f"{len(self.entered)} accounts newly entered, more than {ramp.max_entered}"
        if self.tries > ramp.max_tries:
            return f"alerts name {self.tries} tries, more than {ramp.max_tries}"
        if ramp.max_latency_ms is not None and self._has_latency() and (self.latency_ms or 0) > ramp.max_latency_ms:
            return f"the servers behind take {self.latency_ms} ms, more than {ramp.max_latency_ms}"
        return None

    def waits_for(self, now: float, *, detecting: bool) -> str | None:
        """Why the next step is not taken at ``now``; ``None`` where it may be. ``detecting``: whether the gates can see at all."""
        if now < self.watched_from + self.ramp.wait_s:
            return f"{self.watched_from + self.ramp.wait_s - now:.0f} s"
        if not detecting:
            return "workers: nobody counts at the moment"
        if self.ramp.max_latency_ms is not None and not self._has_latency():
            return "the latency of the servers behind ('crible restore latency MS')"
        return None

    def forward(self) -> Reopening | None:
        """One share further; ``None`` where everything is open."""
        for wave, share in enumerate(self.shares):
            if share < _PERCENT:
                return self._with(wave, next(further for further in self.ramp.shares_percent if further > share))
        return None

    def back(self) -> Reopening | None:
        """One share back; ``None`` where only the protected groups are let in: those are never shut out by a gate."""
        wave = self.open_wave
        if not wave:
            return None
        return self._with(wave, max((less for less in self.ramp.shares_percent if less < self.shares[wave]), default=0))

    def stepped(self, step: Step) -> Reopening:
        """What a person asked for.

        Raises:
            ValueError: An earlier wave is not open yet.
        """
        if step.wave is None:
            return replace(self, automatic=bool(step.automatic), held=None)
        number = step.wave - 1
        if step.share > self.shares[number] and any(share < _PERCENT for share in self.shares[:number]):
            raise ValueError(f"waves open in order, and one before wave {step.wave} is not open yet")
        return self._with(number, step.share)

    def difference(self, before: Reopening) -> str:
        """What is another share than ``before``, in words.

        >>> from models.policy import Ramp
        >>> times = {"until": 9, "attack_since": 0, "watched_from": 0, "counts_from": 0}
        >>> first = Reopening(decision_id="d", protected_groups=(), ramp=Ramp(), **times)
        >>> first.forward().difference(first)
        'wave 2 (stable) 0 % -> 1 %'
        """
        shares = enumerate(zip(WAVES, before.shares, self.shares, strict=True), 1)
        changed = [f"wave {number} ({wave}) {old} % -> {new} %" for number, (wave, old, new) in shares if old != new]
        return ", ".join(changed) or ("goes on by itself" if self.automatic else "goes on by order only")

    def watched_again(self, now: float) -> Reopening:
        """With the gates' counts at nothing; what is told from ``now`` on counts, if it is not about times long before."""
        counts_from = max(self.counts_from, now - self.ramp.wait_s)
        return replace(self, watched_from=now, counts_from=counts_from, entered=(), tries=0)

    def _has_latency(self) -> bool:
        return self.latency_ts > self.watched_from

    def _with(self, wave: int, share: int) -> Reopening:
        shares = list(self.shares)
        shares[wave] = share
        return replace(self, shares=tuple(shares), held=None)


class Move(NamedTuple):
    """What happened to a re-opening, for ``auth.audit``: ``action`` is ``reopen roll_back reopened``, ``after`` how far it is."""

    decision_id: str
    action: Literal["reopen", "roll_back", "reopened"]
    by: str
    reason: str
    after: Reopening | None = None


class Reopenings:
    """Every re-opening, for the leader; all of it is in the records, so that another leader goes on where this one was."""

    def __init__(self) -> None:
        self._held: dict[str, Reopening] = {}
        self._changed: set[str] = set()

    def __len__(self) -> int:
        return len(self._held)

    def load(self, decision_id: str, reopening: Reopening | None) -> None:
        """Take over a record of the topic; ``None`` for a tombstone."""
        self._held.pop(decision_id, None)
        if reopening is not None:
            self._held[decision_id] = reopening

    def begin(self, reopening: Reopening) -> None:
        """A wide decision was made."""
        self._put(reopening)

    def end(self, decision_id: str) -> None:
        """The decision was lifted."""
        if self._held.pop(decision_id, None) is not None:
            self._changed.add(decision_id)

    def note_alert(self, alert: Alert) -> None:
        """Count an alert at the gates of what is being opened. A cold one counts for nothing."""
        watched = [] if alert.cold else [each for each in self._held.values() if alert.ts > each.counts_from]
        for reopening in watched:
            if alert.kind in _TRIES:
                self._put(replace(reopening, tries=reopening.tries + alert.evidence.counts.get("failures", 0)))
            elif alert.kind == "account_takeover" and alert.subject.account is not None:
                entered = {*reopening.entered, hash64(alert.subject.account)}
                if len(entered) <= _MAX_ENTERED:
                    self._put(replace(reopening, entered=tuple(sorted(entered))))

    def note_latency(self, latency_ms: int, now: float) -> None:
        """How long the servers behind take, as told at ``now``."""
        for reopening in list(self._held.values()):
            self._put(replace(reopening, latency_ms=latency_ms, latency_ts=now))

    def step(self, step: Step, by: str, reason: str, now: float) -> Move:
        """Do what a person asked for; the gates watch it from ``now``.

        Raises:
            ValueError: Nothing of that decision is being opened, or an earlier wave is not open yet.
        """
        before = self._held.get(step.decision_id)
        if before is None:
            raise ValueError("no such re-opening")
        after = replace(before.stepped(step).watched_again(now), ordered=before.ordered + 1)
        self._put(after)
        return Move(step.decision_id, "reopen", by, f"{after.difference(before)}: {reason}", after)

    def turn(self, now: float, *, detecting: bool) -> list[Move]:
        """What the gates and the time ask for at ``now``; ``reopened`` means that the decision is to be lifted.

        Args:
            now: UTC seconds.
            detecting: Whether somebody counts: without workers there are no alerts, and that is no good sign.
        """
        for ended in [each.decision_id for each in self._held.values() if each.until <= now]:
            self.end(ended)
        moves = (self._turn_one(reopening, now, detecting) for reopening in list(self._held.values()))
        return [move for move in moves if move is not None]

    def take_changed(self) -> dict[str, Reopening | None]:
        """What is to be written, by the decision's id, ``None`` for a tombstone; the next call gives what changes after it."""
        changed = {decision_id: self._held.get(decision_id) for decision_id in sorted(self._changed)}
        self._changed.clear()
        return changed

    def _turn_one(self, reopening: Reopening, now: float, detecting: bool) -> Move | None:
        decision_id, why = reopening.decision_id, reopening.violated()
        back = None if why is None else reopening.back()
        if back is not None:
            # What happened before is what took this step back; the next must have reasons of its own.
            back = replace(back.watched_again(now), counts_from=now, automatic=False, held=why)
            self._put(back)
            return Move(decision_id, "roll_back", ORIGIN, f"{back.difference(reopening)}: {why}", back)
        if reopening.waits_for(now, detecting=detecting) is not None:
            return None
        if why is not None or not reopening.automatic:
            self._put(reopening.watched_again(now))
            return None
        further = reopening.forward()
        passed = f"for {now - reopening.watched_from:.0f} s {len(reopening.entered)} accounts entered, {reopening.tries} tries"
        if further is None:
            self.end(decision_id)
            return Move(decision_id, "reopened", ORIGIN, f"everybody is let in: {passed}")
        further = further.watched_again(now)
        self._put(further)
        return Move(decision_id, "reopen", ORIGIN, f"{further.difference(reopening)}: {passed}", further)

    def _put(self, reopening: Reopening) -> None:
        self._held[reopening.decision_id] = reopening
        self._changed.add(reopening.decision_id)


class Histories(Protocol):
    """What is known of accounts' habits; where the profiles are."""

    def stable_since(self, account: str) -> float | None:
        """Since when the habits of ``account`` are stable, UTC seconds; ``None`` where they are not, or nobody knows."""

    def count_stable(self, before: float) -> int | None:
        """How many accounts' habits were stable before a time; ``None`` where nobody knows."""


class _NoHistories:
    """No profile of any account is known."""

    def stable_since(self, account: str) -> float | None:
        return None

    def count_stable(self, before: float) -> int | None:
        return None


NO_HISTORIES: Final = _NoHistories()


class Register:
    """What is known of accounts, for those who let some of them in.

    Args:
        groups: Which groups an account belongs to.
        histories: Since when an account's habits are stable.
    """

    def __init__(self, groups: Groups, histories: Histories = NO_HISTORIES) -> None:
        self._groups, self._histories = groups, histories
        self._changed: OrderedDict[int, float] = OrderedDict()  # hash of an account -> when its password changed last

    def note(self, change: AccountChange) -> None:
        """Take over what happened to an account."""
        if change.change != "password_changed":
            return
        account = hash64(change.account)
        self._changed[account] = max(change.ts, self._changed.pop(account, 0.0))
        if len(self._changed) > _MAX_CHANGED:
            self._changed.popitem(last=False)

    def facts(self, account: str) -> Facts:
        """What is known of ``account``."""
        return Facts(self._groups.of(account), self._histories.stable_since(account), self._changed.get(hash64(account)))

    def count(self, reopening: Reopening) -> tuple[int | None, ...]:
        """How many accounts each wave has, an account in two waves in both; ``None`` where nobody knows."""
        changed = sum(ts >= reopening.attack_since for ts in list(self._changed.values()))
        members = self._groups.members()
        protected = {account for name in reopening.protected_groups for account in members.get(name, ())}
        return len(protected), self._histories.count_stable(reopening.attack_since), changed, None

    def lets_in(self, account: str, decision: Decision, reopening: Reopening | None) -> bool:
        """Whether ``account`` passes ``decision`` because what that cut is being opened again.

        A wide decision whose re-opening nobody knows lets everybody in: in doubt nobody is refused.
        """
        if decision.scope not in WIDE_SCOPES:
            return False
        return reopening is None or reopening.admits(account, self.facts(account))
