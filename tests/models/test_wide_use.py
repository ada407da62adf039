"""models.wide_use and models.scope_book: who uses countries, providers, protocols and devices, live."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from models.accounts import AccountDirectory, Groups
from models.attempts import Attempt, Resolver
from models.by_source import SourceStage
from models.geo import Geo
from models.ids import hash32
from models.pipeline import Pipeline
from models.policy import Scope
from models.scope_book import ScopeBook
from models.sketches import ScopeUse, Sketch
from models.usage import UsageBook
from models.wide_use import UseRow
from simulator import groups, simulate
from tests.factories import DAY_S, T0, batch_of, failure, success

#: What is new is told five minutes later.
LATE_S = 301


def told_of(*partitions: Iterable[Attempt], now: float) -> ScopeBook:
    """What stages tell of these attempts, each of a partition, once others have logged in at ``now``."""
    book = ScopeBook(Groups())
    for source, attempts in enumerate(partitions):
        stage = SourceStage()
        others = (success(now, "other", "198.51.100.1") for _ in range(3_000))
        for use in stage.apply(batch_of([*attempts, *others])).scopes:
            book.take(replace(use, source=source))
    return book


@pytest.mark.parametrize("partitions", [1, 16])
def test_live_is_exact_up_to_the_sketchs_error_on_a_simulated_day(partitions: int) -> None:
    """Every country, provider, protocol and device beside the book of a replay, five minutes before and now; by group too."""
    members = Groups({login: [group] for login, group in groups(4000)})
    book, live = UsageBook(members), ScopeBook(members)
    pipeline = Pipeline(Resolver(AccountDirectory(), Geo()), members, partitions, usage=book, on_scope=live.take)
    events = [event for event, _ in simulate("demo", 5, accounts=4000)]
    for begin in range(0, len(events), 500):
        pipeline.apply(events[begin : begin + 500])
    now = events[-1].ts
    found: set[tuple[Scope, str]] = set()
    for event in events:
        found |= {("country", event.country or ""), ("asn", str(event.asn)), ("protocol", event.protocol)}
        found |= (
            {("asn_device", f"{event.asn}|ua:{event.user_agent}"), ("device", f"ua:{event.user_agent}")}
            if event.user_agent
            else set()
        )
    inside = 0
    for scope, value in sorted(found - {("country", ""), ("asn", "None")}):
        users, before, after = live.users(scope, value, now), book.users(scope, value, now - LATE_S), book.users(scope, value, now)
        assert users is not None, (scope, value)
        told = users.familiar.interval()
        inside += told.low <= after.familiar.interval().estimate and before.familiar.interval().estimate <= told.high
        for group, exact in after.by_group.items():
            counted = users.by_group.get(group)
            least = before.by_group[group].interval().estimate if group in before.by_group else 0
            assert counted is not None or not least, (scope, value, group)
            if counted is not None:
                assert counted.interval().estimate <= 1.3 * exact.interval().estimate + 10, (scope, value, group)
    assert len(found) > 50
    assert inside >= 0.95 * len(found)  # two standard errors


def test_failures_of_those_who_log_in_from_there_are_no_attack() -> None:
    """Only of an hour or two, of accounts without a good log-in from the address; by protocol, over all partitions once."""
    early = [failure(T0 - 4 * 3600, "early", country="BR", fail_type="credentials")]
    owner = [success(T0, "anne", country="BR"), failure(T0 + 1, "anne", country="BR", fail_type="credentials")]
    tries = [failure(T0 + 2 + number, f"v{number % 20}", country="BR", fail_type="credentials") for number in range(40)]
    counted = told_of([*early, *owner, *tries], tries, now=T0 + LATE_S + 50).counted("country", "BR", T0 + LATE_S + 50)
    assert counted is not None
    assert (counted.attempts, counted.attacked, counted.since) == (80, 20, T0 + 2)
    assert counted.users.familiar.interval().estimate == 1


def test_who_first_comes_during_an_attack_is_doubtful() -> None:
    """As for addresses: an attacker's hits are not customers of the country."""
    attack = [failure(T0 + number, f"v{number}", country="BR", fail_type="credentials") for number in range(300)]
    users = told_of([*attack, success(T0 + 301, "entered", country="BR")], now=T0 + 700).users("country", "BR", T0 + 700)
    assert users is not None
    assert (users.familiar.interval().estimate, users.doubtful.interval().estimate) == (0, 1)


@pytest.mark.parametrize(("hours", "known"), [(24, 2), (31, 1)])
def test_log_ins_are_counted_for_about_a_day(hours: int, known: int) -> None:
    """In whole six hours: five of them."""
    now = T0 + hours * 3600
    users = told_of([success(T0, "old", country="BR"), success(now - LATE_S, "new", country="BR")], now=now).users(
        "country", "BR", now
    )
    assert users is not None
    assert users.familiar.interval().estimate == known


def test_what_nobody_used_is_zero_and_what_nobody_counts_is_unknown() -> None:
    """An own id of a device is nobody else's; beyond two thousand devices in six hours none is known."""
    book = told_of([success(T0, "anne", country="BR", user_agent="x", asn=64500)], now=T0 + LATE_S)
    nobody = book.users("asn", "64501", T0 + LATE_S)
    assert nobody is not None
    assert nobody.familiar.interval().high == 0
    one = book.users("device", "ua:x", T0 + LATE_S)
    assert one is not None
    assert one.familiar.interval().estimate == 1
    assert ScopeBook(Groups()).users("asn", "64501", T0) is None
    assert book.users("asn", "64501", T0 + 2 * DAY_S) is None
    many = (success(T0 + number / 100, f"c{number}", user_agent=f"{number}") for number in range(2_100))
    assert told_of(many, now=T0 + LATE_S + 30).users("device", "ua:1", T0 + LATE_S + 30) is None


def test_a_group_too_small_for_the_sketch_is_not_called_untouched() -> None:
    """Of 100,000 accounts a sketch keeps a few thousand: the ten doctors among them may not be there."""
    doctors = Groups({f"c{number}": ["health"] for number in range(10)})
    row = UseRow()
    for number in range(100_000):
        row.add(hash32(f"c{number}"))
    use = ScopeUse("range", "192.0.2.0/24", T0, 0, 0, 0, row.accounts().dump())
    book = ScopeBook(doctors)
    book.take(use)
    users = book.users("range", "192.0.2.0/24", T0)
    assert users is not None
    assert users.by_group["health"].interval().high >= 10
    few = replace(use, familiar=Sketch.of(range(100)).dump())
    book.take(few)
    exact = book.users("range", "192.0.2.0/24", T0)
    assert exact is not None
    assert exact.by_group == {}
