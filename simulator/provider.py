"""The mail provider: its mailboxes, where their owners live, and how it answers an attempt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from math import inf
from random import Random
from typing import Final, Literal, NamedTuple

from models.events import AuthEvent
from simulator.clients import TOKEN_MECHS, Client
from simulator.networks import ACCESS, ACCESS_SHARES, Network, Source, home_line

__all__ = [
    "DAY_S",
    "DOMAIN",
    "HOUR_S",
    "SECOND_DOMAIN",
    "SHARDS",
    "TOKEN_S",
    "WEAK_PASSWORD",
    "Account",
    "Outage",
    "Provider",
    "groups",
    "is_health",
    "login_of",
    "token",
]

DOMAIN: Final = "mail.example"
SECOND_DOMAIN: Final = "courrier.example"  #: the same mailboxes under another name
HOUR_S: Final = 3600.0
DAY_S: Final = 86_400.0
_TICKS_PER_S: Final = 1000  #: times are whole milliseconds

#: The password that an attacker would guess first, and that a few owners chose.
WEAK_PASSWORD: Final = "Printemps2026!"  # noqa: S105  nobody's password: the customers are made up
_WEAK_SHARE: Final = 0.003

#: How the line at home gets its address, with shares: one IPv4 for years, a new one every day, or an IPv6 prefix.
_LINES: Final[tuple[Literal["static", "daily", "ipv6"], ...]] = ("static", "daily", "ipv6")
_LINES_CUMULATIVE: Final = (0.4, 0.7, 1.0)
_ACCESS_CUMULATIVE: Final = tuple(accumulate(ACCESS_SHARES))
_DAILY_STRIDE: Final = 7919
_LINKS_PER_LINE: Final = 37

#: Mailboxes are spread over so many servers, any of which may fail alone.
SHARDS: Final = 10
#: How long an OAuth token is valid.
TOKEN_S: Final = 3600.0
_TOKEN: Final = "token "  # noqa: S105  what tokens begin with here

#: One account in fifty is a health professional's, the protected group.
_HEALTH_EVERY: Final = 50
_HEALTH_PLACE: Final = 7

_FIRST_NAMES: Final = (
    "adele", "anne", "arthur", "baptiste", "camille", "chloe", "claire", "david", "denis", "elise", "emma", "eric", "fanny",
    "florian", "gabriel", "helene", "hugo", "ines", "jean", "julie", "karim", "laura", "lea", "leo", "louis", "lucas",
    "manon", "marc", "marie", "mathis", "nadia", "nina", "noah", "oceane", "paul", "rose", "sarah", "simon", "thomas", "zoe",
)  # fmt: skip
_LAST_NAMES: Final = (
    "andre", "bernard", "blanc", "bonnet", "boyer", "chevalier", "david", "dubois", "dupont", "durand", "faure", "fontaine",
    "fournier", "garnier", "gauthier", "girard", "guerin", "henry", "hoarau", "lambert", "laurent", "lefebvre", "legrand",
    "leroy", "martin", "masson", "mercier", "michel", "moreau", "morel", "muller", "nicolas", "payet", "perrin", "petit",
    "renard", "richard", "robert", "robin", "roussel", "roux", "simon", "thomas", "vidal", "vincent",
)  # fmt: skip


def login_of(number: int) -> str:
    """The login of the ``number``-th account; numbers past the last account give logins that do not exist.

    >>> login_of(0), login_of(2000)
    ('adele.andre@mail.example', 'adele.chevalier1@mail.example')
    """
    rest, first = divmod(number, len(_FIRST_NAMES))
    suffix, last = divmod(rest, len(_LAST_NAMES))
    return f"{_FIRST_NAMES[first]}.{_LAST_NAMES[last]}{suffix or ''}@{DOMAIN}"


def is_health(number: int) -> bool:
    """Does the ``number``-th account belong to a health professional?"""
    return number % _HEALTH_EVERY == _HEALTH_PLACE


def groups(accounts: int) -> Iterator[tuple[str, str]]:
    """(login, group) of every account that is in a group: the rows of ``groups.csv``."""
    return ((login_of(number), "health") for number in range(accounts) if is_health(number))


def token(issued_ts: float) -> str:
    """The OAuth token that was issued at ``issued_ts``; an attempt presents it in the password's place."""
    return f"{_TOKEN}{issued_ts:.3f}"


class Outage(NamedTuple):
    """A fault of our own: ``shards`` of the :data:`SHARDS` refuse everybody; all of them means the log-in service itself.

    ``fail_type`` is ``internal``, or ``None`` where the server does not say why.
    """

    from_ts: float
    until_ts: float
    shards: int
    fail_type: str | None


@dataclass(slots=True)
class Account:
    """A mailbox and its owner's line at home.

    The password changes at ``new_password_ts``, if ever; ``app_password`` opens the mailbox whatever becomes of it.
    ``alias`` is another login that opens the same mailbox.
    """

    number: int
    login: str
    access: Network
    line: Literal["static", "daily", "ipv6"]
    first_password: str
    first_pwhash: str
    new_password_ts: float = inf
    app_password: str | None = None
    alias: str | None = None
    _home: Source | None = None
    _home_day: int = -1

    def password(self, ts: float) -> str:
        """The right password at ``ts``. (Passwords may be equal among accounts: a pwhash covers the login too.)"""
        return self.first_password if ts < self.new_password_ts else "the second"

    def home(self, ts: float) -> Source:
        """The address of the line at home at ``ts``."""
        day = int(ts // DAY_S) if self.line == "daily" else 0
        if self._home is None or day != self._home_day:
            self._home, self._home_day = self._home_on(day), day
        return self._home

    def _home_on(self, day: int) -> Source:
        if self.line == "ipv6":
            return self.access.ipv6(self.number * _LINKS_PER_LINE, self.number)
        return home_line(self.access, self.number, day * _DAILY_STRIDE if self.line == "daily" else None)


class Provider:
    """All accounts, and the answer to every attempt.

    Args:
        seed: Decides everything that is drawn.
        accounts: How many mailboxes there are.

    >>> provider = Provider(seed=1, accounts=10)
    >>> account = provider.accounts[3]
    >>> provider.attempt(0.0, account.login, "a guess", account.home(0.0), Client("imap")).fail_type
    'credentials'
    """

    def __init__(self, seed: int, accounts: int) -> None:
        self._seed = seed
        self._pwhash_key = blake2b(f"pwhash {seed}".encode(), digest_size=16).digest()
        draw = self.draws("accounts")
        self.accounts = [self._account(number, draw) for number in range(accounts)]
        self._by_login = {account.login: account for account in self.accounts}
        self.outages: tuple[Outage, ...] = ()

    def draws(self, purpose: str) -> Random:
        """Random numbers for one purpose, so that what others draw never changes them."""
        return Random(f"{self._seed}/{purpose}")  # noqa: S311  a simulation has to be repeatable

    def give_alias(self, account: Account, login: str) -> None:
        """Let ``login`` open the mailbox of ``account``, too."""
        account.alias = login
        self._by_login[login] = account

    def register(self, login: str) -> Account:
        """Open one more mailbox, of somebody who is no customer: a monitoring probe's, or an attacker's own."""
        number, password = len(self._by_login), "the first"
        account = Account(number, login, ACCESS[0], "static", password, self._pwhash(login, password))
        self._by_login[login] = account
        return account

    def opens(self, ts: float, login: str, password: str) -> bool:
        """Whether ``password`` is right for ``login`` at ``ts``, however the log-in ends."""
        account = self._by_login.get(login)
        return account is not None and password in {account.password(ts), account.app_password}

    def attempt(self, ts: float, login: str, password: str, source: Source, client: Client) -> AuthEvent:
        """The event when ``client`` at ``source`` presents ``password`` for ``login`` at ``ts`` (kept to the millisecond)."""
        account = self._by_login.get(login)
        pwhash, credential_id = None, client.credential_id
        if account is None:
            fail_type: str | None = "account"
        elif client.mech in TOKEN_MECHS:
            fail_type = None if ts - float(password.removeprefix(_TOKEN)) < TOKEN_S else "token"
        elif password == account.app_password:
            fail_type, credential_id = None, f"app:{account.number:x}"
        else:
            fail_type = None if password == account.password(ts) else "credentials"
            if password == account.first_password and login == account.login:
                pwhash = account.first_pwhash
        success = fail_type is None
        if self.outages:
            outage = self._outage(ts, account)
            if outage:
                success, fail_type = False, outage.fail_type
        return AuthEvent(
            ts=int(ts * _TICKS_PER_S + 0.5) / _TICKS_PER_S,
            login=login,
            remote=source.remote,
            success=success,
            protocol=client.protocol,
            account=account.login if account is not None and login != account.login else None,
            mech=client.mech,
            credential_id=credential_id,
            fail_type=fail_type,
            pwhash=pwhash or self._pwhash(login, password),
            device_id=client.device_id,
            ja3=client.ja3,
            user_agent=client.user_agent,
            country=source.country,
            asn=source.asn,
        )

    def _outage(self, ts: float, account: Account | None) -> Outage | None:
        """What keeps the mailbox of ``account`` (``None``: nobody's) shut at ``ts``."""
        shard = SHARDS - 1 if account is None else account.number % SHARDS
        return next((outage for outage in self.outages if outage.from_ts <= ts < outage.until_ts and shard < outage.shards), None)

    def _account(self, number: int, draw: Random) -> Account:
        access = draw.choices(ACCESS, cum_weights=_ACCESS_CUMULATIVE)[0]
        line = draw.choices(_LINES, cum_weights=_LINES_CUMULATIVE)[0]
        login, password = login_of(number), WEAK_PASSWORD if draw.random() < _WEAK_SHARE else "the first"
        return Account(number, login, access, line, password, self._pwhash(login, password))

    def _pwhash(self, login: str, password: str) -> str:
        return blake2b(f"{login}\0{password}".encode(), digest_size=2, key=self._pwhash_key).hexdigest()
