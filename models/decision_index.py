"""Finds the decisions about an attempt, of which there may be two hundred thousand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final

from models.attempts import Attempt
from models.decisions import Decision, refuses
from models.memo import Memo
from models.policy import Policy, Scope
from models.scopes import SCOPE_PARTS, split_value

__all__ = ["DecisionIndex", "refuses_all"]

#: Addresses of which it is remembered which decisions name a network around them.
_REMEMBERED: Final = 1 << 17

#: A network as numbers: bits of an address, length of its prefix, the prefix.
_Network = tuple[int, int, int]


def refuses_all(decision: Decision, attempt: Attempt) -> bool:
    """Nothing is being opened again."""
    return False


class DecisionIndex:
    """Finds the decisions about an attempt without trying all of them; :func:`refuses` has the last word.

    Most addresses are in no network that a decision names, and that is remembered of them.

    Args:
        policy: Its never-block set is checked again here: no decision overrides it.
        lets_in: Whether an attempt passes a decision that would refuse it, because what was cut is being opened again.
    """

    def __init__(self, policy: Policy, lets_in: Callable[[Decision, Attempt], bool] = refuses_all) -> None:
        self._policy, self._lets_in = policy, lets_in
        self._by_key: dict[tuple[object, ...], dict[str, Decision]] = {}
        self._key_of: dict[str, tuple[object, ...]] = {}
        self._networks: Counter[tuple[object, ...]] = Counter()  # (scope, network) -> keys that begin so
        self._lengths: dict[tuple[Scope, int, int], None] = {}  # scope, bits of an address, length of a prefix
        self._elsewhere: dict[Scope, None] = {}  # scopes in use that name no address
        self._around = Memo(self._networks_around, _REMEMBERED)

    def put(self, decision: Decision) -> None:
        """Add ``decision``, or replace its earlier state."""
        scope, (first, *others) = decision.scope, split_value(decision.value)
        key: tuple[object, ...] = (scope, first, *others)
        if SCOPE_PARTS[scope][0] == "address":
            network = _network_number(first)
            key = (scope, network, *others)
            if key not in self._by_key:
                self._lengths[scope, network[0], network[1]] = None
                self._networks[key[:2]] += 1
                self._around.clear()
        else:
            self._elsewhere[scope] = None
        self._key_of[decision.decision_id] = key
        self._by_key.setdefault(key, {})[decision.decision_id] = decision

    def remove(self, decision_id: str) -> None:
        """Forget a decision, if it is known."""
        key = self._key_of.pop(decision_id, None)
        if key is None:
            return
        del self._by_key[key][decision_id]
        if not self._by_key[key]:
            del self._by_key[key]
            keys = self._networks.pop(key[:2], 1) - 1
            if keys:
                self._networks[key[:2]] = keys

    def refusing(self, attempt: Attempt) -> Decision | None:
        """The decision that refuses ``attempt``, or ``None``."""
        found = next((d for d in self._named(attempt) if refuses(d, attempt) and not self._lets_in(d, attempt)), None)
        return found if found is not None and self._may_block(attempt) else None

    def matching(self, attempt: Attempt) -> list[Decision]:
        """All decisions, of whatever type and time, whose scope and value match ``attempt``; none where nobody may be blocked."""
        found = list(self._named(attempt))
        return found if found and self._may_block(attempt) else []

    def _may_block(self, attempt: Attempt) -> bool:
        return not attempt.address or self._policy.may_block(attempt.address)

    def _named(self, attempt: Attempt) -> Iterator[Decision]:
        for scope, network in self._around[attempt.address]:
            yield from self._by_key.get((scope, network, *_parts(attempt, SCOPE_PARTS[scope][1:])), {}).values()
        for scope in self._elsewhere:
            yield from self._by_key.get((scope, *_parts(attempt, SCOPE_PARTS[scope])), {}).values()

    def _networks_around(self, address: str) -> list[tuple[Scope, _Network]]:
        """The networks around ``address`` that decisions name, with their scopes."""
        if not address:  # an attempt of whose source nothing is known
            return []
        bits, longest, number = _network_number(address)
        around = [
            (scope, (bits, length, number >> longest - length))
            for scope, of, length in self._lengths
            if of == bits and length <= longest
        ]
        return [each for each in around if each in self._networks]


def _parts(attempt: Attempt, names: tuple[str, ...]) -> list[str]:
    return [str(getattr(attempt, name)) for name in names]


def _network_number(text: str) -> _Network:
    """An address or CIDR range as (bits of an address, length of its prefix, prefix).

    >>> _network_number("192.0.2.7"), _network_number("192.0.2.0/24")
    ((32, 32, 3221225991), (32, 24, 12582914))
    """
    host, _, prefix = text.partition("/")
    family, bits = (AF_INET6, 128) if ":" in host else (AF_INET, 32)
    length = int(prefix) if prefix else bits
    return bits, length, int.from_bytes(inet_pton(family, host), "big") >> bits - length
