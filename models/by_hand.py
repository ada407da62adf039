"""Decisions that a person makes: what nobody decides automatically, and what a person sees before the alerts do.

A person's word is enforced whatever the policy lets alerts do, but the never-block set and the allow list hold against it too,
and what is cut widely ends within a day and comes with its re-opening.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from models.accounts import AccountDirectory, Groups
from models.alerts import Kind
from models.decisions import (
    BY_HAND,
    DAY_S,
    Decision,
    Impact,
    Interval,
    address_of,
    go_duration,
    join_value,
    named,
    parts_of,
)
from models.events import PROTOCOLS
from models.ledger import estimates
from models.lists import listed_address
from models.policy import Policy, Scope
from models.reopening import WIDE_SCOPES, Reopening
from models.sketches import Counted
from models.stops import Reason

__all__ = [
    "LONGEST_S",
    "MAX_ATTACK_S",
    "SCOPES",
    "UNCOUNTED",
    "Asked",
    "impact_of",
    "made_by_hand",
    "objection",
    "reopening_of",
]

#: In the order of their width. Nothing is decided by hand on devices: they are the client's own claim.
SCOPES: Final[tuple[Scope, ...]] = ("account_ip", "ip", "range", "account", "account_protocol", "asn", "country", "protocol")
#: A wide decision ends within a day; others are long enough for what is to be on a list instead.
LONGEST_S: Final[dict[bool, int]] = {True: DAY_S, False: 7 * DAY_S}
#: An attack began so long ago at most; account changes are read from there.
MAX_ATTACK_S: Final = 7 * DAY_S

#: Nobody counted whom a decision touches.
UNCOUNTED: Final = Impact(attack_attempts=0, attack_accounts=0, legit_accounts=None)
_COUNTRY_LETTERS: Final = 2
_MAX_ASN: Final = (1 << 32) - 1


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ban of ``for_s`` seconds on a value that is written as a person does: ``account_ip`` is ``ip|login``.

    ``kind`` is the attack that it is about, ``attack_s`` how many seconds ago that began.

    Raises:
        ValueError: It would hold too long, or the scope is not for people.

    >>> Asked(scope="country", value="BR", for_s=2 * 86400, reason="a botnet")
    Traceback (most recent call last):
    ValueError: a decision on country ends within 24h0m0s
    """

    scope: Scope
    value: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    for_s: Annotated[int, msgspec.Meta(ge=60)]
    reason: Reason
    kind: Kind = "campaign"
    protocols: tuple[str, ...] = ()
    campaign_id: str | None = None
    attack_s: Annotated[int, msgspec.Meta(ge=0, le=MAX_ATTACK_S)] = 0

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise ValueError(f"nobody decides on {self.scope} by hand; there are {', '.join(SCOPES)}")
        longest_s = LONGEST_S[self.scope in WIDE_SCOPES]
        if self.for_s > longest_s:
            raise ValueError(f"a decision on {self.scope} ends within {go_duration(longest_s)}")
        for protocol in self.protocols:
            _protocol(protocol)


def made_by_hand(asked: Asked, by: str, now: float, policy: Policy, accounts: AccountDirectory) -> Decision:
    """The decision that ``by`` asks for at ``now`` (UTC seconds); its start leaves enforcement points the time that alerts' do.

    Whom it touches is not counted yet: that takes its value as it is written here.

    Raises:
        ValueError: The value is none of its scope.
    """
    start = now + policy.enforce_delay_s
    scope, value = _written(asked, accounts)
    decision = Decision(
        decision_id="",
        uuid="",
        origin=BY_HAND,
        type="ban",
        scope=scope,
        value=value,
        protocols=tuple(sorted(set(asked.protocols))),
        start=start,
        until=start + asked.for_s,
        duration=go_duration(asked.for_s),
        scenario=asked.kind,
        mode="enforce",
        campaign_id=asked.campaign_id,
        alert_ids=(),
        reason=f"{asked.reason} ({by})",
        policy_version=policy.version,
        impact=UNCOUNTED,
    )
    return named(decision)


def impact_of(decision: Decision, counted: Counted | None, groups: Groups) -> Impact:
    """Whom ``decision`` touches, by what is known of its scope; one on an account touches its owner at most."""
    account = parts_of(decision.scope, decision.value).get("account")
    if account is not None:
        by_group = dict.fromkeys(groups.of(account), 1)
        return Impact(attack_attempts=0, attack_accounts=1, legit_accounts=Interval(1, 0, 1), by_group=by_group)
    if counted is None:
        return UNCOUNTED
    return Impact(
        attack_attempts=counted.attempts,
        attack_accounts=counted.attacked,
        legit_accounts=counted.users.legitimate(counted.attacked),
        by_group=estimates(counted.users.by_group),
        by_protocol=estimates(counted.users.by_protocol),
    )


def objection(decision: Decision, policy: Policy, now: float, *, spared: bool) -> str | None:
    """Why ``decision`` is not made at ``now``; ``None`` where it may be. ``spared``: whether people let in whom it refuses."""
    address = address_of(decision.scope, decision.value)
    if address is not None and not policy.may_block(address):
        return "the address is in the never-block set, or the range is too wide"
    if spared:
        return "the allow list lets in whom this refuses"
    if decision.until <= now:
        return "its end has passed"
    return None


def reopening_of(decision: Decision, policy: Policy, attack_since: float) -> Reopening | None:
    """How ``decision`` is opened again, the protected groups let in from its start; ``None`` where it is not a wide one."""
    if decision.scope not in WIDE_SCOPES:
        return None
    return Reopening(
        decision_id=decision.decision_id,
        until=decision.until,
        attack_since=attack_since,
        protected_groups=tuple(sorted(policy.protected_groups)),
        ramp=policy.reopening,
        watched_from=decision.start,
        counts_from=decision.start,
    )


def _written(asked: Asked, accounts: AccountDirectory) -> tuple[Scope, str]:
    """Scope and value in the form in which attempts are counted.

    Raises:
        ValueError: The value is none of the scope.
    """
    scope, value = asked.scope, asked.value.strip()
    match scope:
        case "ip" | "range":
            value = listed_address(value)
            scope = "range" if "/" in value else "ip"
        case "account_ip":
            address, bar, login = value.partition("|")
            _need(bar and login, "the value is ip|login")
            value = join_value(listed_address(address), accounts.resolve(login))
        case "account":
            value = join_value(accounts.resolve(value))
        case "account_protocol":
            login, bar, protocol = value.rpartition("|")
            _need(bar and login, "the value is login|protocol")
            value = join_value(accounts.resolve(login), _protocol(protocol))
        case "asn":
            number = value.upper().removeprefix("AS")
            known = number.isascii() and number.isdecimal() and 0 < int(number) <= _MAX_ASN
            _need(known, "a provider is its AS number, such as 64500")
            value = str(int(number))
        case "country":
            known = len(value) == _COUNTRY_LETTERS and value.isascii() and value.isalpha()
            _need(known, "a country is two letters (ISO 3166), such as BR")
            value = value.upper()
        case _:
            value = _protocol(value)
    return scope, value


def _need(given: object, form: str) -> None:
    if not given:
        raise ValueError(form)


def _protocol(name: str) -> str:
    _need(name in PROTOCOLS, f"no such protocol; there are {', '.join(sorted(PROTOCOLS))}")
    return name
