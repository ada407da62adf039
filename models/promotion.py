"""From shadow to enforcement, 1, 10 and 100 % of the values: what decisions of a kind and scope, or verdicts, would have done, and
what speaks against enforcing more of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from models.alerts import Kind
from models.decisions import DAY_S, Decision
from models.policy import Policy, Scope
from models.refused import RefusedSlot, Sample
from models.verdicts import SUBJECT

__all__ = ["LEAST_DAYS", "SHARES", "Pair", "Shadow", "next_share", "shadow_of", "shadow_of_verdicts", "with_share"]

#: So long has to be known what decisions would have done: two weeks have each day of the week twice.
LEAST_DAYS: Final = 14
#: Percent of the values that are enforced, one after the other.
SHARES: Final = (1, 10, 100)
_LONGEST_NAME: Final = 64
_NOTHING: Final = "nothing was decided in shadow: there is nothing to go by"

Pair = tuple[Kind, Scope]


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """What decisions of ``kind`` on ``scope`` would have done since the first of them, and on what share they are enforced.

    Of verdicts ``decisions`` and ``attempts`` are one figure, ``most`` is that of the worst day, what was enforced is not told.
    ``enforced`` are those that were, and are in no other figure. ``customers`` are the legitimate accounts hit by all of them, at
    the high end, each decision counted by itself; ``most`` those hit by the worst one. ``objections`` say what speaks against
    enforcing. ``share`` is percent of the values.
    """

    kind: Kind
    scope: Scope
    share: int
    days: float
    decisions: int
    enforced: int
    attempts: int
    customers: int
    most: int
    objections: list[str]


def next_share(share: int) -> int | None:
    """What comes after ``share`` percent; ``None`` where everything is enforced.

    >>> [next_share(share) for share in (0, 1, 5, 10, 100)]
    [1, 10, 10, 100, None]
    """
    return next((step for step in SHARES if step > share), None)


def with_share(policy: Policy, kind: Kind, scope: Scope, share: int) -> Policy:
    """``policy`` with decisions of ``kind`` on ``scope`` enforced on ``share`` percent of the values, and a version of its own.

    Every kind that is named is enforced on every scope that is; what would be newly so beside the two gets a share of 0.

    >>> from models.policy import Enforce
    >>> policy = Policy(version="1", enforce=Enforce(kinds={"login_flood"}, scopes={"range"}))
    >>> more = with_share(policy, "password_spray", "ip", 10)
    >>> more.version, sorted(more.enforce.kinds), sorted(more.enforce.scopes)
    ('1+password_spray.ip.10', ['login_flood', 'password_spray'], ['ip', 'range'])
    >>> more.enforce.share_percent
    {'login_flood': {'ip': 0}, 'password_spray': {'ip': 10, 'range': 0}}
    """
    old = policy.enforce
    kinds, scopes = old.kinds | {kind}, old.scopes | {scope}
    shares: dict[Kind, dict[Scope, int]] = {}
    for each_kind in sorted(kinds):
        for each_scope in sorted(scopes):
            # Of a campaign only verdicts are enforced, and those by its kind alone.
            named = each_kind in old.kinds and (each_scope in old.scopes or each_kind == "campaign")
            kept = old.share_percent.get(each_kind, {}).get(each_scope, SHARES[-1]) if named else 0
            percent = share if (each_kind, each_scope) == (kind, scope) else kept
            if percent != SHARES[-1]:
                shares.setdefault(each_kind, {})[each_scope] = percent
    name = f"{policy.version.partition('+')[0][:_LONGEST_NAME]}+{kind}.{scope}.{share}"
    return replace(policy, version=name, enforce=replace(old, kinds=kinds, scopes=scopes, share_percent=shares))


def shadow_of(pair: Pair, decisions: Iterable[Decision], policy: Policy, now: float) -> Shadow:
    """What the shadow decisions among ``decisions`` would have done by ``now``, UTC seconds."""
    kind, scope = pair
    of_pair = [each for each in decisions if (each.scenario, each.scope) == pair]
    meant, enforced = ([each for each in of_pair if each.mode == mode] for mode in ("shadow", "enforce"))
    days = max((now - each.start for each in meant), default=0.0) / DAY_S
    known = [each.impact.legit_accounts.high for each in meant if each.impact.legit_accounts is not None]
    return Shadow(
        kind=kind,
        scope=scope,
        share=policy.enforce.share(kind, scope),
        days=days,
        decisions=len(meant),
        enforced=len(enforced),
        attempts=sum(each.impact.attack_attempts for each in meant),
        customers=sum(known),
        most=max(known, default=0),
        objections=_objections(meant, days, len(meant) - len(known), policy) + _regrets(enforced),
    )


def shadow_of_verdicts(told: Iterable[RefusedSlot], policy: Policy, now: float) -> Shadow:
    """What verdicts in shadow would have done by ``now``, UTC seconds, as the gates have ``told`` by day."""
    by_day: dict[int, list[RefusedSlot]] = {}
    for slot in told:
        by_day.setdefault(int(slot.since) // DAY_S, []).append(slot)
    days = (now - min((slot.last_ts for slots in by_day.values() for slot in slots), default=now)) / DAY_S
    attempts = sum(slot.attempts for slots in by_day.values() for slot in slots)
    worst = max((Sample.union(slot.everybody for slot in slots).at_most() for slots in by_day.values()), default=0)
    objections = [] if attempts else [_NOTHING]
    if attempts and days < LEAST_DAYS:
        objections.append(f"{days:.1f} days in shadow, {LEAST_DAYS} are needed")
    if worst > policy.budget.day:
        objections.append(f"{worst} customers on the worst day are more than the budget of {policy.budget.day}")
    kind, scope = SUBJECT
    return Shadow(
        kind=kind,
        scope=scope,
        share=policy.enforce.share(kind, scope),
        days=days,
        decisions=attempts,
        enforced=0,
        attempts=attempts,
        customers=Sample.union(slot.everybody for slots in by_day.values() for slot in slots).at_most(),
        most=worst,
        objections=objections,
    )


def _objections(meant: Sequence[Decision], days: float, unknown: int, policy: Policy) -> list[str]:
    if not meant:
        return [_NOTHING]
    found: list[str] = []
    if days < LEAST_DAYS:
        found.append(f"{days:.1f} days in shadow, {LEAST_DAYS} are needed")
    if unknown:
        found.append(f"of {unknown} decisions nobody knows whom they would have hit")
    hit = Counter(group for each in meant for group, accounts in each.impact.by_group.items() if accounts)
    protected = sorted(policy.protected_groups & set(hit))
    found += [f"{hit[group]} would have hit the protected group {group}" for group in protected]
    by_people = _lifted_by_others(meant)
    if by_people:
        found.append(f"{by_people} were lifted by people, who thought them wrong")
    return found


def _regrets(enforced: Sequence[Decision]) -> list[str]:
    """What became of those that were enforced."""
    regretted = _lifted_by_others(enforced)
    return [f"{regretted} that were enforced were lifted by people or the breaker"] if regretted else []


def _lifted_by_others(decisions: Iterable[Decision]) -> int:
    """How many were lifted by somebody else than an alert, which puts another decision in their place."""
    return sum(each.lifted_by is not None and not each.lifted_by.startswith("alert:") for each in decisions)
