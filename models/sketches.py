"""Distinct accounts as theta sketches (Apache DataSketches), which other programs and languages read.

Trimmed before they are serialised, they do not depend on the order of what was counted; they can be united and intersected. Below
2,048 accounts they are exact, above within 4.4 % (two standard errors).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor
from typing import Any, Final, Self

import msgspec
from datasketches import compact_theta_sketch, theta_intersection, theta_union, update_theta_sketch

from models.accounts import Groups
from models.ids import hash32
from models.policy import Scope
from models.usage import Distinct, Interval, Users

__all__ = ["SCOPE_USE_SCHEMA", "Members", "ScopeUse", "Sketch", "Total"]

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
    def of(cls, hashes: Iterable[int]) -> Self:
        """Count ``hashes``."""
        theta = update_theta_sketch(_LG_K)
        for hashed in hashes:
            theta.update(hashed)
        theta.trim()
        return cls(theta.compact())

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
        union = theta_union(_LG_K)
        union.update(self._theta)
        union.update(other._theta)
        return Sketch(union.get_result())

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


class ScopeUse(msgspec.Struct, array_like=True, frozen=True):
    """Who uses a scope that is under attack, as of ``ts``: a record of ``auth.scopes``.

    Attributes:
        scope: ``ip`` or ``range``.
        value: The address or range.
        ts: UTC seconds.
        attempts: Failures from there in about an hour.
        attacked: Accounts that failed.
        doubtful: Accounts with a good log-in that nobody saw there before it came under attack.
        familiar: A theta sketch of the other accounts with good log-ins in about a day, by ``hash32`` of the account key.
    """

    scope: Scope
    value: str
    ts: float
    attempts: int
    attacked: int
    doubtful: int
    familiar: bytes


class Members:
    """Groups as sketches, for those who know accounts by sketches only.

    Args:
        groups: Which groups an account belongs to.
    """

    def __init__(self, groups: Groups) -> None:
        self._sketches = {name: Sketch.of(map(hash32, accounts)) for name, accounts in groups.members().items()}

    def users(self, use: ScopeUse) -> Users:
        """Who uses a scope, by group."""
        familiar = Sketch.load(use.familiar)
        shared = {name: familiar & members for name, members in self._sketches.items()}
        by_group: dict[str, Distinct] = {name: both for name, both in shared.items() if both.interval().estimate}
        return Users(familiar, Total(use.doubtful), by_group)
