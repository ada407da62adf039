"""models.past_reopenings: whom a re-opening let in, when."""

from __future__ import annotations

from typing import Any

import pytest

from models.accounts import Groups
from models.changes import AccountChange
from models.past_reopenings import PastReopenings
from models.policy import Ramp
from models.reopening import Reopening
from tests.factories import DAY_S, T0, ban, failure, success

CUT = ban("BR", scope="country")
GROUPS = Groups({"doctor@example.org": ["health"]})


def state(after_s: float, *shares: int, **changes: Any) -> Reopening:
    fields: dict[str, Any] = {"decision_id": CUT.decision_id, "until": T0 + DAY_S, "attack_since": T0, "counts_from": T0}
    times = {"watched_from": T0 + after_s, "protected_groups": ("health",), "ramp": Ramp()}
    return Reopening(**(fields | times | {"shares": shares} | changes))


def let_in(past: PastReopenings, after_s: float, login: str) -> bool:
    return past.lets_in(CUT, failure(T0 + after_s, login, country="BR"))


def test_the_state_of_that_time_holds() -> None:
    """Before the first nobody knows of a re-opening, so everybody is let in, as by a gate; the order of the states is theirs."""
    past = PastReopenings([state(20, 0, 0, 0, 0), state(10, 100, 0, 0, 100), state(0, 100, 0, 0, 0)], GROUPS)
    seen = [(let_in(past, after_s, "doctor"), let_in(past, after_s, "bob")) for after_s in (-1, 0, 9, 10, 20)]
    assert seen == [(True, True), (True, False), (True, False), (True, True), (False, False)]


def test_habits_that_were_stable_before_the_attack_are_the_second_wave() -> None:
    """A week after the first good log-in, and before the attack began."""
    past = PastReopenings([state(0, 100, 100, 0, 0)], GROUPS)
    past.note(success(T0 - 9 * DAY_S, "alice"))
    past.note(failure(T0 - 9 * DAY_S, "bob"))
    past.note(success(T0 - 6 * DAY_S, "carol"))
    assert [let_in(past, 60, login) for login in ("alice", "bob", "carol")] == [True, False, False]
    assert past.count_stable(T0) == 1


@pytest.mark.parametrize(("changed_s", "asked_s", "admitted"), [(60, 61, True), (60, 59, False), (-60, 61, False)])
def test_a_password_is_new_from_when_it_was_changed(changed_s: float, asked_s: float, admitted: bool) -> None:
    """Since the attack began, and not before it was."""
    change = AccountChange(ts=T0 + changed_s, account="bob@example.org", change="password_changed", by="owner")
    past = PastReopenings([state(0, 100, 0, 100, 0)], GROUPS, [change])
    past.note(failure(T0 + asked_s, "alice"))
    assert let_in(past, asked_s, "bob") == admitted
