"""models.alerts: ids, what an alert is made of, and what is known about each kind."""

from __future__ import annotations

from hashlib import blake2b
from itertools import combinations
from typing import get_args

import msgspec
import pytest

from models.alerts import KINDS, Alert, Evidence, Kind, ModelScore, Reason, Severity, Subject, alert_id
from tests.factories import T0

HOUR = int(T0) // 3600


def alert(**fields: object) -> Alert:
    """A brute force on alice."""
    subject = Subject(account="alice@example.org")
    defaults = {
        "alert_id": alert_id("brute_force", subject, HOUR), "kind": "brute_force", "severity": "medium", "score": 0.9,
        "ts": T0 + 9, "first_ts": T0, "last_ts": T0 + 9, "subject": subject,
    }  # fmt: skip
    return Alert(**defaults | fields)  # type: ignore[arg-type]  # a test's shorthand


@pytest.mark.parametrize(
    ("kind", "subject", "hour", "written"),
    [
        ("brute_force", Subject(account="é@example.org"), 7, '["brute_force",{"account":"é@example.org"},7]'),
        ("password_spray", Subject(network="192.0.2.0/24"), 7, '["password_spray",{"network":"192.0.2.0/24"},7]'),
        ("account_takeover", Subject(ip="192.0.2.7", account="a"), 8, '["account_takeover",{"account":"a","ip":"192.0.2.7"},8]'),
        ("credential_stuffing", Subject(asn=64500), 0, '["credential_stuffing",{"asn":64500},0]'),
        ("campaign", Subject(campaign="c1"), 7, '["campaign",{"campaign":"c1"},7]'),
        ("login_flood", Subject(), 7, '["login_flood",{},7]'),
    ],
)
def test_an_id_is_kind_subject_and_hour(kind: Kind, subject: Subject, hour: int, written: str) -> None:
    """Hex blake2b-128 of the three as an RFC 8785 array; only the parts of the subject that are set count."""
    assert alert_id(kind, subject, hour) == blake2b(written.encode(), digest_size=16).hexdigest()


def test_no_two_subjects_share_an_id() -> None:
    """The same text as an account, an address or a device is another subject."""
    parts = ("account", "ip", "network", "country", "protocol", "device", "campaign")
    subjects = [msgspec.convert({part: "x"}, Subject) for part in parts]
    ids = [alert_id("brute_force", subject, HOUR) for subject in subjects]
    assert all(one != other for one, other in combinations(ids, 2))


def test_an_alert_is_immutable() -> None:
    """Once raised it stays as it is."""
    with pytest.raises(AttributeError):
        alert().score = 0.1  # type: ignore[misc]  # what is tested


def test_an_alert_survives_json_and_readers_ignore_what_they_do_not_know() -> None:
    """Every field comes back; a later version may add some."""
    full = alert(
        reasons=[Reason("guesses", "12 passwords", 12, 10)],
        evidence=Evidence(counts={"failures": 12}, distinct={"guesses": 12}, addresses=["192.0.2.7"], event_ids=["e1"]),
        campaign_id="c1", attack="T1110.001", groups=["health"], model=ModelScore("account", "1", 0.99), cold=True,
    )  # fmt: skip
    packed = msgspec.json.encode(full)
    assert msgspec.json.decode(packed, type=Alert) == full
    assert msgspec.json.decode(packed[:-1] + b',"later":[1]}', type=Alert) == full


def test_what_is_absent_is_written_as_null_or_empty() -> None:
    """A reader finds every field of the contract in every alert."""
    written = msgspec.json.decode(msgspec.json.encode(alert()))
    absent = {name: written[name] for name in ("campaign_id", "attack", "model", "groups", "reasons", "cold")}
    assert absent == {"campaign_id": None, "attack": None, "model": None, "groups": [], "reasons": [], "cold": False}
    assert written["subject"] == {"account": "alice@example.org"}


def test_every_kind_is_described() -> None:
    """Whoever shows or acts on an alert finds its kind in the table."""
    assert list(KINDS) == list(get_args(Kind))
    assert all(known.title and known.false_positives for known in KINDS.values())
    assert get_args(Severity) == ("low", "medium", "high", "critical")


def test_only_attacks_are_met_with_blocks() -> None:
    """What is nobody's attack is never remedied by a block, and a block never follows from evidence about a whole campaign."""
    assert {kind for kind, known in KINDS.items() if known.remediation} == {
        "brute_force", "password_spray", "credential_stuffing", "account_takeover", "login_flood",
    }  # fmt: skip


def test_failures_on_an_account_can_be_forged() -> None:
    """Anyone can send ten wrong passwords to somebody else's mailbox: the evidence is not against the mailbox's owner."""
    assert {kind for kind, known in KINDS.items() if known.spoofable} == {"brute_force", "stale_password", "token_failure"}
