"""Pseudonyms hide everything that names somebody, and link what belongs together."""

from __future__ import annotations

import msgspec
import pytest

from models.alerts import Alert, Evidence, Reason, Subject, alert_id
from models.pseudonyms import Pseudonyms
from tests.factories import T0

SECRET = b"0123456789abcdef" * 2
ALICE, ADDRESS, NETWORK, DEVICE = "alice@example.org", "203.0.113.7", "203.0.113.0/24", "ua:Alice's own mailer"


def an_alert(**subject: str) -> Alert:
    about = Subject(**subject)  # type: ignore[arg-type]
    return Alert(
        alert_id=alert_id("brute_force", about, 1),
        kind="brute_force",
        severity="high",
        score=1.0,
        ts=T0,
        first_ts=T0,
        last_ts=T0,
        subject=about,
        campaign_id="c" * 32,
        reasons=[Reason("r", f"{ALICE} from {ADDRESS}, {NETWORK} ({DEVICE}): a guess", 1, 1)],
        evidence=Evidence(counts={"failures": 3}, addresses=[ADDRESS, "203.0.113.8"], event_ids=["e" * 32]),
        groups=["health"],
    )


@pytest.fixture
def pseudonyms() -> Pseudonyms:
    return Pseudonyms(SECRET)


def test_nothing_that_names_somebody_is_left(pseudonyms: Pseudonyms) -> None:
    """Neither in the fields nor in sentences, and no id that can be computed from what it is about."""
    alert = an_alert(account=ALICE, ip=ADDRESS, network=NETWORK, device=DEVICE)
    hidden = msgspec.json.encode(pseudonyms.alert(alert)).decode()
    for name in (ALICE, "alice", "Alice", ADDRESS, "203.0.113", DEVICE, alert.alert_id, "c" * 32, "e" * 32):
        assert name not in hidden
    assert "a guess" in hidden


def test_the_rest_stays(pseudonyms: Pseudonyms) -> None:
    """It is an alert as any other; counts, times, groups and whether a field is set are what they were."""
    alert = an_alert(account=ALICE)
    hidden = pseudonyms.alert(alert)
    assert msgspec.json.decode(msgspec.json.encode(hidden), type=Alert) == hidden
    assert (hidden.subject.ip, hidden.evidence.counts, hidden.groups, hidden.ts) == (None, {"failures": 3}, ["health"], T0)
    assert len(hidden.alert_id) == len(alert.alert_id)


def test_what_belongs_together_can_be_seen(pseudonyms: Pseudonyms) -> None:
    """The same address is the same everywhere, the same text as an account is another, and so it is under another secret."""
    first, second = pseudonyms.alert(an_alert(ip=ADDRESS)), pseudonyms.alert(an_alert(account=ALICE))
    assert first.subject.ip == second.evidence.addresses[0] == first.evidence.addresses[0]
    assert first.campaign_id == second.campaign_id
    assert first.alert_id != second.alert_id
    assert pseudonyms.of("account", "x").partition("-")[2] != pseudonyms.of("address", "x").partition("-")[2]
    assert Pseudonyms(SECRET[::-1]).of("address", ADDRESS) != first.subject.ip


def test_a_short_name_leaves_sentences_alone(pseudonyms: Pseudonyms) -> None:
    """Whole words are replaced."""
    hidden = pseudonyms.alert(msgspec.structs.replace(an_alert(account="ad"), reasons=[Reason("r", "ad, bad address")]))
    assert hidden.reasons[0].text == f"{hidden.subject.account}, bad address"


def test_a_short_secret_is_none() -> None:
    """Whoever can try all secrets can undo it."""
    with pytest.raises(ValueError, match="at least 32 bytes"):
        Pseudonyms(SECRET[1:])
