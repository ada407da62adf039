"""What an address is counted and blocked as: IPv4 address in its /24, IPv6 /64 in its /48 (contract section 1).

Text forms are those of RFC 5952 (``inet_ntop``). An IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2) is IPv4; the
zone of a scoped address (RFC 4007) is left out. Everything here is on the hot path, hence ``inet_pton`` and what is remembered;
only valid addresses are, so an entry is short.
"""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final, NamedTuple

from models.memo import Memo

__all__ = ["Source", "locate", "normalise"]

_REMEMBERED: Final = 1 << 17
#: Longest address with a zone that is taken; an interface name has at most 15 characters on Linux.
_MAX_TEXT: Final = 64
_MAPPED: Final = bytes(10) + b"\xff\xff"


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
    return _located[remote]


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
_located: Final = Memo(_locate, _REMEMBERED)
