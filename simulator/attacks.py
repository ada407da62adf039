"""The attacks: one small class each, and how to add one.

An attack is a frozen dataclass with what it does as fields (units in the names) and a ``run`` that yields one attempt
after the other, in time order::

    @dataclass(frozen=True, slots=True)
    class PinGuessing:
        '''Ten PINs against one account.'''

        kind: ClassVar[Kind] = "brute_force"
        tries: int = 10

        def run(self, campaign: Campaign) -> Actor:
            login = campaign.a_customer().login
            for i in range(self.tries):
                yield campaign.attempt(campaign.start_ts + i, login, f"{i:04}", campaign.server(0), CHECKER)

Whether a password is right is the provider's answer, not the attack's claim; the label follows from it. ``campaign.draw``
gives random numbers of its own. Put the attack into a scenario (``scenarios.py``) and test its marginals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, cycle, islice
from math import gcd
from random import Random
from typing import ClassVar, Final, Protocol

from models.events import AuthEvent
from simulator.clients import BOT, BROWSERS, BRUTE_TOOL, CHECKER, FLOOD_TOOL, READER, SPRAY_TOOL, Client
from simulator.labels import Kind, Label
from simulator.networks import Source, bot, hosting
from simulator.provider import WEAK_PASSWORD, Account, Provider, login_of
from simulator.timeline import Actor, Step, Timeline

__all__ = [
    "Attack",
    "BotnetStuffing",
    "BruteForce",
    "Campaign",
    "DistributedBruteForce",
    "HostedStuffing",
    "LoginFlood",
    "PasswordSpray",
    "Takeover",
]

_UNKNOWN_RANGE: Final = 10  #: logins that do not exist are drawn from so many times the accounts
_BUYERS_FROM: Final = 1_000_000  #: bots from here on enter accounts; those before search for passwords
_OPEN_BOTS: Final = 200  #: bots that a botnet uses at the same time


class Attack(Protocol):
    """What a scenario can launch."""

    kind: ClassVar[Kind]

    def run(self, campaign: Campaign) -> Actor:
        """Every attempt of the attack, in time order."""
        ...


@dataclass(slots=True)
class Campaign:
    """One attack in one run: against whom, since when, and under what name it is labelled."""

    name: str
    number: int
    cause: Kind
    start_ts: float
    provider: Provider
    timeline: Timeline
    draw: Random

    def attempt(self, ts: float, login: str, password: str, source: Source, client: Client) -> Step:
        """One attempt of the attacker."""
        event = self.provider.attempt(ts, login, password, source, client)
        return event, Label(self.cause, self.name, self.name, self.cause, password_ok=event.success)

    def a_customer(self) -> Account:
        """Any account."""
        return self.draw.choice(self.provider.accounts)

    def customers(self) -> Iterator[Account]:
        """All accounts in an order without pattern, over and over."""
        accounts = self.provider.accounts
        place, stride = self.draw.randrange(len(accounts)), self.draw.randrange(1, len(accounts) + 1)
        while gcd(stride, len(accounts)) != 1:
            stride += 1
        while True:
            yield accounts[place]
            place = (place + stride) % len(accounts)

    def nobody(self) -> str:
        """A login that does not exist here."""
        accounts = len(self.provider.accounts)
        return login_of(self.draw.randrange(accounts, _UNKNOWN_RANGE * accounts))

    def server(self, number: int) -> Source:
        """The ``number``-th rented server of this campaign."""
        return hosting(self.number, number)

    def bot(self, number: int) -> Source:
        """The ``number``-th infected home computer of this campaign."""
        return bot(self.number, number)

    def times(self, tries: int, over_s: float) -> Iterator[float]:
        """``tries`` moments, irregular, about ``over_s`` in all."""
        ts = self.start_ts
        for _ in range(tries):
            yield ts
            ts += self.draw.expovariate(tries / over_s)


@dataclass(frozen=True, slots=True)
class BruteForce:
    """One address, one account, one guess after the other."""

    kind: ClassVar[Kind] = "brute_force"
    tries: int = 600
    over_s: float = 1200.0

    def run(self, campaign: Campaign) -> Actor:
        """See the class."""
        login, server = campaign.a_customer().login, campaign.server(0)
        for guess, ts in enumerate(campaign.times(self.tries, self.over_s)):
            yield campaign.attempt(ts, login, f"guess {guess}", server, BRUTE_TOOL)


@dataclass(frozen=True, slots=True)
class DistributedBruteForce:
    """Many addresses take turns at one account, each staying under what a limit per address would see."""

    kind: ClassVar[Kind] = "brute_force"
    addresses: int = 40
    tries: int = 600
    over_s: float = 2400.0

    def run(self, campaign: Campaign) -> Actor:
        """See the class."""
        login, bots = campaign.a_customer().login, cycle([campaign.bot(number) for number in range(self.addresses)])
        for guess, ts in enumerate(campaign.times(self.tries, self.over_s)):
            yield campaign.attempt(ts, login, f"guess {guess}", next(bots), BRUTE_TOOL)


@dataclass(frozen=True, slots=True)
class PasswordSpray:
    """A few popular passwords, each on every one of many accounts, from a few addresses."""

    kind: ClassVar[Kind] = "password_spray"
    accounts: int = 1000
    passwords: tuple[str, ...] = ("Bonjour123", WEAK_PASSWORD, "azerty2026")
    addresses: int = 4
    unknown_share: float = 0.05
    over_s: float = 1200.0

    def run(self, campaign: Campaign) -> Actor:
        """See the class."""
        customers = campaign.customers()
        logins = [
            campaign.nobody() if campaign.draw.random() < self.unknown_share else next(customers).login
            for _ in range(self.accounts)
        ]
        servers = cycle([campaign.server(number) for number in range(self.addresses)])
        guesses = ((login, password) for password in self.passwords for login in logins)
        for ts, (login, password) in zip(campaign.times(self.accounts * len(self.passwords), self.over_s), guesses, strict=True):
            yield campaign.attempt(ts, login, password, next(servers), SPRAY_TOOL)


@dataclass(frozen=True, slots=True)
class Takeover:
    """What follows a password found by stuffing: minutes later somebody opens the mailbox from a new network abroad."""

    share: float = 0.7  #: of the passwords found
    earliest_s: float = 120.0
    later_s: float = 600.0  #: mean, beyond the earliest
    visits: int = 3
    pause_s: float = 240.0

    def run(self, campaign: Campaign, found: AuthEvent, password: str, number: int) -> Actor:
        """Enter the account of ``found``; ``number`` tells the takeovers of a campaign apart."""
        draw = campaign.draw
        source, client = campaign.bot(_BUYERS_FROM + number), draw.choice((READER, *BROWSERS))
        ts = found.ts + self.earliest_s + draw.expovariate(1 / self.later_s)
        for _ in range(self.visits):
            event, label = campaign.attempt(ts, found.login, password, source, client)
            label.label, label.actor = "account_takeover", f"{campaign.name}/takeover-{number}"
            yield event, label
            ts += draw.expovariate(1 / self.pause_s)


@dataclass(frozen=True, slots=True)
class _Stuffing:
    """Pairs from somebody else's leak, tried once each. Shares are of all pairs; ``hit_share`` still opens a mailbox."""

    kind: ClassVar[Kind] = "credential_stuffing"
    pairs: int = 3000
    unknown_share: float = 0.25
    hit_share: float = 0.01
    over_s: float = 2400.0
    takeover: Takeover = Takeover()

    def run(self, campaign: Campaign) -> Actor:
        """Try every pair from the next place; every good one may start a takeover."""
        draw, customers, places = campaign.draw, campaign.customers(), self.places(campaign)
        takeovers = 0
        for ts in campaign.times(self.pairs, self.over_s):
            password = f"leaked {draw.getrandbits(32)}"
            if draw.random() < self.unknown_share:
                login = campaign.nobody()
            else:
                account = next(customers)
                login = account.login
                if draw.random() < self.hit_share / (1 - self.unknown_share):
                    password = account.password(ts)
            source, client = next(places)
            event, label = campaign.attempt(ts, login, password, source, client)
            yield event, label
            if event.success and draw.random() < self.takeover.share:
                takeovers += 1
                campaign.timeline.start(self.takeover.run(campaign, event, password, takeovers))

    def places(self, campaign: Campaign) -> Iterator[tuple[Source, Client]]:
        """Where the next pair is tried from, and with what; endless."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class HostedStuffing(_Stuffing):
    """From a few rented servers, hundreds of pairs each."""

    addresses: int = 8

    def places(self, campaign: Campaign) -> Iterator[tuple[Source, Client]]:
        """All servers equally, in no order."""
        servers = [campaign.server(number) for number in range(self.addresses)]
        while True:
            yield campaign.draw.choice(servers), CHECKER


@dataclass(frozen=True, slots=True)
class BotnetStuffing(_Stuffing):
    """From thousands of infected home computers, one to ``most_tries`` pairs each and minutes apart."""

    most_tries: int = 3

    def places(self, campaign: Campaign) -> Iterator[tuple[Source, Client]]:
        """Some bots are open at a time; one that has done its tries is replaced by a fresh one."""
        draw = campaign.draw
        fresh = ((campaign.bot(number), draw.randint(1, self.most_tries)) for number in count())
        open_bots = list(islice(fresh, _OPEN_BOTS))
        while True:
            place = draw.randrange(_OPEN_BOTS)
            source, tries_left = open_bots[place]
            yield source, BOT
            open_bots[place] = (source, tries_left - 1) if tries_left > 1 else next(fresh)


@dataclass(frozen=True, slots=True)
class LoginFlood:
    """One address that logs in far faster than any customer; the password does not matter, the load does."""

    kind: ClassVar[Kind] = "login_flood"
    per_min: float = 600.0
    minutes: float = 6.0

    def run(self, campaign: Campaign) -> Actor:
        """See the class."""
        login, server = campaign.a_customer().login, campaign.server(0)
        for ts in campaign.times(round(self.per_min * self.minutes), self.minutes * 60):
            yield campaign.attempt(ts, login, "anything", server, FLOOD_TOOL)
