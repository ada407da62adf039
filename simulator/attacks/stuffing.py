"""Pairs of login and password from somebody else's leak, tried once each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import ClassVar, Final

from simulator.attacks.campaign import Campaign
from simulator.attacks.cover import Bots, Cover, Desk, RandomPool
from simulator.attacks.takeover import SOON, Takeover
from simulator.clients import BOT, CHECKER, DISGUISES, HEALTH, Client
from simulator.labels import Kind
from simulator.networks import neighbour
from simulator.timeline import Actor

__all__ = ["BotnetStuffing", "Copycat", "HostedStuffing", "ResidentialStuffing", "stuff"]

_LINES: Final = 2_048_000  #: lines in the proxy seller's list


def stuff(
    campaign: Campaign, times: Iterator[float], unknown_share: float, hit_share: float, cover: Cover, takeover: Takeover
) -> Actor:
    """Try a pair at each of ``times`` from the next place; every good one may start a takeover. Shares are of all pairs."""
    customers, numbers = campaign.customers(), count(1)
    for ts in times:
        login, password = campaign.pair(ts, customers, unknown_share, hit_share)
        yield from campaign.timeline.launch(_pair(campaign, ts, login, password, cover, takeover, numbers))


def _pair(
    campaign: Campaign, ts: float, login: str, password: str, cover: Cover, takeover: Takeover, numbers: Iterator[int]
) -> Actor:
    event = yield from campaign.pursue(ts, login, password, cover)
    if event.success and campaign.draw.random() < takeover.share:
        campaign.timeline.start(takeover.run(campaign, event, password, next(numbers)))


@dataclass(frozen=True, slots=True)
class _Stuffing(ABC):
    """Shares are of all pairs; ``hit_share`` still opens a mailbox."""

    kind: ClassVar[Kind] = "credential_stuffing"
    pairs: int = 3000
    unknown_share: float = 0.25
    hit_share: float = 0.01
    over_s: float = 2400.0
    takeover: Takeover = SOON

    def run(self, campaign: Campaign) -> Actor:
        """See the class."""
        times = campaign.times(self.pairs, self.over_s)
        return stuff(campaign, times, self.unknown_share, self.hit_share, self.cover(campaign), self.takeover)

    @abstractmethod
    def cover(self, campaign: Campaign) -> Cover:
        """Where the pairs are tried from, and with what."""


@dataclass(frozen=True, slots=True)
class HostedStuffing(_Stuffing):
    """From a few rented servers, hundreds of pairs each."""

    addresses: int = 8
    patience: int = 10

    def cover(self, campaign: Campaign) -> Cover:
        """All servers equally, in no order."""
        return RandomPool(campaign.servers(), self.addresses, CHECKER, self.patience, campaign.draw)


@dataclass(frozen=True, slots=True)
class BotnetStuffing(_Stuffing):
    """From thousands of infected home computers, one to ``most_tries`` pairs each and minutes apart."""

    most_tries: int = 3
    client: Client = BOT

    def cover(self, campaign: Campaign) -> Cover:
        """The botnet."""
        return Bots(campaign.bots(), self.client, self.most_tries, campaign.draw)


@dataclass(frozen=True, slots=True)
class Copycat(BotnetStuffing):
    """A botnet that from the middle on shows the fingerprint of the protected group's software, and speaks POP as it does."""

    def cover(self, campaign: Campaign) -> Cover:
        """The botnet, disguised from half time on."""
        disguised_ts = campaign.start_ts + self.over_s / 2
        return _Disguised(Bots(campaign.bots(), self.client, self.most_tries, campaign.draw), disguised_ts)


class _Disguised:
    def __init__(self, cover: Cover, from_ts: float) -> None:
        self._cover, self._from_ts = cover, from_ts

    def next(self, ts: float) -> Desk:
        """See :class:`Cover`."""
        desk = self._cover.next(ts)
        return desk if ts < self._from_ts else Desk(desk.source, HEALTH)

    def refused(self, desk: Desk) -> None:
        """See :class:`Cover`."""
        self._cover.refused(desk)


@dataclass(frozen=True, slots=True)
class ResidentialStuffing(_Stuffing):
    """Through proxies on home lines in the provider's own country, a fresh one for each pair, under customers' clients' names.

    Some of the lines are customers' own, and some exits are telephones behind a carrier NAT.
    """

    customer_share: float = 0.05
    nat_share: float = 0.05

    def cover(self, campaign: Campaign) -> Cover:
        """The proxy seller's list."""
        return _Proxies(campaign, self.customer_share, self.nat_share)


class _Proxies:
    def __init__(self, campaign: Campaign, customer_share: float, nat_share: float) -> None:
        self._campaign, self._customer_share, self._nat_share = campaign, customer_share, nat_share

    def next(self, ts: float) -> Desk:
        """See :class:`Cover`."""
        campaign, draw = self._campaign, self._campaign.draw
        client, kind = draw.choice(DISGUISES), draw.random()
        if kind < self._customer_share:
            return Desk(campaign.a_customer().home(ts), client)
        if kind < self._customer_share + self._nat_share:
            return Desk(campaign.places.any_nat(draw), client)
        return Desk(neighbour(draw.randrange(_LINES)), client)

    def refused(self, _desk: Desk) -> None:
        """The next attempt comes from elsewhere anyway."""
