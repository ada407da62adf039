"""Verdicts: is this attempt the campaign's or the owner's? Answered while the client waits, before the password is looked at.

Asked only about strangers and newcomers while a campaign runs, and answered by weighing two explanations of the attempt:

    odds = right passwords of the campaign that look like this / owners who look like this

The campaign's strangers who fail tell what its attempts look like; what the account knows, and the strangers who succeed in quiet
times, tell what owners look like (the likelihood ratio of Freeman et al., "Who are you? A statistical approach to measuring user
authenticity", NDSS 2016, with the attack's own distribution in place of a general one). Refused is where the first explanation is
far more likely than the second, so that a list of leaked pairs is stopped, its right ones with the wrong ones, and what is told to
the client says nothing about the password.

Fails where the attacker uses the owner's own device and access provider; and where a campaign looks like everybody, on accounts
without a past. Needs a week of log-ins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import exp, log
from typing import Final, Literal

import msgspec

from models.accounts import Groups
from models.alerts import Kind
from models.attempts import Attempt
from models.campaigns import HIT_SHARE, Campaign, carried_by, fits_owner
from models.crowd import Crowd
from models.policy import Policy, Scope
from models.scopes import join_value

__all__ = ["DELAY_S", "SUBJECT", "Action", "Phase", "Verdict", "Verdicts", "log_odds"]

Action = Literal["accept", "tarpit", "challenge", "refuse"]
#: Before or after the password was checked.
Phase = Literal["before", "after"]

#: What was concluded is used from this long after on, by when it has reached everybody who judges: live and in a replay alike.
DELAY_S: Final = 5.0
#: Nobody is surer than this that it is not the owner: the odds are only as good as what the accounts and the campaign tell.
_SUREST: Final = 1e-5
_MOST_LOG_ODDS: Final = 700.0
#: What could be a member of a protected group is for a person to decide; a botnet in his mailbox helps him no more than anybody.
_PROTECTED_LOG_ODDS: Final = log(1_000.0)
#: A verdict is about one account at one address, and enforced, stopped and shared out like such a decision on a campaign.
SUBJECT: Final[tuple[Kind, Scope]] = ("campaign", "account_ip")


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The answer to one attempt; fields as in the contract. ``alert_id`` is the campaign's.

    ``owner`` is the probability that it met the owner, who came from ``asn``, 0 where unknown.
    """

    session_id: str = ""
    account: str
    remote: str
    phase: Phase
    ts: float
    action: Action
    reasons: tuple[str, ...]
    alert_id: str
    event_id: str | None = None
    owner: float = 0.0
    asn: int = 0


class Verdicts:
    """Judges attempts, in order of time.

    Args:
        policy: Says over which protocols, from which odds, and whether they are enforced.
        groups: Attempts on accounts of protected groups are refused above a thousand times those odds only.
    """

    def __init__(self, policy: Policy, groups: Groups) -> None:
        self._groups = groups
        self.go_by(policy)
        self._crowd = Crowd()
        self._campaign: Campaign | None = None
        self._concluded: deque[Campaign] = deque()

    def go_by(self, policy: Policy) -> None:
        """Judge by another policy from the next attempt on."""
        self._policy = policy
        self._protocols = policy.verdict_protocols
        self._min_log_odds = log(policy.verdict_min_odds)

    def conclude(self, campaign: Campaign) -> None:
        """Take over what is known of the running campaign; it is used from ``DELAY_S`` after ``campaign.ts`` on."""
        self._concluded.append(campaign)

    def judge(self, attempt: Attempt, known: int, phase: Phase = "before") -> Verdict | None:
        """The verdict on an attempt, see :meth:`weigh`; ``None`` accepts it, also where the policy does not enforce one."""
        verdict = self.weigh(attempt, known, phase)
        return verdict if verdict is not None and self.enforces(verdict) else None

    def enforces(self, verdict: Verdict) -> bool:
        """Whether the policy enforces ``verdict``; it is in shadow otherwise."""
        enforce = self._policy.enforce
        return "campaign" in enforce.kinds and enforce.has_in_share(*SUBJECT, join_value(verdict.remote, verdict.account))

    def weigh(self, attempt: Attempt, known: int, phase: Phase = "before") -> Verdict | None:
        """The verdict that an attempt would have, whatever the policy enforces; ``None`` accepts it.

        Args:
            attempt: Whether it succeeded is not looked at. From nowhere, or from what must never be blocked, it is accepted.
            known: What its account knows of it, of earlier attempts (see :mod:`models.campaigns`).
            phase: When it is asked; the odds are those of a right password at any time.
        """
        if fits_owner(known):
            self._crowd.note(attempt.ts)
            return None
        while self._concluded and self._concluded[0].ts + DELAY_S < attempt.ts:
            self._campaign = self._concluded.popleft()
        campaign = self._campaign
        if campaign is None or attempt.ts > campaign.until_ts or attempt.protocol not in self._protocols:
            return None
        odds = log_odds(campaign, attempt, known) - log(self._crowd.times_the_usual(attempt.ts))
        if odds <= self._needed_log_odds(attempt.account):
            return None
        if not (attempt.address and self._policy.may_block(attempt.address)):
            return None
        return Verdict(
            account=attempt.account,
            remote=attempt.address,
            phase=phase,
            ts=attempt.ts,
            action=self._policy.verdict_action,
            reasons=(f"{exp(min(odds, _MOST_LOG_ODDS)):.1e} times as likely the campaign's as the owner's",),
            alert_id=campaign.campaign_id,
            event_id=attempt.event_id,
            owner=_owner(odds, phase),
            asn=attempt.asn,
        )

    def _needed_log_odds(self, account: str) -> float:
        is_protected = not self._policy.protected_groups.isdisjoint(self._groups.of(account))
        return self._min_log_odds + (_PROTECTED_LOG_ODDS if is_protected else 0.0)

    def run(self, strangers: Iterable[tuple[Attempt, int]], owners_ts: Iterable[float]) -> list[Verdict]:
        """The verdicts on ``strangers``, in order of time, each with what had been concluded by then, and who had come.

        Args:
            strangers: In any order.
            owners_ts: When those came who fit their accounts, in any order.
        """
        verdicts: list[Verdict] = []
        waiting = deque(sorted(owners_ts))
        for attempt, known in sorted(strangers, key=lambda stranger: (stranger[0].ts, stranger[0].event_id)):
            while waiting and waiting[0] <= attempt.ts:
                self._crowd.note(waiting.popleft())
            verdict = self.judge(attempt, known)
            if verdict is not None:
                verdicts.append(verdict)
        for ts in waiting:
            self._crowd.note(ts)
        return verdicts


def _owner(odds: float, phase: Phase) -> float:
    """How probably one with these logarithmic odds is its owner's; before the password is looked at, most tries are wrong."""
    of_this_phase = odds if phase == "after" else odds - log(HIT_SHARE)
    return max(1 / (1 + exp(min(of_this_phase, _MOST_LOG_ODDS))), _SUREST)


def log_odds(campaign: Campaign, attempt: Attempt, known: int) -> float:
    """Logarithm of the odds that a right password like this is the campaign's rather than its owner's."""
    return campaign.log_odds(carried_by(attempt), known)
