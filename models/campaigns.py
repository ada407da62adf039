"""Campaigns: what the attack on the service as a whole looks like, told by the strangers who fail.

A *stranger* is an attempt on an account from where and with what its owner was never seen: no network of the owner's, and not an
access provider together with a device of the owner's either (the contract's definition of what guard lets through). Customers
who mistype a password are hardly ever strangers; attackers nearly always are. A *newcomer* is one on an account that has no past.

The mixes below say what share of strangers carries which device, ASN, country and protocol: those who fail while a campaign runs,
and those who succeed in quiet times. Their ratio tells a stolen password from a new phone (Freeman et al., "Who are you? A
statistical approach to measuring user authenticity", NDSS 2016).
"""

from __future__ import annotations

from math import log
from typing import Any, Final

import msgspec

from models.alerts import Kind
from models.attempts import Attempt

__all__ = [
    "ASN",
    "COUNTRY",
    "DEVICE",
    "DIMENSIONS",
    "FIRST",
    "HISTORY",
    "NETWORK",
    "REFUSED",
    "Campaign",
    "Carried",
    "Mix",
    "carried_by",
    "is_newcomer",
    "is_stranger",
]

#: Bits of what an account knows of an attempt; ``FIRST``: nobody has failed on it for an hour.
HISTORY, NETWORK, ASN, COUNTRY, DEVICE, FIRST = 1, 2, 4, 8, 16, 32
#: Outcome of what we refused; the others are those of ``Fail``.
REFUSED: Final = -1
#: What an attempt carries, as it is counted service-wide.
Carried = tuple[str, str, int, str]
DIMENSIONS: Final = ("protocol", "country", "asn", "device")
_MAX_VALUES: Final = 512
_SMALLEST: Final = 0.05
#: Weight of what was never seen: one attempt, spread over this many values.
_UNSEEN: Final = {"protocol": 8, "country": 250, "asn": 2_000, "device": 2_000}


def is_newcomer(known: int) -> bool:
    """Whether the account has no past."""
    return not known & HISTORY


def is_stranger(known: int) -> bool:
    """Whether the account has a past that the attempt does not belong to.

    >>> is_stranger(HISTORY | ASN), is_stranger(HISTORY | ASN | DEVICE), is_stranger(HISTORY | NETWORK), is_stranger(0)
    (True, False, False, False)
    """
    return bool(known & HISTORY) and not known & NETWORK and known & (ASN | DEVICE) != ASN | DEVICE


def carried_by(attempt: Attempt) -> Carried:
    """What is counted of an attempt service-wide, in the order of :data:`DIMENSIONS`."""
    return attempt.protocol, attempt.country, attempt.asn, attempt.device


class Mix(msgspec.Struct, array_like=True):
    """How many attempts there were, and how many with which value in each dimension; fading.

    >>> mix = Mix()
    >>> mix.add(("imap", "FR", 64500, "ua:mail"), 3)
    >>> mix.add(("imap", "DE", 64501, "ua:mail"), 1)
    >>> mix.total, round(mix.log_share(1, "FR"), 2), round(mix.log_share(1, "XX"), 2)
    (4.0, -0.51, -7.13)
    """

    total: float = 0.0
    counts: list[dict[str | int, float]] = msgspec.field(default_factory=lambda: [{}, {}, {}, {}])

    def add(self, values: Carried, attempts: float) -> None:
        """Count ``attempts`` that carry ``values``."""
        self.total += attempts
        value: Any
        for counts, value in zip(self.counts, values, strict=True):
            if value in counts or len(counts) < _MAX_VALUES:
                counts[value] = counts.get(value, 0.0) + attempts

    def fade(self, factor: float) -> None:
        """Let the past count for less, and forget what hardly counts."""
        self.total *= factor
        self.counts = [
            {value: faded for value, count in counts.items() if (faded := count * factor) >= _SMALLEST} for counts in self.counts
        ]

    def log_share(self, dimension: int, value: Any) -> float:
        """Logarithm of the share of attempts with ``value``; what was never seen has a little too."""
        unseen = 1.0 / _UNSEEN[DIMENSIONS[dimension]]
        return log((self.counts[dimension].get(value, 0.0) + unseen) / (self.total + 1.0))


class Campaign(msgspec.Struct, array_like=True, frozen=True):
    """What the service-wide stage knows of the running campaign at ``ts``, for those who judge single log-ins.

    Attributes:
        campaign_id: ``alert_id`` of its first member.
        kind: What its members are.
        first_ts: Begin of the first minute that stood out.
        ts: Event time of this knowledge.
        until_ts: Until when it holds unless renewed.
        failing: The strangers and newcomers that fail, by what they carry.
        tries_per_min: Strangers and newcomers that fail or are refused, a minute.
        strangers: The strangers that succeed in quiet times.
        newcomers: The newcomers that succeed in quiet times.
        quiet_minutes: How many minutes these two stand for.
    """

    campaign_id: str
    kind: Kind
    first_ts: float
    ts: float
    until_ts: float
    failing: Mix
    tries_per_min: float
    strangers: Mix
    newcomers: Mix
    quiet_minutes: float
