"""The loop closed: each attempt is answered by what has been decided about those before it.

A simulation in which nobody notices that he is refused shows what decisions would have stopped, not what they do: refused
pairs come back from elsewhere, refused customers try again. Here the stages and the ledger of the live service answer while
the events are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from models.accounts import Groups
from models.alerts import Alert
from models.attempts import Attempt
from models.decision_index import DecisionIndex
from models.decisions import REFUSING, Decision
from models.events import AuthEvent
from models.ledger import Ledger
from models.pipeline import Pipeline
from models.policy import Policy
from models.usage import UsageBook
from models.verdict_budget import VerdictBudget
from models.verdicts import DELAY_S, Verdict

__all__ = ["ClosedLoop"]

#: More events than this are not kept waiting, however close together they are.
_MOST_WAITING: Final = 2_000


class ClosedLoop:
    """Detection, decisions and enforcement in event time.

    Ask :meth:`refuses` about an attempt first, then tell :meth:`saw` the event that became of it; :meth:`finish` at the end.

    Args:
        pipeline: All stages.
        policy: What may be enforced, and how long after its alert a decision holds (``enforce_delay_s``).
        groups: Who is in a protected group.
        on_alert: Told every alert, in the order in which they are raised.

    Example:
        >>> from models.accounts import AccountDirectory
        >>> from models.attempts import Resolver
        >>> from models.geo import Geo
        >>> loop = ClosedLoop(Pipeline(Resolver(AccountDirectory(), Geo())), Policy.enforcing(), Groups())
        >>> for n in range(60):
        ...     event = AuthEvent(ts=1e9 + n, login="anne", remote="192.0.2.7", success=False, fail_type="credentials")
        ...     event.policy_reject = loop.refuses(event)
        ...     loop.saw(event)
        >>> event.policy_reject
        True
    """

    def __init__(
        self, pipeline: Pipeline, policy: Policy, groups: Groups, on_alert: Callable[[Alert], None] = lambda _alert: None
    ) -> None:
        if pipeline.usage is None:
            pipeline.usage = UsageBook(groups)
        pipeline.is_asked = True
        self.pipeline, self.ledger = pipeline, Ledger(policy, groups, profiles=pipeline.profile, usage=pipeline.usage.users)
        self._index, self._on_alert = DecisionIndex(policy), on_alert
        self._delay_s = min(policy.enforce_delay_s, DELAY_S)
        self._budget = VerdictBudget(self.ledger)
        self._asked: Attempt | None = None  #: what was last asked about
        self._waiting: list[Attempt] = []
        self.verdicts: list[Verdict] = []

    def refuses(self, event: AuthEvent) -> bool:
        """Whether a decision that holds at the time of ``event``, or a verdict, refuses it.

        What happened less than ``enforce_delay_s`` and ``DELAY_S`` ago cannot have led to one, so it may wait: taking events in
        together changes no answer, and is four times as fast.
        """
        waiting = self._waiting
        if waiting and (event.ts - waiting[0].ts > self._delay_s or len(waiting) >= _MOST_WAITING):
            self.finish()
        attempt = self._asked = self.pipeline.resolver.attempt(event)
        if self._index.refusing(attempt) is not None:
            return True
        verdict = self.pipeline.verdict(attempt)
        if verdict is None or not self._budget.stands(verdict.ts):
            return False
        self.verdicts.append(verdict)
        self._enforce(self._budget.count(verdict))
        return verdict.action == "refuse"

    def take_verdicts(self) -> list[Verdict]:
        """The verdicts since the last call."""
        taken, self.verdicts = self.verdicts, []
        return taken

    def saw(self, event: AuthEvent) -> None:
        """Take in ``event`` as it ended."""
        attempt = self._asked
        if event.policy_reject or attempt is None or attempt.event_id != event.event_id:
            attempt = self.pipeline.resolver.attempt(event)
        self._waiting.append(attempt)

    def finish(self) -> None:
        """Take in what is waiting."""
        waiting, self._waiting = self._waiting, []
        for alert in self.pipeline.take(waiting):
            self._on_alert(alert)
            self._enforce(self.ledger.apply(alert, alert.ts))

    def _enforce(self, decisions: Iterable[Decision]) -> None:
        """Refuse what these refuse; the others never do."""
        for decision in decisions:
            if decision.mode == "enforce" and decision.type in REFUSING:
                self._index.put(decision)
