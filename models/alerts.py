"""Alerts: what an analyst reads and what the blocking service acts on (contract section 3).

An alert is immutable and there is one per kind, subject and UTC hour, so its id is a pure function of those three and
the same alert raised twice, by two workers or in a replay, has the same id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from models.ids import stable_id

__all__ = [
    "KINDS",
    "SCHEMA",
    "Alert",
    "AlertKind",
    "Evidence",
    "Feature",
    "Kind",
    "ModelScore",
    "Reason",
    "Severity",
    "Subject",
    "alert_id",
]

SCHEMA: Final = "alert/1"

Kind = Literal[
    "brute_force",
    "password_spray",
    "credential_stuffing",
    "account_takeover",
    "login_flood",
    "campaign",
    "stale_password",
    "token_failure",
    "shared_source",
    "backend_outage",
]
Severity = Literal["low", "medium", "high", "critical"]


@dataclass(frozen=True, slots=True)
class AlertKind:
    """What is known about a kind before any alert of it is raised.

    ``spoofable``: can a third party forge the evidence against the subject? ``remediation``: may it lead to a block?
    """

    title: str
    attack: str | None
    spoofable: bool
    remediation: bool
    false_positives: str


#: MITRE ATT&CK (enterprise 19.1) techniques; ``None`` where the kind is not an attack.
KINDS: Final[dict[Kind, AlertKind]] = {
    "brute_force": AlertKind(
        "Many passwords against one account", "T1110.001", True, True, "an owner who forgot the password and tries variants"
    ),
    "password_spray": AlertKind(
        "Few tries on each of many accounts", "T1110.003", False, True, "an office or carrier NAT after a forced password change"
    ),
    "credential_stuffing": AlertKind(
        "Leaked pairs tried once each", "T1110.004", False, True, "a migration tool run with an old export of accounts"
    ),
    "account_takeover": AlertKind(
        "A success that does not look like its owner",
        "T1078",
        False,
        True,
        "travel, a new device bought after forgetting the password",
    ),
    "login_flood": AlertKind(
        "A request rate that threatens the service", "T1499.003", False, True, "a broken client that retries without a pause"
    ),
    "campaign": AlertKind("The attack behind many alerts", "T1110", False, False, "unrelated attacks in the same minutes"),
    "stale_password": AlertKind(
        "A familiar device keeps trying an old password", None, True, False, "an attacker replaying one leaked password"
    ),
    "token_failure": AlertKind("OAuth tokens fail", None, True, False, "none known"),
    "shared_source": AlertKind(
        "Fetcher, office, carrier NAT or cloud sync", None, False, False, "an attacker with many verified accounts"
    ),
    "backend_outage": AlertKind("The failures are our own", None, False, False, "a very wide attack on active accounts"),
}


class Subject(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who or what an alert is about; only the parts that apply are set."""

    account: str | None = None
    ip: str | None = None
    network: str | None = None
    asn: int | None = None
    country: str | None = None
    protocol: str | None = None
    device: str | None = None
    campaign: str | None = None

    def parts(self) -> dict[str, object]:
        """The parts that are set, as they enter the id."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}


class Reason(msgspec.Struct, frozen=True):
    """One measured value against its threshold, and a sentence for people."""

    code: str
    text: str
    value: float | None = None
    threshold: float | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Enough to decide without another query.

    ``counts`` are numbers of events, ``distinct`` numbers of different things (``accounts``, ``addresses``, ``guesses``,
    ``ok_accounts`` = accounts with a good log-in from the subject's scope in the last 24 h), ``addresses`` the sources
    with the most tries, ``event_ids`` at most five samples, ``copied`` the owner's devices and credentials, by
    hash, that strangers say they have.
    """

    counts: dict[str, int] = {}
    distinct: dict[str, int] = {}
    addresses: list[str] = []
    event_ids: list[str] = []
    copied: list[int] = []


class Feature(msgspec.Struct, frozen=True):
    """A feature of what a model scored, its value, and what it adds to the forest's score: without it, that is so much less."""

    name: str
    value: float
    weight: float


class ModelScore(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which model contributed and what it said (0 ordinary to 1 never seen); its strongest features, where it has several."""

    detector: str
    version: str
    score: float
    features: list[Feature] = []


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """See the module's text; times are event time, UTC seconds.

    The last four are a campaign's only: what kind of attack it is, the alerts behind which it stands, the accounts of which the
    attacker presented the right password, and those of them that he entered. There may be more than are listed: see ``evidence``.
    """

    alert_id: str
    kind: Kind
    severity: Severity
    score: float
    ts: float
    first_ts: float
    last_ts: float
    subject: Subject
    campaign_id: str | None = None
    reasons: list[Reason] = []
    evidence: Evidence = Evidence()
    attack: str | None = None
    groups: list[str] = []
    model: ModelScore | None = None
    cold: bool = False
    cause: Kind | msgspec.UnsetType = msgspec.UNSET
    members: list[str] | msgspec.UnsetType = msgspec.UNSET
    exposed: list[str] | msgspec.UnsetType = msgspec.UNSET
    entered: list[str] | msgspec.UnsetType = msgspec.UNSET


def alert_id(kind: Kind, subject: Subject, hour: int) -> str:
    """The id of the alert of ``kind`` about ``subject`` in the ``hour``-th hour since the epoch.

    >>> alert_id("password_spray", Subject(ip="198.51.100.7"), 470638)
    'a562f167287dd48062ff7e66a5e367bb'
    """
    return stable_id(kind, subject.parts(), hour)
