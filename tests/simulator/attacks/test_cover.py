"""Where attackers work from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count, pairwise
from random import Random

from simulator.attacks.cover import Bots, Pool, RandomPool
from simulator.clients import BOT, CHECKER, DISGUISES
from simulator.networks import Source, bot


def _fresh() -> Iterator[Source]:
    return (bot(1, number) for number in count())


def test_a_pool_uses_its_addresses_in_turn() -> None:
    """Three addresses, each every third time, with the attacker's tool."""
    pool = Pool(_fresh(), 3, CHECKER, 1, Random(1))
    desks = [pool.next(0.0) for _ in range(9)]
    assert Counter(desk.source for desk in desks) == {bot(1, number): 3 for number in range(3)}
    assert all(before.source != after.source for before, after in pairwise(desks))
    assert {desk.client for desk in desks} == {CHECKER}


def test_a_random_pool_uses_them_in_no_order() -> None:
    """All of them about equally, some twice in a row."""
    pool = RandomPool(_fresh(), 3, CHECKER, 1, Random(1))
    sources = [pool.next(0.0).source for _ in range(300)]
    assert min(Counter(sources).values()) > 70
    assert any(before == after for before, after in pairwise(sources))


def test_an_address_is_given_up_when_patience_ends() -> None:
    """Two refusals are borne, the third brings a fresh address and a customer's client's name."""
    pool = Pool(_fresh(), 1, CHECKER, 3, Random(1))
    for _ in range(2):
        pool.refused(pool.next(0.0))
    assert (pool.next(0.0).source, pool.next(0.0).client) == (bot(1, 0), CHECKER)
    pool.refused(pool.next(0.0))
    assert pool.next(0.0).source == bot(1, 1)
    assert pool.next(0.0).client in DISGUISES


def test_a_bot_makes_one_to_three_attempts() -> None:
    """Of those that are replaced none has made more; all of 1, 2 and 3 occur."""
    bots = Bots(_fresh(), BOT, 3, Random(1))
    tries = Counter(bots.next(0.0).source for _ in range(10_000))
    assert set(tries.values()) == {1, 2, 3}


def test_a_refused_bot_is_not_used_again() -> None:
    """With every attempt refused each comes from another bot."""
    bots = Bots(_fresh(), BOT, 3, Random(1))
    sources = []
    for _ in range(500):
        desk = bots.next(0.0)
        sources.append(desk.source)
        bots.refused(desk)
    assert len(set(sources)) == 500
