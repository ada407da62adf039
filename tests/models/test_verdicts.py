"""models.verdicts: the campaign's or the owner's?"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from models.accounts import Groups
from models.campaigns import ASN, COUNTRY, DEVICE, HISTORY, NETWORK, Campaign, Mix
from models.policy import Policy
from models.verdicts import Verdicts, log_odds
from tests.factories import HOUR_S, OWNER, T0, failure, success

POLICY = Policy.enforcing()
BOT = {"remote": "203.0.113.9", "country": "BR", "asn": 64502, "user_agent": "curl"}
TRAVELLER = {"remote": "198.51.100.9", "country": "ES", "asn": 64510, "user_agent": "phone"}


def campaign(tries_per_min: float = 200.0, **changes: Any) -> Campaign:
    """Bots from Brazil with one program; in quiet times a stranger a minute with one of a few telephones."""
    failing, strangers, newcomers = Mix(), Mix(), Mix()
    failing.add(("imap", "BR", 64502, "ua:curl"), HISTORY, 6000)
    for known, share in ((HISTORY | ASN | COUNTRY, 0.6), (HISTORY | DEVICE, 0.3), (HISTORY, 0.1)):
        strangers.add(("imap", "FR", 64500, "ua:phone"), known, 900 * share)
        strangers.add(("imap", "ES", 64510, "ua:phone"), known, 100 * share)
    newcomers.add(("imap", "FR", 64500, "ua:phone"), 0, 200)
    made = Campaign("c" * 32, "credential_stuffing", T0, T0, T0 + HOUR_S, failing, tries_per_min, strangers, newcomers, 1000.0)
    return replace(made, **changes)


def judge(groups: Groups | None = None, policy: Policy = POLICY) -> Verdicts:
    """One that knows of the campaign."""
    verdicts = Verdicts(policy, groups or Groups())
    verdicts.conclude(campaign())
    return verdicts


@pytest.mark.parametrize("known", [HISTORY, 0])
def test_a_right_password_in_the_hands_of_a_bot_is_refused_like_a_wrong_one(known: int) -> None:
    """Before the password is looked at, on accounts with a past and without."""
    for attempt in (success(T0 + 60, **BOT), failure(T0 + 60, **BOT)):
        verdict = judge().judge(attempt, known)
        assert verdict is not None
        assert (verdict.phase, verdict.action, verdict.alert_id) == ("before", "refuse", "c" * 32)
        assert (verdict.account, verdict.remote, verdict.ts) == ("alice@example.org", "203.0.113.9", T0 + 60)


@pytest.mark.parametrize("known", [OWNER, HISTORY | NETWORK, HISTORY | ASN | DEVICE])
def test_the_owner_is_never_judged(known: int) -> None:
    """Not even with the bots' own program from the bots' own country."""
    assert judge().judge(success(T0 + 60, **BOT), known) is None


def test_a_traveller_with_a_new_telephone_gets_in() -> None:
    """A stranger in every respect, but none that looks like the campaign."""
    assert judge().judge(success(T0 + 60, **TRAVELLER), HISTORY) is None


def test_without_a_campaign_nobody_is_refused() -> None:
    """Nor when the last one is over."""
    assert Verdicts(POLICY, Groups()).judge(success(T0 + 60, **BOT), HISTORY) is None
    assert judge().judge(success(T0 + 2 * HOUR_S, **BOT), HISTORY) is None


def test_other_protocols_are_left_alone() -> None:
    """An owner always has one door: webmail."""
    assert judge().judge(success(T0 + 60, protocol="http", **BOT), HISTORY) is None


def test_protected_groups_are_never_refused() -> None:
    """A campaign against health professionals is for a person."""
    assert judge(Groups({"alice@example.org": ["health"]})).judge(success(T0 + 60, **BOT), HISTORY) is None


def test_a_policy_that_does_not_enforce_campaigns_gives_no_verdicts() -> None:
    """Shadow is the default of the live services."""
    assert judge(policy=Policy.default()).judge(success(T0 + 60, **BOT), HISTORY) is None


@given(st.floats(1, 1e5), st.floats(1, 1e5))
def test_odds_grow_with_the_campaign(one: float, other: float) -> None:
    """More tries, more hits."""
    attempt = success(T0 + 60, **BOT)
    low, high = (log_odds(campaign(tries), attempt, HISTORY) for tries in sorted((one, other)))
    assert low <= high


def test_a_verdict_rests_on_what_was_known_five_seconds_before() -> None:
    """Live it takes that long to reach who judges."""
    verdicts = Verdicts(POLICY, Groups())
    strangers = [(success(T0 + second, **BOT), HISTORY) for second in (1, 4, 6, 9)]
    found = verdicts.run([campaign()], strangers)
    assert [verdict.ts for verdict in found] == [T0 + 6, T0 + 9]
