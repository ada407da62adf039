"""The narrowest scopes that stop an attack: how much of it each set of blocks stops, for how many customers (design section 5).

A weighted set cover. What hits no customer comes first, narrow before wide; then, as long as the budget on customers allows, the
scope that stops most for each customer more (greedy: Chvátal, Mathematics of Operations Research 4(3), 1979). A wider scope is
never taken where scopes inside it stop as much: what lies inside hits nobody else, so that they are put in its place.

A scope is offered once the attack used it three times: what was seen less often is not known when it matters. A pair of address and
account is offered where customers use the address too; where nobody does, the address itself hits nobody else.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from models.accounts import Groups
from models.attempts import Attempt
from models.geo import is_foreign
from models.policy import Policy, Scope
from models.scopes import PAIR_SCOPES, Parts, address_of, enclosing, join_value
from models.usage import LogIn

__all__ = ["Cut", "Option", "Plan", "Point", "narrowest", "options", "plan"]

#: A scope that the attack used less often is not offered, and one wider than an address has to stop so many more than others do.
_SEEN: Final = 3
#: Prefix lengths of ranges on offer, by whether the address is IPv6; a /64 is an address.
_RANGES: Final[dict[bool, tuple[int, ...]]] = {False: (24, 20, 16), True: (56, 48, 40, 32)}
#: A device that this share of the customers uses is no mark of an attack (design section 5).
_COMMON_DEVICE: Final = 0.001
_ADDRESS_WIDTH: Final = 1
_DEVICE_WIDTH: Final = 2
_RANGE_WIDTH: Final = 3
_ASN_WIDTH: Final = 200


@dataclass(frozen=True, slots=True)
class Option:
    """A scope that may be blocked: the attack's attempts that it stops, by number, and the customers whom it hits.

    ``width`` orders scopes: one that lies inside another is narrower.
    """

    scope: Scope
    value: str
    width: int
    stops: frozenset[int]
    hits: frozenset[str]

    def lies_in(self, other: Option) -> bool:
        """Whether it is narrower, and everything that it meets ``other`` meets too."""
        return self.width < other.width and self.stops <= other.stops and self.hits <= other.hits


class Point(msgspec.Struct, frozen=True):
    """What a set of scopes does: how many, attempts stopped, accounts protected by that, customers hit."""

    scopes: int
    stopped: int
    accounts: int
    customers: int
    by_group: dict[str, int]


class Cut(msgspec.Struct, frozen=True):
    """What one scope of the plan does for itself."""

    scope: Scope
    value: str
    stopped: int
    customers: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What can be done about an attack.

    Attributes:
        attempts: Those of the attack.
        accounts: That it tried.
        customers: Accounts with good log-ins in the day before and while it ran.
        budget: Customers whom the plan may hit.
        chosen: The narrowest scopes within the budget.
        within_budget: What they do together.
        curve: What could be done with a larger or smaller budget, from the fewest customers on; each stops more than the last.
        cut_foreign: What cutting every foreign address would do.
        cut_pop_imap: What cutting POP and IMAP would do.
    """

    attempts: int
    accounts: int
    customers: int
    budget: int
    chosen: tuple[Cut, ...]
    within_budget: Point
    curve: tuple[Point, ...]
    cut_foreign: Point
    cut_pop_imap: Point


def plan(
    attacks: Sequence[Attempt], log_ins: Iterable[LogIn], policy: Policy, groups: Groups, budget: int, home: str = "FR"
) -> Plan:
    """The narrowest scopes that stop ``attacks`` and hit ``budget`` customers at most, beside what else could be done.

    Args:
        attacks: The attempts of the attack.
        log_ins: Good log-ins of customers, in the day before and while it ran.
        policy: Its never-block set and protected groups.
        groups: Who is in a protected group: met by pairs alone.
        home: The country that is not foreign.
    """
    customers = frozenset(log_ins)
    offered = options(attacks, customers, policy, groups)
    told = _Told(attacks, groups)
    chosen = narrowest(offered, budget)
    everything = narrowest(offered, len(customers))
    return Plan(
        attempts=len(attacks),
        accounts=len({attempt.account for attempt in attacks}),
        customers=len({log_in.account for log_in in customers}),
        budget=budget,
        chosen=tuple(
            Cut(option.scope, option.value, len(option.stops), len(option.hits))
            for option in sorted(chosen, key=lambda option: (-len(option.stops), option.width, option.value))
        ),
        within_budget=told.point(chosen),
        curve=tuple(told.curve(everything)),
        cut_foreign=told.crude(customers, lambda parts: bool(parts.country) and is_foreign(parts.country, home)),
        cut_pop_imap=told.crude(customers, lambda parts: parts.protocol in {"pop3", "imap"}),
    )


def options(attacks: Sequence[Attempt], customers: Iterable[LogIn], policy: Policy, groups: Groups) -> list[Option]:
    """The scopes on offer against ``attacks``, with the ``customers`` whom each would hit."""
    stops: defaultdict[tuple[int, Scope, str], set[int]] = defaultdict(set)
    for number, attempt in enumerate(attacks):
        for key in _scopes_of(attempt):
            stops[key].add(number)
    stops = defaultdict(set, {key: met for key, met in stops.items() if len(met) >= _SEEN and _may_block(policy, *key[1:])})
    hits: defaultdict[tuple[int, Scope, str], set[str]] = defaultdict(set)
    users_of_device: defaultdict[str, set[str]] = defaultdict(set)
    everybody = set[str]()
    for log_in in customers:
        everybody.add(log_in.account)
        users_of_device[log_in.device].add(log_in.account)
        for key in _scopes_of(log_in):
            if key in stops:
                hits[key].add(log_in.account)
    protected = {account for account in everybody if not policy.protected_groups.isdisjoint(groups.of(account))}
    common = {
        device
        for device, users in users_of_device.items()
        if len(users) >= _COMMON_DEVICE * len(everybody) or not users.isdisjoint(protected)
    }
    offered = []
    for (width, scope, value), met in sorted(stops.items()):
        hit = hits[width, scope, value]
        if scope in PAIR_SCOPES:
            address = value.partition("|")[0]
            if not hits.get((_ADDRESS_WIDTH, "range" if "/" in address else "ip", address)):
                continue
        elif not hit.isdisjoint(protected) or (scope.endswith("_device") and value.partition("|")[2] in common):
            continue
        offered.append(Option(scope, value, width, frozenset(met), frozenset(hit)))
    return offered


def narrowest(offered: Sequence[Option], budget: int) -> list[Option]:
    """Scopes that stop much of an attack and hit ``budget`` customers at most, in the order in which they were taken.

    >>> pair = Option("account_ip", "192.0.2.7|anne", 0, frozenset({1, 2}), frozenset())
    >>> address = Option("ip", "192.0.2.7", 1, frozenset({1, 2}), frozenset({"bob"}))
    >>> [option.scope for option in narrowest([address, pair], budget=5)]
    ['account_ip']
    """
    taken: list[Option] = []
    stopped, hit = set[int](), set[str]()
    for option in sorted(offered, key=lambda option: (option.width, -len(option.stops), option.value)):
        if not option.hits and _is_worth_it(option, len(option.stops - stopped)):
            taken.append(option)
            stopped |= option.stops
    before = None
    while before != stopped:  # what is narrowed may leave room for more
        before = set(stopped)
        rest = [option for option in offered if _is_worth_it(option, len(option.stops - stopped))]
        while best := _best(rest, stopped, hit, budget):
            taken.append(best)
            stopped |= best.stops
            hit |= best.hits
            rest = [option for option in rest if _is_worth_it(option, len(option.stops - stopped))]
        taken = _narrowed(taken, offered)
        hit = set().union(*(option.hits for option in taken))
    return taken


def _is_worth_it(option: Option, more: int) -> bool:
    return more >= (1 if option.width <= _ADDRESS_WIDTH else _SEEN)


def _best(rest: Iterable[Option], stopped: set[int], hit: set[str], budget: int) -> Option | None:
    """What stops most for each customer more, within the budget; of equals the narrowest."""
    best, best_rank = None, (0.0, 0, 0, "")
    for option in rest:
        cost, more = len(option.hits - hit), len(option.stops - stopped)
        if len(hit) + cost > budget or not _is_worth_it(option, more):
            continue
        rank = (more / (cost or 1e-9), -option.width, more, option.value)
        if best is None or rank > best_rank:
            best, best_rank = option, rank
    return best


def _narrowed(taken: list[Option], offered: Sequence[Option]) -> list[Option]:
    """``taken`` without what the others stop already, and with scopes inside a wider one in its place where they stop as much."""
    meeting: defaultdict[int, list[Option]] = defaultdict(list)  # attempt -> what stops it
    for option in offered:
        for number in option.stops:
            meeting[number].append(option)
    times = Counter(number for option in taken for number in option.stops)
    kept, changed = dict.fromkeys(taken), True
    while changed:
        changed = False
        for option in sorted(kept, key=lambda each: (-each.width, len(each.stops), each.value)):
            alone = {number for number in option.stops if times[number] == 1}
            near = dict.fromkeys(each for number in alone for each in meeting[number] if each.width < option.width)
            inside = [each for each in near if each not in kept and each.lies_in(option)]
            if alone and not alone <= frozenset[int]().union(*(each.stops for each in inside)):
                continue
            changed = True
            del kept[option]
            times.subtract(option.stops)
            for each in sorted(inside, key=lambda each: (each.width, -len(each.stops), each.value)):
                if not each.stops.isdisjoint(alone):
                    alone -= each.stops
                    kept[each] = None
                    times.update(each.stops)
    return list(kept)


class _Told:
    """Says what sets of scopes do."""

    def __init__(self, attacks: Sequence[Attempt], groups: Groups) -> None:
        self._attacks, self._groups = attacks, groups

    def point(self, chosen: Sequence[Option]) -> Point:
        """What ``chosen`` do together."""
        stopped = frozenset[int]().union(*(option.stops for option in chosen))
        return self._point(len(chosen), stopped, frozenset[str]().union(*(option.hits for option in chosen)))

    def curve(self, chosen: Sequence[Option]) -> Iterator[Point]:
        """What the first of ``chosen`` do, for every number of customers at which more is stopped."""
        free = [option for option in chosen if not option.hits]
        count, stopped, hit = len(free), set[int]().union(*(option.stops for option in free)), set[str]()
        rest = [option for option in chosen if option.hits]
        while best := _best(rest, stopped, hit, sys.maxsize):
            if best.hits - hit:
                yield self._point(count, frozenset(stopped), frozenset(hit))
            rest.remove(best)
            count += 1
            stopped |= best.stops
            hit |= best.hits
        yield self._point(count, frozenset(stopped), frozenset(hit))

    def crude(self, customers: Iterable[LogIn], is_cut: Callable[[Parts], bool]) -> Point:
        """What it does to cut off whatever ``is_cut``."""
        stopped = frozenset(number for number, attempt in enumerate(self._attacks) if is_cut(attempt))
        return self._point(1, stopped, frozenset(log_in.account for log_in in customers if is_cut(log_in)))

    def _point(self, scopes: int, stopped: frozenset[int], hit: frozenset[str]) -> Point:
        by_group: defaultdict[str, int] = defaultdict(int)
        for account in hit:
            for group in self._groups.of(account):
                by_group[group] += 1
        accounts = len({self._attacks[number].account for number in stopped})
        return Point(scopes, len(stopped), accounts, len(hit), dict(sorted(by_group.items())))


def _scopes_of(parts: Parts) -> Iterator[tuple[int, Scope, str]]:
    """Width, scope and value of everything that meets ``parts`` and may be made automatically."""
    address = parts.address
    if not address:
        return
    is_ipv6 = ":" in address
    yield 0, "account_ip", join_value(address, parts.account)
    yield _ADDRESS_WIDTH, "range" if is_ipv6 else "ip", address
    bits = 64 if is_ipv6 else 32
    for prefix in _RANGES[is_ipv6]:
        network = enclosing(address, prefix)
        if network is not None:
            yield _RANGE_WIDTH + bits - prefix, "range", network
            if parts.device and prefix in {24, 48}:
                yield _DEVICE_WIDTH, "range_device", join_value(network, parts.device)
    if parts.device and parts.asn:
        yield _ASN_WIDTH, "asn_device", join_value(str(parts.asn), parts.device)


def _may_block(policy: Policy, scope: Scope, value: str) -> bool:
    address = address_of(scope, value)
    return address is None or policy.may_block(address)
