"""models.triage: what judgements teach about the open alerts."""

from __future__ import annotations

from msgspec.structs import replace

from models.alerts import Alert, Evidence, Kind, Reason, Severity, Subject, alert_id
from models.feedback import Judgement, Word
from models.triage import MOST_JUDGEMENTS, NEEDED, NEEDED_OF_EACH, features, listing
from tests.factories import T0


def alert(number: int, kind: Kind = "password_spray", severity: Severity = "high", score: float = 0.5) -> Alert:
    """An alert; takeovers are travellers, and sprays come from somewhere."""
    travel = kind == "account_takeover"
    subject = Subject(account=f"a{number}") if travel else Subject(ip=f"192.0.2.{number}")
    return Alert(
        alert_id=alert_id(kind, subject, number),
        kind=kind,
        severity=severity,
        score=score,
        ts=T0 + number,
        first_ts=T0,
        last_ts=T0 + number,
        subject=subject,
        reasons=[Reason("impossible_travel" if travel else "accounts_failing", "…", 20, 10)],
        evidence=Evidence(counts={"failures": 0 if travel else 40}),
    )


def judged(alerts: list[Alert], word: Word = "true_positive") -> dict[str, Judgement]:
    """All of them alike, in order."""
    return {
        each.alert_id: Judgement(alert_id=each.alert_id, judgement=word, ts=T0 + number, by="anne")
        for number, each in enumerate(alerts)
    }


SPRAYS = [alert(number) for number in range(NEEDED)]
TRAVELLERS = [alert(number, "account_takeover", score=0.9) for number in range(NEEDED)]


def test_what_analysts_close_sinks() -> None:
    """Travellers have the higher score; judged false they come last, and what looks like what was true comes first."""
    half = NEEDED // 2
    told = judged(SPRAYS[:half]) | judged(TRAVELLERS[:half], "false_positive")
    found = listing([*TRAVELLERS, *SPRAYS], told)
    assert found.judgements == NEEDED
    assert [each.alert.kind for each in found.alerts] == ["password_spray"] * half + ["account_takeover"] * half
    first, last = found.alerts[0].probability, found.alerts[-1].probability
    assert first is not None
    assert last is not None
    assert first > 0.8
    assert last < 0.2


def test_before_enough_judgements_severity_and_score_decide() -> None:
    """Too few, or hardly any of one verdict: no probability is told."""
    alerts = [alert(90, severity="low", score=0.9), alert(91, score=0.1), alert(92, score=0.2), alert(93, severity="critical")]
    by_severity = [alerts[3], alerts[2], alerts[1], alerts[0]]
    few = judged(SPRAYS[: NEEDED - NEEDED_OF_EACH - 1]) | judged(TRAVELLERS[:NEEDED_OF_EACH], "false_positive")
    one_sided = judged(SPRAYS[: NEEDED - NEEDED_OF_EACH + 1]) | judged(TRAVELLERS[: NEEDED_OF_EACH - 1], "false_positive")
    for told, count in (({}, 0), (few, NEEDED - 1), (one_sided, NEEDED)):
        found = listing([*SPRAYS, *TRAVELLERS, *alerts], told)
        assert [each.alert for each in found.alerts if each.alert in alerts] == by_severity
        assert {each.probability for each in found.alerts} == {None}
        assert found.judgements == count


def test_judged_alerts_are_not_open_and_lost_ones_teach_nothing() -> None:
    """A judgement whose alert is no longer kept is not counted."""
    found = listing(SPRAYS[1:3], judged(SPRAYS[:2]))
    assert [each.alert for each in found.alerts] == [SPRAYS[2]]
    assert found.judgements == 1


def test_the_order_of_records_does_not_matter() -> None:
    """It learns in the order of judgement, so the same records give the same numbers."""
    told = judged(SPRAYS[:15]) | judged(TRAVELLERS[:15], "false_positive")
    alerts = [*SPRAYS, *TRAVELLERS]
    assert listing(alerts, told) == listing(alerts[::-1], dict(reversed(told.items())))


def test_only_the_newest_judgements_count() -> None:
    """Analysts who think otherwise now are followed."""
    many = [replace(alert(0), alert_id=f"{number:032x}") for number in range(MOST_JUDGEMENTS + 5)]
    assert listing(many, judged(many)).judgements == MOST_JUDGEMENTS


def test_features_name_nobody() -> None:
    """An account that is called like a feature changes nothing, and all are small numbers."""
    one, other = alert(1), replace(alert(1), subject=Subject(ip="203.0.113.250"))
    assert features(one) == features(other)
    assert all(0 <= value <= 4 for value in features(alert(100_000)).values())
