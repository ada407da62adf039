"""What past events show of attacks and of customers, for planning what could be done about a campaign."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from models.alerts import Alert
from models.attempts import Attempt
from models.by_source import GUESSES
from models.usage import LogIn, log_in_of

__all__ = ["Evidence"]

_DAY_S = 86400


@dataclass(slots=True)
class Evidence:
    """Filled by a pipeline (``Pipeline.evidence``) and with its alerts and the ids of what its verdicts refused.

    An attempt is the attack's where it is a stranger's to its account and fails, or succeeds at a source under attack, or a
    verdict refuses it. Other good log-ins are customers'.

    Attributes:
        campaigns: First and last second of each campaign seen, by id.
    """

    campaigns: dict[str, tuple[float, float]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    _strangers: list[Attempt] = field(default_factory=list)
    _log_ins: dict[LogIn, tuple[float, float]] = field(default_factory=dict)

    def take(self, attempts: Iterable[Attempt], strangers: Iterable[tuple[Attempt, int]]) -> None:
        """Take in attempts, and those among them that are no owner's, as the account stage has found them."""
        strange = {id(attempt): attempt for attempt, _ in strangers}
        self._strangers += strange.values()
        for attempt in attempts:
            if attempt.success and not attempt.policy_reject and attempt.address and id(attempt) not in strange:
                self._log_in(attempt)

    def note(self, alert: Alert) -> None:
        """Take in an alert: it says when its campaign ran."""
        if alert.campaign_id is not None:
            first, last = self.campaigns.get(alert.campaign_id, (alert.first_ts, alert.ts))
            self.campaigns[alert.campaign_id] = min(first, alert.first_ts), max(last, alert.ts)

    def of(self, campaign_id: str) -> tuple[Sequence[Attempt], list[LogIn]]:
        """The attempts of a campaign, in the order of events; and customers' log-ins in the day before and while it ran.

        Raises:
            KeyError: There is none with this id.
        """
        first, last = self.campaigns[campaign_id]
        attacks = []
        for attempt in self._strangers:
            if attempt.fail in GUESSES or attempt.event_id in self.refused or (attempt.success and attempt.attack):
                if first <= attempt.ts <= last and not attempt.policy_reject:
                    attacks.append(attempt)
            elif attempt.success:
                self._log_in(attempt)
        return attacks, [log_in for log_in, (since, until) in self._log_ins.items() if since <= last and until > first - _DAY_S]

    def _log_in(self, attempt: Attempt) -> None:
        log_in = log_in_of(attempt)
        since, until = self._log_ins.get(log_in, (attempt.ts, attempt.ts))
        self._log_ins[log_in] = min(since, attempt.ts), max(until, attempt.ts)
