"""models.campaigns: strangers, and what they look like together."""

from __future__ import annotations

from math import exp

import msgspec
import pytest

from models.campaigns import (
    ASN,
    COUNTRY,
    DEVICE,
    HISTORY,
    NETWORK,
    PROTOCOL,
    TODAY,
    TRIED,
    Campaign,
    Mix,
    carried_by,
    is_newcomer,
    is_stranger,
)
from tests.factories import OWNER, T0, failure

HERE = ("imap", "FR", 64500, "ua:mail")


@pytest.mark.parametrize(
    ("known", "stranger", "newcomer"),
    [
        (0, False, True),
        (HISTORY, True, False),
        (HISTORY | ASN | COUNTRY, True, False),
        (HISTORY | DEVICE, True, False),
        (HISTORY | ASN | DEVICE, False, False),
        (HISTORY | NETWORK, False, False),
        (OWNER, False, False),
        (HISTORY | TODAY, False, False),
        (TODAY, False, False),
    ],
)
def test_who_is_a_stranger(known: int, stranger: bool, newcomer: bool) -> None:
    """Not from a network of the owner's, nor from a provider with a device of the owner's, nor who got in so today."""
    assert (is_stranger(known), is_newcomer(known)) == (stranger, newcomer)


@pytest.mark.parametrize("character", ["x", "é", "\U0001f600"])
def test_long_device_names_are_cut_and_told_apart(character: str) -> None:
    """In bytes: a record holds the names of all minutes that are not yet judged."""
    one, other = (carried_by(failure(T0, user_agent=character * 200 + end))[3] for end in "ab")
    assert one != other
    assert 120 < len(one.encode()) <= 128


@pytest.mark.parametrize("name", ["", "x" * 125, "é" * 62])
def test_other_device_names_are_whole(name: str) -> None:
    """An alert names what the client said."""
    attempt = failure(T0, user_agent=name or None)
    assert carried_by(attempt)[3] == attempt.device


def test_shares_add_up_to_one() -> None:
    """Over everything that was seen, with a little left for the unseen."""
    mix = Mix()
    for device in ("a", "b", "c", "d"):
        mix.add(("imap", "FR", 64500, device), HISTORY, 250)
    told = sum(exp(mix.log_share(("imap", "FR", 64500, device), HISTORY)) for device in ("a", "b", "c", "d"))
    assert 0.95 < told < 1.0
    assert mix.log_share(("imap", "FR", 64500, "e"), HISTORY) < mix.log_share(("imap", "FR", 64500, "a"), HISTORY) - 10


def test_what_the_account_knows_is_no_choice_of_the_attempt() -> None:
    """How common it is does not matter then, only how often it is known."""
    mix = Mix()
    mix.add(HERE, HISTORY | ASN, 90)
    mix.add(HERE, HISTORY, 10)
    assert mix.log_share(("imap", "FR", 1, "ua:mail"), HISTORY | ASN) == mix.log_share(HERE, HISTORY | ASN)
    assert mix.log_share(HERE, HISTORY | ASN) > mix.log_share(HERE, HISTORY)


def test_a_provider_never_seen_is_as_likely_as_its_country() -> None:
    """The first bot of a provider in a country full of bots is one of them."""
    mix = Mix()
    for asn in range(500):
        mix.add(("imap", "BR", asn, "ua:curl"), HISTORY, 2)
    assert mix.log_share(("imap", "BR", 9999, "ua:curl"), HISTORY) > mix.log_share(("imap", "SE", 9999, "ua:curl"), HISTORY) + 4


def test_where_owners_go_first_is_not_where_a_botnet_comes_from() -> None:
    """A country that is new to the account is counted with that; that the others of the botnet know it says nothing."""
    botnet = Mix()
    botnet.add(("imap", "BR", 64502, "ua:mail"), HISTORY | PROTOCOL, 500)
    botnet.add(HERE, HISTORY | PROTOCOL | COUNTRY, 500)
    abroad = botnet.log_share(HERE, HISTORY | PROTOCOL)
    assert abroad < botnet.log_share(("imap", "BR", 64502, "ua:mail"), HISTORY | PROTOCOL) - 3
    assert abroad < botnet.log_share(HERE, HISTORY | PROTOCOL | COUNTRY) - 3


def test_a_copy_goes_on_by_itself() -> None:
    """All that it holds is its own."""
    mix = Mix()
    mix.add(HERE, HISTORY, 2)
    copy = mix.copy()
    assert copy == mix
    mix.add(("pop3", "BR", 1, "ua:curl"), HISTORY | ASN, 1)
    assert (copy.total, len(copy.novelty), len(copy.abroad), [len(counts) for counts in copy.counts]) == (2, 1, 1, [1, 1, 1, 1])


def test_the_past_fades_and_is_forgotten() -> None:
    """What hardly counts is not kept."""
    mix = Mix()
    mix.add(HERE, HISTORY, 1)
    for _ in range(400):
        mix.fade(0.97)
    assert (mix.counts, mix.novelty, mix.abroad) == ([{}, {}, {}, {}], {}, {})


def test_a_million_invented_names_do_not_grow_it() -> None:
    """It keeps a few hundred."""
    mix = Mix()
    for number in range(1_000_000):
        mix.add(("imap", "FR", number, f"ua:{number}"), HISTORY, 1)
    assert max(map(len, mix.counts)) <= 320
    assert mix.total == 1_000_000
    assert len(msgspec.msgpack.encode(mix)) < 20_000


def test_invented_names_do_not_hide_what_many_share() -> None:
    """Who comes with a thousand names first, and then with one program, is known by the program."""
    mix = Mix()
    for number in range(1_000):
        mix.add(("imap", "BR", number, f"ua:{number}"), HISTORY, 1)
    for _ in range(50):
        mix.fade(0.97)
        mix.add(("imap", "BR", 64502, "ua:curl"), HISTORY, 20)
        for number in range(500):
            mix.add(("imap", "BR", 64502, f"ua:again {number}"), HISTORY, 1)
    assert max(mix.counts[3], key=mix.counts[3].__getitem__) == "ua:curl"
    assert mix.counts[3]["ua:curl"] > 500


def running(known: int) -> Campaign:
    """A campaign of a hundred tries a minute, and strangers who look alike but for what is new to their accounts."""
    failing, strangers = Mix(), Mix()
    failing.add(HERE, HISTORY, 900)
    failing.add(HERE, known, 100)
    strangers.add(HERE, HISTORY, 100)
    strangers.add(HERE, known, 900)
    return Campaign("c", "credential_stuffing", T0, T0, T0 + 60, failing, 100.0, strangers, Mix(), 1_000)


def test_a_protocol_that_the_account_never_used_speaks_for_the_campaign() -> None:
    """It tries IMAP on everybody; owners keep to what they use."""
    campaign = running(HISTORY | PROTOCOL)
    assert campaign.log_odds(HERE, HISTORY) > campaign.log_odds(HERE, HISTORY | PROTOCOL) + 4


def test_a_pair_that_was_refused_before_speaks_for_the_campaign() -> None:
    """Whatever else the account knows."""
    campaign = running(HISTORY | PROTOCOL)
    for known in (0, HISTORY, HISTORY | PROTOCOL):
        assert campaign.log_odds(HERE, known | TRIED) == pytest.approx(campaign.log_odds(HERE, known) + 3, abs=0.01)


@pytest.mark.parametrize("known", [HISTORY, 0])
def test_what_owners_did_some_days_ago_is_not_unseen(known: int) -> None:
    """A cloud's client that comes now and then is no campaign because a few of its fail at night."""
    cloud = ("imap", "IE", 64591, "id:cloud")
    campaign = running(HISTORY | PROTOCOL)
    campaign.failing.add(cloud, known, 10)
    for mix in (campaign.strangers, campaign.newcomers):
        mix.add(HERE, known, 100)
    surely, usual = campaign.log_odds(cloud, known), campaign.log_odds(HERE, known)
    for mix in (campaign.past_strangers, campaign.past_newcomers):
        mix.add(HERE, known, 900)
        mix.add(cloud, known, 100)
    assert campaign.log_odds(cloud, known) < surely - 5
    assert campaign.log_odds(HERE, known) == pytest.approx(usual, abs=0.5)
