"""nftables: sets with timeouts, filled in one transaction, from which the kernel removes every element by itself.

For each prefix length in use there is a set of networks, and a rule that looks a packet's network up in it. Sets of
intervals would need no rule per length, but they take no element that overlaps another, and blocks do overlap.
Only the chain ``listed`` and the sets of the table ``inet crible`` are written here; which packets come to the chain is for
the operator to say (``deploy/nftables/crible.nft``).
Source: nft(8) of nftables 1.0.6
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from itertools import groupby
from typing import Final

from models.decisions import Decision
from streams.enforcement.blocks import Block, blocks
from streams.enforcement.express import Point
from streams.enforcement.files import run
from streams.settings import Nftables

__all__ = ["NftablesPoint", "transaction"]

#: Somebody may have flushed the rules: everything is written again after so long.
_AGAIN_S: Final = 60
_ELEMENTS_A_LINE: Final = 500
_MS_PER_S: Final = 1000


class NftablesPoint:
    """Keeps the sets of one host's nftables."""

    name: Final[Point] = "nftables"
    pause_s: Final = 1.0

    def __init__(self, settings: Nftables) -> None:
        self._command = settings.command
        self._written: list[Block] = []
        self._again_at = 0.0

    def apply(self, decisions: Sequence[Decision], now: float) -> None:
        """Give ``decisions`` to the kernel, where they changed or the last time is long ago.

        Raises:
            CribleError: nft refused; nothing of the transaction holds then.
        """
        wanted = blocks(decisions)
        if wanted != self._written or now >= self._again_at:
            run(self._command, transaction(wanted, now))
            self._written, self._again_at = wanted, now + _AGAIN_S


def transaction(wanted: Sequence[Block], now: float) -> str:
    """What ``nft -f`` reads: either all of it holds afterwards, or what held before.

    >>> from models.policy import network_of
    >>> print(transaction([Block(network_of("192.0.2.0/24"), 90.5)], now=0.0), end="")
    add table inet crible
    add chain inet crible listed
    flush chain inet crible listed
    add set inet crible ipv4_24 { type ipv4_addr; flags timeout; }
    flush set inet crible ipv4_24
    add rule inet crible listed ip saddr & 255.255.255.0 @ipv4_24 drop
    add element inet crible ipv4_24 { 192.0.2.0 timeout 90500ms }
    """
    return "".join(f"{line}\n" for line in _lines(wanted, now))


def _lines(wanted: Sequence[Block], now: float) -> Iterator[str]:
    yield "add table inet crible"
    yield "add chain inet crible listed"
    yield "flush chain inet crible listed"
    for _, of_length in groupby(sorted(wanted, key=_length), key=_length):
        of_one_set = list(of_length)
        network = of_one_set[0].network
        name, family, protocol = f"ipv{network.version}_{network.prefixlen}", *_FAMILIES[type(network)]
        yield f"add set inet crible {name} {{ type {family}; flags timeout; }}"
        yield f"flush set inet crible {name}"
        yield f"add rule inet crible listed {protocol} saddr & {network.netmask} @{name} drop"
        for start in range(0, len(of_one_set), _ELEMENTS_A_LINE):
            elements = ", ".join(_element(block, now) for block in of_one_set[start : start + _ELEMENTS_A_LINE])
            yield f"add element inet crible {name} {{ {elements} }}"


_FAMILIES: Final = {IPv4Network: ("ipv4_addr", "ip"), IPv6Network: ("ipv6_addr", "ip6")}


def _length(block: Block) -> tuple[int, int]:
    return block.network.version, block.network.prefixlen


def _element(block: Block, now: float) -> str:
    left_ms = max(int((block.until - now) * _MS_PER_S), 1)
    return f"{block.network.network_address} timeout {left_ms}ms"
