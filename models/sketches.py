"""Distinct accounts as theta sketches (Apache DataSketches), which other programs and languages read.

Trimmed before they are serialised, they do not depend on the order of what was counted; they can be united and intersected. Below
2,048 accounts they are exact, above within 4.4 % (two standard errors).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any, Final, NamedTuple, Self

import msgspec
from datasketches import compact_theta_sketch, theta_a_not_b, theta_intersection, theta_union, update_theta_sketch

from models.accounts import Groups
from models.ids import hash32
from models.policy import Scope
from models.usage import Distinct, Interval, Users

__all__ = ["SCOPE_USE_SCHEMA", "Counted", "Members", "ProtocolUse", "ScopeUse", "Sketch", "Total"]

SCOPE_USE_SCHEMA: Final = "scope-use/1"
_LG_K: Final = 11
_STANDARD_ERRORS: Final = 2


@dataclass(frozen=True, slots=True)
class Sketch:
    """Distinct accounts by the 32-bit hash of their key.

    >>> some, others = Sketch.of(range(100)), Sketch.of(range(50, 200))
    >>> (some | others).interval(), (some & others).interval().estimate
    (Interval(estimate=200, low=200, high=200), 50)
    """

    _theta: Any  # the library ships no types

    @classmethod
    def of(cls, hashes: Iterable[int], lg_k: int = _LG_K) -> Self:
        """Count ``hashes``; exact below two to the power of ``lg_k``."""
        theta = update_theta_sketch(lg_k)
        for hashed in hashes:
            theta.update(hashed)
        theta.trim()
        return cls(theta.compact())

    @classmethod
    def united(cls, sketches: Iterable[Self], lg_k: int = _LG_K) -> Self:
        """All accounts of ``sketches``, as exact as the least exact of them and ``lg_k`` allow."""
        union = theta_union(lg_k)
        for each in sketches:
            union.update(each._theta)
        return cls(union.get_result())

    @classmethod
    def load(cls, packed: bytes) -> Self:
        """Take back what :meth:`dump` gave.

        Raises:
            ValueError: It is none.
        """
        try:
            return cls(compact_theta_sketch.deserialize(packed))
        except (RuntimeError, ValueError, IndexError) as error:  # whichever the library throws
            raise ValueError(f"not a theta sketch: {error}") from None

    def dump(self) -> bytes:
        """The sketch in the library's own form: 8 bytes an account, 16 kB at most."""
        return bytes(self._theta.serialize())

    def __or__(self, other: Self) -> Sketch:
        return Sketch.united((self, other))

    def __sub__(self, other: Self) -> Sketch:
        return Sketch(theta_a_not_b().compute(self._theta, other._theta))

    def __and__(self, other: Self) -> Sketch:
        both = theta_intersection()
        both.update(self._theta)
        both.update(other._theta)
        return Sketch(both.get_result())

    def interval(self) -> Interval:
        """How many there are, within two standard errors."""
        low = floor(self._theta.get_lower_bound(_STANDARD_ERRORS))
        high = ceil(self._theta.get_upper_bound(_STANDARD_ERRORS))
        return Interval(round(self._theta.get_estimate()), low, high)


@dataclass(frozen=True, slots=True)
class Total:
    """Accounts of which only the number is known; those of two scopes may be different ones."""

    accounts: int

    def __or__(self, other: Self) -> Total:
        return Total(self.accounts + other.accounts)

    def interval(self) -> Interval:
        """How many there are."""
        return Interval(self.accounts, self.accounts, self.accounts)


class ProtocolUse(msgspec.Struct, array_like=True, frozen=True):
    """Who uses a scope over one protocol: failures, and theta sketches of the accounts that failed or had good log-ins."""

    attempts: int
    attacked: bytes
    doubtful: bytes
    familiar: bytes


class ScopeUse(msgspec.Struct, array_like=True, frozen=True):
    """Who uses a scope, as of ``ts``: a record of ``auth.scopes``.

    An address or network that is under attack is told by the partition that counts it; a country, provider, protocol or device by
    every partition, each of what it has seen, with all numbers by protocol as sketches too, so that they can be united.

    Attributes:
        scope: ``ip`` or ``range``; or ``country``, ``asn``, ``protocol``, ``asn_device``. ``device`` without a value says that
            there are more devices than are counted.
        value: As in a decision.
        ts: UTC seconds.
        attempts: Failures from there in about an hour.
        attacked: Accounts that failed.
        doubtful: Accounts with a good log-in that nobody saw there before it came under attack.
        familiar: A theta sketch of the other accounts with good log-ins in about a day, by ``hash32`` of the account key.
        source: The partition that counted, set by who carries this.
        since: Since when this is counted, UTC seconds; 0 where that is about a day at least.
        by_protocol: The same by protocol; under ``""`` where they are not told apart.
    """

    scope: Scope
    value: str
    ts: float
    attempts: int
    attacked: int
    doubtful: int
    familiar: bytes
    source: int = 0
    since: float = 0.0
    by_protocol: dict[str, ProtocolUse] = {}

    @classmethod
    def of(cls, scope: Scope, value: str, ts: float, by_protocol: dict[str, ProtocolUse], since: float) -> Self:
        """What is told by protocol, with its sums."""
        attempts, attacked, doubtful, familiar = _summed(by_protocol.values())
        numbers = attempts, attacked.interval().estimate, doubtful.interval().estimate
        return cls(scope, value, ts, *numbers, familiar.dump(), since=since, by_protocol=by_protocol)


class Counted(NamedTuple):
    """What is known of a scope: who uses it; failures from there in about an hour and how many accounts failed.

    ``ts`` is the newest moment that is counted, ``since`` the oldest where that is less than about a day ago, else 0; UTC seconds.
    """

    users: Users
    attempts: int
    attacked: int
    ts: float
    since: float


class Members:
    """Groups as sketches, for those who know accounts by sketches only.

    Args:
        groups: Which groups an account belongs to.
    """

    def __init__(self, groups: Groups) -> None:
        members = groups.members()
        self._sketches = {name: (Sketch.of(map(hash32, accounts)), len(accounts)) for name, accounts in members.items()}

    def users(self, use: ScopeUse) -> Users:
        """Who uses a scope that one partition counts, by group."""
        return self.counted([use]).users

    def counted(self, uses: Sequence[ScopeUse], protocols: Iterable[str] = ()) -> Counted:
        """What the partitions have told of a scope, over some protocols or all of them.

        Raises:
            ValueError: A sketch is none.
        """
        ts, since = max(use.ts for use in uses), max(use.since for use in uses)
        if not uses[0].by_protocol:  # an address or network, which belongs to one partition
            (use,) = uses
            familiar = Sketch.load(use.familiar)
            return Counted(Users(familiar, Total(use.doubtful), self._by_group(familiar)), use.attempts, use.attacked, ts, since)
        names = sorted({name for use in uses for name in use.by_protocol})
        told = {name: [use.by_protocol[name] for use in uses if name in use.by_protocol] for name in names}
        by_protocol = {name: _summed(each)[3] for name, each in told.items() if name}
        wanted = set(protocols) or set(names)
        attempts, attacked, doubtful, familiar = _summed(
            each for name in names if name in wanted or not name for each in told[name]
        )
        used: dict[str, Distinct] = {
            name: each for name, each in by_protocol.items() if name in wanted and each.interval().estimate
        }
        return Counted(Users(familiar, doubtful, self._by_group(familiar), used), attempts, attacked.interval().estimate, ts, since)

    def _by_group(self, accounts: Sketch) -> Mapping[str, Distinct]:
        """Those of each group; where a sketch of many happens to hold none of a group, as many as there may be."""
        by_group: dict[str, Distinct] = {}
        for name, (members, size) in self._sketches.items():
            both = accounts & members
            shared = both.interval()
            if shared.estimate:
                by_group[name] = both
            elif shared.high:
                by_group[name] = Total(min(shared.high, size))
        return by_group


def _summed(uses: Iterable[ProtocolUse]) -> tuple[int, Sketch, Sketch, Sketch]:
    """Failures, and the accounts that failed, that are doubtful and no more than that, and that are familiar."""
    told = list(uses)
    attacked, doubtful, familiar = (
        Sketch.united(Sketch.load(packed) for packed in column)
        for column in (
            [each.attacked for each in told],
            [each.doubtful for each in told],
            [each.familiar for each in told],
        )
    )
    return sum(each.attempts for each in told), attacked, doubtful - familiar, familiar
