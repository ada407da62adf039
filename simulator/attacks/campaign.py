"""One attack in one run: whom it is against, since when, and under what name it is labelled."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from math import gcd
from random import Random
from typing import ClassVar, Final, Protocol

from models.events import AuthEvent
from simulator.attacks.cover import Cover
from simulator.clients import Client
from simulator.labels import Kind, Label
from simulator.networks import Source, bot, hosting
from simulator.places import Places
from simulator.provider import DOMAIN, Account, Provider, login_of
from simulator.timeline import Actor, Step, Timeline

__all__ = ["Attack", "Campaign"]

_UNKNOWN_RANGE: Final = 10  #: logins that do not exist are drawn from so many times the accounts
_RETRIES: Final = 2  #: how often a guess that was refused is tried again
_RETRY_PAUSE_S: Final = (120.0, 1800.0)
_ALIAS_SHARE: Final = 0.5  #: of those who have one, whose alias is in the leak


class Attack(Protocol):
    """What a scenario can launch."""

    kind: ClassVar[Kind]

    def run(self, campaign: Campaign) -> Actor:
        """Every attempt of the attack, in time order."""
        ...


@dataclass(slots=True)
class Campaign:
    """See above. ``moment`` gives the time of a minute in the reckoning of the scenario."""

    name: str
    number: int
    cause: Kind
    start_ts: float
    provider: Provider
    places: Places
    timeline: Timeline
    moment: Callable[[float], float]
    draw: Random

    # Attempts

    def attempt(self, ts: float, login: str, password: str, source: Source, client: Client) -> Step:
        """One attempt of the attacker."""
        event = self.provider.attempt(ts, login, password, source, client)
        right = event.success or self.provider.opens(ts, login, password)
        return event, Label(self.cause, self.name, self.name, self.cause, password_ok=right)

    def own(self, ts: float, mailbox: Account, source: Source, client: Client) -> Step:
        """One log-in to a mailbox of the attacker's own: no account is exposed by it."""
        event = self.provider.attempt(ts, mailbox.login, mailbox.password(ts), source, client)
        return event, Label(self.cause, self.name, self.name, self.cause)

    def pursue(self, ts: float, login: str, password: str, cover: Cover) -> Generator[Step, bool | None, AuthEvent]:
        """Try one guess, and again from elsewhere as long as it is refused: nobody has said yet whether it is right.

        Returns the last event.
        """
        retries_left = _RETRIES
        while True:
            desk = cover.next(ts)
            step = self.attempt(ts, login, password, desk.source, desk.client)
            if not (yield step):
                return step[0]
            cover.refused(desk)
            if not retries_left:
                return step[0]
            retries_left -= 1
            ts += self.draw.uniform(*_RETRY_PAUSE_S)

    # Whom

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

    def known_as(self, account: Account) -> str:
        """The login of ``account`` in somebody else's leak: its alias, perhaps."""
        return account.alias if account.alias and self.draw.random() < _ALIAS_SHARE else account.login

    def pair(self, ts: float, customers: Iterator[Account], unknown_share: float, hit_share: float) -> tuple[str, str]:
        """Login and password from somebody else's leak. Shares are of all pairs: of nobody here, and right at ``ts``."""
        draw, password = self.draw, f"leaked {self.draw.getrandbits(32)}"
        if draw.random() < unknown_share:
            return self.nobody(), password
        account = next(customers)
        login = self.known_as(account)
        if draw.random() < hit_share / (1 - unknown_share):
            password = account.password(ts)
        return login, password

    def nobody(self) -> str:
        """A login that does not exist here."""
        accounts = len(self.provider.accounts)
        return login_of(self.draw.randrange(accounts, _UNKNOWN_RANGE * accounts))

    def mailboxes(self, count: int) -> list[Account]:
        """Mailboxes that the attacker has bought or opened."""
        return [self.provider.register(f"{self.name}-{number}@{DOMAIN}") for number in range(count)]

    # From where

    def server(self, number: int) -> Source:
        """The ``number``-th rented server of this campaign."""
        return hosting(self.number, number)

    def bot(self, number: int) -> Source:
        """The ``number``-th infected home computer of this campaign."""
        return bot(self.number, number)

    def servers(self) -> Iterator[Source]:
        """One rented server after the other."""
        number = 0
        while True:
            yield self.server(number)
            number += 1

    def bots(self) -> Iterator[Source]:
        """One infected home computer after the other."""
        number = 0
        while True:
            yield self.bot(number)
            number += 1

    # When

    def times(self, tries: int, over_s: float, from_ts: float | None = None) -> Iterator[float]:
        """``tries`` moments, irregular, about ``over_s`` in all; the first is the start unless ``from_ts`` is given."""
        ts = self.start_ts if from_ts is None else from_ts
        for _ in range(tries):
            yield ts
            ts += self.draw.expovariate(tries / over_s)
