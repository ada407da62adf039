"""models.accusations: whom alerts accuse, on cases small enough to count by hand."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from models.accusations import Accusations, AlertFigures
from models.alerts import Alert, Kind, Reason, Subject, alert_id
from models.attempts import Attempt
from tests.factories import DAY_S, T0, failure, success

HERE, ELSEWHERE = "203.0.113.7", "203.0.113.8"


class Truth(NamedTuple):
    """A label."""

    label: str = "benign"
    actor: str = "owner"
    password_ok: bool | None = None
    cause: str | None = None
    trait: str | None = None


Step = tuple[Attempt, Truth]


def attack(
    ts: float, actor: str = "a", kind: str = "password_spray", remote: str = HERE, login: str = "alice", **truth: Any
) -> Step:
    return failure(T0 + ts, login, remote), Truth(kind, actor, **truth)


def alert(kind: Kind = "password_spray", first: float = 0, last: float = 100, *, ambiguous: bool = False, **fields: Any) -> Alert:
    """About an address, unless another subject is given."""
    subject = fields.pop("subject", Subject(ip=HERE))
    made: dict[str, Any] = {
        "alert_id": alert_id(kind, subject, int(T0 + last) // 3600),
        "kind": kind,
        "severity": "high",
        "score": 1.0,
        "ts": T0 + last,
        "first_ts": T0 + first,
        "last_ts": T0 + last,
        "subject": subject,
        "reasons": [Reason("kind_ambiguous", "either")] if ambiguous else [],
    }
    return Alert(**(made | fields))


def campaign(*members: Alert, named: bool = True) -> Alert:
    """The campaign that the first of these began; ``named``: they carry its id themselves, else it lists them."""
    ids = [] if named else [member.alert_id for member in members]
    return alert("campaign", subject=Subject(campaign=members[0].alert_id), campaign_id=members[0].alert_id, members=ids)


def figures(alerts: list[Alert], *steps: Step, since: float = T0 - DAY_S, until: float = T0 + DAY_S) -> AlertFigures:
    """Of a day with a thousand customers."""
    accusations = Accusations(alerts, since, until)
    for attempt, truth in steps:
        accusations.add(attempt, truth, judged=since <= attempt.ts < until)
    return accusations.figures(days=1.0, customers=1000)


def test_a_right_alert_finds_its_actor() -> None:
    """One attempt of his within its time and subject is enough."""
    spray = figures([alert()], attack(50), attack(60, "b", remote=ELSEWHERE)).kinds["password_spray"]
    assert (spray.alerts, spray.right, spray.accused, spray.rightly_accused, spray.precision) == (1, 1, 1, 1, 1.0)
    assert (spray.actors, spray.found, spray.recall) == (2, 1, 0.5)


@pytest.mark.parametrize(
    ("ts", "matches"), [(-0.1, False), (0, True), (100.9, True), (101, False)], ids=["before", "first", "last second", "after"]
)
def test_the_time_of_an_alert_is_in_whole_seconds(ts: float, matches: bool) -> None:
    """From its first second to the end of its last."""
    assert figures([alert()], attack(ts)).kinds["password_spray"].right == matches


@pytest.mark.parametrize(
    ("subject", "matches"),
    [
        (Subject(ip=HERE, account="alice@example.org"), True),
        (Subject(ip=HERE, account="bob@example.org"), False),
        (Subject(network="203.0.113.0/24"), True),
        (Subject(protocol="imap"), True),
        (Subject(protocol="pop3"), False),
        (Subject(), True),
    ],
)
def test_every_part_of_the_subject_must_be_the_attempts(subject: Subject, matches: bool) -> None:
    """A subject without parts is the whole service."""
    assert figures([alert(subject=subject)], attack(50)).kinds["password_spray"].right == matches


def test_an_alert_about_an_innocent_subject_accuses_it() -> None:
    """The same subject accused twice is accused once."""
    innocent = Subject(ip=ELSEWHERE)
    alerts = [alert(), alert(subject=innocent), alert(first=3600, last=3700, subject=innocent)]
    spray = figures(alerts, attack(50)).kinds["password_spray"]
    assert (spray.alerts, spray.accused, spray.rightly_accused, spray.precision) == (3, 2, 1, 0.5)


def test_another_kind_of_attack_is_a_wrong_accusation() -> None:
    """The attacker is accused, and not rightly; the confusion says what it was."""
    found = figures([alert("brute_force")], attack(50), attack(60))
    assert found.kinds["brute_force"].precision == 0.0
    assert found.kinds["password_spray"].recall == 0.0
    assert found.confusion == {"brute_force": {"password_spray": 1}}


@pytest.mark.parametrize(("ambiguous", "right"), [(True, 1), (False, 0)])
def test_spray_and_stuffing_stand_for_each_other_where_the_alert_says_so(ambiguous: bool, right: int) -> None:
    """Contract section 3."""
    found = figures([alert("credential_stuffing", ambiguous=ambiguous)], attack(50))
    assert found.kinds["credential_stuffing"].right == right
    assert found.kinds["password_spray"].found == right


def test_a_success_by_a_source_under_attack_is_a_takeover() -> None:
    """The alert is right about any right password of an attacker, and wrong about a wrong one."""
    about = Subject(ip=HERE, account="alice@example.org")
    entered = (success(T0 + 50, "alice", HERE), Truth("credential_stuffing", "a", password_ok=True))
    assert figures([alert("account_takeover", subject=about)], entered).kinds["account_takeover"].right == 1
    assert figures([alert("account_takeover", subject=about)], attack(50)).kinds["account_takeover"].right == 0


def test_a_case_is_false_when_none_of_its_alerts_matches_an_attack() -> None:
    """Two lone alerts, one of them about nobody: a thousand a day and million customers. What is no attack is no case."""
    lone = [alert(), alert(subject=Subject(ip=ELSEWHERE)), alert("stale_password", subject=Subject(account="alice@example.org"))]
    cases = figures(lone, attack(50)).cases
    assert (cases.cases, cases.false_cases, cases.false_per_day_and_million) == (2, 1, 1000.0)


@pytest.mark.parametrize("named", [True, False])
def test_a_campaign_and_its_members_are_one_case(named: bool) -> None:
    """Whether the members carry its id or it lists them; one of them that is right makes it right."""
    first, second = alert("credential_stuffing"), alert("credential_stuffing", subject=Subject(ip=ELSEWHERE))
    own_id = first.alert_id if named else None
    members = [alert("credential_stuffing", subject=each.subject, campaign_id=own_id) for each in (first, second)]
    found = figures([*members, campaign(first, second, named=named)], attack(50, kind="credential_stuffing"))
    assert (found.cases.cases, found.cases.false_cases, found.cases.campaigns) == (1, 0, 1)
    assert found.kinds["campaign"].precision == 1.0


@pytest.mark.parametrize(("named", "right"), [("credential_stuffing", 1), ("password_spray", 0)])
def test_a_campaign_is_named_by_the_cause_of_its_last_alert(named: Kind, right: int) -> None:
    """Right, if that is the cause of most of what its alerts match: a takeover's cause is the stuffing before it."""
    first = alert("credential_stuffing")
    member = alert("credential_stuffing", campaign_id=first.alert_id)
    earlier = replace(campaign(first), cause="brute_force", ts=T0 + 1.0)
    stuffing = "credential_stuffing"
    takeover = [attack(ts, kind="account_takeover", cause=stuffing) for ts in (50, 51)]
    cases = figures([member, earlier, replace(campaign(first), cause=named, ts=T0 + 2.0)], *takeover, attack(52, "b")).cases
    assert (cases.campaigns, cases.rightly_named) == (1, right)


def test_the_confusion_names_traits_and_owners() -> None:
    """An alert about no attack is about the trait of most that it matches, else about people."""
    about = [alert(), alert(subject=Subject(ip=ELSEWHERE))]
    nat = (failure(T0 + 50, remote=HERE), Truth(trait="shared_source"))
    assert figures(about, nat).confusion == {"password_spray": {"shared_source": 1, "benign": 1}}


def test_what_is_outside_of_the_judged_time_is_left_out() -> None:
    """Alerts raised before or after, and actors who were there before only."""
    early, late = alert(first=0, last=10), alert(first=0, last=1000)
    spray = figures([early, late], attack(5, "gone"), attack(500, "b"), since=T0 + 100, until=T0 + 900).kinds["password_spray"]
    assert (spray.alerts, spray.actors, spray.recall) == (0, 1, 0.0)


def test_without_customers_there_is_no_rate() -> None:
    """Nothing is divided by zero."""
    assert Accusations([alert()], T0, T0 + DAY_S).figures(days=1.0, customers=0).cases.false_per_day_and_million is None
