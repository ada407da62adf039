"""Each point follows the decisions from their start to their end, whatever happens to it or the others."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from models.accounts import AccountDirectory
from models.attempts import Resolver
from models.decisions import Decision
from models.errors import CribleError, InputError
from models.geo import Geo
from models.policy import Policy, Scope
from models.stops import Stop, Stops
from streams import telemetry
from streams.enforcement.feeder import Feeder, feeders
from streams.settings import CrowdSec, EnforcementPoint, PlainList, PostfixPolicy
from streams.store import DecisionStore
from tests.block_service import LIMIT_S, wait_for
from tests.enforcing import ATTACKER, IN_RANGE, RANGE, decision, lifted

NOW = 1_700_000_000.0


class Recorder:
    """A point that remembers what it was told, and fails when it is asked to."""

    name = "haproxy"
    pause_s = 0.01

    def __init__(self) -> None:
        self.told: list[list[str]] = []
        self.fails = False

    def apply(self, decisions: Sequence[Decision], now: float) -> None:
        if self.fails:
            raise CribleError("not there")
        self.told.append(sorted(each.value for each in decisions))


class Fed:
    """A feeder with a clock that a test turns."""

    def __init__(self) -> None:
        self.now, self.point, self.store = NOW, Recorder(), DecisionStore(Policy.default())
        self.ready = threading.Event()
        self.feeder = Feeder(self.point, self.store, lambda: self.now, self.ready)


@pytest.fixture
def fed() -> Fed:
    return Fed()


def test_told_at_each_change(fed: Fed) -> None:
    """A new decision, an earlier end and an end by itself are told; nothing is told where nothing changed."""
    held = decision(ATTACKER, start=NOW - 1, until=NOW + 100)
    fed.store.put(held)
    fed.store.put(decision(RANGE, start=NOW - 1, until=NOW + 8))
    steps = [fed.feeder.step(), fed.feeder.step()]
    fed.now += 8
    steps.append(fed.feeder.step())
    fed.store.put(lifted(held, fed.now))
    steps.append(fed.feeder.step())
    assert steps == [True, False, True, True]
    assert fed.point.told == [[RANGE, ATTACKER], [ATTACKER], []]


def test_told_when_a_decision_starts(fed: Fed) -> None:
    """A decision acts from its start, not from when it was made."""
    fed.store.put(decision(ATTACKER, start=NOW + 5, until=NOW + 100))
    assert fed.feeder.step()
    fed.now += 4
    assert not fed.feeder.step()
    fed.now += 1.5
    assert fed.feeder.step()
    assert fed.point.told == [[], [ATTACKER]]


def test_told_again_now_and_then(fed: Fed) -> None:
    """A point hears the same once more every ten seconds: it may have lost it."""
    fed.feeder.step()
    fed.now += 10
    assert fed.feeder.step()


def test_what_it_cannot_express_is_not_told(fed: Fed) -> None:
    """Account scopes, shadow and the never-block set stay here."""
    fed.store.put(decision(f"{ATTACKER}|a@example.org", scope="account_ip", until=NOW + 100))
    fed.store.put(decision(IN_RANGE, mode="shadow", until=NOW + 100))
    fed.store.put(decision("10.1.2.3", until=NOW + 100))
    fed.feeder.step()
    assert fed.point.told == [[]]


def test_a_failing_point_is_told_until_it_works(fed: Fed) -> None:
    """Failures are counted, and what was not told is told later."""
    fed.store.put(decision(ATTACKER, until=NOW + 100))
    fed.point.fails = True
    assert [fed.feeder.step() for _ in range(3)] == [True, True, True]
    fed.point.fails = False
    assert fed.feeder.step()
    assert not fed.feeder.step()
    assert fed.point.told == [[ATTACKER]]


def test_logs_name_no_address(fed: Fed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own words say why a point fails; those of another error, which may quote an address, do not get into the log."""
    logged: list[str] = []
    monkeypatch.setattr(telemetry, "error", lambda event, error, **fields: logged.append(f"{event} {fields}"))
    fed.point.fails = True
    fed.feeder.step()
    fed.feeder = Feeder(fed.point, fed.store, lambda: fed.now, fed.ready)
    monkeypatch.setattr(fed.point, "apply", lambda decisions, now: int(ATTACKER))
    fed.feeder.step()
    assert logged == [
        "point.failed {'name': 'haproxy', 'reason': 'not there'}",
        "point.failed {'name': 'haproxy', 'reason': ''}",
    ]


def test_nothing_is_told_before_all_is_read(fed: Fed) -> None:
    """A service that starts empties no list: it waits until every decision has been read."""
    stop = threading.Event()
    thread = threading.Thread(target=fed.feeder.run, args=(stop,))
    thread.start()
    fed.store.put(decision(ATTACKER, until=NOW + 100))
    assert not fed.point.told
    fed.ready.set()
    wait_for(lambda: fed.point.told, "the first list")
    stop.set()
    thread.join(LIMIT_S)
    assert fed.point.told[0] == [ATTACKER]


def work_of(*points: EnforcementPoint) -> int:
    policy, resolver = Policy.default(), Resolver(AccountDirectory(), Geo())
    return len(feeders(points, DecisionStore(policy), lambda: policy, resolver, lambda: NOW, threading.Event()))


def test_wrong_settings_are_found_at_the_start(tmp_path: Path) -> None:
    """A password file that is not there ends the start with its name."""
    crowdsec = CrowdSec(url="http://127.0.0.1:1", machine_id="crible", password_file=str(tmp_path / "none"))
    with pytest.raises(InputError, match="none: cannot be read"):
        work_of(crowdsec)
    assert work_of(PlainList(file=str(tmp_path / "list"))) == 1
    assert work_of() == 0


def test_a_taken_port_is_found_at_the_start() -> None:
    """Postfix's port is named with the setting to change."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CribleError, match=rf"127\.0\.0\.1:{port}: cannot listen: .*block\.points"):
            work_of(PostfixPolicy(port=port))


def test_a_stop_is_told(fed: Fed) -> None:
    """What a person stopped is taken back at the next step, and told again once it is resumed."""
    for value in (ATTACKER, RANGE):
        fed.store.put(decision(value, start=NOW - 1, until=NOW + 100))
    stop = Stop(ts=NOW, by="ops", reason="a drill", scope="range")
    for stops in (Stops(), Stops((stop,)), Stops()):
        fed.store.stop(stops)
        assert fed.feeder.step()
    assert fed.point.told == [sorted([ATTACKER, RANGE]), [ATTACKER], sorted([ATTACKER, RANGE])]


@pytest.mark.parametrize(("scope", "told"), [(None, [[]]), ("range", [])])
def test_a_service_that_starts_without_kafka_stops_everything(fed: Fed, scope: Scope | None, told: list[list[str]]) -> None:
    """That nothing may be refused is known before the decisions are; what a stop of one scope leaves is not."""
    fed.store.stop(Stops((Stop(ts=NOW, by="ops", reason="a drill", scope=scope),)))
    stop = threading.Event()
    running = threading.Thread(target=fed.feeder.run, args=(stop,))
    running.start()
    if told:
        wait_for(lambda: fed.point.told, "the point to be told")
    stop.set()
    running.join(LIMIT_S)
    assert fed.point.told == told
