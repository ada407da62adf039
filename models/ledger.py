"""The ledger: turns alerts into the narrowest decisions that stop them, and keeps every decision until 30 days after its end.

It is a fold over (alert, now): the same alerts give the same decisions and ids, live and in a replay. What a client says
about itself is never enough for an automatic decision, and failures alone never do more to an account than ``guard``:
anyone can send ten wrong passwords to somebody else's address.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from math import ceil, floor, sqrt
from typing import Final

import msgspec

from models.accounts import Groups
from models.addresses import locate
from models.alerts import KINDS, Alert, Kind
from models.applied_policy import AppliedPolicy
from models.breaker import SHADOWED_S, Breaker, Spending, touch_of
from models.decisions import (
    DAY_S,
    KEEP_S,
    MAX_DECISIONS,
    ORIGIN,
    REFUSING,
    Decision,
    Except,
    Impact,
    Type,
    credential_mark,
    device_mark,
    go_duration,
    named,
)
from models.ends import Ends
from models.policy import Mode, Policy, Scope
from models.presence import keeps_alive_until
from models.profiles import Profile, network_of_number
from models.refused import RefusedSlot
from models.scopes import PAIR_SCOPES, address_of, covers, join_value, parts_of, split_value
from models.usage import Distinct, Interval, Users, UsersOf
from models.windows import K_MIN_VALUES

__all__ = ["Ledger", "estimates", "owners_ways"]

#: Who needs a week to be noticed is not stopped by a few hours.
_SLOW: Final = "accounts_failing_slowly"
#: Share of failures that the listed addresses must hold for blocking them to stop a guessing attack.
LISTED_SHARE: Final = 0.8
#: Reasons that are not enough alone: a VPN, a mobile gateway and a cloud client beat any plane.
_TRAVEL: Final = frozenset({"second_stranger", "impossible_travel"})
#: End times are spread by this share so that blocks do not all end together.
JITTER: Final = 0.2
#: Who attacks again within so long after the end of what refused him is refused for twice as long.
PROBATION_S: Final = 600
#: A month of hourly alerts; older ones than the newest 720 leave ``alert_ids``.
MAX_ALERT_IDS: Final = 720
#: Guard leaves the other protocols open, webmail first: an owner always has one door.
GUARDED_PROTOCOLS: Final = ("imap", "pop3", "sieve", "smtp")

#: Kinds of alerts about an address.
_OF_SOURCES: Final[tuple[Kind, ...]] = ("password_spray", "credential_stuffing", "login_flood")

#: Who lifts what goes back to shadow.
_BREAKER: Final = "breaker"
#: What opened it where no decision did.
_VERDICTS: Final = "verdicts"


class _Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What to do about an alert, before the policy has its say."""

    type: Type
    scope: Scope
    value: str
    impact: Impact
    protocols: tuple[str, ...] = ()
    except_: tuple[Except, ...] = ()
    by_a_person: bool = False


def owners_ways(account: str, profile: Profile | None, attack_ts: float, copied: Collection[int]) -> tuple[Except, ...]:
    """How the owner of a guarded account gets in (contract section 4); nothing where nobody knows him.

    From a network that the account knows; or from an access provider of his with a device that it knows; or with a credential that
    it knows. The attack has ``copied`` some devices and credentials, which do not count. Known is what had a good log-in on a day
    before ``attack_ts``, UTC seconds.
    """
    if profile is None:
        return ()
    today = int(attack_ts) // DAY_S
    networks, asns = (sorted(known for known, day in habits.items() if day < today) for habits in (profile.networks, profile.asns))
    devices = sorted(device_mark(device) for device, day in profile.devices.items() if day < today and device not in copied)
    ways = []
    if networks:
        ways.append(Except(networks=tuple(map(network_of_number, networks)), accounts=(account,)))
    if asns and devices:
        ways.append(Except(asns=tuple(asns), accounts=(account,), devices=tuple(devices)))
    credentials = sorted(credential_mark(each) for each, day in profile.credentials.items() if day < today and each not in copied)
    if credentials:
        ways.append(Except(accounts=(account,), credentials=tuple(credentials)))
    return tuple(ways)


def _nobody_known(account: str) -> Profile | None:
    """No profile of any account is known."""
    return None


def _nobody_spared(scope: Scope, value: str, now: float) -> bool:
    """No allow list."""
    return False


def _nobody_counted(scope: Scope, value: str, now: float) -> Users | None:
    """Nobody keeps count of who uses what."""
    return None


class Ledger:
    """Every decision until 30 days after its end, and how alerts change them.

    Args:
        policy: What may be decided by itself.
        groups: Which groups an account belongs to.
        profiles: What is familiar about an account, which ``guard`` keeps open for its owner. A guard on one of which nothing is
            known would lock the owner out, so it is only proposed.
        spared: Whether people let in, at a time, what a decision on a scope's value would refuse; such a one is only proposed.
        usage: Who uses a scope; where it does not know, the alert's own evidence counts.

    Attributes:
        breaker: Open where the policy's budget is spent; kept by the caller, with the decisions.
        applied: Who put the policy in force that it goes by; ``None`` where it is still the first. Kept by the caller too.
    """

    def __init__(
        self,
        policy: Policy,
        groups: Groups,
        profiles: Callable[[str], Profile | None] = _nobody_known,
        spared: Callable[[Scope, str, float], bool] = _nobody_spared,
        usage: UsersOf = _nobody_counted,
    ) -> None:
        self.policy, self.groups, self.profiles, self.spared = policy, groups, profiles, spared
        self.usage = usage
        self.breaker = Breaker()
        self.applied: AppliedPolicy | None = None
        self._spending = Spending(policy.budget, groups)
        self.not_made = 0  # decisions that did not fit in
        self._decisions: dict[str, Decision] = {}
        self._latest: dict[tuple[str, ...], str] = {}  # (origin, scenario, type, scope, value) -> decision_id
        self._pairs: dict[str, set[str]] = {}  # account -> ids of its account_ip decisions
        self._applied: Counter[str] = Counter()  # alert_id -> decisions that name it
        self._ends = Ends()

    def __len__(self) -> int:
        return len(self._decisions)

    def __iter__(self) -> Iterator[Decision]:
        return iter(self._decisions.values())

    def go_by(self, applied: AppliedPolicy) -> None:
        """Decide by another policy from the next alert on; what has been decided stays as it is."""
        self.applied, self.policy = applied, applied.policy
        self._spending.budget = applied.policy.budget

    def active(self, now: float) -> list[Decision]:
        """The decisions, of any mode, that have not ended at ``now``."""
        return [decision for decision in self if decision.holds(now)]

    def apply(self, alert: Alert, now: float) -> list[Decision]:
        """The decisions that ``alert`` makes or changes, oldest first.

        An alert seen before changes nothing. A cold one never decides; about presence, it prolongs what refuses it. One older than
        the policy's ``max_evidence_age_s`` at ``now`` (UTC seconds) only proposes, and leaves what is enforced as it is.
        """
        if alert.cold:
            return self._prolong(alert, now)
        if alert.alert_id in self._applied:
            return []
        stale = now - alert.ts > self.policy.max_evidence_age_s
        changed: list[Decision] = []
        if alert.kind == "stale_password" and not stale:
            changed += self._withdraw_pair(alert, now)
        for draft in self._drafts(alert, now):
            address = address_of(draft.scope, draft.value)
            if address is None or self.policy.may_block(address):
                changed += self._decide(draft, alert, now, stale=stale)
        return changed

    def lift(self, decision_id: str, now: float, by: str) -> list[Decision]:
        """The decision lifted at ``now``; nothing if it is unknown or has ended."""
        decision = self._decisions.get(decision_id)
        if decision is None or not decision.holds(now):
            return []
        lifted = msgspec.structs.replace(decision, lifted=now, lifted_by=by)
        self.load(decision_id, lifted)
        return [lifted]

    def load(self, decision_id: str, decision: Decision | None) -> None:
        """Take over a record of the compacted topic: a decision, or ``None`` for a tombstone."""
        old = self._decisions.pop(decision_id, None)
        if old is not None:
            self._applied.subtract(old.alert_ids)
            for alert_id in old.alert_ids:
                if not self._applied[alert_id]:
                    del self._applied[alert_id]
        if decision is not None:
            self._decisions[decision_id] = decision
            latest = self._decisions.get(self._latest.get(_slot(decision), ""))
            if latest is None or latest.end <= decision.end:
                self._latest[_slot(decision)] = decision_id
            self._applied.update(decision.alert_ids)
            self._ends.put(decision_id, decision.end)
            if decision.scope == "account_ip":
                self._pairs.setdefault(split_value(decision.value)[1], set()).add(decision_id)
            self._spend(decision)
        elif old is not None:
            self._forget(old)

    def expired(self, now: float) -> list[str]:
        """The ids whose records become tombstones at ``now``; the ledger forgets them."""
        gone: list[str] = []
        while (first := self._ends.first()) is not None:
            end, identifier = first
            make_room = len(self) >= MAX_DECISIONS and end <= now
            if end + KEEP_S > now and not make_room:
                break
            self.load(identifier, None)
            gone.append(identifier)
        return gone

    def _spend(self, decision: Decision) -> None:
        """Count whom ``decision`` touches, if it refuses anybody at all."""
        self._spending.remove(decision.decision_id)
        legit = decision.impact.legit_accounts
        if decision.mode != "enforce" or decision.type not in REFUSING or legit is None or not legit.high:
            return
        if decision.lifted_by == _BREAKER or decision.origin != ORIGIN:  # it hardly held; a person has seen whom it touches
            return
        account = parts_of(decision.scope, decision.value).get("account")
        alert_ts = decision.start - self.policy.enforce_delay_s  # what came later is not known in every replay
        users = None if account is not None else self.usage(decision.scope, decision.value, alert_ts)
        self._spending.put(decision.decision_id, touch_of(decision.start, decision.end, account, users, legit.high))

    def _forget(self, decision: Decision) -> None:
        self._spending.remove(decision.decision_id)
        self._ends.remove(decision.decision_id)
        if self._latest.get(_slot(decision)) == decision.decision_id:
            del self._latest[_slot(decision)]
        if decision.scope == "account_ip":
            account = split_value(decision.value)[1]
            self._pairs[account].discard(decision.decision_id)
            if not self._pairs[account]:
                del self._pairs[account]

    def _drafts(self, alert: Alert, now: float) -> list[_Draft]:
        match alert.kind:
            case "brute_force":
                return self._against_guessing(alert, now)
            case "password_spray" | "credential_stuffing" | "login_flood":
                return self._against_source(alert)
            case "account_takeover":
                return self._against_takeover(alert, now)
            case "stale_password" | "token_failure":
                return _notice(alert)
            case "campaign":
                return _containment(alert)
            case _:
                return []

    def _prolong(self, alert: Alert, now: float) -> list[Decision]:
        """Keep alive what refuses a source or an account's attackers, if the alert says that they are still there."""
        subject, until_ts = alert.subject, keeps_alive_until(alert)
        if until_ts is None:
            return []
        refusing: list[tuple[Kind, Type, Scope, str]] = []
        if subject.ip is not None:
            scope: Scope = "range" if "/" in subject.ip else "ip"
            refusing += [(kind, "ban", scope, subject.ip) for kind in _OF_SOURCES]
        if subject.account is not None:
            refusing.append(("brute_force", "guard", "account", join_value(subject.account)))
            pairs = (join_value(address, subject.account) for address in alert.evidence.addresses)
            refusing += [("brute_force", "ban", "account_ip", pair) for pair in pairs]
        changed = []
        for slot in refusing:
            current = self._decisions.get(self._latest.get((ORIGIN, *slot), ""))
            if current is None or current.mode != "enforce" or not current.holds(now):
                continue
            until = min(self._hold(current, alert.ts + self.policy.enforce_delay_s).until, until_ts)
            if until > current.until:
                held = msgspec.structs.replace(current, until=until, duration=go_duration(until - current.start))
                self.load(current.decision_id, held)
                changed += [held, *self._check_budget(held, now)]
        return changed

    def _against_source(self, alert: Alert) -> list[_Draft]:
        """Block the address or network; service-wide subjects are for a person, devices alone only proposed."""
        subject = alert.subject
        address = subject.ip or subject.network
        scope: Scope
        if subject.device is not None and subject.asn is not None:
            scope, value = "asn_device", join_value(str(subject.asn), subject.device)
        elif subject.device is not None:
            scope, value = "device", join_value(subject.device)
        elif address is not None:
            scope, value = "range" if "/" in address else "ip", address
        else:
            return []
        impact = _impact_on_source(alert, self.usage(scope, value, alert.ts))
        return [_Draft(type="ban", scope=scope, value=value, impact=impact, by_a_person=subject.device is not None)]

    def _against_guessing(self, alert: Alert, now: float) -> list[_Draft]:
        """One pair ban per listed address if they hold nearly all failures; else guard, from which owners are excepted."""
        account = alert.subject.account
        if account is None:
            return []
        exempt = self._exempt_networks(account, now)
        nobody = msgspec.structs.replace(_impact_on_account(alert), legit_accounts=Interval(0, 0, 0))  # no network of the owner's
        pairs = [
            _Draft(type="ban", scope="account_ip", value=join_value(address, account), impact=nobody)
            for address in alert.evidence.addresses
            if not any(covers(network, address) for network in exempt)
        ]
        counts = alert.evidence.counts
        listed = counts.get("failures_from_listed", 0) >= LISTED_SHARE * counts.get("failures", 1)
        if listed or self._is_protected(account, alert):
            return pairs
        familiar = owners_ways(account, self.profiles(account), alert.first_ts, alert.evidence.copied)
        spared = (Except(networks=tuple(exempt), accounts=(account,)),) if exempt else ()
        return [
            _Draft(
                type="guard",
                scope="account",
                value=join_value(account),
                impact=_impact_on_account(alert),
                protocols=GUARDED_PROTOCOLS,
                except_=familiar + spared,
                by_a_person=not familiar,
            )
        ]

    def _against_takeover(self, alert: Alert, now: float) -> list[_Draft]:
        """Cut the pair; ending sessions and a new password are proposed to a person."""
        account, address = alert.subject.account, alert.subject.ip
        if account is None or address is None:
            return []
        impact = _impact_on_account(alert)
        drafts = [
            _Draft(type=type_, scope="account", value=join_value(account), impact=impact, by_a_person=True)
            for type_ in ("end_sessions", "reset_password")
        ]
        if any(covers(network, address) for network in self._exempt_networks(account, now)):
            return drafts
        only_travel = all(reason.code in _TRAVEL for reason in alert.reasons)
        pair = join_value(address, account)
        return [_Draft(type="ban", scope="account_ip", value=pair, impact=impact, by_a_person=only_travel), *drafts]

    def _withdraw_pair(self, alert: Alert, now: float) -> list[Decision]:
        """Lift what holds on an account and network pair that turned out to be an old password."""
        account, network = alert.subject.account, _network_of_subject(alert)
        if account is None or network is None:
            return []
        bans = [
            d
            for d in self._on_pairs(account, now)
            if d.type == "ban" and d.origin == ORIGIN and covers(network, split_value(d.value)[0])
        ]
        return [lifted for ban in bans for lifted in self.lift(ban.decision_id, now, f"alert:{alert.alert_id}")]

    def _exempt_networks(self, account: str, now: float) -> list[str]:
        notices = [d for d in self._on_pairs(account, now) if d.scenario == "stale_password"]
        return sorted({split_value(notice.value)[0] for notice in notices})

    def _on_pairs(self, account: str, now: float) -> list[Decision]:
        """The pair decisions of ``account`` that hold at ``now``, in a stable order."""
        held = (self._decisions[identifier] for identifier in self._pairs.get(account, ()))
        return sorted((d for d in held if d.holds(now)), key=lambda d: d.decision_id)

    def _is_protected(self, account: str, alert: Alert) -> bool:
        return not self.policy.protected_groups.isdisjoint((*self.groups.of(account), *alert.groups))

    def _mode(self, draft: _Draft, alert: Alert, *, stale: bool) -> Mode:
        legit = draft.impact.legit_accounts
        if draft.scope in {"ip", "range"} and any(reason.code == "shared_source" for reason in alert.reasons):
            return "proposed"  # many people use it: what is done here by itself is done by pair
        if stale or draft.by_a_person or legit is None or legit.high > self.policy.max_legit_accounts:
            return "proposed"
        hit_groups = {group for group, accounts in draft.impact.by_group.items() if accounts}
        if draft.scope not in PAIR_SCOPES and not hit_groups.isdisjoint(self.policy.protected_groups):
            return "proposed"
        return self.policy.mode(alert.kind, draft.scope, draft.value)

    def _decide(self, draft: _Draft, alert: Alert, now: float, *, stale: bool) -> list[Decision]:
        """Extend what already holds, or put a new decision in its place."""
        spared = self.spared(draft.scope, draft.value, now)
        fresh = self._new(draft, alert, "proposed" if spared else self._mode(draft, alert, stale=stale))
        current = self._decisions.get(self._latest.get(_slot(fresh), ""))
        if current is None or not current.holds(now):
            changed = []
            if current is not None and _is_on_probation(current, alert.ts):
                fresh = self._hold(fresh, fresh.start, times=2)
            if any(reason.code == _SLOW for reason in alert.reasons):
                fresh = self._hold(fresh, fresh.start, at_least_s=DAY_S)
        elif (current.mode, current.protocols, current.except_) == (fresh.mode, fresh.protocols, fresh.except_):
            extended = self._extend(current, fresh)
            self.load(current.decision_id, extended)
            return [extended, *self._check_budget(extended, now)]
        elif stale:
            return []
        else:
            changed = self.lift(current.decision_id, now, f"alert:{alert.alert_id}")
        if len(self) >= MAX_DECISIONS:
            self.not_made += 1
            return changed
        if self.breaker.opened is not None and fresh.mode == "enforce" and fresh.type in REFUSING:
            fresh = self._new(draft, alert, "proposed")
        self.load(fresh.decision_id, fresh)
        return [*changed, fresh, *self._check_budget(fresh, now)]

    def _check_budget(self, decision: Decision, now: float) -> list[Decision]:
        """Open the breaker if ``decision`` spends more than there is: what the last ten minutes brought goes to shadow."""
        if self.breaker.opened is not None or decision.mode != "enforce" or decision.type not in REFUSING:
            return []
        return self._open_if_over(decision.decision_id, now)

    def count_refused(self, told: Mapping[str, RefusedSlot | None], now: float) -> list[Decision]:
        """Count whom the gates have refused, by the keys of their records; what changes where that opens the breaker."""
        for key, refused in told.items():
            self._spending.refused.put(key, refused)
        if self.breaker.opened is not None:
            return []
        return self._open_if_over(_VERDICTS, now) or self._open_if_cut_too_deep(now)

    def _open_if_cut_too_deep(self, now: float) -> list[Decision]:
        """Open the breaker if a person's wide decision refuses many more owners than he was told, as with a wrong geo file."""
        for identifier, refused in self._spending.refused.by_cut().items():
            decision = self._decisions.get(identifier)
            if decision is None or decision.mode != "enforce" or not decision.holds(now):
                continue
            told = decision.impact.legit_accounts
            expected = 0 if told is None else told.high
            if refused > expected + max(expected // 2, self.policy.budget.hour):
                reason = f"{refused:,} accounts refused by the cut of {decision.scope} {decision.value}, {expected:,} expected"
                return self._open(identifier, reason, now) + self._to_shadow(decision, now)
        return []

    def _open_if_over(self, cause: str, now: float) -> list[Decision]:
        """Open the breaker because of a decision's id, or of verdicts, if more is spent than there is."""
        reason = self._spending.over(now, self.breaker.counts_from)
        return [] if reason is None else self._open(cause, reason, now)

    def _open(self, cause: str, reason: str, now: float) -> list[Decision]:
        """Open the breaker, and take back what alerts have led to lately."""
        self.breaker = msgspec.structs.replace(self.breaker, opened=now, decision_id=cause, reason=reason)
        since = now - SHADOWED_S + self.policy.enforce_delay_s
        lately = [
            each
            for each in self.active(now)
            if each.mode == "enforce" and each.type in REFUSING and each.origin == ORIGIN and each.start >= since
        ]
        return [changed for each in lately for changed in self._to_shadow(each, now)]

    def _to_shadow(self, decision: Decision, now: float) -> list[Decision]:
        lifted = self.lift(decision.decision_id, now, _BREAKER)
        start = max(now, decision.start)
        shadow = msgspec.structs.replace(
            decision, mode="shadow", start=start, until=max(start, decision.until), duration=go_duration(decision.until - start)
        )
        shadow = named(shadow)
        self.load(shadow.decision_id, shadow)
        return [*lifted, shadow]

    def close_breaker(self, now: float) -> Breaker:
        """Let decisions be enforced again; what has been decided by ``now`` counts no more against the budget."""
        closed = self.breaker
        self.breaker = Breaker(counts_from=now)
        return closed

    def _new(self, draft: _Draft, alert: Alert, mode: Mode) -> Decision:
        start = alert.ts + self.policy.enforce_delay_s
        decision = Decision(
            decision_id="",
            uuid="",
            origin=ORIGIN,
            type=draft.type,
            scope=draft.scope,
            value=draft.value,
            protocols=draft.protocols,
            except_=draft.except_,
            start=start,
            until=start,
            duration="0s",
            scenario=alert.kind,
            mode=mode,
            campaign_id=alert.campaign_id,
            alert_ids=(alert.alert_id,),
            reason="; ".join(reason.text for reason in alert.reasons) or KINDS[alert.kind].title,
            policy_version=self.policy.version,
            impact=draft.impact,
        )
        decision = named(decision)
        return self._hold(decision, decision.start)

    def _hold(self, decision: Decision, from_ts: float, times: int = 1, at_least_s: int = 0) -> Decision:
        """``decision`` with its end the policy's duration, so many times, after ``from_ts``, never earlier than before."""
        nominal_s = max(self.policy.duration(decision.scenario, decision.scope), at_least_s)
        duration_s = _jittered(nominal_s, decision.decision_id)
        until = max(decision.until, from_ts + times * duration_s)
        return msgspec.structs.replace(decision, until=until, duration=go_duration(until - decision.start))

    def _extend(self, current: Decision, fresh: Decision) -> Decision:
        """``current`` as it stands after one more alert: a later end, the newest impact."""
        alert_ids = (*current.alert_ids, *fresh.alert_ids)[-MAX_ALERT_IDS:]
        return self._hold(msgspec.structs.replace(current, impact=fresh.impact, alert_ids=alert_ids), fresh.start)


def _slot(decision: Decision) -> tuple[str, ...]:
    """Alerts extend and replace what alerts made; what a person decided stays as it is."""
    return decision.origin, decision.scenario, decision.type, decision.scope, decision.value


def _is_on_probation(ended: Decision, ts: float) -> bool:
    """Whether what is attacked at ``ts`` follows on the end of ``ended``: its refusals are no evidence, so this is fresh."""
    return ended.lifted is None and 0 <= ts - ended.until <= PROBATION_S


def _jittered(duration_s: int, identifier: str) -> int:
    """``duration_s`` moved by up to the jitter's share, by a draw that the id decides."""
    draw = int(identifier[:8], 16) / 0xFFFFFFFF
    return round(duration_s * (1 - JITTER + 2 * JITTER * draw))


def _notice(alert: Alert) -> list[_Draft]:
    """Tell the owner; while one about a network holds, the account and network pair is exempt from decisions."""
    account, network, device = alert.subject.account, _network_of_subject(alert), alert.subject.device
    if account is None or (network is None and device is None):
        return []
    nobody = Impact(attack_attempts=0, attack_accounts=0, legit_accounts=Interval(0, 0, 0))
    if network is None:
        return [_Draft(type="notify", scope="account_device", value=join_value(account, device or ""), impact=nobody)]
    return [_Draft(type="notify", scope="account_ip", value=join_value(network, account), impact=nobody)]


def _containment(alert: Alert) -> list[_Draft]:
    """For a person to do: a new password where the attacker holds the right one, and sessions ended where he got in."""
    entered = set(alert.entered or ())
    one = Impact(attack_attempts=0, attack_accounts=1, legit_accounts=Interval(0, 0, 1))
    steps: list[tuple[Type, str]] = []
    for account in alert.exposed or ():
        steps += [("end_sessions", account)] if account in entered else []
        steps.append(("reset_password", account))
    return [_Draft(type=step, scope="account", value=join_value(account), impact=one, by_a_person=True) for step, account in steps]


def _network_of_subject(alert: Alert) -> str | None:
    subject = alert.subject
    if subject.network is not None or subject.ip is None:
        return subject.network
    return locate(subject.ip.partition("/")[0]).network


def _impact_on_account(alert: Alert) -> Impact:
    """At most the owner is hit."""
    return Impact(attack_attempts=alert.evidence.counts.get("failures", 0), attack_accounts=1, legit_accounts=Interval(0, 0, 1))


def _impact_on_source(alert: Alert, users: Users | None) -> Impact:
    """Who else uses the source; where nobody kept count, ``ok_accounts`` of the alert, from the detector's sketches."""
    distinct = alert.evidence.distinct
    attacked, attempts = distinct.get("accounts", 0), alert.evidence.counts.get("failures", 0)
    if users is None:
        legit = _interval(distinct["ok_accounts"]) if "ok_accounts" in distinct else None
        return Impact(attack_attempts=attempts, attack_accounts=attacked, legit_accounts=legit)
    return Impact(
        attack_attempts=attempts,
        attack_accounts=attacked,
        legit_accounts=users.legitimate(attacked),
        by_group=estimates(users.by_group),
        by_protocol=estimates(users.by_protocol),
    )


def estimates(counted: Mapping[str, Distinct]) -> dict[str, int]:
    """How many accounts there are of each name."""
    return {name: accounts.interval().estimate for name, accounts in counted.items()}


def _interval(estimate: int) -> Interval:
    """Two standard errors of a k-minimum-values sketch, which is exact below k (Bar-Yossef et al., RANDOM 2002)."""
    if estimate < K_MIN_VALUES:
        return Interval(estimate, estimate, estimate)
    error = 2 * estimate / sqrt(K_MIN_VALUES - 2)
    return Interval(estimate, max(K_MIN_VALUES, floor(estimate - error)), ceil(estimate + error))
