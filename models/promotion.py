"""From shadow to enforcement: what decisions of a kind and scope would have done, and what speaks against enforcing them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from models.alerts import Kind
from models.decisions import DAY_S, Decision
from models.policy import Enforce, Policy, Scope

__all__ = ["LEAST_DAYS", "Pair", "Shadow", "newly_enforced", "shadow_of", "with_pair"]

#: So long has to be known what decisions would have done: two weeks have each day of the week twice.
LEAST_DAYS: Final = 14

Pair = tuple[Kind, Scope]


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """What decisions of ``kind`` on ``scope`` would have done since the first of them.

    ``customers`` are the legitimate accounts hit by all of them, at the high end, each decision counted by itself; ``most`` those
    hit by the worst one. ``objections`` say what speaks against enforcing.
    """

    kind: Kind
    scope: Scope
    days: float
    decisions: int
    attempts: int
    customers: int
    most: int
    objections: list[str]


def with_pair(enforce: Enforce, kind: Kind, scope: Scope) -> Enforce:
    """``enforce`` with a kind and a scope more."""
    return Enforce(kinds=enforce.kinds | {kind}, scopes=enforce.scopes | {scope})


def newly_enforced(policy: Policy, kind: Kind, scope: Scope) -> list[Pair]:
    """What is enforced once both are named: every kind named, on every scope named, is, so it may be more than this one pair.

    >>> newly_enforced(Policy(version="1", enforce=Enforce(kinds={"login_flood"}, scopes={"range"})), "password_spray", "ip")
    [('login_flood', 'ip'), ('password_spray', 'ip'), ('password_spray', 'range')]
    """
    wanted = with_pair(policy.enforce, kind, scope)
    pairs = ((each_kind, each_scope) for each_kind in sorted(wanted.kinds) for each_scope in sorted(wanted.scopes))
    return [pair for pair in pairs if policy.mode(*pair) != "enforce"]


def shadow_of(pair: Pair, decisions: Iterable[Decision], policy: Policy, now: float) -> Shadow:
    """What the shadow decisions among ``decisions`` would have done by ``now``, UTC seconds."""
    kind, scope = pair
    meant = [each for each in decisions if each.mode == "shadow" and (each.scenario, each.scope) == pair]
    days = max((now - each.start for each in meant), default=0.0) / DAY_S
    known = [each.impact.legit_accounts.high for each in meant if each.impact.legit_accounts is not None]
    return Shadow(
        kind=kind,
        scope=scope,
        days=days,
        decisions=len(meant),
        attempts=sum(each.impact.attack_attempts for each in meant),
        customers=sum(known),
        most=max(known, default=0),
        objections=_objections(meant, days, len(meant) - len(known), policy),
    )


def _objections(meant: Sequence[Decision], days: float, unknown: int, policy: Policy) -> list[str]:
    if not meant:
        return ["nothing was decided in shadow: there is nothing to go by"]
    found: list[str] = []
    if days < LEAST_DAYS:
        found.append(f"{days:.1f} days in shadow, {LEAST_DAYS} are needed")
    if unknown:
        found.append(f"of {unknown} decisions nobody knows whom they would have hit")
    hit = Counter(group for each in meant for group, accounts in each.impact.by_group.items() if accounts)
    protected = sorted(policy.protected_groups & set(hit))
    found += [f"{hit[group]} would have hit the protected group {group}" for group in protected]
    by_people = sum(each.lifted_by is not None and not each.lifted_by.startswith("alert:") for each in meant)
    if by_people:
        found.append(f"{by_people} were lifted by people, who thought them wrong")
    return found
