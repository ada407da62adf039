"""What each enforcement point can express; what it cannot is never given to it (contract section 4).

A point that was handed a decision without its exceptions, its protocols or its account would refuse more people than the
decision says. ``guard`` is made of exceptions, so none of these points has it: that is for verdicts (``crible gate``). So are
decisions on a provider, a country or a protocol: accounts are let in again one after the other, by who knows accounts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv6Network
from typing import Final, Literal, NamedTuple, get_args

from models.decisions import Decision, address_of
from models.policy import Scope, network_of
from models.reopening import WIDE_SCOPES
from streams import telemetry

__all__ = ["EXPRESSES", "Expresses", "Point", "Withheld", "count_withheld", "withheld"]

Point = Literal["lapi", "lapi_addresses", "crowdsec", "haproxy", "nftables", "nginx", "postfix", "list"]
Withheld = Literal["scope", "protocols", "except", "ipv6", "wide", "full"]

_ADDRESSES: Final[frozenset[Scope]] = frozenset({"ip", "range"})


class Expresses(NamedTuple):
    """``scopes`` it can look up. ``protocol``: the one that it serves, so that it may have decisions about that one alone.

    ``ipv6``: whether it takes IPv6. ``widest_ipv4``: the shortest IPv4 prefix that it takes.
    """

    scopes: frozenset[Scope]
    protocol: str | None = None
    ipv6: bool = True
    widest_ipv4: int = 0


EXPRESSES: Final[Mapping[Point, Expresses]] = {
    "lapi": Expresses(frozenset(get_args(Scope)) - WIDE_SCOPES),  # who asks for a scope by its name can carry it out
    "lapi_addresses": Expresses(_ADDRESSES, ipv6=False, widest_ipv4=24),
    "crowdsec": Expresses(_ADDRESSES),
    "haproxy": Expresses(_ADDRESSES),
    "nftables": Expresses(_ADDRESSES),
    "nginx": Expresses(_ADDRESSES),
    "postfix": Expresses(_ADDRESSES | {"account_ip", "account", "account_protocol"}, protocol="smtp"),
    "list": Expresses(_ADDRESSES),
}


def withheld(point: Point, decision: Decision) -> Withheld | None:
    """Why ``point`` is not given ``decision``; ``None`` where it is."""
    can = EXPRESSES[point]
    if decision.scope not in can.scopes:
        return "scope"
    if decision.except_:
        return "except"
    if decision.protocols and can.protocol not in decision.protocols:
        return "protocols"
    address = address_of(decision.scope, decision.value)
    return None if address is None else _address_withheld(can, address)


def _address_withheld(can: Expresses, address: str) -> Withheld | None:
    network = network_of(address)
    if isinstance(network, IPv6Network):
        return None if can.ipv6 else "ipv6"
    return "wide" if network.prefixlen < can.widest_ipv4 else None


def count_withheld(point: Point, decisions: Iterable[Decision], has_room: Callable[[str], bool] = lambda _: True) -> None:
    """Tell Prometheus how many of the enforced ``decisions`` are not given to ``point``, by reason.

    ``has_room`` says of a decision's id whether the point had room for it.
    """
    reasons = Counter(withheld(point, each) or (None if has_room(each.decision_id) else "full") for each in decisions)
    for reason in get_args(Withheld):
        telemetry.DECISIONS_WITHHELD.labels(point, reason).set(reasons[reason])
