"""models.breaker: who is touched by all decisions together, and when that is too much."""

from __future__ import annotations

from models.accounts import Groups
from models.breaker import Spending, Touch, touch_of
from models.policy import Budget, Limits
from models.refused import Tally
from models.usage import Exact, Users


def names(*accounts: str) -> frozenset[str]:
    return frozenset(accounts)


def test_accounts_in_common_count_once() -> None:
    """The union, not the sum."""
    spent = Spending(Budget(hour=2, day=2), Groups())
    for number in range(9):
        spent.put(str(number), Touch(0.0, 60.0, names("anne", "bob")))
    assert spent.over(10.0, counts_from=0.0) is None


def test_what_is_known_by_number_alone_adds_up() -> None:
    """Nobody knows whether these accounts are the same."""
    spent = Spending(Budget(hour=5, day=9), Groups())
    spent.put("a", Touch(0.0, 60.0, more=3))
    spent.put("b", Touch(0.0, 60.0, more=3))
    assert spent.over(10.0, counts_from=0.0) == "6 accounts within an hour, 5 allowed"


def test_what_ended_before_the_window_counts_no_more() -> None:
    """An hour and a day after its end."""
    spent = Spending(Budget(hour=0, day=0), Groups())
    spent.put("a", Touch(0.0, 60.0, names("anne")))
    assert spent.over(60.0 + 3599, counts_from=0.0) == "1 accounts within an hour, 0 allowed"
    assert spent.over(60.0 + 3600, counts_from=0.0) == "1 accounts within a day, 0 allowed"
    assert spent.over(60.0 + 86400, counts_from=0.0) is None


def test_groups_have_limits_of_their_own() -> None:
    """By the groups of the accounts."""
    spent = Spending(Budget(hour=9, day=9, by_group={"health": Limits(hour=0, day=0)}), Groups({"anne": ["health"]}))
    spent.put("b", Touch(0.0, 60.0, names("bob")))
    assert spent.over(10.0, counts_from=0.0) is None
    spent.put("a", Touch(0.0, 60.0, names("anne")))
    assert spent.over(10.0, counts_from=0.0) == "1 accounts of the group health within an hour, 0 allowed"


def test_realms_have_limits_of_their_own() -> None:
    """By the domain of the account; who has no name here may be of any."""
    limits = {"example.org": Limits(hour=1, day=1)}
    spent = Spending(Budget(hour=9, day=9, by_realm=limits), Groups())
    spent.put("a", Touch(0.0, 60.0, names("anne@example.org", "bob@example.net", "carl@not-example.org")))
    assert spent.over(10.0, counts_from=0.0) is None
    spent.put("b", Touch(0.0, 60.0, more=1))
    assert spent.over(10.0, counts_from=0.0) == "2 accounts of the realm example.org within an hour, 1 allowed"


def test_access_providers_have_limits_of_their_own() -> None:
    """Verdicts say from where; of whom decisions touch nobody knows, so they may be from any."""
    spent = Spending(Budget(hour=9, day=9, by_asn={"64500": Limits(hour=2, day=9)}), Groups())
    tally = Tally("gate")
    for account, asn in (("anne", 64501), ("bob", 64501), ("carl", 64501)):
        tally.note(account, spent.budget.parts_of(account, (), asn), 0.01, 10.0, counts_from=0.0)
    for key, slot in tally.changed().items():
        spent.refused.put(key, slot)
    assert spent.over(10.0, counts_from=0.0) is None
    spent.put("a", Touch(0.0, 60.0, names("dora", "emil")))
    assert spent.over(10.0, counts_from=0.0) is None
    tally.note("fred", spent.budget.parts_of("fred", (), 64500), 0.01, 10.0, counts_from=0.0)
    for key, slot in tally.changed().items():
        spent.refused.put(key, slot)
    assert spent.over(10.0, counts_from=0.0) == "3 accounts of AS64500 within an hour, 2 allowed"


def test_touch_is_at_the_high_end() -> None:
    """The familiar by name, as many more as there may be; the account of a pair if it may be hit at all."""
    users = Users(Exact(names("anne", "bob")), Exact(names("carl", "dora")))
    assert touch_of(0.0, 1.0, None, users, high=4) == Touch(0.0, 1.0, names("anne", "bob"), more=2)
    assert touch_of(0.0, 1.0, None, None, high=4) == Touch(0.0, 1.0, more=4)
    assert touch_of(0.0, 1.0, "anne", None, high=1) == Touch(0.0, 1.0, names("anne"))
    assert not touch_of(0.0, 1.0, "anne", None, high=0)
