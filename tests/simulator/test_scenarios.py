"""The stream as a whole: repeatable, ordered, complete, small in memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections import deque
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from models.events import decode_event, encode_event
from simulator import SCENARIOS, simulate
from simulator.timeline import Step

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
