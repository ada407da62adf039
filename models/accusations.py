"""Alerts against labels: whom each one accuses, and whether rightly (contract section 6).

* An alert **matches** an attempt when every part of its subject (account, ip, network, asn, country, protocol, device) is the
  attempt's and ``first_ts <= ts < last_ts + 1``: detectors count in whole seconds. A subject without parts is the whole service.
* It is **right about an actor** when it matches an attempt of his whose label is its kind. Three more are right: ``password_spray``
  and ``credential_stuffing`` for one another where the alert says ``kind_ambiguous`` in its reasons; ``account_takeover`` on any
  attempt with the right password, as a success by a source under attack is one (contract section 3); and ``campaign`` where
  one of its members matches an attack. A campaign's members are those it lists and those that carry its id.
* It **accuses** the actors that it is right about; where there are none, the actors of the attacks that it matches; where there
  are none either, nobody but its subject, who is innocent.
* **Precision by actor** of a kind: of all that its alerts accuse (actors, innocent subjects), the share it is right about in at
  least one of them. **Recall by actor**: of the actors with an attempt of the kind in the judged time, the share that an alert
  of the kind, or an ambiguous one, is right about.
* A **case** is a campaign with its members, or a lone alert; only of kinds that are attacks. It is **false** when none of its
  alerts matches an attack. Their rate is per day of judged time and million customers (accounts with a good log-in of their owner).
* A campaign is **rightly named** when the cause that its last alert names is that of most of the attempts its alerts match.
* **Confusion** has, for each kind of alert, what its alerts were really about: their own kind where they are right, else the attack
  or the trait (``stale_password`` …) of most of the attempts that they match, else ``benign``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from operator import attrgetter
from typing import Final, Protocol

import msgspec

from models.alerts import KINDS, Alert, Kind
from models.attempts import Attempt

__all__ = ["BENIGN", "Accusations", "AlertFigures", "CaseFigures", "KindFigures", "Truth"]

BENIGN: Final = "benign"
_AMBIGUOUS: Final = "kind_ambiguous"
_AMBIGUOUS_KINDS: Final = frozenset({"password_spray", "credential_stuffing"})
_MILLION: Final = 1_000_000
#: Part of a subject -> field of an attempt. An alert is found by the first of these that it names, so they go from narrow to wide.
_PARTS: Final = {
    "account": "account",
    "ip": "address",
    "network": "network",
    "device": "device",
    "asn": "asn",
    "country": "country",
    "protocol": "protocol",
}


class Truth(Protocol):
    """What ``labels.ndjson`` says about an event (contract section 5)."""

    @property
    def label(self) -> str:
        """``benign``, or the kind of attack."""

    @property
    def actor(self) -> str:
        """Who is behind it, from whatever address."""

    @property
    def cause(self) -> str | None:
        """The kind of attack that led to it: a takeover's is the stuffing before it."""

    @property
    def trait(self) -> str | None:
        """Why a benign attempt does not look so."""

    @property
    def password_ok(self) -> bool | None:
        """Whether the right password was presented: on attacks, and on benign attempts that were refused."""


class KindFigures(msgspec.Struct, frozen=True):
    """Alerts of one kind; see the module's text.

    ``right`` of ``alerts`` are right about somebody, ``cold`` had too little history to decide anything. ``accused`` and
    ``rightly_accused`` are distinct; ``found`` of ``actors`` were. A share without anything to share is ``None``, and so
    is the recall of ``campaign``, which is no label.
    """

    alerts: int
    right: int
    cold: int
    accused: int
    rightly_accused: int
    precision: float | None
    actors: int
    found: int
    recall: float | None


class CaseFigures(msgspec.Struct, frozen=True):
    """Cases, and how many of them waste an analyst's time; no rate without customers and time. Campaigns, and their cause."""

    cases: int
    false_cases: int
    false_per_day_and_million: float | None
    campaigns: int
    rightly_named: int


class AlertFigures(msgspec.Struct, frozen=True):
    """``kinds`` has those that were raised or that somebody did; ``confusion`` is alert kind -> truth -> alerts."""

    cases: CaseFigures
    kinds: dict[str, KindFigures]
    confusion: dict[str, dict[str, int]]


class _Accusation:
    """An alert and what it matches."""

    __slots__ = ("alert", "ambiguous", "attacks", "causes", "end_ts", "first_ts", "parts", "traits")

    def __init__(self, alert: Alert, parts: list[tuple[attrgetter[object], object]]) -> None:
        self.alert, self.parts = alert, parts
        self.first_ts, self.end_ts = alert.first_ts, alert.last_ts + 1
        self.ambiguous = alert.kind in _AMBIGUOUS_KINDS and any(reason.code == _AMBIGUOUS for reason in alert.reasons)
        self.attacks: Counter[tuple[str, str, bool]] = Counter()  # (kind, actor, right password) -> attempts
        self.causes: Counter[str] = Counter()
        self.traits: Counter[str] = Counter()

    def offer(self, attempt: Attempt, truth: Truth) -> None:
        """Take note of an attempt in the alert's time that has the part by which the alert was found."""
        if all(field(attempt) == value for field, value in self.parts):
            if truth.label != BENIGN:
                self.attacks[truth.label, truth.actor, bool(truth.password_ok)] += 1
                self.causes[truth.cause or truth.label] += 1
            elif truth.trait is not None:
                self.traits[truth.trait] += 1

    def finds(self, kind: str) -> bool:
        """Whether the alert says that there is an attack of ``kind``."""
        return self.alert.kind == kind or (self.ambiguous and kind in _AMBIGUOUS_KINDS)

    def actors(self) -> set[str]:
        """Whose attacks it matches."""
        return {actor for _, actor, _ in self.attacks}

    def right_about(self) -> set[str]:
        """The actors."""
        if self.alert.kind == "campaign":
            return self.actors()
        entering = self.alert.kind == "account_takeover"
        return {actor for kind, actor, entered in self.attacks if self.finds(kind) or (entering and entered)}

    def truth(self) -> str:
        """What it was really about, for the confusion between kinds."""
        attacks: Counter[str] = Counter()
        for (kind, _, _), attempts in sorted(self.attacks.items()):
            attacks[kind] += attempts
        if self.right_about():
            found = {kind for kind in attacks if self.finds(kind)}
            return found.pop() if len(found) == 1 else self.alert.kind
        about = attacks or Counter(dict(sorted(self.traits.items())))
        return about.most_common(1)[0][0] if about else BENIGN


class Accusations:
    """Collects what alerts match, from attempts in any order.

    Args:
        alerts: All that were raised; those outside of the judged time are left out.
        since: Start of the judged time, UTC seconds.
        until: Its end.
    """

    def __init__(self, alerts: Iterable[Alert], since: float, until: float) -> None:
        self._accusations: list[_Accusation] = []
        self._by_part: defaultdict[str, defaultdict[object, list[_Accusation]]] = defaultdict(lambda: defaultdict(list))
        self._whole_service: list[_Accusation] = []
        self._actors: defaultdict[str, set[str]] = defaultdict(set)
        for alert in alerts:
            if since <= alert.ts < until:
                self._put(alert)

    def _put(self, alert: Alert) -> None:
        named = [(field, value) for part, field in _PARTS.items() if (value := getattr(alert.subject, part)) is not None]
        accusation = _Accusation(alert, [(attrgetter(field), value) for field, value in named[1:]])
        self._accusations.append(accusation)
        if named:
            field, value = named[0]
            self._by_part[field][value].append(accusation)
        elif alert.kind != "campaign":
            self._whole_service.append(accusation)

    def add(self, attempt: Attempt, truth: Truth, *, judged: bool) -> None:
        """Compare an attempt, an attack or one with a trait, with the alerts; ``judged``: it is in the judged time."""
        if judged and truth.label != BENIGN:
            self._actors[truth.label].add(truth.actor)
        ts = attempt.ts
        for field, by_value in self._by_part.items():
            for accusation in by_value.get(getattr(attempt, field), ()):
                if accusation.first_ts <= ts < accusation.end_ts:
                    accusation.offer(attempt, truth)
        for accusation in self._whole_service:
            if accusation.first_ts <= ts < accusation.end_ts:
                accusation.offer(attempt, truth)

    def figures(self, days: float, customers: int) -> AlertFigures:
        """The figures, given the length of the judged time and the number of accounts with a good log-in."""
        cases = self._cases()
        false = sum(not any(accusation.attacks for accusation in case) for case in cases.values())
        campaigns = {case: members for case, members in cases.items() if any(each.alert.kind == "campaign" for each in members)}
        million_customer_days = days * customers / _MILLION
        made: defaultdict[str, list[_Accusation]] = defaultdict(list)
        for accusation in self._accusations:
            made[accusation.alert.kind].append(accusation)
        judged = [kind for kind in KINDS if _is_attack(kind) and (made[kind] or self._actors[kind])]
        return AlertFigures(
            CaseFigures(
                cases=len(cases),
                false_cases=false,
                false_per_day_and_million=false / million_customer_days if million_customer_days else None,
                campaigns=len(campaigns),
                rightly_named=sum(map(_rightly_named, campaigns.values())),
            ),
            {kind: self._kind(kind, made[kind]) for kind in judged},
            {
                kind: dict(Counter(accusation.truth() for accusation in made[kind]).most_common())
                for kind in KINDS
                if made[kind] and kind != "campaign"
            },
        )

    def _cases(self) -> dict[str, list[_Accusation]]:
        """Campaigns with their members, and lone alerts, by id. A campaign's own alert is given what its members match."""
        campaign_of: dict[str, str] = {}
        for accusation in self._accusations:
            alert = accusation.alert
            if alert.subject.campaign is not None:
                campaign_of |= dict.fromkeys(alert.members or (), alert.subject.campaign)
        cases: defaultdict[str, list[_Accusation]] = defaultdict(list)
        for accusation in self._accusations:
            alert = accusation.alert
            if _is_attack(alert.kind):
                case = alert.subject.campaign or alert.campaign_id or campaign_of.get(alert.alert_id, alert.alert_id)
                cases[case].append(accusation)
        for members in cases.values():
            for accusation in members:
                if accusation.alert.kind == "campaign":
                    accusation.attacks = sum((each.attacks for each in members if each is not accusation), Counter())
        return cases

    def _kind(self, kind: Kind, made: list[_Accusation]) -> KindFigures:
        right = 0
        rightly: set[str] = set()
        accused: set[object] = set()
        for accusation in made:
            about = accusation.right_about()
            right += bool(about)
            rightly |= about
            accused |= about or accusation.actors() or {tuple(accusation.alert.subject.parts().items())}
        actors = self._actors[kind]
        finding = [accusation for accusation in self._accusations if accusation.finds(kind)]
        found = {actor for accusation in finding for label, actor, _ in accusation.attacks if label == kind} & actors
        return KindFigures(
            alerts=len(made),
            right=right,
            cold=sum(accusation.alert.cold for accusation in made),
            accused=len(accused),
            rightly_accused=len(rightly),
            precision=len(rightly) / len(accused) if accused else None,
            actors=len(actors),
            found=len(found),
            recall=len(found) / len(actors) if actors else None,
        )


def _rightly_named(members: list[_Accusation]) -> bool:
    causes = sum((each.causes for each in members), Counter[str]())
    last = max((each.alert for each in members if each.alert.kind == "campaign"), key=lambda alert: alert.ts)
    return bool(causes) and last.cause == causes.most_common(1)[0][0]


def _is_attack(kind: Kind) -> bool:
    return KINDS[kind].attack is not None
