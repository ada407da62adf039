"""Lists that people keep by hand: whom to refuse and whom never to, whatever is decided automatically.

An entry names an address (an IP address or a range), an account, or both; it ends by itself. The allow list wins over the block
list and over every decision; the never-block set wins over the block list. Entries travel on ``auth.control``, which every process
reads whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, Literal

import msgspec

from models.addresses import locate
from models.attempts import Attempt
from models.decisions import enclosing, join_value, parts_of
from models.ids import reference, stable_id
from models.policy import Scope, network_of

__all__ = ["LIST_PREFIX", "MAX_ENTRIES", "SCHEMA", "ListEntry", "ListName", "Lists", "has_room", "key_of", "listed_address"]

SCHEMA: Final = "list-entry/1"
#: Begins the keys of entries on ``auth.control``.
LIST_PREFIX: Final = "list/"
#: Of each list.
MAX_ENTRIES: Final = 10_000
#: Of both, with as many again that have ended and are not removed yet; beyond it entries are not taken (:func:`has_room`).
_MAX_HELD: Final = 4 * MAX_ENTRIES

#: Prefix lengths from which on a network is one address, as attempts are counted.
_ONE_ADDRESS: Final = {4: 32, 6: 64}

ListName = Literal["block", "allow"]


class ListEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Holds before ``until``; both times are UTC seconds. ``by`` is the name of the key with which it was ordered.

    >>> ListEntry(list="block", address="192.0.2.7", account="a@example.org", ts=0, until=60, reason="", by="wforce").key
    'list/block/192.0.2.7|a@example.org'
    """

    list: ListName
    address: str = ""
    account: str = ""
    ts: float
    until: float
    reason: str
    by: str

    @property
    def key(self) -> str:
        """Its key on ``auth.control``."""
        return key_of(self.list, self.address, self.account)

    @property
    def reference(self) -> str:
        """What a client is told that it refuses."""
        return reference(stable_id(self.key, self.ts))

    def spares(self, scope: Scope, value: str) -> bool:
        """Whether an entry of the allow list speaks against a decision on ``value``.

        One that names an account says nothing about decisions on its whole address: log-in servers, who know the account, let
        it in.

        >>> office = ListEntry(list="allow", address="192.0.2.0/28", ts=0, until=60, reason="our office", by="anne")
        >>> office.spares("ip", "192.0.2.7"), office.spares("account_ip", "192.0.2.7|a@example.org")
        (True, True)
        >>> office.spares("ip", "192.0.2.99")
        False
        """
        parts = parts_of(scope, value)
        if self.account and parts.get("account") != self.account:
            return False
        return not self.address or ("address" in parts and _overlap(self.address, parts["address"]))


def key_of(name: ListName, address: str, account: str) -> str:
    """The key on ``auth.control``: there is one entry for each list, address and account."""
    return f"{LIST_PREFIX}{name}/{join_value(address, account)}"


def listed_address(text: str) -> str:
    """An address or range in the form in which attempts are counted: an IPv6 address is its /64.

    Raises:
        ValueError: It is neither.

    >>> listed_address("2001:db8:1:2::3"), listed_address("192.0.2.9/24"), listed_address("192.0.2.9/32")
    ('2001:db8:1:2::/64', '192.0.2.0/24', '192.0.2.9')
    """
    network = network_of(text)
    is_one = network.prefixlen >= _ONE_ADDRESS[network.version]
    return locate(text.partition("/")[0]).address if is_one else str(network)


def has_room(entry: ListEntry, held: Collection[ListEntry], now: float) -> bool:
    """Whether ``entry`` is taken beside the ``held`` ones of both lists, of which some may have ended by ``now`` (UTC seconds).

    >>> entry = ListEntry(list="allow", account="a@example.org", ts=0, until=60, reason="", by="anne")
    >>> has_room(entry, [], now=0)
    True
    """
    if any(each.key == entry.key for each in held):  # it takes its place
        return True
    in_force = sum(each.list == entry.list and now < each.until for each in held)
    return in_force < MAX_ENTRIES and len(held) < _MAX_HELD


class Lists:
    """The entries in force, found by attempt."""

    def __init__(self) -> None:
        self._entries: dict[ListName, dict[tuple[str, str], ListEntry]] = {"block": {}, "allow": {}}
        self._keys: dict[str, ListEntry] = {}
        self._prefixes: set[int] = set()  # lengths in use

    def put(self, entry: ListEntry) -> None:
        """Add an entry, or replace the one with its key; a new one is left out where there is no room."""
        if len(self._keys) >= _MAX_HELD and entry.key not in self._keys:
            return
        address = ""
        if entry.address:
            network = network_of(entry.address)
            address = str(network)
            self._prefixes.add(network.prefixlen)
        self._entries[entry.list][address, entry.account] = entry
        self._keys[entry.key] = entry

    def remove(self, key: str) -> None:
        """Forget the entry with this key, if there is one."""
        entry = self._keys.pop(key, None)
        if entry is not None:
            address = str(network_of(entry.address)) if entry.address else ""
            del self._entries[entry.list][address, entry.account]

    def take(self, key: str, entry: ListEntry | None) -> None:
        """The newest state of the entry with this key; ``None`` where it is gone."""
        self.remove(key)
        if entry is not None:
            self.put(entry)

    def find(self, name: ListName, attempt: Attempt) -> ListEntry | None:
        """An entry of a list that holds for ``attempt``, or ``None``."""
        entries = self._entries[name]
        if not entries:
            return None
        candidates = (entries.get(place) for place in self._places(attempt))
        return next((entry for entry in candidates if entry is not None and attempt.ts < entry.until), None)

    def entries(self, name: ListName) -> list[ListEntry]:
        """The entries of a list, those that have ended too."""
        return list(self._entries[name].values())

    def all(self) -> list[ListEntry]:
        """The entries of both lists, those that have ended too."""
        return list(self._keys.values())

    def in_force(self, name: ListName, now: float) -> list[ListEntry]:
        """The entries of a list that hold at ``now``."""
        return [entry for entry in self._entries[name].values() if now < entry.until]

    def ended(self, before: float) -> list[str]:
        """The keys of entries of both lists that ended before a time."""
        return [key for key, entry in self._keys.items() if entry.until < before]

    def _places(self, attempt: Attempt) -> Iterator[tuple[str, str]]:
        yield "", attempt.account
        for prefix in self._prefixes:
            network = enclosing(attempt.address, prefix)
            if network is not None:
                yield network, ""
                yield network, attempt.account

    def spares(self, scope: Scope, value: str, now: float) -> bool:
        """Whether the allow list speaks against a decision on ``value``; see :meth:`ListEntry.spares`."""
        return any(entry.spares(scope, value) for entry in self.in_force("allow", now))


def _overlap(one: str, other: str) -> bool:
    first, second = network_of(one), network_of(other)
    return first.version == second.version and first.overlaps(second)
