"""The kill switch: what is stopped is told to nobody, whoever carries it out, and a restart knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.errors import InputError
from models.orders import Audit
from models.policy import Policy
from models.stops import Stop, Stops
from streams.desk.kill_switch import KillSwitch, Stopped
from streams.store import AddressStore, DecisionStore
from tests import enforcing

NOW = 1_700_000_000.0
KNOWN_RANGE, KNOWN_ADDRESS = "198.51.100.0/30", "203.0.113.7"


def everything(_: object) -> bool:
    return True


def order(**target: Any) -> Stop:
    return Stop(ts=NOW, by="ops", reason="a drill", **target)


def body(**target: Any) -> bytes:
    return json.dumps({"reason": "a drill", **target}).encode()


@pytest.fixture
def stores() -> tuple[DecisionStore, AddressStore]:
    """Both kinds, with a ban on an address and one on a range."""
    both = DecisionStore(Policy.default()), AddressStore(Policy.default())
    for store in both:
        store.put(enforcing.decision(KNOWN_ADDRESS, NOW, scenario="brute_force"))
        store.put(enforcing.decision(KNOWN_RANGE, NOW, scenario="password_spray"))
    return both


@pytest.mark.parametrize(
    ("target", "left"),
    [
        ({}, set()),
        ({"scope": "range"}, {KNOWN_ADDRESS}),
        ({"kind": "brute_force"}, {KNOWN_RANGE}),
        ({"kind": "login_flood"}, {KNOWN_ADDRESS, KNOWN_RANGE}),
    ],
)
def test_a_stop_suspends_what_it_names(
    stores: tuple[DecisionStore, AddressStore], tmp_path: Path, target: dict[str, Any], left: set[str]
) -> None:
    """Everything, a kind or a scope; also where addresses stand for a range, and also what is decided afterwards."""
    store, addresses = stores
    switch = KillSwitch(tmp_path / "stops.json", [store.stop, addresses.stop])
    switch.stop(body(**target), "ops", NOW)
    store.put(enforcing.decision(KNOWN_ADDRESS, NOW, NOW + 7200, scenario="brute_force"))
    assert {decision.value for decision in store.active(NOW, everything)} == left
    assert (len(addresses.active(NOW, everything)) > 1) == (KNOWN_RANGE in left)
    assert len(store.all(NOW, everything)) == 3
    assert store.suspended(NOW) == 3 - len(store.active(NOW, everything))
    switch.resume("ops", NOW)
    assert {decision.value for decision in store.active(NOW, everything)} == {KNOWN_ADDRESS, KNOWN_RANGE}
    assert store.suspended(NOW) == 0


def test_readers_are_told_of_an_end_and_of_a_beginning(stores: tuple[DecisionStore, AddressStore]) -> None:
    """A reader of changes deletes what is stopped, and adds it again once it is resumed, with the end that it always had.

    On resuming the value is in both lists, as after an extension: bouncers apply ``deleted`` first.
    """
    store, _ = stores
    before = store.delta(0, NOW, everything)
    store.stop(Stops((order(),)))
    stopped = store.delta(before.cursor, NOW, everything)
    assert ({d.value for d in stopped.deleted}, stopped.new) == ({KNOWN_ADDRESS, KNOWN_RANGE}, [])
    store.stop(Stops())
    resumed = store.delta(stopped.cursor, NOW, everything)
    assert {d.value for d in resumed.new} == {KNOWN_ADDRESS, KNOWN_RANGE}
    assert {d.value for d in resumed.deleted} <= {d.value for d in resumed.new}
    assert {d.until for d in resumed.new} == {d.until for d in before.new}


def test_what_ends_while_it_is_stopped_does_not_come_back(stores: tuple[DecisionStore, AddressStore]) -> None:
    """Stopping prolongs nothing, and what was lifted stays lifted."""
    store, _ = stores
    (address,) = store.active(NOW, lambda decision: decision.value == KNOWN_ADDRESS)
    store.stop(Stops((order(),)))
    store.put(enforcing.lifted(address, NOW + 1))
    cursor = store.delta(0, NOW + 1, everything).cursor
    later = NOW + 4000
    store.stop(Stops())
    assert store.active(later, everything) == []
    assert store.delta(cursor, later, everything).new == []


def test_a_value_that_something_else_blocks_too_stays_blocked(stores: tuple[DecisionStore, AddressStore]) -> None:
    """Where one of two decisions on a value is stopped, readers hold it until the end of the other."""
    store, _ = stores
    store.put(enforcing.decision(KNOWN_ADDRESS, NOW, NOW + 600, scenario="login_flood"))
    cursor = store.delta(0, NOW, everything).cursor
    store.stop(Stops((order(kind="brute_force"),)))
    delta = store.delta(cursor, NOW, everything)
    assert [decision.value for decision in delta.deleted] == [KNOWN_ADDRESS]
    assert [(decision.value, decision.until) for decision in delta.new] == [(KNOWN_ADDRESS, NOW + 600)]


def test_a_restart_knows(stores: tuple[DecisionStore, AddressStore], tmp_path: Path) -> None:
    """Until it is resumed; the same target stopped again is one stop."""
    file = tmp_path / "folder" / "stops.json"
    switch = KillSwitch(file, [])
    for target in ({}, {}, {"scope": "range"}):
        assert switch.stop(body(**target), "ops", NOW).kept
    KillSwitch(file, [stores[0].stop])
    assert stores[0].stops.targets == ["all", "scope range"]
    assert stores[0].active(NOW, everything) == []
    assert KillSwitch(file, []).resume("ops", NOW) == Stopped([], kept=True)
    KillSwitch(file, [stores[0].stop])
    assert len(stores[0].active(NOW, everything)) == 2


def test_a_disk_that_fails_hinders_no_stop(stores: tuple[DecisionStore, AddressStore], tmp_path: Path) -> None:
    """It holds in memory, and it is said that a restart would not know."""
    switch = KillSwitch(tmp_path / "folder" / "stops.json", [stores[0].stop])
    (tmp_path / "folder").write_text("in its way")
    assert switch.stop(body(), "ops", NOW) == Stopped(["all"], kept=False)
    assert stores[0].active(NOW, everything) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not a file of stops"),
        ("{}", "not a file of stops"),
        ('{"schema":"stops/1","stops":[{"ts":1,"by":"a","reason":"b","kind":"brute_force","scope":"ip"}]}', "not a file of stops"),
        ('{"schema":"stops/2","stops":[]}', "upgrade crible"),
    ],
)
def test_a_damaged_file_is_no_guess(tmp_path: Path, content: str, said: str) -> None:
    """Whether something is stopped cannot be known, so the service does not start, and says which file it is."""
    file = tmp_path / "stops.json"
    file.write_text(content)
    with pytest.raises(InputError, match=rf"stops\.json: .*{said}"):
        KillSwitch(file, [])


def test_who_stopped_what_is_noted(tmp_path: Path) -> None:
    """For ``auth.audit``; of two targets, and that both go on."""
    notes: list[Audit] = []
    switch = KillSwitch(tmp_path / "stops.json", [], notes.append)
    switch.stop(body(), "ops", NOW)
    switch.stop(body(scope="range"), "anne", NOW + 1)
    switch.resume("ops", NOW + 2)
    assert [(note.ts - NOW, note.decision_id, note.action, note.by, note.reason) for note in notes] == [
        (0, "stop/all", "stop", "ops", "a drill"),
        (1, "stop/scope range", "stop", "anne", "a drill"),
        (2, "stop", "resume", "ops", "stopped was all, scope range"),
    ]
