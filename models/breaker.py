"""The budget on customers, and the breaker that opens when it is spent (design section 5).

Every decision may be small and their sum still be a disaster: a geo file that is wrong, an attacker who plays with our rules. So
what counts is the union of the legitimate accounts that all enforced decisions and verdicts touch, at the high end of what is
known, within an hour and within a day, overall and by group, realm and ASN. Over it the breaker opens: nothing new is enforced,
what the last ten minutes brought goes back to shadow, there are no verdicts, and a person has to close it. What was decided before
that has been seen by then, and counts no more. Beside it opens where a person's wide cut refuses many more owners than he was told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import attrgetter, or_
from typing import Final

import msgspec

from models.accounts import Groups
from models.policy import Budget, Limits
from models.refused import RefusedBook
from models.usage import Distinct, Exact, Users

__all__ = ["BREAKER_KEY", "SCHEMA", "SHADOWED_S", "Breaker", "Spending", "Touch", "touch_of"]

SCHEMA: Final = "breaker/1"
#: Its key on ``auth.control``.
BREAKER_KEY: Final = "breaker"
#: What was enforced within so long before the breaker opens goes back to shadow.
SHADOWED_S: Final = 600
#: Begin the names of budgets of realms and of access providers.
_REALM: Final = "realm:"
_ASN: Final = "asn:"
_HOUR_S: Final = 3600
_DAY_S: Final = 24 * _HOUR_S
_WINDOWS: Final[tuple[tuple[str, int, Callable[[Limits], int]], ...]] = (
    ("an hour", _HOUR_S, attrgetter("hour")),
    ("a day", _DAY_S, attrgetter("day")),
)


class Breaker(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Open since ``opened`` because of ``decision_id``, or ``verdicts``, and ``reason``, or closed; times are UTC seconds.

    Decisions and verdicts that start before ``counts_from`` do not count.
    """

    counts_from: float = 0.0
    opened: float | None = None
    decision_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Touch:
    """Whom one decision may touch from ``start`` to ``end``: accounts by name, ``others`` by a sketch, ``more`` by number alone."""

    start: float
    end: float
    names: frozenset[str] = frozenset()
    others: Distinct | None = None
    others_by_group: Mapping[str, Distinct] = field(default_factory=dict)
    more: int = 0

    def __bool__(self) -> bool:
        return bool(self.names or self.others is not None or self.more)


def touch_of(start: float, end: float, account: str | None, users: Users | None, high: int) -> Touch:
    """Whom a decision touches that is about ``account``, or else hits ``users`` and ``high`` accounts at most."""
    if account is not None:
        return Touch(start, end, frozenset((account,)) if high else frozenset())
    if users is None:
        return Touch(start, end, more=high)
    familiar = users.familiar
    more = max(0, high - familiar.interval().high)
    if isinstance(familiar, Exact):
        return Touch(start, end, familiar.accounts, more=more)
    return Touch(start, end, others=familiar, others_by_group=users.by_group, more=more)


class Spending:
    """Whom the enforced decisions touch, and whom verdicts refuse, against the budget.

    Args:
        budget: The policy's; may be replaced.
        groups: Which groups an account belongs to.

    >>> spent = Spending(Budget(hour=1, day=2), Groups())
    >>> spent.put("a", Touch(0.0, 60.0, frozenset({"anne", "bob"})))
    >>> spent.over(10.0, counts_from=0.0)
    '2 accounts within an hour, 1 allowed'
    """

    def __init__(self, budget: Budget, groups: Groups) -> None:
        self.budget, self._groups = budget, groups
        self._touches: dict[str, Touch] = {}
        self.refused = RefusedBook()

    def put(self, decision_id: str, touch: Touch) -> None:
        """Take the newest state of a decision."""
        if touch:
            self._touches[decision_id] = touch
        else:
            self._touches.pop(decision_id, None)

    def remove(self, decision_id: str) -> None:
        """Count a decision no more."""
        self._touches.pop(decision_id, None)

    def over(self, now: float, counts_from: float) -> str | None:
        """How the budget is exceeded at ``now`` by what starts after ``counts_from``; ``None`` where it is not."""
        self.refused.keep(now - _DAY_S, counts_from)
        self._touches = {known: touch for known, touch in self._touches.items() if touch.end > now - _DAY_S}
        for text, length_s, allowed in _WINDOWS:
            touches = [touch for touch in self._touches.values() if touch.end > now - length_s and touch.start >= counts_from]
            for part, limits in self.budget.parts().items():
                accounts = self._accounts(touches, now - length_s, part, allowed(limits))
                if accounts > allowed(limits):
                    return f"{accounts:,} accounts{_whose(part)} within {text}, {allowed(limits):,} allowed"
        return None

    def _accounts(self, touches: Sequence[Touch], since: float, part: str, allowed: int) -> int:
        """How many accounts may be touched at most, or any number that is allowed; those of a part of the budget if one is named.

        From which provider an account comes that a decision touches is not known, nor the realm of one that has no name here: in
        doubt it is the one that is asked about.
        """
        names = frozenset[str]().union(*(touch.names for touch in touches))
        if part in self.budget.by_group:
            named = sum(part in self._groups.of(account) for account in names)
            unnamed = _most(touch.others_by_group.get(part) for touch in touches)
        else:
            realm = f"@{part.removeprefix(_REALM)}" if part.startswith(_REALM) else ""
            named = sum(account.endswith(realm) for account in names)
            unnamed = _most(touch.others for touch in touches) + sum(touch.more for touch in touches)
        decided = named + unnamed
        return decided + self.refused.at_most(since, part, names, max(0, allowed - decided))


def _whose(part: str) -> str:
    """A part of the budget in words."""
    if not part:
        return ""
    if part.startswith(_REALM):
        return f" of the realm {part.removeprefix(_REALM)}"
    return f" of AS{part.removeprefix(_ASN)}" if part.startswith(_ASN) else f" of the group {part}"


def _most(counted: Iterable[Distinct | None]) -> int:
    known = [each for each in counted if each is not None]
    return reduce(or_, known).interval().high if known else 0
