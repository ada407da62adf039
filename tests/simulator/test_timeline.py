"""Actors merged in time order."""

from __future__ import annotations

import pytest

from models.events import AuthEvent
from simulator.labels import Label
from simulator.timeline import Actor, Timeline


def _actor(name: str, *moments: float) -> Actor:
    for ts in moments:
        yield AuthEvent(ts=ts, login=name, remote="192.0.2.1", success=True), Label("benign", name)


def _noting(name: str, told: list[bool | None], *moments: float) -> Actor:
    """Notes what it is told."""
    for step in _actor(name, *moments):
        refused = yield step
        told.append(refused)


def _play(timeline: Timeline, until_ts: float = 100.0) -> list[tuple[float, str]]:
    return [(event.ts, label.actor) for event, label in timeline.run(until_ts, "run")]


def test_attempts_of_all_actors_come_in_time_order() -> None:
    """Two actors are interleaved by time; at the same time the one who was scheduled first goes first."""
    timeline = Timeline(0.0)
    timeline.start(_actor("a", 1.0, 4.0))
    timeline.start(_actor("b", 1.0, 2.0))
    assert _play(timeline) == [(1.0, "a"), (1.0, "b"), (2.0, "b"), (4.0, "a")]


def test_an_actor_may_start_another() -> None:
    """What an actor starts while it acts takes part from its own first attempt on."""
    timeline = Timeline(0.0)

    def parent() -> Actor:
        yield from _actor("parent", 1.0)
        timeline.start(_actor("child", 2.0))
        yield from _actor("parent", 3.0)

    timeline.start(parent())
    assert _play(timeline) == [(1.0, "parent"), (2.0, "child"), (3.0, "parent")]


def test_the_end_is_exclusive_and_stops_endless_actors() -> None:
    """An attempt at the very end is not made."""
    timeline = Timeline(0.0)
    timeline.start(_actor("a", *map(float, range(10))))
    assert _play(timeline, until_ts=2.0) == [(0.0, "a"), (1.0, "a")]


def test_acting_in_the_past_is_an_error_that_names_the_actor() -> None:
    """An actor that does not move forward is a fault in the simulation, never a stream out of order."""
    timeline = Timeline(0.0)
    timeline.start(_actor("late", 5.0, 4.0))
    with pytest.raises(ValueError, match=r"late acts at 4\.0, before the present 5\.0"):
        _play(timeline)


def test_ids_are_the_run_and_the_place_in_it() -> None:
    """Ids sort as the events do."""
    timeline = Timeline(0.0)
    timeline.start(_actor("a", 1.0, 2.0))
    assert [event.event_id for event, _ in timeline.run(9.0, "run")] == ["run0000000000", "run0000000001"]


def test_an_actor_is_told_whether_its_attempt_was_refused() -> None:
    """Each answer arrives before the next attempt is made, in order of time."""
    timeline = Timeline(0.0)
    told: list[bool | None] = []

    timeline.start(_noting("a", told, 1.0, 2.0, 3.0))
    assert [event.policy_reject for event, _ in timeline.run(9.0, "run", lambda event: event.ts == 2.0)] == [False, True, False]
    assert told == [False, True, False]


def test_nobody_looks_at_a_refused_password() -> None:
    """The event fails by policy; the truth about a benign one stays in its label, that about an attack was there before."""
    timeline = Timeline(0.0)

    def attacker() -> Actor:
        yield AuthEvent(ts=1.0, login="x", remote="192.0.2.1", success=True), Label("brute_force", "x", password_ok=True)

    timeline.start(_actor("a", 1.0))
    timeline.start(attacker())
    for each, label in timeline.run(9.0, "run", lambda _event: True):
        assert (each.success, each.policy_reject, each.fail_type) == (False, True, "policy")
        assert label.password_ok is True


def test_what_is_launched_goes_on_by_itself() -> None:
    """Its first attempt is the launcher's own, with the answer to it; nobody waits for the rest."""
    timeline = Timeline(0.0)
    told: list[bool | None] = []

    def parent() -> Actor:
        yield from timeline.launch(_noting("child", told, 1.0, 5.0))
        yield from _actor("parent", 2.0, 3.0)

    timeline.start(parent())
    steps = timeline.run(9.0, "run", lambda event: event.ts == 1.0)
    assert [(event.ts, label.actor) for event, label in steps] == [(1.0, "child"), (2.0, "parent"), (3.0, "parent"), (5.0, "child")]
    assert told == [True, False]
