"""A gate beside a real worker: its verdicts are those of a replay, and account changes reach it."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from models.accounts import Groups
from models.campaigns import is_newcomer
from models.changes import AccountChange
from models.events import AuthEvent
from models.frames import decode_campaign
from models.pipeline import Pipeline
from models.policy import Policy
from models.profiles import familiarity_of
from models.verdicts import DELAY_S, Verdicts
from streams import topics
from streams.changes import ChangeTopic
from streams.gate.standing import Follower, Standing
from streams.stages import CAMPAIGN_KEY
from tests.factories import DAY_S, T0
from tests.worker_runs import PARTITIONS, Run

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

OWNERS, QUIET_MIN, ATTACK_MIN = 120, 240, 8


def at_home(ts: float, number: int, **fields: Any) -> AuthEvent:
    """An owner's good log-in."""
    defaults: dict[str, Any] = {
        "login": f"user{number}@example.org",
        "remote": f"192.0.2.{number}",
        "protocol": "imap",
        "user_agent": "mail",
        "country": "FR",
        "asn": 64500,
        "event_id": f"home/{ts}/{number}",
    }
    return AuthEvent(ts=ts, success=True, **defaults | fields)


def on_the_road(ts: float, number: int) -> AuthEvent:
    """An owner with a new telephone, each time elsewhere."""
    remote = f"198.51.{int(ts) // 60 % 256}.9"
    return at_home(ts, number, remote=remote, user_agent="phone", asn=64510, country="ES", event_id=f"road/{ts}/{number}")


def by_a_bot(ts: float, number: int, remote: str, *, right: bool) -> AuthEvent:
    """A leaked pair."""
    fields = {"remote": remote, "user_agent": "curl", "asn": 64502, "country": "BR", "event_id": f"bot/{ts}/{number}"}
    return replace(at_home(ts, number, **fields), success=right, fail_type=None if right else "credentials")


def incident() -> list[list[AuthEvent]]:
    """All that was before the attack, and then each of its minutes: owners at home, few elsewhere, bots on everybody and nobody."""
    draw = Random(5)
    before = [at_home(T0 - DAY_S + number, number) for number in range(OWNERS)]
    for minute in range(QUIET_MIN):
        start = T0 + 60 * minute
        before += [at_home(start + 4 * n, draw.randrange(OWNERS)) for n in range(12)]
        before += [on_the_road(start + 50 + n, draw.randrange(OWNERS)) for n in range(2)]
    minutes = []
    for minute in range(ATTACK_MIN):
        start = T0 + 60 * (QUIET_MIN + minute)
        made = [by_a_bot(start + 0.7 * n, draw.randrange(OWNERS), f"203.{minute}.{n}.5", right=n % 9 == 0) for n in range(80)]
        made += [
            by_a_bot(start + 0.1 * n, draw.randrange(OWNERS, 9000), f"203.{minute}.{n % 256}.9", right=False) for n in range(400)
        ]
        made += [at_home(start + 4 * n + 0.1, draw.randrange(OWNERS)) for n in range(12)]
        made += [on_the_road(start + 50.2 + n, draw.randrange(OWNERS)) for n in range(2)]
        minutes.append(sorted(made, key=lambda event: (event.ts, event.event_id)))
    return [sorted(before, key=lambda event: (event.ts, event.event_id)), *minutes]


class LiveGate:
    """What a gate knows, from the topics of a run."""

    def __init__(self, run: Run) -> None:
        self.run, self.standing = run, Standing(Policy.enforcing())
        self.standing.complete()
        self.follower = Follower(run.settings, self.standing, lambda: T0)
        self.campaign_ts: float | None = None
        self._read: dict[tuple[str, int], int] = {}

    def catch_up(self) -> None:
        """Read what is new."""
        for name in ("auth.profiles", "auth.control"):
            for number in range(PARTITIONS):
                records = self.run.records(topics.topic(self.run.settings, name), number)
                for record in records[self._read.get((name, number), 0) :]:
                    self.follower.take(record)
                    if record.key == CAMPAIGN_KEY.encode():
                        campaign = decode_campaign(record.value)
                        if campaign.tries_per_min:  # the first one says only that there is one
                            self.campaign_ts = campaign.ts
                self._read[name, number] = len(records)

    def known(self, event: AuthEvent) -> int:
        """What it knows of an attempt."""
        attempt = self.run.resolver.attempt(event)
        return familiarity_of(self.standing._profiles.find(attempt.account), attempt)


@pytest.fixture
def run(kafka_broker: str, topic_prefix: str, tmp_path: Path) -> Run:
    """Fresh topics on the shared broker."""
    return Run(kafka_broker, topic_prefix, tmp_path)


def test_live_verdicts_are_those_of_a_replay(run: Run) -> None:
    """The gate is asked minute by minute, before the worker sees what became of it.

    So it learns a minute late what a campaign looks like. From then on both refuse the same attempts, the right passwords among
    them; the owner at home is never refused.
    """
    before, *minutes = incident()
    pipeline = Pipeline(run.resolver, Groups(), PARTITIONS, Verdicts(Policy.enforcing(), Groups()))
    for _ in pipeline.run(event for part in (before, *minutes) for event in part):
        pass
    gate, first_seq = LiveGate(run), len(before)
    refused: dict[str, str] = {}
    asked: list[AuthEvent] = []
    run.produce(before)
    with run.worker() as worker:
        worker.wait_ready()
        run.wait_drained()
        gate.catch_up()
        for minute in minutes:
            for event in minute:
                refusal = gate.standing.refusal(run.resolver.attempt(replace(event, success=True, fail_type=None)))
                if refusal is not None:
                    refused[event.event_id] = refusal.details["alert_id"]
                if gate.campaign_ts is not None and event.ts > gate.campaign_ts + DELAY_S:
                    asked.append(event)
            run.produce(minute, first_seq=first_seq)
            first_seq += len(minute)
            run.wait_drained()
            gate.catch_up()
    since = asked[0].ts
    assert refused == {verdict.event_id: verdict.alert_id for verdict in pipeline.verdicts if verdict.ts >= since}
    right = [event for event in asked if event.event_id.startswith("bot/") and event.success]
    assert len(right) > 10
    assert {event.event_id for event in right} <= refused.keys()
    assert not any(event_id.startswith(("home/", "road/")) for event_id in refused)


def test_a_closed_account_has_no_past_at_the_gate(run: Run) -> None:
    """And the account stage has counted the change once, where it stands among the attempts."""
    owner, other = at_home(T0, 1), at_home(T0, 2)
    gate, tomorrow = LiveGate(run), {"ts": T0 + DAY_S + 60}
    run.produce([owner, other])
    with run.worker() as worker:
        worker.wait_ready()
        run.wait_drained()
        gate.catch_up()
        assert not is_newcomer(gate.known(replace(owner, **tomorrow)))
        changes = ChangeTopic(run.settings)
        changes.send([AccountChange(ts=T0 + DAY_S, account=owner.login, change="closed", by="owner")] * 2)
        changes.close()
        run.wait_drained()
        gate.catch_up()
    assert is_newcomer(gate.known(replace(owner, **tomorrow)))
    assert not is_newcomer(gate.known(replace(other, **tomorrow)))
    for stage in ("changes", "by_account"):
        for durable, folded in zip(run.durable(stage), run.fold(stage, 3), strict=True):
            assert durable.dump() == folded.dump()
