"""Where somebody is: at home, on a trip, behind a VPN, a carrier's NAT or in the /64 of the telephone's last attach."""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple

from simulator.habits import Habits
from simulator.networks import HOLIDAY, MOBILE, Source, carrier_nat, relatives, vpn
from simulator.provider import DAY_S, Account

__all__ = ["Places"]

_TRIP_DAYS: Final = (3.0, 10.0)
_HOTEL_STRIDE: Final = 101
_ABROAD_SHARE: Final = 1 / 3  #: of those on holiday; the others stay with relatives
_PER_MILLE: Final = 1000


class _Trip(NamedTuple):
    leaves_ts: float
    returns_ts: float
    source: Source


class Places:
    """The whereabouts of all owners.

    Args:
        habits: How they behave.
        accounts: How many there are.
    """

    def __init__(self, habits: Habits, accounts: int) -> None:
        self._habits = habits
        self._trips: dict[int, _Trip] = {}
        behind_nat = accounts * (1 - habits.dormant_share) * habits.phone_share * habits.nat_share
        self._nats_per_operator = max(1, round(behind_nat / len(MOBILE) / habits.phones_per_nat))

    def travel(self, account: Account, leaves_ts: float, draw: Random) -> None:
        """Send the owner of ``account`` abroad at ``leaves_ts``."""
        self._trips[account.number] = _Trip(leaves_ts, leaves_ts + draw.uniform(*_TRIP_DAYS) * DAY_S, _hotel(account))

    def holiday(self, account: Account, leaves_ts: float, draw: Random) -> None:
        """Send the owner of ``account`` on holiday at ``leaves_ts``."""
        where = _hotel(account) if draw.random() < _ABROAD_SHARE else relatives(account.number)
        self._trips[account.number] = _Trip(leaves_ts, leaves_ts + draw.uniform(*_TRIP_DAYS) * DAY_S, where)

    def away(self, account: Account, ts: float) -> Source | None:
        """Where an owner is who is not at home: on a trip, or behind a VPN."""
        trip = self._trips.get(account.number)
        if trip is not None and trip.leaves_ts <= ts < trip.returns_ts:
            return trip.source
        if account.number % _PER_MILLE < self._habits.vpn_share * _PER_MILLE:
            return vpn(account.number // _PER_MILLE + int(ts // DAY_S))
        return None

    def of_phone(self, account: Account, ts: float, draw: Random) -> Source:
        """A telephone on a trip, at home, behind a carrier NAT, or in the /64 of its last attach."""
        habits, number = self._habits, account.number
        if away := self.away(account, ts):
            return away
        if draw.random() >= habits.away_share:
            return account.home(ts)
        operator = MOBILE[number % len(MOBILE)]
        place = number // len(MOBILE)
        if place % 100 < habits.nat_share * 100:
            return carrier_nat(operator, place % self._nats_per_operator)
        attach = int(ts / habits.attach_s + number * 0.618)
        return operator.ipv6((number * 7919 + attach) * 2_654_435_761 >> 8, number)

    def any_nat(self, draw: Random) -> Source:
        """A carrier NAT that customers are behind."""
        return carrier_nat(draw.choice(MOBILE), draw.randrange(self._nats_per_operator))


def _hotel(account: Account) -> Source:
    return HOLIDAY[account.number % len(HOLIDAY)].ipv4(account.number * _HOTEL_STRIDE)
