"""What is known live about who uses a scope: the newest that each partition of the source stage has told (``auth.scopes``).

The live counterpart of :class:`models.usage.UsageBook`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from models.accounts import Groups
from models.policy import Scope
from models.scopes import parts_of
from models.sketches import Counted, Members, ScopeUse
from models.usage import USAGE_CELLS, USAGE_S, Users

__all__ = ["ScopeBook"]

#: What has not been told anew for so long is not known any more; a source is told each minute, a network each hour.
_KEEP_S: Final = 2 * 3600
#: A country, provider, protocol or device is told when somebody uses it; in so long all of it is out of the counts.
_KEEP_WIDE_S: Final = USAGE_CELLS * USAGE_S
_WIDE: Final[frozenset[Scope]] = frozenset({"country", "asn", "protocol", "asn_device", "device"})
#: Scopes remembered at most, about 200 bytes each and 16 kB where thousands use one; the longest silent goes first.
_MOST: Final = 100_000


class ScopeBook:
    """The newest of every scope by partition.

    Args:
        groups: Which groups an account belongs to.
    """

    def __init__(self, groups: Groups) -> None:
        self._members = Members(groups)
        self._uses: OrderedDict[tuple[Scope, str], dict[int, ScopeUse]] = OrderedDict()

    def take(self, use: ScopeUse) -> None:
        """Remember the newest of a scope that a partition has told."""
        key = use.scope, use.value
        self._uses.setdefault(key, {})[use.source] = use
        self._uses.move_to_end(key)
        if len(self._uses) > _MOST:
            self._uses.popitem(last=False)

    def users(self, scope: Scope, value: str, now: float) -> Users | None:
        """Who uses a scope; ``None`` where nobody knows."""
        counted = self.counted(scope, value, now)
        return None if counted is None else counted.users

    def counted(self, scope: Scope, value: str, now: float, protocols: Iterable[str] = ()) -> Counted | None:
        """What is known of a scope at ``now``, over some protocols or all of them; ``None`` where nobody knows.

        A provider, country or protocol of which nothing is told has had no log-in, as long as others are told of.
        """
        uses = self._told(scope, value, now)
        if scope in {"device", "asn_device"} and self._told("device", "", now):
            return None  # there are more than are counted
        if not uses and scope in _WIDE:
            everything = self._everything(now)
            uses = [ScopeUse.of(scope, value, use.ts, {}, use.since) for use in everything]
        try:
            return self._members.counted(uses, protocols) if uses else None
        except ValueError:  # not what the workers write
            return None

    def _told(self, scope: Scope, value: str, now: float) -> list[ScopeUse]:
        """What holds of a scope, by one partition after the other."""
        if scope == "device" and value:
            named = {key: uses for key, uses in list(self._uses.items()) if key[0] == "asn_device"}
            held = [
                use for (_, each), uses in named.items() if parts_of("asn_device", each)["device"] == value for use in uses.values()
            ]
        else:
            held = list(self._uses.get((scope, value), {}).values())
        keep_s = _KEEP_WIDE_S if scope in _WIDE else _KEEP_S
        return [use for use in held if use.ts + keep_s >= now]

    def _everything(self, now: float) -> list[ScopeUse]:
        return [use for scope, value in list(self._uses) if scope == "protocol" for use in self._told(scope, value, now)]
