"""What a reference meant that a client was told: decisions are remembered for a while after their end."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from models.decisions import DAY_S, Decision
from models.ids import reference

__all__ = ["KNOWN_S", "PastDecisions"]

#: A customer who was refused calls within days.
KNOWN_S: Final = 7 * DAY_S
#: At some 2 kB each; beyond them what changed longest ago is forgotten.
_MOST: Final = 50_000


class PastDecisions:
    """Enforced decisions by their reference, until :data:`KNOWN_S` after their end; one thread writes, others may read."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, Decision] = OrderedDict()

    def put(self, decision: Decision, now: float) -> None:
        """Take the newest state of a decision."""
        self.remove(decision.decision_id)
        if decision.mode != "enforce" or decision.end + KNOWN_S <= now:
            return
        self._held[reference(decision.decision_id)] = decision
        if len(self._held) > _MOST:
            self._held.popitem(last=False)

    def remove(self, decision_id: str) -> None:
        """Forget a decision, if it is known."""
        self._held.pop(reference(decision_id), None)

    def ended(self, ref: str, now: float) -> Decision | None:
        """The decision with this reference that has ended, not long ago."""
        found = self._held.get(ref)
        return found if found is not None and found.end <= now < found.end + KNOWN_S else None
