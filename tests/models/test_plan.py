"""models.plan: the narrowest scopes that stop an attack, proved against every other choice on small cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.accounts import Groups
from models.attempts import Attempt
from models.plan import Option, narrowest, options, plan
from models.policy import Policy
from models.usage import LogIn, log_in_of
from tests.factories import T0, failure, success

POLICY = Policy.enforcing()


def made_by(choice: Any, attempts: int, log_ins: int) -> tuple[list[Attempt], list[LogIn]]:
    """Attackers and customers on few addresses in networks that nest, with few devices."""

    def someone(make: Any) -> Attempt:
        place = {"remote": f"203.0.{choice(1)}.{choice(3)}", "asn": 64500 + choice(1), "user_agent": f"app{choice(2)}"}
        attempt: Attempt = make(T0, f"user{choice(5)}", **place)
        return attempt

    return [someone(failure) for _ in range(attempts)], [log_in_of(someone(success)) for _ in range(log_ins)]


def offered_by(seed: int, attempts: int, log_ins: int) -> list[Option]:
    draw = Random(seed)
    return options(*made_by(lambda most: draw.randint(0, most), attempts, log_ins), POLICY, Groups())


def stopped(chosen: Sequence[Option]) -> set[int]:
    return set().union(*(option.stops for option in chosen))


def hit(chosen: Sequence[Option]) -> set[str]:
    return set().union(*(option.hits for option in chosen))


def subsets(of: Sequence[Option]) -> Iterator[tuple[Option, ...]]:
    return chain.from_iterable(combinations(of, size) for size in range(len(of) + 1))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 30), st.integers(0, 8), st.integers(0, 6))
def test_a_wider_scope_is_never_taken_where_narrower_ones_stop_as_much(seed: int, attempts: int, log_ins: int, budget: int) -> None:
    """Of all sets of scopes inside one that was taken, none stops as much with the rest of the plan, within the budget."""
    offered = offered_by(seed, attempts, log_ins)
    chosen = narrowest(offered, budget)
    assert len(hit(chosen)) <= budget
    for wide in chosen:
        others = [option for option in chosen if option is not wide]
        inside = [option for option in offered if option.lies_in(wide)][:12]
        for narrow in subsets(inside):
            instead = [*others, *narrow]
            assert not (stopped(instead) >= stopped(chosen) and len(hit(instead)) <= budget), (wide, narrow)


@given(st.integers(0, 10**6), st.integers(0, 30), st.integers(0, 8), st.integers(0, 4))
def test_nothing_that_fits_the_budget_is_left_out(seed: int, attempts: int, log_ins: int, budget: int) -> None:
    """No scope on offer could be added that stops three attempts more, or one where it is an address or a pair."""
    offered = offered_by(seed, attempts, log_ins)
    chosen = narrowest(offered, budget)
    for more in offered:
        if len(hit([*chosen, more])) <= budget:
            assert len(stopped([*chosen, more])) - len(stopped(chosen)) < (1 if more.width <= 1 else 3), more


@given(st.integers(0, 10**6), st.integers(0, 40), st.integers(0, 8))
def test_more_budget_never_stops_what_costs_nothing_less(seed: int, attempts: int, log_ins: int) -> None:
    """What addresses stop that no customer uses is stopped with every budget."""
    offered = offered_by(seed, attempts, log_ins)
    free = stopped([option for option in offered if not option.hits and option.width <= 1])
    assert all(stopped(narrowest(offered, budget)) >= free for budget in (0, 2, 100))


def attack(remote: str, *accounts: str, **fields: Any) -> list[Attempt]:
    return [failure(T0, account, remote, **fields) for account in accounts]


def customers(remote: str, *accounts: str, **fields: Any) -> list[LogIn]:
    return [log_in_of(success(T0, account, remote, **fields)) for account in accounts]


def summary(
    attacks: list[Attempt], log_ins: list[LogIn], budget: int = 10, policy: Policy = POLICY, **groups: list[str]
) -> set[str]:
    members = Groups({f"{account}@example.org": of for account, of in groups.items()})
    return {f"{cut.scope} {cut.value}" for cut in plan(attacks, log_ins, policy, members, budget).chosen}


def test_address_that_nobody_else_uses_is_blocked() -> None:
    """Not its network, nor the pairs on it."""
    assert summary(attack("203.0.113.7", *"abcde"), customers("203.0.113.8", "x")) == {"ip 203.0.113.7"}


def test_nat_with_failures_loses_the_pair_alone() -> None:
    """Behind one address sit two hundred customers and somebody who guesses at one mailbox."""
    guesses, behind = attack("203.0.113.7", *["victim"] * 9), customers("203.0.113.7", *(f"c{n}" for n in range(200)))
    assert summary(guesses, behind, budget=100) == {"account_ip 203.0.113.7|victim@example.org"}


def test_botnet_of_a_network_is_blocked_as_the_network() -> None:
    """Where each address tries once, the network is what was seen."""
    one_each = [attempt for host in range(20) for attempt in attack(f"203.0.113.{host}", f"a{host}")]
    assert summary(one_each, customers("198.51.100.7", "x")) == {"range 203.0.113.0/24"}


def test_customers_in_the_network_are_spared_by_the_device() -> None:
    """A device that hardly any customer has, with the range; never alone."""
    one_each = [attempt for host in range(20) for attempt in attack(f"203.0.113.{host}", f"a{host}", user_agent="bot")]
    with_them = customers("203.0.113.99", *(f"c{n}" for n in range(30)), user_agent="mail")
    assert summary(one_each, with_them) == {"range_device 203.0.113.0/24|ua:bot"}


def test_a_device_that_customers_use_is_no_scope() -> None:
    """Nor one that a protected account uses."""
    one_each = [attempt for host in range(20) for attempt in attack(f"203.0.113.{host}", f"a{host}", user_agent="mail")]
    crowd = customers("203.0.113.99", *(f"c{n}" for n in range(30)), user_agent="mail")
    assert summary(one_each, crowd) == set()


def test_protected_accounts_are_met_by_pairs_alone() -> None:
    """Whatever the budget."""
    tries, doctor = attack("203.0.113.7", "victim", "victim", "victim"), customers("203.0.113.7", "doctor")
    assert summary(tries, doctor, budget=100, doctor=["health"]) == {"account_ip 203.0.113.7|victim@example.org"}


def test_never_block_set_is_not_offered() -> None:
    """Nor a range that holds some of it."""
    own = Policy(version="1", never_block=("203.0.113.0/24",))
    assert summary(attack("203.0.113.7", *"abcde"), [], policy=own) == set()


def test_points_tell_what_each_choice_costs() -> None:
    """The curve rises with the customers hit; the crude measures stand beside it."""
    attacks = attack("203.0.113.7", *"abcde", country="BR") + attack("198.51.100.7", *"fghij", country="FR", protocol="http")
    log_ins = customers("198.51.100.7", "x", "y", country="FR") + customers("192.0.2.1", "z", country="DE", protocol="pop3")
    made = plan(attacks, log_ins, POLICY, Groups({"z@example.org": ["health"]}), budget=1)
    assert (made.attempts, made.accounts, made.customers) == (10, 10, 3)
    assert [(point.scopes, point.stopped, point.customers) for point in made.curve] == [(1, 5, 0), (2, 10, 2)]
    assert (made.within_budget.stopped, made.within_budget.customers) == (5, 0)
    assert (made.cut_foreign.stopped, made.cut_foreign.customers, made.cut_foreign.by_group) == (5, 1, {"health": 1})
    assert (made.cut_pop_imap.stopped, made.cut_pop_imap.customers) == (5, 3)


def test_an_attack_of_nothing_has_an_empty_plan() -> None:
    """And no division by it."""
    made = plan([], [], POLICY, Groups(), budget=5)
    assert (made.chosen, made.within_budget.stopped, [point.scopes for point in made.curve]) == ((), 0, [0])


@pytest.mark.parametrize("remote", ["2001:db8:1:2::7"])
def test_ipv6_begins_with_the_64(remote: str) -> None:
    """The address of a line, and so a range."""
    assert summary(attack(remote, *"abcde"), []) == {"range 2001:db8:1:2::/64"}
