"""Whose address an attempt shows, and what it is counted and blocked as: IPv4 in its /24, IPv6 /64 in its /48 (contract section 1).

Text forms are those of RFC 5952 (``inet_ntop``). An IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2) is IPv4; the
zone of a scoped address (RFC 4007) is left out. Everything here is on the hot path, hence ``inet_pton`` and what is remembered;
only valid addresses are, so an entry is short.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_network
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final, NamedTuple

from models.memo import Memo

__all__ = ["Proxies", "Source", "host_of", "locate", "located", "normalise"]

_REMEMBERED: Final = 1 << 17
#: Longest address with a zone that is taken; an interface name has at most 15 characters on Linux.
_MAX_TEXT: Final = 64
_MAPPED: Final = bytes(10) + b"\xff\xff"
#: A log-in from our own machine was made there on somebody's behalf, and the unspecified address stands for none at all.
_NOBODYS: Final = ("127.0.0.0/8", "::1/128", "0.0.0.0/32", "::/128")
#: Longer than every address with brackets and port.
_MAX_HOP: Final = 2 * _MAX_TEXT


class Source(NamedTuple):
    """``address``: ``192.0.2.7`` or ``2001:db8:1:2::/64``; ``network``: ``192.0.2.0/24`` or ``2001:db8:1::/48``."""

    address: str
    network: str


def normalise(remote: str) -> str:
    """The one way to write the address ``remote``.

    Raises:
        ValueError: ``remote`` is not an IP address.

    >>> normalise("2001:DB8:0:0::0001"), normalise("::ffff:192.0.2.7"), normalise("fe80::1%eth0")
    ('2001:db8::1', '192.0.2.7', 'fe80::1')
    """
    return _normalised[remote]


def _normalise(remote: str) -> str:
    if len(remote) > _MAX_TEXT:
        raise ValueError("too long for an address")
    try:
        if ":" not in remote:
            inet_pton(AF_INET, remote)  # takes one way to write an address only
            return remote
        packed = inet_pton(AF_INET6, remote.partition("%")[0])
    except OSError:
        raise ValueError("not an IP address") from None
    return inet_ntop(AF_INET, packed[12:]) if packed.startswith(_MAPPED) else inet_ntop(AF_INET6, packed)


def locate(remote: str) -> Source:
    """The source behind a client address.

    Raises:
        ValueError: ``remote`` is not an IP address.

    >>> locate("192.0.2.7")
    Source(address='192.0.2.7', network='192.0.2.0/24')
    >>> locate("2001:db8:1:2:3::4")
    Source(address='2001:db8:1:2::/64', network='2001:db8:1::/48')
    >>> locate("::ffff:192.0.2.7").address
    '192.0.2.7'
    """
    return located[remote]


def _locate(remote: str) -> Source:
    address = normalise(remote)
    if ":" not in address:
        return Source(address, address[: address.rindex(".")] + ".0/24")
    packed = inet_pton(AF_INET6, address)
    return Source(
        inet_ntop(AF_INET6, packed[:8] + bytes(8)) + "/64",
        inet_ntop(AF_INET6, packed[:6] + bytes(10)) + "/48",
    )


_normalised: Final = Memo(_normalise, _REMEMBERED)
#: ``located[remote]`` is ``locate(remote)`` without a call, for each attempt.
located: Final = Memo(_locate, _REMEMBERED)


def host_of(hop: str) -> str:
    """The address in one element of ``X-Forwarded-For``, some of which come in quotes or with a port (RFC 7239, section 6).

    >>> [host_of(hop) for hop in ("192.0.2.7:4711", ' "[2001:db8::7]:4711"', "2001:db8::7", "unknown")]
    ['192.0.2.7', '2001:db8::7', '2001:db8::7', 'unknown']
    """
    text = hop[:_MAX_HOP].strip(' "')
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


class Proxies:
    """Whom we believe what he says about the hop before him: loopback, always, and the proxies that the operator names.

    Args:
        networks: Addresses and CIDR ranges of trusted proxies.

    Raises:
        ValueError: One of them is neither.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        ranges = [ip_network(text) for text in (*_NOBODYS, *networks)]
        #: Network and mask as numbers, by length of the packed address.
        self._ranges = {
            bits // 8: [(int(each.network_address), int(each.netmask)) for each in ranges if each.max_prefixlen == bits]
            for bits in (32, 128)
        }
        self._trusted = Memo(self._find, _REMEMBERED)

    def trusts(self, address: str) -> bool:
        """Whether ``address``, in normal form, is one of ours."""
        return self._trusted[address]

    def client(self, remote: str, forwarded: Sequence[str] = ()) -> str | None:
        """The client's address: walking the hops from our side, the first that is not trusted; ``None`` if there is none.

        What stands beyond it is the client's own claim. A hop that is no address ends the walk: who wrote it is trusted and does
        not know either.

        Args:
            remote: Who connected to us, in normal form.
            forwarded: Whom he spoke for, in the order of ``X-Forwarded-For``: the one next to us last.

        >>> proxies = Proxies(["10.0.0.0/8"])
        >>> proxies.client("10.0.0.1", ["198.51.100.9", "192.0.2.7", "10.0.0.2"])
        '192.0.2.7'
        >>> proxies.client("203.0.113.5", ["198.51.100.9"]), proxies.client("127.0.0.1"), proxies.client("10.0.0.1", ["unknown"])
        ('203.0.113.5', None, None)
        """
        if not self._trusted[remote]:
            return remote
        for hop in reversed(forwarded):
            try:
                address = normalise(host_of(hop))
            except ValueError:
                return None
            if not self._trusted[address]:
                return address
        return None

    def _find(self, address: str) -> bool:
        packed = inet_pton(AF_INET6 if ":" in address else AF_INET, address)
        number = int.from_bytes(packed)
        return any(number & mask == network for network, mask in self._ranges[len(packed)])
