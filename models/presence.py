"""Presence: an attack that goes on although all of it is refused.

What we refused is no evidence: it makes nobody more suspect, or one block would be the ground for the next. But an analyst wants to
know that somebody is at the door, also where he was refused from his first attempt on; and a block of whoever is still there is
kept alive, for 24 hours after what was last not refused (contract, section 1).

Counted are attempts by UTC hour. The alert is cold, so that it decides nothing, and its subject names the protocol: the same
attack, where it is not refused, has an alert of its own.

Fails where a firewall drops what is refused before a log-in server sees it, and for passwords that cannot be compared.
"""

from __future__ import annotations

from typing import Final

import msgspec

from models.alerts import KINDS, Alert, Evidence, Kind, Reason, Severity, Subject, alert_id
from models.windows import HOUR_S

__all__ = ["MANY", "MANY_PER_MIN", "PROLONGS_H", "Presence", "keeps_alive_until", "presence_alert"]

#: Passwords of an account, or accounts of an address, that are refused within an hour; attempts within a minute. As many as where
#: nothing is refused.
MANY: Final = 10
MANY_PER_MIN: Final = 300
#: How long presence alone keeps a block alive.
PROLONGS_H: Final = 24
_MINUTE_S: Final = 60
_LISTED_ADDRESSES: Final = 5
_LAST_EVIDENCE: Final = "last_evidence_h"
_SEVERITY: Final[Severity] = "low"


class Presence(msgspec.Struct, array_like=True, gc=False):
    """What was refused within the UTC hour ``hour`` since the epoch: first and last second, how many, distinct ``values`` (hashes).

    ``minute_attempts`` are those of the newest ``minute``; ``addresses`` the first few that they came from.

    >>> presence = Presence()
    >>> [presence.count(3600, password) for password in (7, 7, *range(8, 18))].index(True)
    10
    """

    hour: int = 0
    first_s: int = 0
    last_s: int = 0
    attempts: int = 0
    values: list[int] = msgspec.field(default_factory=list)
    minute: int = 0
    minute_attempts: int = 0
    addresses: list[str] = msgspec.field(default_factory=list)
    has_flooded: bool = False

    def count(self, second: int, value: int, address: str = "") -> bool:
        """Count one attempt; returns whether there are :data:`MANY` values now, which is so once an hour."""
        hour = second // HOUR_S
        if hour < self.hour:
            return False
        if hour > self.hour:
            self.hour, self.first_s, self.attempts, self.has_flooded = hour, second, 0, False
            self.values, self.addresses = [], []
        self.attempts += 1
        self.first_s, self.last_s = min(self.first_s, second), max(self.last_s, second)
        if address and address not in self.addresses and len(self.addresses) < _LISTED_ADDRESSES:
            self.addresses.append(address)
        if len(self.values) == MANY or value in self.values:
            return False
        self.values.append(value)
        return len(self.values) == MANY

    def floods(self, second: int) -> bool:
        """Count one attempt of a minute; returns whether there are :data:`MANY_PER_MIN` now, for the first time within the hour."""
        minute = second // _MINUTE_S
        if minute > self.minute:
            self.minute, self.minute_attempts = minute, 0
        if minute == self.minute:
            self.minute_attempts += 1
        if self.has_flooded or self.minute_attempts < MANY_PER_MIN:
            return False
        self.has_flooded = True
        return True


def presence_alert(
    kind: Kind,
    subject: Subject,
    presence: Presence,
    reason: Reason,
    event_id: str,
    evidence_h: int | None,
    groups: tuple[str, ...] = (),
) -> Alert:
    """The alert of the hour.

    Args:
        kind: Of the attack.
        subject: With the protocol.
        presence: What was refused.
        reason: What was counted.
        event_id: Of the last that was refused.
        evidence_h: How many hours ago the same subject was attacked and not refused; ``None`` if not within about a day.
        groups: Those that the account is in.
    """
    reasons = [reason]
    if kind == "password_spray":
        reasons.append(Reason("kind_ambiguous", "what is refused is not told apart: this can be credential stuffing as well"))
    if evidence_h is not None:
        text = f"attacked without being refused {evidence_h} h ago: what refuses it now is prolonged"
        reasons.append(Reason(_LAST_EVIDENCE, text, evidence_h, PROLONGS_H))
    return Alert(
        alert_id=alert_id(kind, subject, presence.hour),
        kind=kind,
        severity=_SEVERITY,
        score=0.0,
        ts=float(presence.last_s),
        first_ts=float(presence.first_s),
        last_ts=float(presence.last_s),
        subject=subject,
        reasons=reasons,
        evidence=Evidence(
            counts={"refused": presence.attempts},
            addresses=list(presence.addresses),
            event_ids=[event_id],
        ),
        attack=KINDS[kind].attack,
        groups=list(groups),
        cold=True,
    )


def keeps_alive_until(alert: Alert) -> float | None:
    """Until when presence prolongs what refuses it, UTC seconds; ``None`` where the alert is not about presence after evidence."""
    hours = [reason.value or 0.0 for reason in alert.reasons if reason.code == _LAST_EVIDENCE]
    if not alert.cold or not hours:
        return None
    return (alert.ts // HOUR_S + 1 - hours[0] + PROLONGS_H) * HOUR_S
