"""Verdicts counted in the budget with no gate and no broker: what replays and simulations do of what the live services do."""

from __future__ import annotations

from typing import Final

from models.decisions import Decision
from models.ledger import Ledger
from models.refused import REPORT_S, Tally
from models.verdicts import DELAY_S, Verdict

__all__ = ["VerdictBudget"]

_NAME: Final = "replay"


class VerdictBudget:
    """Lets verdicts stand while the breaker is closed, and counts whom they refuse in the ledger's budget.

    Args:
        ledger: Has the budget and the breaker.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._tally = ledger, Tally(_NAME)
        self._report_at = 0.0

    def stands(self, ts: float) -> bool:
        """Whether a verdict at ``ts``, UTC seconds, is one: an open breaker has reached the gates ``DELAY_S`` later."""
        opened = self._ledger.breaker.opened
        return opened is None or ts <= opened + DELAY_S

    def count(self, verdict: Verdict) -> list[Decision]:
        """Count a verdict that stands, in order of time; the decisions that change because the breaker opens."""
        ledger = self._ledger
        parts = ledger.policy.budget.parts_of(verdict.account, ledger.groups.of(verdict.account), verdict.asn)
        self._tally.note(verdict.account, parts, verdict.owner, verdict.ts, ledger.breaker.counts_from)
        if verdict.ts < self._report_at:
            return []
        self._report_at = verdict.ts + REPORT_S
        told = self._tally.changed()
        self._tally.told(told)
        return ledger.count_refused(told, verdict.ts)
