"""Networks and ends as the points get them."""

from __future__ import annotations

from streams.enforcement.blocks import blocks
from tests.enforcing import ATTACKER, ATTACKER_6, IN_RANGE, RANGE, RANGE_6, decision


def texts(*decisions: tuple[str, float]) -> list[tuple[str, float]]:
    return [(block.text, block.until) for block in blocks(decision(value, until=until) for value, until in decisions)]


def test_each_network_once_with_the_latest_end() -> None:
    """Two decisions on one network are one block that lasts as long as the longer."""
    assert texts((ATTACKER, 100), (ATTACKER, 200), (ATTACKER, 150)) == [(ATTACKER, 200)]


def test_what_lies_in_a_range_that_ends_later_is_left_out() -> None:
    """An address inside goes with its range, unless it is to be refused for longer."""
    assert texts((IN_RANGE, 100), (RANGE, 100)) == [(RANGE, 100)]
    assert texts((IN_RANGE, 101), (RANGE, 100)) == [(RANGE, 100), (IN_RANGE, 101)]
    assert texts(("198.51.100.0/22", 300), (RANGE, 200), (IN_RANGE, 250)) == [("198.51.100.0/22", 300)]
    assert texts(("198.51.100.0/22", 100), (RANGE, 300), (IN_RANGE, 200)) == [("198.51.100.0/22", 100), (RANGE, 300)]


def test_versions_and_neighbours_are_kept_apart() -> None:
    """An IPv6 range holds no IPv4 address, and a range not its neighbour."""
    given = [(ATTACKER, 1.0), ("203.0.112.0/24", 9.0), ("203.0.114.0/24", 9.0), (RANGE_6, 9.0), ("2001:db8:1:3::/64", 1.0)]
    assert sorted(texts(*given)) == sorted(given)
    assert texts((RANGE_6, 9), (ATTACKER_6, 1)) == [(RANGE_6, 9)]
