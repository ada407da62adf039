"""Who uses a scope: the legitimate accounts that a block of it would hit, known before it is made (design section 5).

A good log-in is *familiar* where its source is not under attack, or where its account was seen at the address before the attack
began; else it is *doubtful*: a customer who is new there, or an account that has just been entered. How many of the doubtful are
customers, the mix of successes and failures tells:

* Lists of leaked pairs hit in 0.1 to 2 % of the tries (public reports). What lies above a tenth of the accounts that failed cannot
  all be hits: these are customers.
* As many new customers may come in a day as the scope had in the last one, and three where it had none ("rule of three": 95 % of
  Poisson counts with that mean are not zero).

:class:`UsageBook` knows it exactly, for replays and simulations; both it and what is estimated live answer as :class:`Users`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, Self

import msgspec

from models.accounts import Groups
from models.addresses import locate
from models.attempts import Attempt
from models.policy import Scope, network_of
from models.scopes import covers, parts_of

__all__ = ["USAGE_CELLS", "USAGE_S", "Distinct", "Exact", "Interval", "LogIn", "UsageBook", "Users", "UsersOf", "log_in_of"]

#: Who uses a scope is counted anew every six hours, and remembered for a day and the six hours that run.
USAGE_S: Final = 6 * 3600
USAGE_CELLS: Final = 5
#: More than this share of the accounts that fail at an attacker's does not turn out to be right.
_MOST_HITS: Final = 0.1
_RULE_OF_THREE: Final = 3


class Interval(msgspec.Struct, frozen=True):
    """A count with its plausible range, ends included."""

    estimate: int
    low: int
    high: int


class Distinct(Protocol):
    """Distinct accounts."""

    def __or__(self, other: Self) -> Self:
        """Those of both."""

    def interval(self) -> Interval:
        """How many there are."""


@dataclass(frozen=True, slots=True)
class Exact:
    """Distinct accounts by name.

    >>> (Exact(frozenset({"anne", "bob"})) | Exact(frozenset({"anne"}))).interval()
    Interval(estimate=2, low=2, high=2)
    """

    accounts: frozenset[str] = frozenset()

    def __or__(self, other: Self) -> Exact:
        return Exact(self.accounts | other.accounts)

    def interval(self) -> Interval:
        """How many there are."""
        count = len(self.accounts)
        return Interval(count, count, count)


@dataclass(frozen=True, slots=True)
class Users:
    """The accounts with good log-ins from a scope in about a day; by group and protocol the familiar ones."""

    familiar: Distinct
    doubtful: Distinct
    by_group: Mapping[str, Distinct] = field(default_factory=dict)
    by_protocol: Mapping[str, Distinct] = field(default_factory=dict)

    def legitimate(self, attacked: int) -> Interval:
        """How many are customers, where ``attacked`` accounts were tried from the scope.

        >>> Users(Exact(frozenset("ab")), Exact(frozenset("xyz"))).legitimate(attacked=400)
        Interval(estimate=2, low=2, high=5)
        """
        familiar, doubtful = self.familiar.interval(), self.doubtful.interval()
        surplus = max(0, doubtful.estimate - round(_MOST_HITS * attacked))
        newcomers = min(doubtful.high, max(surplus, familiar.high + _RULE_OF_THREE))
        return Interval(familiar.estimate + surplus, familiar.low, familiar.high + max(surplus, newcomers))


#: Who used a scope with this value at a time, UTC seconds; ``None`` where nobody knows.
UsersOf = Callable[[Scope, str, float], Users | None]


class LogIn(NamedTuple):
    """Good log-ins that are alike."""

    address: str
    account: str
    device: str
    protocol: str
    asn: int
    country: str


def log_in_of(attempt: Attempt) -> LogIn:
    """What is kept of a good log-in."""
    return LogIn(attempt.address, attempt.account, attempt.device, attempt.protocol, attempt.asn, attempt.country)


#: Log-ins of six hours by network: the first of those that are alike, when it was, and whether it was familiar.
_Cell = dict[str, list[tuple[LogIn, float, bool]]]


class UsageBook:
    """Every good log-in of about a day, by what it is: exact, in memory, for as many accounts as a replay has.

    Args:
        groups: Which groups an account belongs to.
    """

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._cells: dict[int, _Cell] = {}
        self._seen: dict[int, set[tuple[str, str, str, str]]] = {}  # by the same six hours: what is not the first
        self._seen_at: dict[tuple[str, str], int] = {}  # (address, account) -> newest six hours in that it was familiar there

    def note_all(self, attempts: Iterable[Attempt]) -> None:
        """Count attempts, in order of time, on which the source stage has put its mark; all but good log-ins are left out."""
        index, seen = -1, set[tuple[str, str, str, str]]()
        for attempt in attempts:
            if attempt.success:
                if attempt.ts // USAGE_S != index:
                    index = int(attempt.ts) // USAGE_S
                    if index not in self._cells:
                        self._begin(index)
                    seen = self._seen[index]
                if (attempt.address, attempt.account, attempt.device, attempt.protocol) not in seen:
                    self._note(attempt, index)

    def _note(self, attempt: Attempt, index: int) -> None:
        """The first log-in of its kind in these six hours."""
        if attempt.policy_reject or not attempt.address or not attempt.account:
            return
        pair = attempt.address, attempt.account
        is_familiar = not attempt.attack or self._seen_at.get(pair, -USAGE_CELLS) > index - USAGE_CELLS
        if is_familiar:
            self._seen_at[pair] = max(index, self._seen_at.get(pair, index))
        self._seen[index].add((*pair, attempt.device, attempt.protocol))
        self._cells[index].setdefault(attempt.network, []).append((log_in_of(attempt), attempt.ts, is_familiar))

    def _begin(self, index: int) -> None:
        self._cells[index], self._seen[index] = {}, set()
        # One more than is looked at: who asks may be a batch behind.
        for past in [past for past in self._cells if past < index - USAGE_CELLS]:
            del self._cells[past], self._seen[past]
        self._seen_at = {pair: at for pair, at in self._seen_at.items() if at > index - USAGE_CELLS}

    def users(self, scope: Scope, value: str, now: float) -> Users:
        """Who had good log-ins from ``scope`` with this value in about a day until ``now``."""
        parts = parts_of(scope, value)
        address = parts.pop("address", None)
        whole, within = _networks(address)
        wanted = [(LogIn._fields.index(name), int(part) if name == "asn" else part) for name, part in parts.items()]
        familiar, doubtful = set[str](), set[str]()
        by_protocol: defaultdict[str, set[str]] = defaultdict(set)
        for log_in, is_familiar in self._until(now, within):
            if any(log_in[at] != part for at, part in wanted):
                continue
            if address is not None and not whole and not covers(address, log_in.address):
                continue
            if is_familiar:
                familiar.add(log_in.account)
                by_protocol[log_in.protocol].add(log_in.account)
            else:
                doubtful.add(log_in.account)
        by_group: defaultdict[str, set[str]] = defaultdict(set)
        for account in familiar:
            for group in self._groups.of(account):
                by_group[group].add(account)
        return Users(_exact(familiar), _exact(doubtful - familiar), _exact_by(by_group), _exact_by(by_protocol))

    def _until(self, now: float, within: Callable[[str], bool] | str) -> Iterator[tuple[LogIn, bool]]:
        """The log-ins of about a day until ``now`` in one network, or in those of which ``within`` is true; familiar or not."""
        newest = int(now) // USAGE_S
        for index in range(newest - USAGE_CELLS + 1, newest + 1):
            cell = self._cells.get(index, {})
            for network in (within,) if isinstance(within, str) else filter(within, cell):
                for log_in, first_ts, is_familiar in cell.get(network, ()):
                    if first_ts <= now:
                        yield log_in, is_familiar


def _networks(address: str | None) -> tuple[bool, Callable[[str], bool] | str]:
    """Where to look for who comes from ``address``, one network or several; and whether all who are there do."""
    if address is None:
        return True, lambda _network: True
    network = network_of(address)
    counted_as = 24 if network.version == 4 else 48  # noqa: PLR2004  # see locate()
    if network.prefixlen < counted_as:
        return True, lambda each: covers(address, each)
    return network.prefixlen == counted_as, locate(str(network.network_address)).network


def _exact(accounts: set[str]) -> Exact:
    return Exact(frozenset(accounts))


def _exact_by(found: Mapping[str, set[str]]) -> dict[str, Exact]:
    return {name: _exact(accounts) for name, accounts in sorted(found.items())}
