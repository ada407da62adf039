"""Decisions about addresses as the points need them: each network once, with the time until which it is refused."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from models.decisions import Decision
from models.policy import network_of

__all__ = ["Block", "blocks"]


class Block(NamedTuple):
    """``network`` is refused before ``until``, UTC seconds.

    >>> Block(network_of("192.0.2.7"), 0.0).text, Block(network_of("192.0.2.0/24"), 0.0).text
    ('192.0.2.7', '192.0.2.0/24')
    """

    network: IPv4Network | IPv6Network
    until: float

    @property
    def text(self) -> str:
        """The network in the one way that all points read; a single address has no mask."""
        whole = self.network.prefixlen == self.network.max_prefixlen
        return str(self.network.network_address) if whole else str(self.network)


def blocks(decisions: Iterable[Decision]) -> list[Block]:
    """What ``decisions`` (scopes ``ip`` and ``range``) refuse, by version and address.

    A network within one that is refused as long is left out: HAProxy and nginx go by the longest match, and would let an
    address through once the shorter of the two blocks has ended.
    """
    ends: dict[IPv4Network | IPv6Network, float] = {}
    for decision in decisions:
        network = network_of(decision.value)
        ends[network] = max(decision.until, ends.get(network, 0.0))
    kept: list[Block] = []
    around: list[Block] = []  # those that the present network lies in, the widest first
    for network, until in sorted(ends.items(), key=_order):
        while around and not _within(network, around[-1].network):
            around.pop()
        if all(outer.until < until for outer in around):
            block = Block(network, until)
            kept.append(block)
            around.append(block)
    return kept


def _order(item: tuple[IPv4Network | IPv6Network, float]) -> tuple[int, int, int]:
    network = item[0]
    return network.version, int(network.network_address), network.prefixlen


def _within(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]  # same version
