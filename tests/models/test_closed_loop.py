"""models.closed_loop: what has been decided answers what comes next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from models import closed_loop
from models.accounts import AccountDirectory, Groups
from models.alerts import Alert
from models.attempts import Resolver
from models.closed_loop import ClosedLoop
from models.events import AuthEvent
from models.geo import Geo
from models.ledger import Ledger
from models.pipeline import Pipeline
from models.policy import Policy
from models.verdicts import Verdict, Verdicts
from simulator import Label, groups, simulate

_ACCOUNTS = 800
_FEW_ACCOUNTS = 300


def _pipeline(members: Groups) -> Pipeline:
    return Pipeline(Resolver(AccountDirectory(), Geo()), members)


def _members() -> Groups:
    return Groups({login: [group] for login, group in groups(_ACCOUNTS)})


class Play:
    """The demo in a closed loop."""

    def __init__(self, policy: Policy) -> None:
        self.alerts: list[Alert] = []
        members = _members()
        self.loop = ClosedLoop(_pipeline(members), policy, members, self.alerts.append)
        self.steps = list(self._run())
        self.loop.finish()

    def _run(self) -> Iterator[tuple[AuthEvent, Label]]:
        for event, label in simulate("demo", 7, accounts=_ACCOUNTS, refused=self.loop.refuses):
            self.loop.saw(event)
            yield event, label


@pytest.fixture(scope="module")
def enforced() -> Play:
    """With the shipped policy, which enforces."""
    return Play(Policy.enforcing())


def test_attacks_are_refused_and_hardly_any_customer(enforced: Play) -> None:
    """Hundreds of attempts of attackers, after each attack has been seen."""
    refused = [label.label for event, label in enforced.steps if event.policy_reject]
    assert len(refused) - refused.count("benign") > 500
    assert refused.count("benign") < 0.02 * len(refused)


def test_the_decisions_are_those_of_a_replay_of_what_happened(enforced: Play) -> None:
    """Taking events in together is no shortcut: alerts and decisions are the same when the events are read afterwards."""
    members = _members()
    ledger = Ledger(Policy.enforcing(), members)
    alerts = []
    for alert in _pipeline(members).run(iter([event for event, _ in enforced.steps])):
        alerts.append(alert)
        ledger.apply(alert, alert.ts)
    assert {alert.alert_id for alert in enforced.alerts} == {alert.alert_id for alert in alerts}
    assert {decision.decision_id for decision in enforced.loop.ledger} == {decision.decision_id for decision in ledger}


def test_nothing_is_refused_before_a_decision_holds(enforced: Play) -> None:
    """The first refusal comes later than the policy's delay after the first alert that decides."""
    first_alert_ts = min(alert.ts for alert in enforced.alerts if not alert.cold)
    first_refused_ts = min(event.ts for event, _ in enforced.steps if event.policy_reject)
    assert first_refused_ts > first_alert_ts + Policy.enforcing().enforce_delay_s


def test_a_policy_that_enforces_nothing_leaves_the_loop_open() -> None:
    """Decisions are made in shadow, and everybody acts as if nobody looked."""
    play = Play(Policy.default())
    assert len(play.loop.ledger) > 20
    assert {decision.mode for decision in play.loop.ledger} <= {"shadow", "proposed"}
    assert play.steps == list(simulate("demo", 7, accounts=_ACCOUNTS))


def test_verdicts_do_not_depend_on_how_many_events_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken in together or one by one: the same attempts are refused, for the same reasons."""

    def play() -> tuple[list[bool], list[Verdict]]:
        policy, members = Policy.enforcing(), _members()
        judge = Verdicts(policy, members)
        loop = ClosedLoop(Pipeline(Resolver(AccountDirectory(), Geo()), members, judge=judge), policy, members)
        refused = []
        for event, _ in simulate("demo", 1, accounts=_FEW_ACCOUNTS, refused=loop.refuses):
            loop.saw(event)
            refused.append(event.policy_reject)
        return refused, loop.verdicts

    together = play()
    monkeypatch.setattr(closed_loop, "_MOST_WAITING", 1)
    assert play() == together
    assert len(together[1]) > 50
