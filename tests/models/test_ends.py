"""models.ends: the earliest first, and no more of them than things."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from models.accounts import Groups
from models.ends import Ends
from models.ledger import Ledger
from models.policy import Policy
from streams.gate.standing import Standing
from streams.store import DecisionStore
from tests.factories import T0, ban, failure

MOVES = 100_000
BOUND = 200


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.integers(0, 9)), max_size=400), st.integers(0, 9))
def test_what_has_ended_is_popped_in_order(moves: list[tuple[str, int | None]], now: int) -> None:
    """As sorting all of them would; ``None`` forgets one."""
    ends, known = Ends(), dict[str, float]()
    for identifier, end in moves:
        if end is None:
            ends.remove(identifier)
            known.pop(identifier, None)
        else:
            ends.put(identifier, end)
            known[identifier] = end
    assert len(ends) == len(known)
    popped = []
    while (identifier := ends.pop(now)) is not None:
        popped.append(identifier)
    assert popped == [identifier for end, identifier in sorted((end, key) for key, end in known.items()) if end <= now]
    assert len(ends) == len(known) - len(popped)


def test_an_end_that_is_moved_on_and_on_takes_no_more_room() -> None:
    """One decision extended a hundred thousand times, in the ledger, the store and the gate; it ends at its last end."""
    ledger, store, standing = Ledger(Policy.default(), Groups()), DecisionStore(Policy.default()), Standing(Policy.default())
    standing.complete()
    held = ban(start=T0, until=T0 + 1)
    for number in range(MOVES):
        held = replace(held, until=T0 + 1 + number)
        ledger.load(held.decision_id, held)
        store.put(held)
        standing.put_decision(held.decision_id, held, T0)
    assert max(len(each._heap) for each in (ledger._ends, store._due, standing._ends)) < BOUND
    standing.put_decision("another", None, held.until - 1)
    assert standing.refusal(failure(held.until - 1, remote=held.value)) is not None
    assert [each.until for each in store.active(held.until - 1, lambda _: True)] == [held.until]
    assert store.active(held.until, lambda _: True) == []
    assert ledger.expired(held.until + 30 * 86400 - 1) == []
    assert ledger.expired(held.until + 30 * 86400) == [held.decision_id]
