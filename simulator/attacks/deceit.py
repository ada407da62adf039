"""Attacks on the defence: get customers blocked, teach the models, look like somebody whom nobody dares to block."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, cycle
from math import sqrt
from typing import ClassVar, Final

from simulator.attacks.campaign import Campaign
from simulator.attacks.cover import Pool
from simulator.attacks.stuffing import stuff
from simulator.attacks.takeover import SOON, Takeover
from simulator.clients import BROWSERS, BRUTE_TOOL, DESKTOPS, FETCHER
from simulator.labels import Kind
from simulator.networks import neighbour
from simulator.provider import is_health
from simulator.timeline import Actor

__all__ = ["FramedCustomers", "FramedNat", "PosedFetcher", "SlowTraining"]

#: Lines that trainers use, from the last one down; no two campaigns share one.
_FIRST_LINE: Final = 2_047_999
_LINES_APART: Final = 10_000


@dataclass(frozen=True, slots=True)
class FramedCustomers:
    """Wrong passwords for health professionals, so that they are locked out; nobody hopes to guess one."""

    kind: ClassVar[Kind] = "brute_force"
    victims: int = 20
    tries: int = 60  #: against each
    addresses: int = 200
    over_s: float = 3600.0

    def run(self, campaign: Campaign) -> Actor:
        """The victims in turn."""
        customers = campaign.provider.accounts
        victims = [account for account in customers if is_health(account.number)] or customers
        victims = campaign.draw.sample(victims, min(self.victims, len(victims)))
        cover = Pool(campaign.bots(), self.addresses, BRUTE_TOOL, 1, campaign.draw)
        for place, ts in enumerate(campaign.times(self.tries * len(victims), self.over_s)):
            victim = victims[place % len(victims)]
            yield from campaign.timeline.launch(campaign.pursue(ts, victim.login, f"wrong {place}", cover))


@dataclass(frozen=True, slots=True)
class FramedNat:
    """Failures on many accounts from behind a carrier NAT, so that everybody behind it is blocked."""

    kind: ClassVar[Kind] = "password_spray"
    tries: int = 2000
    over_s: float = 3600.0

    def run(self, campaign: Campaign) -> Actor:
        """One wrong password each, whatever the answer; the address does not change, it is what the attack is about."""
        customers, source, client = campaign.customers(), campaign.places.any_nat(campaign.draw), campaign.draw.choice(BROWSERS)
        for place, ts in enumerate(campaign.times(self.tries, self.over_s)):
            yield campaign.attempt(ts, next(customers).login, f"wrong {place}", source, client)


@dataclass(frozen=True, slots=True)
class PosedFetcher:
    """Bought mailboxes are collected by POP for days, as a fetcher does it; then stolen pairs are tried in between."""

    kind: ClassVar[Kind] = "credential_stuffing"
    mailboxes: int = 50
    period_s: float = 3600.0
    addresses: int = 2
    strike_min: float = 0.0  #: in the reckoning of the scenario
    pairs: int = 2000
    unknown_share: float = 0.1
    hit_share: float = 0.01
    over_s: float = 6 * 3600.0
    patience: int = 20
    takeover: Takeover = SOON

    def run(self, campaign: Campaign) -> Actor:
        """Collect until the last pair has been tried."""
        cover = Pool(campaign.servers(), self.addresses, FETCHER, self.patience, campaign.draw)
        mailboxes, gap_s = cycle(campaign.mailboxes(self.mailboxes)), self.period_s / self.mailboxes
        strike_ts = campaign.moment(self.strike_min)
        times = campaign.times(self.pairs, self.over_s, strike_ts)
        campaign.timeline.start(stuff(campaign, times, self.unknown_share, self.hit_share, cover, self.takeover))
        ts = campaign.start_ts
        while ts < strike_ts + self.over_s:
            desk = cover.next(ts)
            if (yield campaign.own(ts, next(mailboxes), desk.source, desk.client)):
                cover.refused(desk)
            ts += gap_s


@dataclass(frozen=True, slots=True)
class SlowTraining:
    """From lines in the country failures grow for days among good log-ins to own mailboxes; then stolen pairs follow.

    Who learns from this what is usual takes the last day for usual.
    """

    kind: ClassVar[Kind] = "credential_stuffing"
    mailboxes: int = 30
    addresses: int = 40
    lessons: int = 3000  #: attempts before the strike
    most_failing_share: float = 0.6  #: of the last lessons; it grows from none
    strike_min: float = 0.0  #: in the reckoning of the scenario
    pairs: int = 3000
    unknown_share: float = 0.3
    hit_share: float = 0.01
    over_s: float = 6 * 3600.0
    patience: int = 20
    takeover: Takeover = SOON

    def run(self, campaign: Campaign) -> Actor:
        """Lessons at a rate that grows evenly, then the strike."""
        draw, customers, mailboxes = campaign.draw, campaign.customers(), cycle(campaign.mailboxes(self.mailboxes))
        lines = (neighbour(_FIRST_LINE - campaign.number * _LINES_APART - number) for number in count())
        cover = Pool(lines, self.addresses, draw.choice(DESKTOPS), self.patience, draw)
        strike_ts = campaign.moment(self.strike_min)
        for lesson in range(self.lessons):
            progress = lesson / self.lessons
            ts = campaign.start_ts + (strike_ts - campaign.start_ts) * sqrt(progress)
            desk = cover.next(ts)
            if draw.random() < self.most_failing_share * progress:
                step = campaign.attempt(ts, next(customers).login, f"lesson {lesson}", desk.source, desk.client)
            else:
                step = campaign.own(ts, next(mailboxes), desk.source, desk.client)
            if (yield step):
                cover.refused(desk)
        times = campaign.times(self.pairs, self.over_s, strike_ts)
        yield from stuff(campaign, times, self.unknown_share, self.hit_share, cover, self.takeover)
