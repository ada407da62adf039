"""models.usage: who uses a scope, exactly, and how many of them are customers."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.accounts import Groups
from models.attempts import Attempt
from models.scopes import matches
from models.usage import USAGE_S, Exact, UsageBook, Users
from tests.factories import DAY_S, T0, failure, success, traffic

DEVICE = {"user_agent": "Thunderbird"}


def book_of(attempts: Iterable[Attempt], **groups: list[str]) -> UsageBook:
    book = UsageBook(Groups({f"{name}@example.org": of for name, of in groups.items()}))
    book.note_all(attempts)
    return book


def marked(attempt: Attempt) -> Attempt:
    attempt.attack = 1
    return attempt


def logged_in(book: UsageBook, scope: Any, value: str, now: float = T0 + 3600) -> set[str]:
    familiar = book.users(scope, value, now).familiar
    assert isinstance(familiar, Exact)
    return {account.partition("@")[0] for account in familiar.accounts}


@pytest.mark.parametrize(
    ("scope", "value", "who"),
    [
        ("ip", "192.0.2.7", {"anne"}),
        ("range", "192.0.2.0/24", {"anne", "bob"}),
        ("range", "192.0.2.0/25", {"anne"}),
        ("range", "192.0.0.0/16", {"anne", "bob", "carl"}),
        ("range", "2001:db8:1:2::/64", {"dora"}),
        ("range", "2001:db8:1::/48", {"dora", "emil"}),
        ("account_ip", "192.0.2.7|anne@example.org", {"anne"}),
        ("account_ip", "192.0.2.7|bob@example.org", set()),
        ("account", "anne@example.org", {"anne"}),
        ("range_device", "192.0.2.0/24|ua:Thunderbird", {"anne"}),
        ("asn_device", "64500|ua:Thunderbird", {"anne", "carl"}),
        ("asn", "64500", {"anne", "carl"}),
        ("country", "DE", {"bob"}),
        ("protocol", "pop3", {"bob"}),
    ],
)
def test_users_are_those_whom_the_scope_meets(scope: str, value: str, who: set[str]) -> None:
    """With good log-ins, by every scope that there is."""
    book = book_of(
        [
            success(T0, "anne", "192.0.2.7", asn=64500, **DEVICE),
            success(T0, "bob", "192.0.2.200", protocol="pop3", country="DE"),
            success(T0, "carl", "192.0.99.7", asn=64500, **DEVICE),
            success(T0, "dora", "2001:db8:1:2::7"),
            success(T0, "emil", "2001:db8:1:3::7"),
            failure(T0, "fred", "192.0.2.7", asn=64500, **DEVICE),
        ]
    )
    assert logged_in(book, scope, value) == who


@given(st.integers(0, 1000), st.integers(0, 4 * 3600))
def test_look_up_by_network_finds_what_a_scan_does(seed: int, at_s: int) -> None:
    """Whatever the traffic and the moment."""
    attempts = sorted(traffic(seed, attempts=300, late_s=0.0), key=lambda attempt: attempt.ts)
    book, now = book_of(attempts), T0 + at_s
    for scope, value in (
        ("ip", "203.0.1.2"),
        ("range", "203.0.1.0/24"),
        ("range", "203.0.0.0/23"),
        ("range_device", "203.0.1.0/24|ua:curl"),
    ):
        scanned = {each.account for each in attempts if each.success and each.ts <= now and matches(scope, value, each)}  # type: ignore[arg-type]
        assert logged_in(book, scope, value, now) == {account.partition("@")[0] for account in scanned}


def test_the_future_is_not_known() -> None:
    """A replay reads ahead in batches; what is asked about a moment knows nothing of what comes after it."""
    book = book_of([success(T0 + 10, "anne"), success(T0 + 20, "bob")])
    assert logged_in(book, "ip", "192.0.2.7", T0 + 10) == {"anne"}


def test_a_day_and_the_hours_that_run_are_remembered() -> None:
    """By six hours."""
    book = book_of([success(T0, "anne"), success(T0 + DAY_S + USAGE_S - 1, "bob")])
    assert logged_in(book, "ip", "192.0.2.7", T0 + DAY_S + USAGE_S - 1) == {"anne", "bob"}
    assert logged_in(book, "ip", "192.0.2.7", T0 + DAY_S + USAGE_S) == {"bob"}


def test_who_first_comes_while_the_source_is_under_attack_is_doubtful() -> None:
    """A customer who is new there, or an account that was entered; who was there before is a customer."""
    book = book_of([success(T0, "anne"), marked(success(T0 + 60, "anne")), marked(success(T0 + 61, "bob"))])
    users = book.users("ip", "192.0.2.7", T0 + 100)
    assert users.familiar == Exact(frozenset({"anne@example.org"}))
    assert users.doubtful == Exact(frozenset({"bob@example.org"}))


def test_groups_and_protocols_are_told() -> None:
    """Of the familiar."""
    book = book_of(
        [success(T0, "anne"), success(T0, "bob", protocol="pop3"), marked(success(T0, "carl"))], anne=["health"], carl=["health"]
    )
    users = book.users("ip", "192.0.2.7", T0)
    assert {name: each.interval().estimate for name, each in users.by_group.items()} == {"health": 1}
    assert {name: each.interval().estimate for name, each in users.by_protocol.items()} == {"imap": 1, "pop3": 1}


def test_what_we_refused_is_no_use() -> None:
    """Nor what fails, nor what nobody knows the source of."""
    hidden = success(T0, "bob")
    hidden.address = hidden.network = ""
    book = book_of([success(T0, "anne", policy_reject=True), hidden, failure(T0, "carl")])
    assert logged_in(book, "range", "192.0.2.0/24") == set()


@pytest.mark.parametrize(
    ("familiar", "doubtful", "attacked", "expected"),
    [
        (0, 0, 500, (0, 0, 0)),
        (0, 2, 500, (0, 0, 2)),
        (0, 40, 500, (0, 0, 3)),  # hits of a list: at most three customers may be among them
        (10, 40, 500, (10, 10, 23)),
        (0, 100, 500, (50, 0, 50)),  # more than a list hits
        (200, 30, 50, (225, 200, 230)),
    ],
)
def test_success_and_failure_mix_tells_customers(
    familiar: int, doubtful: int, attacked: int, expected: tuple[int, int, int]
) -> None:
    """A list hits in a tenth of its tries at most, and new customers come as they came before."""
    users = Users(Exact(frozenset(f"f{n}" for n in range(familiar))), Exact(frozenset(f"d{n}" for n in range(doubtful))))
    legit = users.legitimate(attacked)
    assert (legit.estimate, legit.low, legit.high) == expected


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 5000))
def test_estimate_lies_in_its_interval(familiar: int, doubtful: int, attacked: int) -> None:
    """Whatever the counts; and the interval never exceeds who is there."""
    draw = Random(1)
    users = Users(
        Exact(frozenset(f"f{n}" for n in range(familiar))), Exact(frozenset(f"d{draw.random()}" for _ in range(doubtful)))
    )
    legit = users.legitimate(attacked)
    assert familiar == legit.low <= legit.estimate <= legit.high <= familiar + doubtful
