"""models.causes: what kind of attack a campaign is, in words."""

from __future__ import annotations

import pytest

from models.alerts import Kind
from models.campaigns import HISTORY, Mix
from models.causes import kind_of, told


def mix_of(devices: int = 1, providers: int = 1, countries: int = 1) -> Mix:
    """A hundred attempts, spread evenly over so many of each."""
    mix = Mix()
    for number in range(100):
        country = f"C{number % countries}"
        mix.add(("imap", country, 64500 + number % providers, f"ua:client {number % devices}"), HISTORY, 1)
    return mix


@pytest.mark.parametrize(
    ("counted", "kind"),
    [
        ((300, 100, 290, 0, 0), "credential_stuffing"),
        ((300, 0, 290, 0, 0), "credential_stuffing"),  # nothing tells: the commoner of the two
        ((300, 5, 110, 4, 1), "password_spray"),
        ((300, 100, 290, 4, 1), "credential_stuffing"),  # a third does not exist: a list
        ((300, 0, 99, 9, 0), "brute_force"),
        ((0, 0, 0, 0, 0), "credential_stuffing"),
    ],
)
def test_the_kind(counted: tuple[int, int, int, int, int], kind: Kind) -> None:
    """By tries per account, then by accounts that do not exist, then by what its members are."""
    assert kind_of(*counted) == kind


@pytest.mark.parametrize(
    ("mix", "addresses", "words"),
    [
        (mix_of(providers=50, countries=20), 0, "from 50 providers in 20 countries, by a botnet that shows ua:client 0"),
        (mix_of(providers=50), 0, "from 50 providers in C0, by a botnet that shows ua:client 0"),
        (mix_of(), 1, "from one address of AS64500, by a client that shows ua:client 0"),
        (mix_of(), 7, "from AS64500, 7 addresses of it under alert, by a client that shows ua:client 0"),
        (mix_of(devices=9), 0, "from AS64500, under the names of many clients"),
        (Mix(), 0, "from 0 providers in 0 countries, under the names of many clients"),
    ],
)
def test_the_words(mix: Mix, addresses: int, words: str) -> None:
    """From where and with what, as far as most attempts have it in common."""
    assert told("brute_force", mix, addresses) == f"many passwords tried on few accounts, {words}"


def test_a_long_name_is_cut() -> None:
    """A client can name itself at length; a sentence holds so much of it."""
    mix = Mix()
    mix.add(("imap", "BR", 64500, "ua:" + "x" * 100), HISTORY, 5)
    assert told("brute_force", mix, 0).endswith("ua:" + "x" * 57 + "…")
