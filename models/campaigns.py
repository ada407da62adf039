"""Campaigns: what the attack on the service as a whole looks like, told by the strangers who fail.

A *stranger* is an attempt on an account from where and with what its owner was never seen: no network of the owner's, and not an
access provider together with a device of the owner's either (the contract's definition of what guard lets through). Customers
who mistype a password are hardly ever strangers; attackers nearly always are. A *newcomer* is one on an account that has no past.
Who got in today is neither when he comes again with the same device from the same network: he was judged then, refusing him now
would save nothing, and a mailbox that is polled all day is one customer.

The mixes below say what share of strangers carries which device, ASN, country and protocol: those who fail while a campaign runs,
and those who succeed in quiet times. Their ratio tells a stolen password from a new phone (Freeman et al., "Who are you? A
statistical approach to measuring user authenticity", NDSS 2016).
"""

from __future__ import annotations

from math import exp, inf, log
from typing import Any, Final, TypeVar

import msgspec

from models.alerts import Kind
from models.attempts import Attempt
from models.ids import hash64

__all__ = [
    "ASN",
    "COUNTRY",
    "DEVICE",
    "DIMENSIONS",
    "FIRST",
    "HISTORY",
    "NETWORK",
    "NOT_TOLD",
    "PROTOCOL",
    "REFUSED",
    "TODAY",
    "TRIED",
    "Campaign",
    "Carried",
    "Mix",
    "carried_by",
    "fits_owner",
    "is_newcomer",
    "is_stranger",
]

#: Bits of what an account knows of an attempt; ``FIRST``: nobody has failed on it for an hour; ``TODAY``: there was a good log-in
#: from this network and with this device, today at the earliest; ``TRIED``: with this password a stranger was refused lately.
HISTORY, NETWORK, ASN, COUNTRY, DEVICE, FIRST, TODAY, PROTOCOL, TRIED = 1, 2, 4, 8, 16, 32, 64, 128, 256
#: Outcome of what we refused; the others are those of ``Fail``.
REFUSED: Final = -1
#: What an attempt carries, as it is counted service-wide.
Carried = tuple[str, str, int, str]
DIMENSIONS: Final = ("protocol", "country", "asn", "device")
#: Where it does not matter.
NOT_TOLD: Final[Carried] = ("", "", 0, "")
#: What of it can be new to an account: who only reads his mail on the web does not begin to use IMAP abroad.
NOVELTY: Final = COUNTRY | ASN | DEVICE | PROTOCOL
#: A client can name itself at length, and what is kept of all clients has to fit into one record.
_DEVICE_BYTES: Final = 128
#: Values kept in each dimension, the most frequent ones; and how many more may come before the others go.
_MAX_VALUES: Final = 256
_SLACK: Final = 64
_SMALLEST: Final = 0.05
#: One attempt more is spread over this many values that were never seen.
_UNSEEN: Final = {"novelty": 128, "country": 250, "device": 2_000}
#: And this many over the access providers of a country, of which there are so many.
_PLACES: Final = (10.0, 50.0)

#: Right passwords among the tries of a list of leaked pairs: 0.1 to 2 % (public reports), of which this is the middle.
HIT_SHARE: Final = 0.01
#: A pair that was refused comes back from elsewhere, so such are many of a campaign's tries; and an owner's only where his own
#: password is on the list, as one account's in twenty at most.
_TRIED_LOG_ODDS: Final = log(20.0)
_LEAST_EXISTING: Final = 0.05
_OF_THE_PAST: Final = 0.1
#: Fewer than this a minute are not told from none.
_SMALLEST_RATE: Final = 1e-3

Value = TypeVar("Value", str, int, str | int)


def is_newcomer(known: int) -> bool:
    """Whether the account has no past, not even of today."""
    return not known & (HISTORY | TODAY)


def is_stranger(known: int) -> bool:
    """Whether the account has a past that the attempt does not belong to.

    >>> is_stranger(HISTORY | ASN), is_stranger(HISTORY | ASN | DEVICE), is_stranger(HISTORY | NETWORK), is_stranger(0)
    (True, False, False, False)
    """
    return bool(known & HISTORY) and not known & (NETWORK | TODAY) and known & (ASN | DEVICE) != ASN | DEVICE


def fits_owner(known: int) -> bool:
    """Whether an attempt is neither a stranger's nor a newcomer's.

    >>> fits_owner(HISTORY | NETWORK), fits_owner(HISTORY | ASN), fits_owner(0)
    (True, False, False)
    """
    return _FITS_OWNER[known]


#: By all that an account can know: it is asked for each attempt.
_FITS_OWNER: Final = tuple(not is_stranger(known) and not is_newcomer(known) for known in range(2 * TRIED))


def carried_by(attempt: Attempt) -> Carried:
    """What is counted of an attempt service-wide, in the order of :data:`DIMENSIONS`; of a long device name the end is a hash."""
    device = attempt.device
    if len(device) > _DEVICE_BYTES or not device.isascii():
        device = _short(device)
    return attempt.protocol, attempt.country, attempt.asn, device


def _short(device: str) -> str:
    packed = device.encode("utf-8", "ignore")
    if len(packed) <= _DEVICE_BYTES:
        return device
    mark = f"~{hash64(device):016x}"
    return packed[: _DEVICE_BYTES - len(mark)].decode("utf-8", "ignore") + mark


class Mix(msgspec.Struct, array_like=True):
    """How many attempts there were, and how many with which value; fading.

    Attributes:
        total: All of them.
        counts: By dimension and value.
        novelty: By protocol and by what was new to the account, as the bits of what it knew; on one without a past nothing counts.
        abroad: Of those from a country that is new to an account with a past, by the same and by country: where an owner goes first
            is not where a botnet comes from.

    >>> mix = Mix()
    >>> mix.add(("imap", "FR", 64500, "ua:mail"), HISTORY | ASN, 3)
    >>> mix.add(("imap", "DE", 64501, "ua:other"), HISTORY, 1)
    >>> told = [mix.log_share(("imap", "FR", 64500, "ua:mail"), known) for known in (HISTORY | ASN, HISTORY, 0)]
    >>> [round(share, 1) for share in told]
    [-1.3, -4.4, -8.5]
    """

    total: float = 0.0
    counts: list[dict[str | int, float]] = msgspec.field(default_factory=lambda: [{}, {}, {}, {}])
    novelty: dict[str, float] = msgspec.field(default_factory=dict)
    abroad: dict[str, float] = msgspec.field(default_factory=dict)

    def add(self, carried: Carried, known: int, attempts: float) -> None:
        """Count ``attempts`` that are alike."""
        self.total += attempts
        value: Any
        for counts, value in zip(self.counts, carried, strict=True):
            counts[value] = counts.get(value, 0.0) + attempts
            if len(counts) > _MAX_VALUES + _SLACK:
                _forget_rare(counts)
        novelty = _novelty(carried[0], known)
        self.novelty[novelty] = self.novelty.get(novelty, 0.0) + attempts
        if len(self.novelty) > _MAX_VALUES + _SLACK:
            _forget_rare(self.novelty)
        if _is_abroad(known):
            abroad = f"{novelty} {carried[1]}"
            self.abroad[abroad] = self.abroad.get(abroad, 0.0) + attempts
            if len(self.abroad) > _MAX_VALUES + _SLACK:
                _forget_rare(self.abroad)

    def fade(self, factor: float) -> None:
        """Let the past count for less, and forget what hardly counts."""
        self.total *= factor
        self.counts = [_faded(counts, factor) for counts in self.counts]
        self.novelty, self.abroad = _faded(self.novelty, factor), _faded(self.abroad, factor)

    def copy(self) -> Mix:
        """One that goes on by itself; many times as fast as ``copy.deepcopy``."""
        return Mix(self.total, [dict(counts) for counts in self.counts], dict(self.novelty), dict(self.abroad))

    def log_share(self, carried: Carried, known: int) -> float:
        """Logarithm of the share of attempts that look like this.

        What is new to the account counts by how common it is; what the account knows is no choice of whoever made the attempt,
        and counts only as being known. Device and place are taken as independent of each other.
        """
        protocol, country, asn, device = carried
        novelty = _novelty(protocol, known)
        share = self._log("novelty", self.novelty, novelty)
        weight, providers = _PLACES
        if _is_abroad(known):
            by_chance = exp(share + self._log("country", self.counts[1], country))
            share = log((self.abroad.get(f"{novelty} {country}", 0.0) + weight * by_chance) / (self.total + weight))
            if not known & ASN:
                in_country = self.counts[1].get(country, 0.0)
                share += log((self.counts[2].get(asn, 0.0) + weight / providers) / (in_country + weight))
        elif not known & ASN:
            in_country = exp(self._log("country", self.counts[1], country)) / providers
            share += log((self.counts[2].get(asn, 0.0) + weight * in_country) / (self.total + weight))
        if not known & DEVICE:
            share += self._log("device", self.counts[3], device)
        return share

    def _log(self, dimension: str, counts: dict[Any, float], value: str | int) -> float:
        return log((counts.get(value, 0.0) + 1.0 / _UNSEEN[dimension]) / (self.total + 1.0))


def _is_abroad(known: int) -> bool:
    return known & (HISTORY | COUNTRY) == HISTORY


def _novelty(protocol: str, known: int) -> str:
    """Together: owners who seldom read their mail on the web do it now and then, and IMAP is begun once."""
    return f"{protocol} {known & (HISTORY | NOVELTY)}"


def _faded(counts: dict[Value, float], factor: float) -> dict[Value, float]:
    return {value: faded for value, count in counts.items() if (faded := count * factor) >= _SMALLEST}


def _forget_rare(counts: dict[Any, float]) -> None:
    """Keep the most frequent values, of equals the oldest: names that a client invents do not push out those that many share."""
    for value in sorted(counts, key=lambda value: -counts[value])[_MAX_VALUES:]:
        del counts[value]


class Campaign(msgspec.Struct, array_like=True, frozen=True):
    """What the service-wide stage knows of the running campaign at ``ts``, for those who judge single log-ins.

    Attributes:
        campaign_id: ``alert_id`` of its first member.
        kind: What its first member is.
        first_ts: Begin of the first minute in what stood out.
        ts: Event time of this knowledge.
        until_ts: Until when it holds unless renewed.
        failing: The strangers and newcomers that fail, by what they carry; of those on one account the first in an hour.
        tries_per_min: How many a minute, with those that are refused.
        strangers: The strangers that succeed in quiet times.
        newcomers: The newcomers that succeed in quiet times.
        quiet_minutes: How many minutes these two stand for.
        existing: Share of the accounts that exist, of those without a past that are tried.
        past_strangers: As ``strangers``, remembered for far longer.
        past_newcomers: As ``newcomers``, likewise.
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
    existing: float = 1.0
    past_strangers: Mix = msgspec.field(default_factory=Mix)
    past_newcomers: Mix = msgspec.field(default_factory=Mix)

    def log_odds(self, carried: Carried, known: int) -> float:
        """Logarithm of the odds that a right password like this is the campaign's rather than its owner's.

        Of a campaign of which nothing was seen yet nothing is.
        """
        if not self.failing.total:
            return -inf
        owners = self.newcomers if is_newcomer(known) else self.strangers
        hits_per_min = HIT_SHARE * self.tries_per_min
        owners_per_min = owners.total / max(self.quiet_minutes, 1.0)
        odds = log(max(hits_per_min, _SMALLEST_RATE)) - log(max(owners_per_min, _SMALLEST_RATE))
        if is_newcomer(known):
            odds += log(max(self.existing, _LEAST_EXISTING))
        if known & TRIED:
            odds += _TRIED_LOG_ODDS
        return odds + self.failing.log_share(carried, known) - self._log_owners_share(carried, known)

    def _log_owners_share(self, carried: Carried, known: int) -> float:
        """One in ten owners is of those whom only the past knows: what has not been seen for days is not unseen."""
        owners, past = self.strangers, self.past_strangers
        if is_newcomer(known):
            owners, past = self.newcomers, self.past_newcomers
        share = owners.log_share(carried, known)
        return log((1 - _OF_THE_PAST) * exp(share) + _OF_THE_PAST * exp(past.log_share(carried, known))) if past.total else share
