"""models.refused: how many owners verdicts refuse, counted once, bounded, and never too few."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import refused as refused_module
from models.accounts import Groups
from models.breaker import Spending, Touch
from models.policy import Budget, Limits
from models.refused import RefusedBook, RefusedSlot, Sample, Tally
from tests.factories import DAY_S, HOUR_S, T0

ACCOUNTS = [f"user{number}@example.org" for number in range(20_000)]


def sample(accounts: list[str], owner: float = 0.01) -> Sample:
    made = Sample()
    for account in accounts:
        made.add(account, owner)
    return made


def told(tally: Tally) -> dict[str, RefusedSlot]:
    new = tally.changed()
    tally.told(new)
    return new


def test_few_are_counted_as_they_are() -> None:
    """The sum of the probabilities, each account once with its greatest, and two standard errors of so rare events."""
    made = sample(ACCOUNTS[:100])
    for account in ACCOUNTS[:100]:
        made.add(account, 0.001)
    assert made.at_most() == 3  # 1 is expected
    assert sample(ACCOUNTS[:100], 0.5).at_most() == 65
    assert (Sample().at_most(), sample(ACCOUNTS[:1], 0.001).at_most()) == (0, 1)


def test_many_are_sampled() -> None:
    """No more than so many entries, and nearly always at least what to expect."""
    draws = [sample([f"{draw}/{account}" for account in ACCOUNTS]) for draw in range(20)]
    assert {len(each.owners) for each in draws} == {256}
    found = [each.at_most() for each in draws]
    assert sum(200 <= count <= 330 for count in found) >= 19


def test_who_is_counted_elsewhere_is_left_out() -> None:
    """By name."""
    assert sample(ACCOUNTS[:100], 0.5).at_most(but=ACCOUNTS[50:]) == sample(ACCOUNTS[:50], 0.5).at_most()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 3), st.sampled_from((0.001, 0.01, 0.1))), max_size=600))
def test_it_does_not_matter_who_saw_what_and_when(refusals: list[tuple[int, int, float]]) -> None:
    """However the refusals are spread over slots and gates, and in whatever order."""
    whole, parts = Sample(), [Sample() for _ in range(4)]
    for account, part, owner in refusals:
        whole.add(ACCOUNTS[account], owner)
        parts[part].add(ACCOUNTS[account], owner)
    assert Sample.union(parts) == Sample.union(reversed(parts)) == whole


def test_a_slot_is_ten_minutes_and_begins_anew_where_the_budget_does() -> None:
    """Each has a key of its own; what has been told and goes on is told again, whole."""
    tally = Tally("gate")
    tally.note("anne", ["staff"], 0.1, T0 + 1, counts_from=0.0)
    tally.note("bob", [], 0.1, T0 + 2, counts_from=0.0)
    first, key = told(tally), f"refused/gate/{T0:.3f}"
    assert [(known, slot.last_ts, len(slot.everybody.owners)) for known, slot in first.items()] == [(key, T0 + 2, 2)]
    assert (len(first[key].of("staff").owners), told(tally)) == (1, {})
    tally.note("carl", [], 0.1, T0 + 3, counts_from=0.0)
    tally.note("carl", [], 0.1, T0 + 5, counts_from=T0 + 4)
    tally.note("carl", [], 0.1, T0 + 600, counts_from=T0 + 4)
    again = tally.changed()
    assert [slot.since for slot in again.values()] == [T0, T0 + 4, T0 + 600]
    assert [len(slot.everybody.owners) for slot in again.values()] == [3, 1, 1]
    assert len(first[key].everybody.owners) == 2
    assert tally.changed() == again  # the broker did not take it
    tally.told(again)
    assert tally.changed() == {}


def test_what_changes_while_it_is_told_is_told_again() -> None:
    """Nothing falls between two reports."""
    tally = Tally("gate")
    tally.note("anne", [], 0.1, T0, counts_from=0.0)
    new = tally.changed()
    tally.note("bob", [], 0.1, T0 + 1, counts_from=0.0)
    tally.told(new)
    assert [len(slot.everybody.owners) for slot in told(tally).values()] == [2]


def test_a_gate_keeps_a_day_of_what_nobody_takes() -> None:
    """While the broker is away."""
    tally = Tally("gate")
    for slot in range(200):
        tally.note("anne", [], 0.1, T0 + 600 * slot, counts_from=0.0)
    assert len(tally.changed()) == 144
    tally.told(tally.changed())
    assert (len(tally._slots), tally.changed()) == (1, {})


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_windows_are_those_of_the_refusals(seed: int) -> None:
    """An hour and a day back, give or take a slot; what began before the budget counts is not in it."""
    draw, tallies, book = Random(seed), [Tally("a"), Tally("b")], RefusedBook()
    times = sorted(draw.sample(range(30 * 3600), 200))
    refusals = [(at, draw.choice(ACCOUNTS[:300]), draw.choice(tallies)) for at in times]
    for at, account, tally in refusals:
        tally.note(account, (), 0.1, T0 + at, counts_from=0.0)
        for key, slot in told(tally).items():
            book.put(key, slot)
        if not draw.randrange(20):
            now = T0 + at
            book.keep(now - DAY_S, counts_from=0.0)
            for length_s in (HOUR_S, DAY_S):
                inside = {account for other, account, _ in refusals if at - length_s < other <= at}
                around = {account for other, account, _ in refusals if at - length_s - 600 < other <= at}
                counted = book.at_most(now - length_s, "", (), enough=0)
                assert Sample.at_most(sample(sorted(inside), 0.1)) <= counted <= Sample.at_most(sample(sorted(around), 0.1))
                assert book.at_most(now - length_s, "", (), enough=counted) == counted
                assert book.at_most(now - length_s, "", (), enough=10**6) == 10**6
                assert book.at_most(now - length_s, "staff", (), enough=0) == 0


def test_verdicts_and_decisions_spend_one_budget() -> None:
    """Who is in both counts once; a group's own; what was before the budget counts is forgotten."""
    groups, budget = Groups({"anne": ["staff"]}), Budget(hour=3, day=3, by_group={"staff": Limits(hour=0, day=0)})
    spent, tally = Spending(budget, groups), Tally("gate")
    spent.put("a", Touch(T0, T0 + 60, frozenset({"anne", "bob"})))
    spent.budget = msgspec.structs.replace(budget, by_group={})
    for account in ("anne", "bob"):
        tally.note(account, groups.of(account), 1.0, T0, counts_from=0.0)
    for key, slot in tally.changed().items():
        spent.refused.put(key, slot)
    assert spent.over(T0, counts_from=0.0) is None
    spent.remove("a")
    assert spent.over(T0, counts_from=0.0) == "5 accounts within an hour, 3 allowed"  # two, and two standard errors
    spent.budget = msgspec.structs.replace(budget, hour=9, day=9)
    assert spent.over(T0, counts_from=0.0) == "3 accounts of the group staff within an hour, 0 allowed"
    assert spent.over(T0 + 2 * HOUR_S, counts_from=0.0) == "3 accounts of the group staff within a day, 0 allowed"
    assert spent.over(T0 + 2 * HOUR_S, counts_from=T0 + 1) is None
    assert spent.over(T0, counts_from=0.0) is None


def test_owners_whom_a_cut_refuses_are_counted_beside() -> None:
    """Each once over slots and gates, by decision; they spend nothing of the budget, for a person was told of them."""
    spent, tallies = Spending(Budget(hour=0, day=0), Groups()), [Tally("a"), Tally("b")]
    for number, account in enumerate(ACCOUNTS[:200] * 2):
        tallies[number % 2].note_cut(account, "brazil", T0 + 60 * number, counts_from=0.0)
    tallies[0].note_cut("anne", "another", T0, counts_from=0.0)
    for tally in tallies:
        for key, slot in tally.changed().items():
            spent.refused.put(key, msgspec.msgpack.decode(msgspec.msgpack.encode(slot), type=RefusedSlot))
    assert spent.refused.by_cut() == {"another": 1, "brazil": 200}
    assert spent.over(T0 + 60 * 400, counts_from=0.0) is None


def test_a_slot_counts_so_many_cuts() -> None:
    """Those it knows go on being counted."""
    tally = Tally("gate")
    for number in range(100):
        tally.note_cut("anne", f"cut {number}", T0, counts_from=0.0)
    tally.note_cut("bob", "cut 0", T0, counts_from=0.0)
    (slot,) = tally.changed().values()
    assert (len(slot.by_cut), len(slot.by_cut["cut 0"].owners)) == (64, 2)


@pytest.mark.parametrize(
    "record",
    [
        [float("nan"), T0, [{}, 1]],
        [T0, float("inf"), [{}, 1]],
        [T0, T0, [{}, 0]],
        [T0, T0, [{5: float("nan")}, 9]],
        [T0, T0, [{5: 1.5}, 9]],
        [T0, T0, [{"x": 0.5}, 9]],
        [T0, T0, [{}, 9], {"staff": [{5: -1.0}, 9]}],
        [T0, T0, [{}, 9], {}, {"brazil": [{5: 2.0}, 9]}],
    ],
)
def test_what_is_no_count_is_none(record: object) -> None:
    """It would stop the leader."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=RefusedSlot)
    assert refused_module.SCHEMA == "refused/1"
