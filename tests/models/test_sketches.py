"""models.sketches: distinct accounts that can be told, in the Apache DataSketches form."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.accounts import AccountDirectory, Groups
from models.attempts import Resolver
from models.by_source import SourceStage
from models.geo import Geo
from models.ids import hash32
from models.pipeline import Pipeline
from models.sketches import Members, ScopeUse, Sketch, Total
from models.usage import UsageBook
from simulator import groups, simulate
from tests.factories import DAY_S, T0, batch_of, failure, success

_hashes = st.sets(st.integers(0, 2**32 - 1), max_size=300)


@given(_hashes, _hashes)
def test_small_sets_are_exact(some: set[int], others: set[int]) -> None:
    """Alone, united and in common."""
    one, other = Sketch.of(some), Sketch.of(others)
    assert one.interval().low == one.interval().estimate == one.interval().high == len(some)
    assert (one | other).interval().estimate == len(some | others)
    assert (one & other).interval().estimate == len(some & others)


@given(st.randoms(use_true_random=False), st.integers(1, 9000))
def test_order_and_cuts_do_not_matter(draw: Random, count: int) -> None:
    """The same accounts in any order, in one sketch or several, are the same bytes."""
    hashes = [hash32(str(number)) for number in range(count)]
    whole = Sketch.of(hashes).dump()
    draw.shuffle(hashes)
    cut = draw.randrange(count + 1)
    assert Sketch.of(hashes).dump() == whole
    assert (Sketch.load(Sketch.of(hashes[:cut]).dump()) | Sketch.of(hashes[cut:])).dump() == whole


def test_large_sets_are_within_their_interval() -> None:
    """In 95 % of cases; 4.4 % at most to either side."""
    inside = 0
    for seed in range(100):
        draw = Random(seed)
        told = Sketch.of({draw.getrandbits(32) for _ in range(20_000)}).interval()
        inside += told.low <= 20_000 <= told.high
        assert told.high - told.low < 0.1 * 20_000
    assert inside >= 90


def test_what_is_no_sketch_is_refused() -> None:
    """With an error of ours."""
    with pytest.raises(ValueError, match="not a theta sketch"):
        Sketch.load(b"nonsense")


def test_totals_add_up() -> None:
    """Nobody knows whether they are the same."""
    assert (Total(2) | Total(3)).interval().estimate == 5


def sources_in(told: list[ScopeUse]) -> list[ScopeUse]:
    """Addresses and networks; what all have in common is in the tests of ``models.wide_use``."""
    return [use for use in told if use.scope in {"ip", "range"}]


def test_live_is_exact_up_to_the_sketchs_error_on_a_simulated_day() -> None:
    """Every source that the source stage tells of, beside the book of a replay at the same moment."""
    members = Groups({login: [group] for login, group in groups(3000)})
    book, told = UsageBook(members), list[ScopeUse]()
    pipeline = Pipeline(Resolver(AccountDirectory(), Geo()), members, 4, usage=book, on_scope=told.append)
    live, checked = Members(members), 0
    events = [event for event, _ in simulate("demo", 5, accounts=3000)]
    for begin in range(0, len(events), 500):
        pipeline.apply(events[begin : begin + 500])
        for use in sources_in(told):
            checked += 1
            users, exact = live.users(use), book.users(use.scope, use.value, use.ts)
            interval = users.familiar.interval()
            assert interval.low <= exact.familiar.interval().estimate <= interval.high, use
            by_group = {name: each.interval().estimate for name, each in users.by_group.items()}
            assert by_group == {name: each.interval().estimate for name, each in exact.by_group.items()}
            assert users.doubtful.interval().estimate == exact.doubtful.interval().estimate
        told.clear()
    assert checked > 20


@pytest.mark.parametrize("customers", [10, 63, 64, 65, 600, 5000])
def test_crowded_address_is_told_by_its_sketch(customers: int) -> None:
    """However many use it, over a day, when it comes under attack; some of them more than once."""
    stage = SourceStage()
    log_ins = [success(T0 + number * 80_000 / customers, f"c{number}") for number in range(customers)]
    log_ins += [success(T0 + 80_000 + number / 100, f"c{number}") for number in range(0, customers, 3)]
    attack = [failure(T0 + DAY_S + number, f"victim{number}", fail_type="credentials") for number in range(30)]
    stage.apply(batch_of(log_ins))
    stage.checkpoint()
    outputs = stage.apply(batch_of([*attack, success(T0 + DAY_S + 200, "entered")], stage.offset + 1))
    told = sources_in(outputs.scopes)
    assert [(use.scope, use.value) for use in told] == [("ip", "192.0.2.7")] * len(told)
    interval = Sketch.load(told[-1].familiar).interval()
    assert interval.low <= customers <= interval.high
    assert interval.high - interval.low <= 0.1 * customers
    assert told[-1].doubtful == 1
    assert told[0].attacked >= 10


def test_a_source_is_told_once_a_minute_and_only_under_attack() -> None:
    """Not each attempt, nor what nobody attacks."""
    stage = SourceStage()
    quiet = stage.apply(batch_of(success(T0 + number, f"c{number}") for number in range(100)))
    assert quiet.scopes == []
    attack = (failure(T0 + 1000 + number, f"victim{number}", fail_type="credentials") for number in range(300))
    told = sources_in(stage.apply(batch_of(attack, stage.offset + 1)).scopes)
    assert [round(after.ts - before.ts) for before, after in pairwise(told)] == [60] * (len(told) - 1)
    assert len(told) == 5
