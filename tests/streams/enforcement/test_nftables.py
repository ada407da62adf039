"""The kernel drops what is blocked, in one transaction, and stops by itself at the end of each block."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.errors import CribleError
from streams.enforcement.nftables import NftablesPoint
from streams.settings import Nftables
from tests.block_service import wait_for
from tests.enforcing import (
    ATTACKER,
    ATTACKER_6,
    CUSTOMER,
    IN_RANGE,
    RANGE,
    RANGE_6,
    Namespace,
    decision,
    feeder_of,
    lifted,
    need,
)

PORT = 143
EXAMPLE = Path(__file__).resolve().parents[3] / "deploy/nftables/crible.nft"
SOURCES = (CUSTOMER, ATTACKER, IN_RANGE, ATTACKER_6)
#: A dropped packet is answered by nothing, however long one waits.
DROPPED_S = 0.5


@pytest.fixture
def nft(namespace: Namespace) -> Iterator[Nftables]:
    """The project's example of a ruleset, in front of a mail server; how to reach it."""
    need("nft")
    with namespace.mail_server(PORT):
        namespace.run("nft", "-f", str(EXAMPLE))
        yield Nftables(command=tuple(namespace.command("nft", "-f", "-")))


def seen(namespace: Namespace) -> list[bool]:
    return [namespace.accepts(source, PORT, DROPPED_S) for source in SOURCES]


def test_a_block_acts_and_ends(namespace: Namespace, nft: Nftables) -> None:
    """Addresses and ranges of both versions are dropped, and let through again once lifted."""
    feeder, store = feeder_of(NftablesPoint(nft))
    feeder.step()
    assert seen(namespace) == [True, True, True, True]
    held = decision(ATTACKER)
    for each in (held, decision(RANGE), decision(RANGE_6)):
        store.put(each)
    feeder.step()
    assert seen(namespace) == [True, False, False, False]
    store.put(lifted(held, time.time()))
    feeder.step()
    assert seen(namespace) == [True, True, False, False]


def test_the_kernel_ends_a_block_by_itself(namespace: Namespace, nft: Nftables) -> None:
    """An address whose block ends is let through though the writer is dead; an extended block goes on."""
    feeder, store = feeder_of(NftablesPoint(nft))
    until = time.time() + 3
    extended = decision(IN_RANGE, until=until)
    store.put(decision(ATTACKER, until=until))
    store.put(extended)
    feeder.step()
    assert seen(namespace) == [True, False, False, True]
    store.put(decision(IN_RANGE, until=until + 3600))
    feeder.step()
    wait_for(lambda: namespace.accepts(ATTACKER, PORT, DROPPED_S), "the end")
    assert time.time() > until - 0.1
    assert seen(namespace) == [True, True, False, True]


def test_rules_that_somebody_flushed_come_back(namespace: Namespace, nft: Nftables) -> None:
    """After a minute everything is written again, whatever happened to it."""
    now = time.time()
    point = NftablesPoint(nft)
    point.apply([decision(ATTACKER)], now)
    namespace.run("nft", "flush", "ruleset")
    namespace.run("nft", "-f", str(EXAMPLE))
    assert namespace.accepts(ATTACKER, PORT)
    point.apply([decision(ATTACKER)], now + 61)
    assert not namespace.accepts(ATTACKER, PORT, DROPPED_S)


def test_a_refused_transaction_changes_nothing(namespace: Namespace, nft: Nftables) -> None:
    """What nft refuses is an error without any address in it, and the blocks from before hold."""
    point = NftablesPoint(nft)
    point.apply([decision(ATTACKER)], time.time())
    broken = Nftables(command=("sh", "-c", f"sed s/{IN_RANGE}/{IN_RANGE}.1/ | ip netns exec {namespace.name} nft -f -"))
    with pytest.raises(CribleError, match=r"^sh: ended with 1: ") as failure:
        NftablesPoint(broken).apply([decision(IN_RANGE)], time.time())
    assert IN_RANGE not in str(failure.value)
    assert seen(namespace) == [True, False, True, True]
