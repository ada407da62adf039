"""models.verdicts: the campaign's or the owner's?"""

from __future__ import annotations

from itertools import pairwise
from math import exp

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.accounts import Groups
from models.campaigns import ASN, COUNTRY, DEVICE, HISTORY, NETWORK, PROTOCOL, Mix
from models.policy import Policy
from models.verdicts import Verdicts, log_odds
from tests.factories import HOUR_S, OWNER, T0, campaign, failure, success

POLICY = Policy.enforcing()
BOT = {"remote": "203.0.113.9", "country": "BR", "asn": 64502, "user_agent": "curl"}
TRAVELLER = {"remote": "198.51.100.9", "country": "ES", "asn": 64510, "user_agent": "phone"}


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


@pytest.mark.parametrize("known", [HISTORY, HISTORY | ASN | COUNTRY | PROTOCOL])
def test_a_protected_group_is_refused_where_there_is_no_doubt(known: int) -> None:
    """What may be one of its members is for a person to decide."""
    attempt = success(T0 + 60, **TRAVELLER | {"user_agent": "curl"})
    odds = exp(log_odds(campaign(), attempt, known))
    asked = [
        judge(Groups({"alice@example.org": groups}), msgspec.structs.replace(POLICY, verdict_min_odds=odds / times))
        for groups, times in ((["health"], 1_001), (["health"], 999), ([], 999))
    ]
    assert [verdicts.judge(attempt, known) is not None for verdicts in asked] == [True, False, True]


def test_a_policy_that_does_not_enforce_campaigns_gives_no_verdicts() -> None:
    """Shadow is the default of the live services."""
    assert judge(policy=Policy.default()).judge(success(T0 + 60, **BOT), HISTORY) is None


def test_a_share_of_the_accounts_and_addresses_is_judged() -> None:
    """As decisions on pairs in a campaign are shared out; the same ones are judged again."""
    enforce = msgspec.structs.replace(POLICY.enforce, share_percent={"campaign": {"account_ip": 10}})
    verdicts = judge(policy=msgspec.structs.replace(POLICY, enforce=enforce))
    asked = [success(T0 + 60, **BOT | {"remote": f"203.0.{n >> 8}.{n & 255}"}) for n in range(1000)]
    found, again = ([attempt.address for attempt in asked if verdicts.judge(attempt, HISTORY)] for _ in range(2))
    assert len(found) == pytest.approx(100, abs=40)
    assert found == again


@given(st.floats(1, 1e5), st.floats(1, 1e5))
def test_odds_grow_with_the_campaign(one: float, other: float) -> None:
    """More tries, more hits."""
    attempt = success(T0 + 60, **BOT)
    low, high = (log_odds(campaign(tries), attempt, HISTORY) for tries in sorted((one, other)))
    assert low <= high


@pytest.mark.parametrize("known", [HISTORY | ASN | COUNTRY, HISTORY | DEVICE])
def test_what_the_account_knows_speaks_for_the_owner(known: int) -> None:
    """A known device or provider is worth more than all that the campaign looks like."""
    attempt = success(T0 + 60, **BOT)
    assert log_odds(campaign(), attempt, known) < log_odds(campaign(), attempt, HISTORY) - 3


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_odds_grow_with_the_campaigns_share_of_what_is_carried(one: int, other: int) -> None:
    """The more of the campaign comes with a program, the more likely the next one with it is the campaign's."""
    attempt, told = success(T0 + 60, **BOT), []
    for with_it in sorted((one, other)):
        failing = Mix()
        failing.add(("imap", "BR", 64502, "ua:curl"), HISTORY, with_it)
        failing.add(("imap", "BR", 64502, "ua:wget"), HISTORY, 10_000 - with_it)
        told.append(log_odds(campaign(failing=failing), attempt, HISTORY))
    assert told[0] <= told[1]


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_odds_fall_with_the_owners_who_look_like_this(one: int, other: int) -> None:
    """A program that customers take up in quiet times is no sign of an attack."""
    attempt, told = success(T0 + 60, **BOT), []
    for owners in sorted((one, other)):
        strangers = Mix()
        strangers.add(("imap", "FR", 64500, "ua:phone"), HISTORY, 10_000 - owners)
        strangers.add(("imap", "BR", 64502, "ua:curl"), HISTORY, owners)
        told.append(log_odds(campaign(strangers=strangers), attempt, HISTORY))
    assert told[0] >= told[1]


def test_a_campaign_without_any_numbers_refuses_nobody() -> None:
    """At its very beginning, at a service that knows nobody yet."""
    nothing = campaign(tries_per_min=0.0, failing=Mix(), strangers=Mix(), newcomers=Mix(), quiet_minutes=0.0)
    verdicts = Verdicts(POLICY, Groups())
    verdicts.conclude(nothing)
    assert [verdicts.judge(success(T0 + 60, **BOT), known) for known in (HISTORY, 0)] == [None, None]


seconds = st.integers(0, 600)


@settings(max_examples=40)
@given(
    st.lists(seconds, max_size=8),
    st.lists(seconds, max_size=40),
    st.lists(seconds, max_size=40),
    st.sets(st.integers(1, 599), max_size=6),
)
def test_verdicts_do_not_depend_on_the_cuts(concluded: list[int], asked: list[int], owners: list[int], cuts: set[int]) -> None:
    """However many attempts are judged at a time, each rests on the same knowledge."""
    conclusions = [campaign(ts=T0 + at, campaign_id=f"{number:032}") for number, at in enumerate(sorted(concluded))]
    strangers = [(success(T0 + at, event_id=f"{number:02}", **BOT), HISTORY) for number, at in enumerate(sorted(asked))]
    parts, told = Verdicts(POLICY, Groups()), []
    for begin, end in pairwise([T0, *sorted(T0 + cut for cut in cuts), T0 + HOUR_S]):
        for each in conclusions:
            if begin <= each.ts < end:
                parts.conclude(each)
        part = [stranger for stranger in strangers if begin <= stranger[0].ts < end]
        told += parts.run(part, [T0 + at for at in owners if begin <= T0 + at < end])
    whole = Verdicts(POLICY, Groups())
    for each in conclusions:
        whole.conclude(each)
    assert told == whole.run(strangers, [T0 + at for at in owners])


def test_a_verdict_rests_on_what_was_known_five_seconds_before() -> None:
    """Live it takes that long to reach who judges."""
    verdicts = Verdicts(POLICY, Groups())
    verdicts.conclude(campaign())
    strangers = [(success(T0 + second, **BOT), HISTORY) for second in (1, 4, 6, 9)]
    found = verdicts.run(strangers, [])
    assert [verdict.ts for verdict in found] == [T0 + 6, T0 + 9]


def test_the_newest_knowledge_counts() -> None:
    """Of several conclusions that are old enough the last one."""
    verdicts = Verdicts(POLICY, Groups())
    for second in (0, 10, 20):
        verdicts.conclude(campaign(ts=T0 + second, campaign_id=f"{second:032}"))
    asked = [verdicts.judge(success(T0 + second, **BOT), HISTORY) for second in (5, 6, 16, 26)]
    assert [verdict and verdict.alert_id for verdict in asked] == [None, f"{0:032}", f"{10:032}", f"{20:032}"]


def test_who_comes_in_a_crowd_is_rather_its_own() -> None:
    """Among ten times as many owners are ten times as many who look like strangers."""
    verdicts = judge()
    verdicts.run([], [T0 - 3600 + n for n in range(3660)])
    stranger = (success(T0 + 60, **BOT), HISTORY)
    (alone,) = verdicts.run([stranger], [])
    verdicts.run([], [T0 + 60 + n / 20 for n in range(400)])
    (in_crowd,) = verdicts.run([(success(T0 + 80, **BOT), HISTORY)], [])
    odds = exp(log_odds(campaign(), *stranger))
    assert [float(verdict.reasons[0].split()[0]) for verdict in (alone, in_crowd)] == pytest.approx([odds, odds / 12], rel=0.2)
