"""The stream as a whole: repeatable, ordered, complete, small in memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from models.events import AuthEvent, decode_event, device_of, encode_event
from simulator import SCENARIOS, simulate
from simulator.timeline import Step
from tests.simulator.plays import LAPOSTE_ACCOUNTS, made

_ROOT = Path(__file__).parents[2]
_DIGEST = """
from hashlib import blake2b
from models.events import encode_event
from simulator import encode_label, simulate
digest = blake2b(digest_size=16)
for event, label in simulate("demo", seed=5, accounts=300):
    digest.update(encode_event(event) + encode_label(label))
print(digest.hexdigest())
"""


def test_a_seed_gives_the_same_bytes_in_every_process() -> None:
    """Python's own hash seed plays no part."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", _DIGEST], cwd=_ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(digests) == 1


def test_another_seed_gives_another_stream() -> None:
    """Nothing is the same by accident, ids included."""
    one, two = ([event for event, _ in simulate("quiet", seed, accounts=200, hours=0.5)] for seed in (1, 2))
    assert not {event.event_id for event in one} & {event.event_id for event in two}
    assert [event.ts for event in one] != [event.ts for event in two]


def test_events_are_in_order_of_time_and_id_within_the_hours(demo: list[Step]) -> None:
    """(ts, event_id) rises strictly, as a replay reads it."""
    keys = [(event.ts, event.event_id) for event, _ in demo]
    assert all(before < after for before, after in pairwise(keys))
    start_ts = SCENARIOS["demo"].start_ts
    assert start_ts <= keys[0][0]
    assert keys[-1][0] < start_ts + 2.5 * 3600


def test_events_read_back_as_they_were_written(demo: list[Step]) -> None:
    """The reader of the contract finds nothing to repair, and ids are 32 hex digits like all ids."""
    assert all(decode_event(encode_event(event)) == event for event, _ in demo)
    assert all(len(event.event_id) == 32 and int(event.event_id, 16) for event, _ in demo)


def test_attacks_start_after_three_quarters_of_an_hour_and_every_kind_is_there(demo: list[Step]) -> None:
    """There is history first, then all five kinds."""
    attacks = [(event.ts, label.label) for event, label in demo if label.label != "benign"]
    assert attacks[0][0] == SCENARIOS["demo"].start_ts + 45 * 60
    assert len({kind for _, kind in attacks}) == 5


def test_quiet_is_the_demo_without_its_attackers(demo: list[Step]) -> None:
    """Customers do the same whether or not there is an attack."""

    def customers(steps: list[Step]) -> bytes:
        digest = blake2b()
        for event, label in steps:
            if label.label == "benign":
                digest.update(encode_event(msgspec.structs.replace(event, event_id="")))
        return digest.digest()

    assert customers(demo) == customers(list(simulate("quiet", seed=7, accounts=2000)))


def test_more_hours_continue_the_same_stream(demo: list[Step]) -> None:
    """One hour is the beginning of two and a half."""
    hour = list(simulate("demo", seed=7, accounts=2000, hours=1))
    assert hour == demo[: len(hour)]
    assert 0 < len(hour) < len(demo)


def test_memory_does_not_grow_with_the_hours() -> None:
    """Four hours more cost next to nothing, though they hold thousands of events."""
    stream = simulate("quiet", seed=1, accounts=300, hours=6)
    start_ts = SCENARIOS["quiet"].start_ts
    tracemalloc.start()
    try:
        next(step for step in stream if step[0].ts > start_ts + 2 * 3600)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        deque(stream, maxlen=0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < 300_000


@pytest.mark.parametrize("accounts", [1, 2, 50])
def test_a_tiny_provider_works(accounts: int) -> None:
    """Every attack copes with fewer customers than it would like."""
    assert sum(label.label == "brute_force" for _, label in simulate("demo", seed=1, accounts=accounts)) > 1000


def test_wrong_calls_are_refused() -> None:
    """No such scenario, no account at all."""
    with pytest.raises(KeyError):
        simulate("nowhere", seed=1)
    with pytest.raises(ValueError, match="0 accounts"):
        simulate("demo", seed=1, accounts=0)


def test_the_incident_is_in_order_and_reads_back(laposte: list[Step]) -> None:
    """(ts, event_id) rises strictly over eight days; the reader of the contract finds nothing to repair."""
    keys = [(event.ts, event.event_id) for event, _ in laposte]
    assert all(before < after for before, after in pairwise(keys))
    plan = SCENARIOS["laposte-2022"]
    assert plan.start_ts <= keys[0][0]
    assert plan.judged_ts + 23.9 * 3600 < keys[-1][0] < plan.judged_ts + 24 * 3600
    assert all(decode_event(encode_event(event)) == event for event, _ in laposte[::7])


def test_a_quiet_week_is_the_incident_without_its_attackers(laposte: list[Step]) -> None:
    """Customers, robots and outages are the same."""

    def customers(steps: Iterable[Step]) -> list[tuple[float, str, str]]:
        return [(event.ts, event.login, event.remote) for event, label in steps if label.label == "benign"]

    quiet = list(simulate("quiet-week", seed=7, accounts=LAPOSTE_ACCOUNTS, hours=192))
    assert customers(quiet) == customers(laposte)
    assert {label.label for _, label in quiet} == {"benign"}


@pytest.mark.parametrize(("hours", "history_h"), [(30, 6), (24, 0), (10, 0)])
def test_fewer_hours_shorten_the_history_first(hours: float, history_h: float) -> None:
    """The judged day begins where it did; what was under way before it moves closer, and nothing happens before the start."""
    plan = SCENARIOS["laposte-2022"].over(hours)
    judged_ts = SCENARIOS["laposte-2022"].judged_ts
    assert plan.start_ts == judged_ts - history_h * 3600
    steps = list(simulate("laposte-2022", seed=1, accounts=300, hours=hours))
    assert plan.start_ts <= steps[0][0].ts
    assert plan.start_ts + (hours - 0.5) * 3600 < steps[-1][0].ts < plan.start_ts + hours * 3600
    first = min(event.ts for event, label in steps if label.campaign == "slow-training")
    assert abs(first - (plan.start_ts + history_h * 3600 * 0.5 / 7)) < 1


def test_the_poisoned_week_begins_with_two_weeks_of_lessons() -> None:
    """The same Monday, and before it as many lessons as there are accounts, none of which exposes anybody."""
    steps = list(simulate("poisoned", seed=1, accounts=500))
    judged_ts = SCENARIOS["poisoned"].judged_ts
    assert judged_ts == SCENARIOS["laposte-2022"].judged_ts
    lessons = [(event, label) for event, label in steps if label.campaign == "long-training" and event.ts < judged_ts]
    assert 450 < len(lessons) <= 500
    assert lessons[0][0].ts == judged_ts - 14 * 86_400
    assert not any(label.password_ok for _, label in lessons)
    assert len({label.campaign for event, label in steps if event.ts >= judged_ts}) > 20


def test_memory_does_not_grow_over_the_history() -> None:
    """Six days more of a small provider cost less than one event in ten would."""
    stream = simulate("quiet-week", seed=1, accounts=300)
    start_ts = SCENARIOS["quiet-week"].start_ts
    tracemalloc.start()
    try:
        next(step for step in stream if step[0].ts > start_ts + 86_400)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        deque(stream, maxlen=0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < 300_000


def test_in_a_closed_loop_refused_pairs_come_back_from_elsewhere_with_another_client() -> None:
    """Refuse one attacker's servers: nearly each pair is tried again, from a server that is not refused, as somebody else."""
    servers = {event.remote for event in made(list(simulate("laposte-2022", 3, 500, 24)), "hosted", "credential_stuffing")}
    closed = list(simulate("laposte-2022", 3, 500, 24, refused=lambda event: event.remote in servers))
    tries: dict[tuple[str, str | None], list[AuthEvent]] = defaultdict(list)
    for event in made(closed, "hosted", "credential_stuffing"):
        tries[event.login, event.pwhash].append(event)
    refused = [events for events in tries.values() if events[0].policy_reject]
    answered = [events for events in refused if not events[-1].policy_reject]
    assert len(refused) > 20
    assert len(answered) > 0.8 * len(refused)
    for events in answered:
        assert events[0].remote in servers
        assert events[-1].remote not in servers
        assert device_of(events[0]) != device_of(events[-1])


def test_in_a_closed_loop_a_refused_customer_tries_again() -> None:
    """Refuse one owner all day: her clients ask more often than they would have, and the label says she was right."""
    plain = list(simulate("quiet-week", 3, 500, 24))
    owner = Counter(label.actor for _, label in plain if label.trait is None).most_common(20)[-1][0]
    closed = [
        step
        for step in simulate("quiet-week", 3, 500, 24, refused=lambda event: owner in {event.login, event.account})
        if step[1].actor == owner
    ]
    assert len(closed) > sum(label.actor == owner for _, label in plain) > 0
    assert all(event.policy_reject and not event.success for event, _ in closed)
    assert all(label.password_ok is not None for _, label in closed)
    assert any(label.password_ok for _, label in closed)


def test_who_is_never_refused_plays_the_open_loop() -> None:
    """Asking changes nothing."""
    asked = list(simulate("laposte-2022", seed=3, accounts=200, hours=24, refused=lambda _event: False))
    assert asked == list(simulate("laposte-2022", seed=3, accounts=200, hours=24))
