"""Guessing passwords: many on one account, or a few popular ones on many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simulator.attacks.campaign import Campaign
from simulator.attacks.cover import Pool
from simulator.clients import BRUTE_TOOL, SPRAY_TOOL
from simulator.labels import Kind
from simulator.provider import WEAK_PASSWORD
from simulator.timeline import Actor

__all__ = ["BruteForce", "DistributedBruteForce", "PasswordSpray", "SlowSpray"]


@dataclass(frozen=True, slots=True)
class BruteForce:
    """One address, one account, one guess after the other."""

    kind: ClassVar[Kind] = "brute_force"
    tries: int = 600
    over_s: float = 1200.0
    patience: int = 20

    def run(self, campaign: Campaign) -> Actor:
        """See the class."""
        cover = Pool(campaign.servers(), 1, BRUTE_TOOL, self.patience, campaign.draw)
        login = campaign.a_customer().login
        for guess, ts in enumerate(campaign.times(self.tries, self.over_s)):
            yield from campaign.timeline.launch(campaign.pursue(ts, login, f"guess {guess}", cover))


@dataclass(frozen=True, slots=True)
class DistributedBruteForce:
    """Many addresses take turns at one account, each staying under what a limit per address would see."""

    kind: ClassVar[Kind] = "brute_force"
    addresses: int = 40
    tries: int = 600
    over_s: float = 2400.0
    patience: int = 2

    def run(self, campaign: Campaign) -> Actor:
        """See the class."""
        login = campaign.a_customer().login
        cover = Pool(campaign.bots(), self.addresses, BRUTE_TOOL, self.patience, campaign.draw)
        for guess, ts in enumerate(campaign.times(self.tries, self.over_s)):
            yield from campaign.timeline.launch(campaign.pursue(ts, login, f"guess {guess}", cover))


@dataclass(frozen=True, slots=True)
class PasswordSpray:
    """A few popular passwords, each on every one of many accounts, from a few addresses."""

    kind: ClassVar[Kind] = "password_spray"
    accounts: int = 1000
    passwords: tuple[str, ...] = ("Bonjour123", WEAK_PASSWORD, "azerty2026")
    addresses: int = 4
    unknown_share: float = 0.05
    over_s: float = 1200.0
    patience: int = 10

    def run(self, campaign: Campaign) -> Actor:
        """See the class."""
        customers = campaign.customers()
        logins = [
            campaign.nobody() if campaign.draw.random() < self.unknown_share else next(customers).login
            for _ in range(self.accounts)
        ]
        cover = Pool(campaign.servers(), self.addresses, SPRAY_TOOL, self.patience, campaign.draw)
        guesses = ((login, password) for password in self.passwords for login in logins)
        tries = self.accounts * len(self.passwords)
        for ts, (login, password) in zip(campaign.times(tries, self.duration_s(campaign)), guesses, strict=True):
            yield from campaign.timeline.launch(campaign.pursue(ts, login, password, cover))

    def duration_s(self, _campaign: Campaign) -> float:
        """How long it takes."""
        return self.over_s


@dataclass(frozen=True, slots=True)
class SlowSpray(PasswordSpray):
    """The same over days: each of many addresses tries once in hours, each account hears of it once."""

    passwords: tuple[str, ...] = (WEAK_PASSWORD,)
    addresses: int = 150
    until_min: float = 0.0  #: in the reckoning of the scenario

    def duration_s(self, campaign: Campaign) -> float:
        """Until ``until_min``."""
        return campaign.moment(self.until_min) - campaign.start_ts
