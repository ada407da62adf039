"""Cases: the alerts of a stretch of time as an analyst works through them, and what stands behind one of them.

A case is a campaign with its members, or a lone alert: one kind and subject, hour after hour. Who looks for a single alert wants
its case, what was counted against which threshold, and what would have made it not fire: the reason that cleared its threshold
by the smallest factor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from models.alerts import KINDS, Alert, Kind, Reason
from models.ids import stable_id

__all__ = ["Case", "cases", "margin", "nearest"]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign or a lone alert.

    Attributes:
        case_id: ``campaign_id``; of a lone alert its first ``alert_id``.
        cause: What kind of attack it is.
        told: The cause in words.
        first_ts: When it began; UTC seconds.
        last_ts: When it was last seen.
        alerts: Its alerts that are at hand, by time; a campaign's own are among them.
        members: Ids of all alerts that it stands behind, at hand or not.
        exposed: Accounts of which the attacker presented the right password.
        entered: Those of them that he got into.
    """

    case_id: str
    cause: Kind
    told: str
    first_ts: float
    last_ts: float
    alerts: list[Alert]
    members: list[str]
    exposed: list[str]
    entered: list[str]


def cases(alerts: Iterable[Alert]) -> list[Case]:
    """The cases of ``alerts``, by begin; an alert is in one."""
    of_campaign: dict[str, list[Alert]] = {}
    others: dict[str, Alert] = {}
    for alert in sorted(alerts, key=lambda each: (each.ts, each.alert_id)):
        if alert.kind == "campaign" and alert.campaign_id is not None:
            of_campaign.setdefault(alert.campaign_id, []).append(alert)
        else:
            others.setdefault(alert.alert_id, alert)
    found = [_campaign(identity, told, others) for identity, told in of_campaign.items()]
    lone: dict[str, list[Alert]] = {}
    for alert in others.values():
        lone.setdefault(stable_id(alert.kind, alert.subject.parts()), []).append(alert)
    found += [_lone(of_one) for of_one in lone.values()]
    return sorted(found, key=lambda case: (case.first_ts, case.case_id))


def _campaign(identity: str, told: Sequence[Alert], others: dict[str, Alert]) -> Case:
    """A campaign; takes its members out of ``others``."""
    members = list(dict.fromkeys(member for alert in told for member in alert.members or ()))
    mine = [*told, *(others.pop(member) for member in members if member in others)]
    last = told[-1]
    return Case(
        case_id=identity,
        cause=last.cause or "campaign",
        told=last.reasons[0].text if last.reasons else KINDS["campaign"].title,
        first_ts=min(alert.first_ts for alert in told),
        last_ts=max(alert.last_ts for alert in told),
        alerts=sorted(mine, key=lambda each: (each.ts, each.alert_id)),
        members=members,
        exposed=list(dict.fromkeys(account for alert in told for account in alert.exposed or ())),
        entered=list(dict.fromkeys(account for alert in told for account in alert.entered or ())),
    )


def _lone(alerts: list[Alert]) -> Case:
    first, account = alerts[0], alerts[0].subject.account
    taken = [account] if first.kind == "account_takeover" and account is not None else []
    return Case(
        case_id=first.alert_id,
        cause=first.kind,
        told=KINDS[first.kind].title,
        first_ts=min(alert.first_ts for alert in alerts),
        last_ts=max(alert.last_ts for alert in alerts),
        alerts=alerts,
        members=[alert.alert_id for alert in alerts],
        exposed=taken,
        entered=taken,
    )


def margin(reason: Reason) -> float | None:
    """By which factor a reason's value clears its threshold, 1 where it just does; ``None`` where it has none of both.

    Reasons that limit from above (about one try per account) clear by being smaller.

    >>> margin(Reason("guesses", "", 12, 10)), margin(Reason("tries_per_account", "", 1.0, 2.0)), margin(Reason("ended", ""))
    (1.2, 2.0, None)
    """
    if reason.value is None or reason.threshold is None or reason.threshold <= 0 or reason.value <= 0:
        return None
    factor = reason.value / reason.threshold
    return factor if factor >= 1 else 1 / factor


#: What an alert says beside its rule: without it, it would have been raised all the same.
_BESIDE: Final[frozenset[str]] = frozenset({"cause", "ended", "kind_ambiguous"})


def nearest(alert: Alert) -> Reason | None:
    """The reason that would have had to change least for ``alert`` not to fire; ``None`` where none has a threshold.

    Of an ``account_takeover`` any one reason is enough, so all of them would have to go: the strongest is what counts.
    """
    beside = _BESIDE | ({"unknown_share"} if alert.kind == "campaign" else set())
    beside |= {"shared_source"} if alert.kind != "shared_source" else set()
    of_rule = [reason for reason in alert.reasons if reason.code not in beside and margin(reason) is not None]
    pick = max if alert.kind == "account_takeover" else min
    return pick(of_rule, key=lambda reason: margin(reason) or 0.0, default=None)
