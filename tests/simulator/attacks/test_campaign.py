"""What all attacks share: whom they are against, and that they come back with what was refused."""

from __future__ import annotations

from itertools import islice

import pytest

from models.events import AuthEvent
from simulator.attacks.campaign import Campaign
from simulator.attacks.cover import Pool
from simulator.clients import CHECKER
from simulator.habits import Habits
from simulator.places import Places
from simulator.provider import Provider
from simulator.timeline import Step, Timeline

_START_TS = 1000.0


@pytest.fixture
def campaign() -> Campaign:
    """A campaign against fifty accounts."""
    provider = Provider(seed=1, accounts=50)
    places, timeline = Places(Habits(), 50), Timeline(_START_TS)
    draw = provider.draws("attack")
    return Campaign("test", 3, "credential_stuffing", _START_TS, provider, places, timeline, lambda minute: minute * 60, draw)


def _pursued(campaign: Campaign, *, refuse: int) -> list[Step]:
    """The steps of one guess whose first ``refuse`` attempts are refused."""
    refused: list[AuthEvent] = []

    def refuses(event: AuthEvent) -> bool:
        refused.append(event)
        return len(refused) <= refuse

    cover = Pool(campaign.servers(), 1, CHECKER, 1, campaign.draw)
    campaign.timeline.start(campaign.pursue(_START_TS, "somebody@mail.example", "a guess", cover))
    return list(campaign.timeline.run(1e9, "run", refuses))


def test_a_guess_that_is_not_refused_is_made_once(campaign: Campaign) -> None:
    """A wrong password is an answer."""
    assert len(_pursued(campaign, refuse=0)) == 1


def test_a_refused_guess_comes_back_from_elsewhere_under_another_name(campaign: Campaign) -> None:
    """Same login and password, another address and client, minutes later, until it is answered."""
    first, second = _pursued(campaign, refuse=1)
    assert first[0].policy_reject
    assert not second[0].policy_reject
    assert (first[0].login, first[0].pwhash) == (second[0].login, second[0].pwhash)
    assert first[0].remote != second[0].remote
    assert second[0].ts - first[0].ts >= 120
    assert (first[0].ja3, first[0].device_id) != (second[0].ja3, second[0].device_id)


def test_an_attacker_gives_a_guess_up_in_the_end(campaign: Campaign) -> None:
    """Three refusals in all; each from another address."""
    steps = _pursued(campaign, refuse=99)
    assert len(steps) == len({event.remote for event, _ in steps}) == 3


def test_customers_are_all_accounts_in_another_order(campaign: Campaign) -> None:
    """Nobody is left out or comes twice before everybody has come."""
    accounts = list(islice(campaign.customers(), 50))
    assert {account.number for account in accounts} == set(range(50))
    assert [account.number for account in accounts] != sorted(account.number for account in accounts)


def test_a_pair_is_unknown_wrong_or_right_in_the_shares_asked_for(campaign: Campaign) -> None:
    """Of 5,000 pairs 40 % are of nobody and 10 % are right, within three standard deviations."""
    customers = campaign.customers()
    pairs = [campaign.pair(_START_TS, customers, 0.4, 0.1) for _ in range(5000)]
    events = [campaign.provider.attempt(_START_TS, *pair, campaign.server(0), CHECKER) for pair in pairs]
    assert abs(sum(event.fail_type == "account" for event in events) / 5000 - 0.4) < 0.021
    assert abs(sum(event.success for event in events) / 5000 - 0.1) < 0.013


def test_half_of_the_aliases_are_in_a_leak(campaign: Campaign) -> None:
    """The mailbox is the same whatever it is called there."""
    account = campaign.provider.accounts[4]
    campaign.provider.give_alias(account, "other@courrier.example")
    names = [campaign.known_as(account) for _ in range(100)]
    assert 30 < names.count("other@courrier.example") < 70
    assert set(names) == {"other@courrier.example", account.login}


def test_a_log_in_to_a_mailbox_of_ones_own_exposes_nobody(campaign: Campaign) -> None:
    """It succeeds, is labelled as part of the attack, and says nothing about a password."""
    (mailbox,) = campaign.mailboxes(1)
    event, label = campaign.own(_START_TS, mailbox, campaign.server(0), CHECKER)
    assert event.success
    assert (label.label, label.password_ok) == ("credential_stuffing", None)
    assert mailbox not in campaign.provider.accounts
