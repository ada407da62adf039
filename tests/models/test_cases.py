"""models.cases: alerts as an analyst works through them."""

from __future__ import annotations

from typing import Any

import pytest

from models.alerts import Alert, Kind, Reason, Subject, alert_id
from models.cases import cases, margin, nearest
from tests.factories import HOUR_S, T0

CAMPAIGN = "c" * 32


def an_alert(kind: Kind, subject: Subject, hour: int = 0, **fields: Any) -> Alert:
    """An alert of the hour."""
    ts = T0 + hour * HOUR_S
    common: dict[str, Any] = {"severity": "high", "score": 0.9, "ts": ts + 60, "first_ts": ts, "last_ts": ts + 60}
    return Alert(alert_id=alert_id(kind, subject, int(ts) // HOUR_S), kind=kind, subject=subject, **common | fields)


def a_campaign(hour: int, members: list[str], exposed: list[str], entered: list[str]) -> Alert:
    """What a campaign's alert of the hour says."""
    told: dict[str, Any] = {"cause": "credential_stuffing", "members": members, "exposed": exposed, "entered": entered}
    reasons = [Reason("cause", f"told in hour {hour}")]
    return an_alert("campaign", Subject(campaign=CAMPAIGN), hour, campaign_id=CAMPAIGN, reasons=reasons, **told)


def test_a_campaign_and_its_members_are_one_case() -> None:
    """Its alerts of all hours, and those that it names, wherever they came from; the newest cause holds."""
    first = an_alert("credential_stuffing", Subject(device="ua:curl"))
    later = an_alert("password_spray", Subject(ip="203.0.113.7"), hour=1)
    told = [
        a_campaign(0, [first.alert_id], ["anne"], []),
        a_campaign(1, [first.alert_id, later.alert_id], ["anne", "bob"], ["bob"]),
    ]
    (case,) = cases([later, *reversed(told), first])
    assert (case.case_id, case.cause, case.told) == (CAMPAIGN, "credential_stuffing", "told in hour 1")
    assert {alert.alert_id for alert in case.alerts} == {each.alert_id for each in (first, later, *told)}
    assert (case.members, case.exposed, case.entered) == ([first.alert_id, later.alert_id], ["anne", "bob"], ["bob"])
    assert (case.first_ts, case.last_ts) == (T0, T0 + HOUR_S + 60)


def test_a_lone_alert_is_a_case() -> None:
    """One kind and subject, hour after hour; another subject is another case."""
    alerts = [an_alert("brute_force", Subject(account=account), hour) for hour in range(3) for account in ("anne", "bob")]
    found = cases(alerts)
    assert [(case.cause, len(case.alerts), case.exposed) for case in found] == [("brute_force", 3, [])] * 2


def test_who_was_taken_over_is_exposed() -> None:
    """A takeover alone names its account."""
    (case,) = cases([an_alert("account_takeover", Subject(account="anne", ip="203.0.113.7"))])
    assert (case.exposed, case.entered) == (["anne"], ["anne"])


@pytest.mark.parametrize(
    ("value", "threshold", "cleared"), [(12, 10, 1.2), (0.5, 2.0, 4.0), (None, 2, None), (3, 0, None), (0, 2, None)]
)
def test_the_margin(value: float | None, threshold: float | None, cleared: float | None) -> None:
    """The factor by which a threshold was cleared, from above or from below."""
    assert margin(Reason("code", "text", value, threshold)) == cleared


def test_the_nearest_threshold() -> None:
    """Of reasons that all have to hold the closest; of a takeover, where each is enough, the farthest; none where none counts."""
    reasons = [Reason("accounts_failing", "", 11, 10), Reason("unknown_share", "", 0.6, 0.15), Reason("shared_source", "", 3, 3)]
    spray = an_alert("credential_stuffing", Subject(ip="203.0.113.7"), reasons=reasons)
    takeover = an_alert("account_takeover", Subject(account="anne"), reasons=reasons)
    assert [getattr(nearest(alert), "code", None) for alert in (spray, takeover)] == ["accounts_failing", "unknown_share"]
    assert nearest(an_alert("campaign", Subject(campaign=CAMPAIGN), reasons=[Reason("ended", "")])) is None
