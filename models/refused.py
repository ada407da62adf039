"""Whom gates refuse: how many of the accounts were their owners, counted there and added up by who keeps the budget.

A verdict says how probable it is that it met the owner, so the sum over distinct accounts is the number of owners to expect. A gate
keeps it in slots of ten minutes, of each a uniform sample of the accounts by hash: bounded, without names, free of order, and
united over slots and gates without counting an account twice (the theta sketch of Dasgupta et al., "A framework for estimating
stream expression cardinalities", ICDT 2016, with a weight on each entry).

Owners whom a person's cut of a provider, a country or a protocol refuses are counted beside, by decision: he was told how many
there would be, and where there are many more, what he was told was wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import ceil, fsum, isfinite, sqrt
from typing import Annotated, Final

import msgspec

from models.ids import hash64
from models.memo import Memo

__all__ = ["REFUSED_PREFIX", "REPORT_S", "SCHEMA", "SHADOW_PREFIX", "RefusedBook", "RefusedSlot", "Sample", "Tally"]

SCHEMA: Final = "refused/1"
#: Begins the keys of the gates' records on ``auth.control``; a gate's own name and the beginning of the slot follow.
REFUSED_PREFIX: Final = "refused/"
#: Begins the keys of what verdicts would have refused, by UTC day, where the policy gives none.
SHADOW_PREFIX: Final = "refused-in-shadow/"
#: So often a gate tells what is new.
REPORT_S: Final = 5.0
#: Divides an hour.
_SLOT_S: Final = 600
_DAY_S: Final = 86_400
_HOUR_S: Final = 3600
#: A day of them.
_MOST_SLOTS: Final = 144
#: Entries of a sample; two standard errors of what is counted from a full one are an eighth.
_MOST: Final = 256
#: Cuts of which a slot counts whom they refuse.
_MOST_CUTS: Final = 64
_HASHES: Final = 1 << 64
_REMEMBERED: Final = 1 << 17
_hash_of: Final = Memo(hash64, _REMEMBERED)


class Sample(msgspec.Struct, array_like=True):
    """Accounts by hash, with the greatest probability that it was the owner; all whose hash is less than ``below``.

    >>> sample = Sample()
    >>> for account in ("anne", "bob", "anne"):
    ...     sample.add(account, 0.1)
    >>> len(sample.owners), sample.at_most()
    (2, 2)
    """

    owners: dict[int, float] = {}
    below: Annotated[int, msgspec.Meta(ge=1)] = _HASHES - 1

    def add(self, account: str, owner: float) -> None:
        """Count that ``account`` was refused, its owner with the probability ``owner``."""
        hashed = _hash_of[account]
        if hashed < self.below:
            self.owners[hashed] = max(owner, self.owners.get(hashed, 0.0))
            if len(self.owners) > _MOST:
                self.below = max(self.owners)
                del self.owners[self.below]

    def at_most(self, but: Iterable[str] = ()) -> int:
        """How many owners at the high end.

        Args:
            but: Accounts that are counted elsewhere.
        """
        elsewhere = {_hash_of[account] for account in but} if self.owners else set[int]()
        return _high(self.expected(elsewhere))

    def expected(self, but: Collection[int] = ()) -> float:
        """How many owners to expect, two standard errors above what the sample says; without those whose hash is in ``but``."""
        found = fsum(owner for hashed, owner in self.owners.items() if hashed not in but)  # the same in any order
        return found * _HASHES / self.below * (1 + 2 / sqrt(_MOST)) if self._is_full else found

    @property
    def _is_full(self) -> bool:
        return self.below < _HASHES - 1

    def _trim(self) -> None:
        if len(self.owners) > _MOST:
            in_order = sorted(self.owners)
            self.below = in_order[_MOST]
            self.owners = {hashed: self.owners[hashed] for hashed in in_order[:_MOST]}

    @classmethod
    def union(cls, samples: Iterable[Sample]) -> Sample:
        """The sample of all that was counted in one of ``samples``."""
        united = cls()
        parts = list(samples)
        united.below = min((part.below for part in parts), default=united.below)
        for part in parts:
            for hashed, owner in part.owners.items():
                if hashed < united.below:
                    united.owners[hashed] = max(owner, united.owners.get(hashed, 0.0))
        united._trim()
        return united


def _high(expected: float) -> int:
    """A number of rare events at the high end: two standard deviations more than expected."""
    return ceil(expected + 2 * sqrt(expected))


class RefusedSlot(msgspec.Struct, array_like=True):
    """What one gate refused from ``since`` on, at ``last_ts`` last (UTC seconds): everybody, and by parts of the budget.

    ``by_cut`` are those whom people's wide decisions refused, by id; they are in no other sample. ``attempts`` are the verdicts.

    Raises:
        ValueError: A number is none.
    """

    since: float
    last_ts: float
    everybody: Sample
    by_part: dict[str, Sample] = {}
    by_cut: dict[str, Sample] = {}
    attempts: Annotated[int, msgspec.Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        samples = (self.everybody, *self.by_part.values(), *self.by_cut.values())
        owners = (owner for sample in samples for owner in sample.owners.values())
        if not (isfinite(self.since) and isfinite(self.last_ts) and all(0 <= owner <= 1 for owner in owners)):
            raise ValueError("times are seconds, and probabilities between 0 and 1")

    def of(self, part: str) -> Sample:
        """Those of a part of the budget; everybody where it is ""."""
        return self.by_part.get(part, Sample()) if part else self.everybody


class Tally:
    """What one gate refuses by verdict, or by a person's wide cut, until it has been told.

    Args:
        name: The gate's, no other's, not even that of the same one after a restart.
        in_shadow: Counts what would have been refused, by UTC day.
    """

    def __init__(self, name: str, *, in_shadow: bool = False) -> None:
        self._key_begins = f"{SHADOW_PREFIX if in_shadow else REFUSED_PREFIX}{name}/"
        self._slot_s = _DAY_S if in_shadow else _SLOT_S
        self._slots: dict[float, RefusedSlot] = {}
        self._changed: set[float] = set()

    def note(self, account: str, parts: Iterable[str], owner: float, ts: float, counts_from: float) -> None:
        """Count a refusal at ``ts``; a slot begins anew at ``counts_from``, from when on the budget counts.

        Args:
            account: Whose log-in it was.
            parts: Of the budget, beside everybody's, that it is in (:meth:`models.policy.Budget.parts_of`).
            owner: The probability that it was the owner's.
            ts: UTC seconds.
            counts_from: UTC seconds.
        """
        slot = self._slot(ts, counts_from)
        slot.attempts += 1
        slot.everybody.add(account, owner)
        for part in parts:
            slot.by_part.setdefault(part, Sample()).add(account, owner)

    def note_cut(self, account: str, decision_id: str, ts: float, counts_from: float) -> None:
        """Count that a person's wide decision refused the owner of ``account`` at ``ts``; times as above."""
        slot = self._slot(ts, counts_from)
        if decision_id in slot.by_cut or len(slot.by_cut) < _MOST_CUTS:
            slot.by_cut.setdefault(decision_id, Sample()).add(account, 1.0)

    def _slot(self, ts: float, counts_from: float) -> RefusedSlot:
        since = max(float(ts // self._slot_s * self._slot_s), counts_from)
        slot = self._slots.get(since)
        if slot is None:
            slot = self._slots[since] = RefusedSlot(since, ts, Sample())
        slot.last_ts = max(slot.last_ts, ts)
        self._changed.add(since)
        if len(self._slots) > _MOST_SLOTS:  # nobody takes them
            oldest = min(self._slots)
            del self._slots[oldest]
            self._changed.discard(oldest)
        return slot

    def changed(self) -> dict[str, RefusedSlot]:
        """What has not been told, by its key on ``auth.control``."""
        return {self._key(since): _copy(self._slots[since]) for since in sorted(self._changed)}

    def told(self, told: Mapping[str, RefusedSlot]) -> None:
        """``told`` is where it should be. What is not the newest slot and needs not be told again is forgotten."""
        self._changed = {since for since in self._changed if told.get(self._key(since)) != self._slots[since]}
        kept = {*self._changed, max(self._slots, default=0.0)}
        self._slots = {since: slot for since, slot in self._slots.items() if since in kept}

    def _key(self, since: float) -> str:
        return f"{self._key_begins}{since:.3f}"


def _copy(refused: RefusedSlot) -> RefusedSlot:
    """What goes on being counted must not change what is told."""
    by_part, by_cut = (
        {name: Sample(dict(sample.owners), sample.below) for name, sample in samples.items()}
        for samples in (refused.by_part, refused.by_cut)
    )
    everybody = Sample(dict(refused.everybody.owners), refused.everybody.below)
    return RefusedSlot(refused.since, refused.last_ts, everybody, by_part, by_cut, refused.attempts)


class RefusedBook:
    """What all gates have told, for who keeps the budget."""

    def __init__(self) -> None:
        self._hour_of: dict[str, int] = {}
        self._hours: dict[int, dict[str, RefusedSlot]] = {}  # by when a slot began: none goes over the hour
        self._united: dict[tuple[int, str], Sample] = {}
        self._expected: dict[str, dict[str, float]] = {}  # by part of the budget and key: asked for far more often than it changes

    def put(self, key: str, refused: RefusedSlot | None) -> None:
        """Take the newest state of a record; ``None`` where it is gone."""
        self.remove(key)
        if refused is not None:
            hour = self._hour_of[key] = int(refused.since // _HOUR_S)
            self._hours.setdefault(hour, {})[key] = refused
            for part, sample in {"": refused.everybody, **refused.by_part}.items():
                self._expected.setdefault(part, {})[key] = sample.expected()
            self._forget_union(hour)

    def remove(self, key: str) -> None:
        """Forget a record, if it is known."""
        hour = self._hour_of.pop(key, None)
        if hour is not None:
            del self._hours[hour][key]
            for expected in self._expected.values():
                expected.pop(key, None)
            if not self._hours[hour]:
                del self._hours[hour]
            self._forget_union(hour)

    def keep(self, after_ts: float, counts_from: float) -> None:
        """Forget what ended by ``after_ts``, and what began before ``counts_from``."""
        for hour in list(self._hours):
            if (hour + 1) * _HOUR_S > after_ts and hour * _HOUR_S >= counts_from:
                continue
            for key, refused in list(self._hours[hour].items()):
                if refused.last_ts <= after_ts or refused.since < counts_from:
                    self.remove(key)

    def at_most(self, after_ts: float, part: str, but: Collection[str], enough: int) -> int:
        """How many owners were refused after ``after_ts``, give or take a slot, at the high end; of a part of the budget.

        Args:
            after_ts: UTC seconds.
            part: "" for everybody.
            but: Accounts that are counted elsewhere.
            enough: Where it is surely no more than this, that is found out quickly and said.
        """
        expected = self._expected.get(part, {})
        if _high(fsum(expected.values())) <= enough:  # who is in several counts several times
            return enough
        told = ((hour, key, refused) for hour, of_hour in self._hours.items() for key, refused in of_hour.items())
        lately = [(hour, key, refused) for hour, key, refused in told if refused.last_ts > after_ts]
        if _high(fsum(expected.get(key, 0.0) for _, key, _ in lately)) <= enough:
            return enough
        first = int(after_ts // _HOUR_S)
        parts = [refused.of(part) for hour, _, refused in lately if hour <= first]
        parts += [self._of_hour(hour, part) for hour in self._hours if hour > first]
        return Sample.union(parts).at_most(but)

    def by_cut(self) -> dict[str, int]:
        """How many owners each of people's wide decisions has refused, by its id."""
        told = [refused for of_hour in self._hours.values() for refused in of_hour.values() if refused.by_cut]
        cuts = sorted({decision_id for refused in told for decision_id in refused.by_cut})
        samples = ((cut, Sample.union(refused.by_cut[cut] for refused in told if cut in refused.by_cut)) for cut in cuts)
        return {cut: ceil(sample.expected()) for cut, sample in samples}

    def _of_hour(self, hour: int, part: str) -> Sample:
        united = self._united.get((hour, part))
        if united is None:
            united = self._united[hour, part] = Sample.union(refused.of(part) for refused in self._hours[hour].values())
        return united

    def _forget_union(self, hour: int) -> None:
        for known in [known for known in self._united if known[0] == hour]:
            del self._united[known]
