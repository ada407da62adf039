"""models.pipeline: the whole path, on a simulated morning under attack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from models.accounts import Groups
from models.addresses import Proxies
from models.alerts import Alert
from models.changes import AccountChange
from models.decision_index import DecisionIndex
from models.events import AuthEvent, decode_event, set_client
from models.ledger import Ledger
from models.pipeline import Pipeline
from models.policy import Policy
from models.stage import Stage
from models.verdicts import Verdicts
from simulator.scenarios import simulate
from tests.factories import RESOLVER, T0

INSTANT = {"brute_force", "password_spray"}
_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def demo() -> list[AuthEvent]:
    """The demo's events with 1,500 accounts."""
    return [event for event, _ in simulate("demo", seed=1, accounts=1500)]


@pytest.fixture(scope="module")
def alerts(demo: list[AuthEvent]) -> list[Alert]:
    """What is raised on them."""
    return run(demo)


@pytest.fixture(scope="module")
def short() -> list[AuthEvent]:
    """The demo's events with 400 accounts."""
    return [event for event, _ in simulate("demo", seed=2, accounts=400)]


def run(events: list[AuthEvent], partitions: int = 16, turn: int | None = None) -> list[Alert]:
    """The alerts of a fresh pipeline; ``turn`` events at a time."""
    pipeline = Pipeline(RESOLVER, partitions=partitions)
    if turn is None:
        return list(pipeline.run(events))
    return [alert for place in range(0, len(events), turn) for alert in pipeline.apply(events[place : place + turn])]


def by_id(alerts: list[Alert], kinds: set[str] | None = None) -> dict[str, Alert]:
    """Alerts by id."""
    return {alert.alert_id: alert for alert in alerts if kinds is None or alert.kind in kinds}


def test_every_kind_with_a_plain_rule_is_raised(alerts: list[Alert]) -> None:
    """All of them, and each alert once."""
    assert {alert.kind for alert in alerts} == {
        "brute_force", "password_spray", "credential_stuffing", "account_takeover", "login_flood", "stale_password",
        "campaign",
    }  # fmt: skip
    assert len(by_id(alerts)) == len(alerts)


def test_all_three_stages_raise_alerts(alerts: list[Alert]) -> None:
    """By address, by network, by account, and service-wide by a trait."""
    parts = {part for alert in alerts for part in alert.subject.parts()}
    assert parts >= {"ip", "network", "account", "device"}


def test_a_second_run_is_byte_identical(demo: list[AuthEvent], alerts: list[Alert]) -> None:
    """The same events give the same alerts in the same order."""
    assert msgspec.json.encode(run(demo)) == msgspec.json.encode(alerts)


@pytest.mark.parametrize("partitions", [1, 3, 64])
def test_instant_alerts_do_not_depend_on_the_partitions(demo: list[AuthEvent], alerts: list[Alert], partitions: int) -> None:
    """The same instant alerts, field by field; of the others at least 95 % are the same."""
    others = run(demo, partitions)
    assert by_id(others, INSTANT) == by_id(alerts, INSTANT)
    assert len(by_id(alerts, INSTANT)) >= 10
    assert len(by_id(others).keys() & by_id(alerts).keys()) >= 0.95 * len(alerts)


@pytest.mark.parametrize("turn", [50, 100_000])
def test_alerts_do_not_depend_on_the_turns(short: list[AuthEvent], turn: int) -> None:
    """However many events are taken at a time, all alerts are equal in every field."""
    assert by_id(run(short, turn=turn)) == by_id(run(short))


def test_one_event_at_a_time() -> None:
    """Equal to two thousand at a time."""
    events = [event for event, _ in simulate("demo", seed=2, accounts=150)][:3_000]
    one, many = run(events, 4, turn=1), run(events, 4, turn=2_000)
    assert by_id(one) == by_id(many)
    assert len(many) > 10


def test_instant_alerts_do_not_depend_on_the_order_within_the_grace(demo: list[AuthEvent], alerts: list[Alert]) -> None:
    """Events up to five minutes late raise the same instant alerts about addresses and accounts."""
    draw = Random(4)
    late = run(sorted(demo, key=lambda event: event.ts + draw.random() * 300))
    wanted = {key for key, alert in by_id(alerts, INSTANT).items() if not alert.subject.network}
    assert {key for key, alert in by_id(late, INSTANT).items() if not alert.subject.network} == wanted


def test_a_quiet_morning() -> None:
    """The same customers without any attack: nothing but forgotten phones and what is cold."""
    raised = run([event for event, _ in simulate("quiet", seed=1, accounts=1500)])
    assert {alert.kind for alert in raised if not alert.cold} <= {"stale_password"}
    assert {alert.kind for alert in raised} <= {"stale_password", "account_takeover"}


@pytest.mark.parametrize("partitions", [2, 16])
def test_neither_verdicts_nor_state_depend_on_the_turns(short: list[AuthEvent], partitions: int) -> None:
    """However many events are taken at a time, and packed: verdicts and dumps of all stages are equal, byte for byte."""
    verdicts, dumps = [], []
    for turn in (37, 500, 6_000, 100_000):
        pipeline = Pipeline(RESOLVER, partitions=partitions, judge=Verdicts(Policy.enforcing(), Groups()))
        for place in range(0, len(short), turn):
            pipeline.apply(short[place : place + turn])
        stages: list[Stage[Any, Any]] = [*pipeline.sources, *pipeline.accounts, pipeline.service]
        for stage in stages:
            stage.offset = 0  # of the last turn that had something for it
        verdicts.append(msgspec.json.encode(pipeline.verdicts))
        dumps.append([stage.dump() for stage in stages])
    assert verdicts.count(verdicts[0]) == dumps.count(dumps[0]) == 4
    assert verdicts[0].count(b"refuse") > 100


def test_a_verdict_knows_nothing_of_its_attempt_or_of_later_ones(short: list[AuthEvent]) -> None:
    """What is said of an attempt that has not been taken in yet is what is said of it afterwards."""
    before, after = (Pipeline(RESOLVER, partitions=2, judge=Verdicts(Policy.enforcing(), Groups())) for _ in range(2))
    before.is_asked, told = True, []
    for event in short:
        verdict = before.verdict(RESOLVER.attempt(event))
        told += [verdict] if verdict is not None else []
        before.apply([event])
    after.apply(short)
    assert told == after.verdicts
    assert len(told) > 100


def test_rows_are_packed_now_and_then(demo: list[AuthEvent]) -> None:
    """A long history does not leave every row unpacked."""
    pipeline = Pipeline(RESOLVER, partitions=1)
    list(pipeline.run(demo))
    for stage in (pipeline.sources[0], pipeline.accounts[0]):
        assert len(stage.hot) < len(stage) / 2


VICTIM, ATTACKER, WEBMAIL = "198.51.100.9", "203.0.113.5", "10.0.0.1"


@pytest.mark.parametrize(
    ("remote", "forwarded", "trusted", "blocked"),
    [
        (WEBMAIL, f"{VICTIM}, {ATTACKER}", [WEBMAIL], ATTACKER),  # the webmail says who connected to it, he says the rest
        (ATTACKER, VICTIM, [WEBMAIL], ATTACKER),  # nobody believes a stranger
        (WEBMAIL, VICTIM, [], WEBMAIL),  # nor a webmail that the operator did not name; it is in the never-block set
        (WEBMAIL, f"{VICTIM}, unknown", [WEBMAIL], None),
        ("127.0.0.1", "", [WEBMAIL], None),
    ],
)
def test_a_forged_header_does_not_get_its_victim_blocked(
    remote: str, forwarded: str, trusted: list[str], blocked: str | None
) -> None:
    """Sprayed with ``X-Forwarded-For: <victim>`` the sprayer is blocked where he is known, nobody where he is not."""
    fields: dict[str, Any] = {"remote": remote, "protocol": "http", "success": False, "fail_type": "credentials"}
    header = {"attrs": {"x-forwarded-for": forwarded}} if forwarded else {}
    events = [
        decode_event(msgspec.json.encode({"ts": T0 + n, "login": f"user{n}", "event_id": f"{n}"} | fields | header))
        for n in range(40)
    ]
    for event in events:
        set_client(event, Proxies(trusted))
    policy = Policy.enforcing()
    ledger, index = Ledger(policy, Groups()), DecisionIndex(policy)
    raised = run(events)
    for alert in raised:
        for decision in ledger.apply(alert, alert.ts):
            index.put(decision)
    assert {alert.subject.ip for alert in raised} == ({blocked} if blocked else set())
    later = {"ts": T0 + 120, "login": "mallory", "success": True, "protocol": "http"}
    for address in (VICTIM, ATTACKER, WEBMAIL):
        refused = index.refusing(RESOLVER.attempt(AuthEvent(**later, remote=address)))
        assert (refused is not None) == (address == blocked == ATTACKER)


def test_account_changes_take_effect_where_they_stand() -> None:
    """A password that is changed between two nines of guesses: they are no list; before or after both, or never, they are."""
    guesses = [
        AuthEvent(ts=T0 + 5 * n, login="alice", remote="203.0.113.7", success=False, pwhash=f"{n}", mech="PLAIN", protocol="imap")
        for n in range(18)
    ]
    for number, guess in enumerate(guesses):
        guess.event_id = f"{number:02}"

    def raised(*at: float) -> list[str]:
        changes = [AccountChange(ts=T0 + ts, account="alice@example.org", change="password_changed", by="owner") for ts in at]
        return [alert.kind for alert in Pipeline(RESOLVER).run(guesses, changes)]

    assert raised(42.0) == raised(-1.0, 42.0) == raised(42.0, 900.0) == []
    assert raised() == raised(-1.0) == raised(900.0) == ["brute_force"]


def test_a_mailbox_that_changes_hands_has_no_past() -> None:
    """In its own partition."""
    pipeline = Pipeline(RESOLVER)
    common: dict[str, Any] = {"login": "alice", "remote": "192.0.2.7", "success": True, "protocol": "imap"}
    at_home = [AuthEvent(ts=T0 + 3600 * n, event_id=f"{n}", **common) for n in range(9)]
    closed = AccountChange(ts=T0 + 8 * 3600 - 1, account="alice@example.org", change="closed", by="system")
    assert list(pipeline.run(at_home[:8])) == []
    assert pipeline.profile("alice@example.org") is not None
    pipeline.change(closed)
    assert pipeline.profile("alice@example.org") is None


def test_nothing_in_nothing_out() -> None:
    """An empty history is no error, nor is a single event."""
    assert run([]) == []
    assert run([AuthEvent(ts=T0, login="alice", remote="192.0.2.7", success=True)]) == []


def test_the_core_runs_without_kafka_and_faust() -> None:
    """``models`` imports neither, nor anything else of the edge."""
    code = (
        "import sys\n"
        "for name in ('faust', 'mode', 'kafka', 'aiokafka', 'aiohttp', 'starlette', 'structlog', 'click', 'rich'):\n"
        "    sys.modules[name] = None\n"
        "import models.pipeline, models.ledger, models.decision_index, models.evaluation, models.changelog, models.frames\n"
        "print(sum(name == 'streams' or name.startswith('streams.') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")
