"""Scopes: what a decision is about, how its value is written, and which attempts it meets (contract section 4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, Protocol
from urllib.parse import unquote

from models.policy import Scope, network_of

__all__ = [
    "PAIR_SCOPES",
    "SCOPE_PARTS",
    "Parts",
    "address_of",
    "covers",
    "enclosing",
    "join_value",
    "matches",
    "parts_of",
    "split_value",
]

#: The parts that a scope's value joins with ``|``, and so what an attempt must match.
SCOPE_PARTS: Final[dict[Scope, tuple[str, ...]]] = {
    "account_ip": ("address", "account"),
    "ip": ("address",),
    "range": ("address",),
    "account": ("account",),
    "account_device": ("account", "device"),
    "range_device": ("address", "device"),
    "asn_device": ("asn", "device"),
    "device": ("device",),
    "account_protocol": ("account", "protocol"),
    "asn": ("asn",),
    "country": ("country",),
    "protocol": ("protocol",),
}
#: Protected groups are met by these scopes only.
PAIR_SCOPES: Final[frozenset[Scope]] = frozenset({"account_ip", "account_device"})


class Parts(Protocol):
    """What scopes look at: an attempt, or log-ins that are alike."""

    @property
    def address(self) -> str:
        """IPv4 address or IPv6 /64; empty where nothing is known of the source."""

    @property
    def account(self) -> str:
        """The account key."""

    @property
    def device(self) -> str:
        """What the client says it is."""

    @property
    def protocol(self) -> str:
        """As in the event."""

    @property
    def asn(self) -> int:
        """0 where unknown."""

    @property
    def country(self) -> str:
        """Empty where unknown."""


def join_value(*parts: str) -> str:
    """The value of a scope; ``|`` and ``%`` inside a part are percent-encoded.

    >>> join_value("192.0.2.7", "a|b%@example.org")
    '192.0.2.7|a%7Cb%25@example.org'
    """
    return "|".join(part.replace("%", "%25").replace("|", "%7C") for part in parts)


def split_value(value: str) -> list[str]:
    """The parts that :func:`join_value` joined.

    >>> split_value("192.0.2.7|a%7Cb%25@example.org")
    ['192.0.2.7', 'a|b%@example.org']
    """
    return [unquote(part) for part in value.split("|")]


def parts_of(scope: Scope, value: str) -> dict[str, str]:
    """The parts of a value by name.

    >>> parts_of("account_ip", "192.0.2.7|a@example.org")
    {'address': '192.0.2.7', 'account': 'a@example.org'}
    """
    return dict(zip(SCOPE_PARTS[scope], split_value(value), strict=True))


def address_of(scope: Scope, value: str) -> str | None:
    """The address or range in a value, or ``None`` where the scope has none.

    >>> address_of("account_ip", "192.0.2.7|a@example.org"), address_of("account", "a@example.org")
    ('192.0.2.7', None)
    """
    return split_value(value)[0] if SCOPE_PARTS[scope][0] == "address" else None


def matches(scope: Scope, value: str, attempt: Parts) -> bool:
    """Whether every part of a scope's value matches ``attempt``."""
    return all(_PART_MATCHES[name](part, attempt) for name, part in parts_of(scope, value).items())


def covers(network: str, address: str) -> bool:
    """Whether ``address`` (an address or a range) lies in ``network`` (the same).

    >>> covers("192.0.2.0/24", "192.0.2.7"), covers("192.0.2.7", "192.0.2.0/24"), covers("192.0.2.0/24", "")
    (True, False, False)
    """
    if not address:  # an attempt of whose source nothing is known
        return False
    outer, inner = network_of(network), network_of(address)
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]  # same version


_PART_MATCHES: Final[dict[str, Callable[[str, Parts], bool]]] = {
    "address": lambda part, attempt: covers(part, attempt.address),
    "account": lambda part, attempt: part == attempt.account,
    "device": lambda part, attempt: part == attempt.device,
    "asn": lambda part, attempt: part == str(attempt.asn),
    "country": lambda part, attempt: part == attempt.country,
    "protocol": lambda part, attempt: part == attempt.protocol,
}


@lru_cache(maxsize=1 << 16)
def enclosing(address: str, prefix: int) -> str | None:
    """The network of length ``prefix`` around ``address``, if there is one.

    >>> enclosing("192.0.2.7", 24), enclosing("2001:db8:1:2::/64", 128)
    ('192.0.2.0/24', None)
    """
    if not address:  # an attempt of whose source nothing is known
        return None
    network = network_of(address)
    return str(network.supernet(new_prefix=prefix)) if prefix <= network.prefixlen else None
