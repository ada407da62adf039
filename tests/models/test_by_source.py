"""models.by_source: each rule fires on its smallest story, and not on the story that only looks like it."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.alerts import KINDS, Alert, Kind, alert_id
from models.attempts import Attempt
from models.by_source import ATTACK_BITS, SourceStage
from tests.factories import DAY_S, HOUR_S, T0, batch_of, copies, failure, raised, success, traffic

HERE, NETWORK = "192.0.2.7", "192.0.2.0/24"


def subjects(alerts: Iterable[Alert]) -> list[tuple[str, str | None]]:
    """Kind and source of each alert."""
    return [(alert.kind, alert.subject.ip or alert.subject.network) for alert in alerts]


def tries(
    accounts: int, over_s: float = 60.0, start: float = T0, remote: str = HERE, first: int = 0, **fields: Any
) -> list[Attempt]:
    """One failure on each of so many accounts."""
    step = over_s / accounts
    return [failure(start + number * step, f"user{first + number}", remote, **fields) for number in range(accounts)]


class TestSpray:
    """``password_spray``: many accounts fail from one source."""

    @pytest.mark.parametrize(
        ("accounts", "over_s", "fires"),
        [
            (10, 300, True),  # ten within ten minutes
            (9, 300, False),
            (20, 3000, True),  # twenty within the hour, never ten within ten minutes
            (19, 3000, False),
            (40, 20 * HOUR_S, True),  # forty within the day
            (39, 20 * HOUR_S, False),
            (100, 10 * DAY_S, False),
        ],
    )
    def test_thresholds(self, accounts: int, over_s: float, fires: bool) -> None:
        """10 accounts in ten minutes, 20 in an hour or 40 in a day from one address; one fewer is no alert."""
        sprays = [alert for alert in raised(SourceStage(), tries(accounts, over_s)) if alert.kind == "password_spray"]
        assert subjects(sprays) == ([("password_spray", HERE)] if fires else [])

    def test_the_alert(self) -> None:
        """It says what was counted, since when, and whom a block of the source would hit."""
        stage = SourceStage()
        raised(stage, [success(T0 - 60, f"customer{number}") for number in range(3)] * 2)
        attack = tries(10)
        (alert,) = raised(stage, attack)
        assert alert.alert_id == alert_id("password_spray", alert.subject, int(T0) // HOUR_S)
        assert alert.subject.parts() == {"ip": HERE}
        assert (alert.attack, alert.ts, alert.first_ts, alert.last_ts) == ("T1110.003", T0 + 54, T0, T0 + 54)
        assert alert.evidence.counts == {"failures": 10, "successes": 6}
        assert alert.evidence.distinct == {"accounts": 10, "ok_accounts": 3, "tries": 10, "unknown_accounts": 0}
        assert 1 <= len(alert.evidence.event_ids) <= 5
        assert {attempt.event_id for attempt in attack} >= set(alert.evidence.event_ids)
        assert 0 < alert.score < 1
        accounts, ambiguous = alert.reasons
        assert (accounts.code, accounts.value, accounts.threshold) == ("accounts_failing", 10, 10)
        assert (ambiguous.code, ambiguous.value) == ("kind_ambiguous", None)

    @pytest.mark.parametrize(("untyped", "ambiguous"), [(0, False), (1, True), (9, True)])
    def test_whether_it_can_be_stuffing_is_said(self, untyped: int, ambiguous: bool) -> None:
        """Where every failure says why it failed the kind is clear; where one does not the alert says that either is right."""
        attempts = [failure(each.ts, each.account, fail_type="credentials") for each in tries(10 - untyped) for _ in range(3)]
        attempts += tries(untyped, start=T0 + 60, first=10) if untyped else []
        (alert,) = raised(SourceStage(), attempts)
        assert ("kind_ambiguous" in {reason.code for reason in alert.reasons}) == ambiguous

    def test_accounts_entered_during_the_attack_are_no_customers(self) -> None:
        """A password that the spray found does not make its source look used; who was there before still does."""
        stage = SourceStage()
        raised(stage, [success(T0 - 60, f"customer{number}") for number in range(3)])
        raised(stage, tries(10))
        raised(stage, [success(T0 + 70, f"user{number}") for number in range(10)] + [success(T0 + 80, "customer0")])
        (alert,) = raised(stage, tries(9, start=T0 + 90, first=20, fail_type="account"))
        assert (alert.evidence.counts["successes"], alert.evidence.distinct["ok_accounts"]) == (4, 3)

    def test_one_alert_an_hour(self) -> None:
        """An attack that goes on raises the next hour's alert, also where the hour begins in the middle of it."""
        alerts = raised(SourceStage(), tries(200, 3 * HOUR_S, start=T0 + 1800))
        assert [int(alert.ts - T0) // HOUR_S for alert in alerts] == [0, 1, 2, 3]
        assert len({alert.alert_id for alert in alerts}) == 4

    def test_a_late_failure_completes_an_earlier_window(self) -> None:
        """A late event is judged in every window that it falls in.

        ::

            minutes   50   55 |  0
            first     ----5---|--4--      nine accounts within ten minutes
            late      ----x---|           the tenth: for the hour before (none: 6) and for this one (10)

        """
        stage = SourceStage()
        assert raised(stage, [*tries(5, start=T0 - 300), *tries(4, start=T0, first=5)]) == []
        (alert,) = raised(stage, [failure(T0 - 10, "user9")])
        assert alert.alert_id == alert_id("password_spray", alert.subject, int(T0) // HOUR_S)
        assert alert.ts == T0 - 10

    def test_an_office_after_a_password_change(self) -> None:
        """Nine people who fail again and again from one address, then succeed: nothing."""
        people = [failure(T0 + minute * 60, f"user{number}") for minute in range(9) for number in range(9)]
        assert raised(SourceStage(), [*people, *(success(T0 + 600, f"user{number}") for number in range(9))]) == []

    def test_names_of_one_mailbox_are_one_account(self) -> None:
        """Upper case and a missing domain make no spray."""
        names = ["alice", "ALICE", "Alice@example.org", " alice ", "alice@EXAMPLE.ORG"] * 4
        assert raised(SourceStage(), [failure(T0 + number, name) for number, name in enumerate(names)]) == []

    @pytest.mark.parametrize("fail_type", ["expired", "disabled", "policy", "internal"])
    def test_what_is_not_a_wrong_password(self, fail_type: str) -> None:
        """Expired tokens and passwords, closed accounts, our policy and our own faults are no guesses."""
        assert raised(SourceStage(), tries(300, fail_type=fail_type)) == []

    @pytest.mark.parametrize(
        "fields", [{"fail_type": "token"}, {"mech": "XOAUTH2"}, {"mech": "OAUTHBEARER", "fail_type": "credentials"}]
    )
    def test_tokens_are_no_guesses_but_can_be_a_flood(self, fields: dict[str, Any]) -> None:
        """No password is tried by them, so they are no pass either: 300 a minute are a flood."""
        assert raised(SourceStage(), tries(299, **fields)) == []
        assert subjects(raised(SourceStage(), tries(300, **fields))) == [("login_flood", HERE)]

    @pytest.mark.parametrize("fail_type", [None, "credentials", "account"])
    def test_what_may_be_a_wrong_password(self, fail_type: str | None) -> None:
        """An unknown reason counts: most logs do not tell."""
        assert ("password_spray", HERE) in subjects(raised(SourceStage(), tries(10, fail_type=fail_type)))

    def test_what_we_refused_is_presence_only(self) -> None:
        """Our own refusals count for no alert that decides; neither do good log-ins marked so."""
        stage = SourceStage()
        refused = tries(300, policy_reject=True)
        outputs = stage.apply(batch_of([*refused, success(T0 + 70, policy_reject=True)]))
        assert all(alert.cold for alert in outputs.alerts)
        assert len(outputs.forwards) == 301
        (alert,) = raised(stage, tries(10, start=T0 + 100))
        assert alert.evidence.counts == {"failures": 10, "successes": 0}

    def test_master_users_count_for_nobody(self) -> None:
        """A log-in such as ``bob*admin`` is the operator's: no account, nothing forwarded."""
        attempts = [failure(T0 + number, f"user{number}*admin") for number in range(50)]
        outputs = SourceStage().apply(batch_of(attempts))
        assert (outputs.alerts, outputs.forwards) == ([], [])

    def test_ipv6_is_one_source_by_64(self) -> None:
        """A client that takes another address of its /64 for every try is one source."""
        attempts = [failure(T0 + number, f"user{number}", f"2001:db8:1:2::{number:x}") for number in range(10)]
        assert subjects(raised(SourceStage(), attempts)) == [("password_spray", "2001:db8:1:2::/64")]


class TestSharedSource:
    """``shared_source``: said of an address under attack that many people have used for days; nothing is exempt by it."""

    def used(self, days: int, accounts: int, per_day: int = 4) -> SourceStage:
        """A stage that has seen so many accounts log in from here, day after day before ``T0``."""
        stage, every_s = SourceStage(), DAY_S / per_day
        for day in range(days, 0, -1):
            logins = [(T0 - day * DAY_S + turn * every_s, number) for turn in range(per_day) for number in range(accounts)]
            assert raised(stage, [success(ts, f"customer{number}") for ts, number in logins]) == []
        return stage

    @pytest.mark.parametrize(
        ("days", "accounts", "shared"), [(3, 10, True), (2, 10, False), (14, 9, False), (30, 2, False), (5, 400, True)]
    )
    def test_many_accounts_on_several_days(self, days: int, accounts: int, shared: bool) -> None:
        """Ten accounts or more on three days; a household that polls all day is one however often it does."""
        alerts = raised(self.used(days, accounts), tries(10))
        assert subjects(alerts) == [("password_spray", HERE), *([("shared_source", HERE)] if shared else [])]

    def test_it_is_no_pardon(self) -> None:
        """The attack has its alert all the same, which says that the address is shared and by how many."""
        attack, about_us = raised(self.used(5, 40), tries(10))
        assert {reason.code: reason.value for reason in attack.reasons} == {
            "accounts_failing": 10, "kind_ambiguous": None, "shared_source": 5,
        }  # fmt: skip
        assert (about_us.kind, about_us.severity, about_us.attack) == ("shared_source", "low", None)
        assert about_us.evidence.distinct["ok_accounts"] == 40

    def test_it_is_said_once_an_hour(self) -> None:
        """However many kinds of attack the address is under."""
        alerts = raised(self.used(5, 40), [*tries(40, fail_type="account"), *tries(40, start=T0 + HOUR_S, fail_type="account")])
        assert [alert.kind for alert in alerts].count("shared_source") == 2
        assert len({alert.alert_id for alert in alerts}) == len(alerts) > 4

    @pytest.mark.parametrize(("accounts", "shared"), [(2, False), (3, True)])
    def test_what_several_use_is_told_of_each_log_in(self, accounts: int, shared: bool) -> None:
        """However often one of them comes: a customer at a small office is not taken for who attacks from there."""
        polling = [success(T0 + HOUR_S * hour + number, f"user{number}") for hour in range(24) for number in range(accounts)]
        raised(SourceStage(), polling)
        assert polling[-1].shared == shared

    def test_what_is_entered_during_an_attack_does_not_count(self) -> None:
        """An attacker whose list is good does not look like a fetcher by it."""
        stage = SourceStage()
        for day in range(4):
            raised(stage, tries(20, start=T0 + day * DAY_S))
            hits = [success(T0 + day * DAY_S + 120 + number, f"victim{number}") for number in range(20)]
            raised(stage, hits)
        assert not any(hit.shared for hit in hits)
        assert "shared_source" not in {alert.kind for alert in raised(stage, tries(20, start=T0 + 4 * DAY_S))}


def turns(
    accounts: int, over_s: float = 60.0, start: float = T0, addresses: int = 10, first: int = 0, **fields: Any
) -> list[Attempt]:
    """One failure on each of so many accounts, by addresses of one network that take turns."""
    step = over_s / accounts
    return [
        failure(start + number * step, f"user{first + number}", f"192.0.2.{1 + number % addresses}", **fields)
        for number in range(accounts)
    ]


def of_network(alerts: Iterable[Alert]) -> list[Alert]:
    """Those about networks."""
    return [alert for alert in alerts if alert.subject.network]


class TestNetworkSpray:
    """``password_spray`` on a network: its addresses take turns."""

    @pytest.mark.parametrize(
        ("accounts", "over_s", "fires"),
        [(30, 300, True), (29, 300, False), (60, 3000, True), (59, 3000, False), (300, 20 * HOUR_S, False)],
    )
    def test_thresholds(self, accounts: int, over_s: float, fires: bool) -> None:
        """30 accounts in ten minutes or 60 in an hour, while each address stays below its own threshold."""
        sprays = [alert for alert in raised(SourceStage(), turns(accounts, over_s)) if alert.kind == "password_spray"]
        assert subjects(sprays) == ([("password_spray", NETWORK)] if fires else [])

    def test_the_alert(self) -> None:
        """It names the network and from how many addresses its failures came."""
        (alert,) = raised(SourceStage(), turns(30))
        assert alert.subject.parts() == {"network": NETWORK}
        assert alert.alert_id == alert_id("password_spray", alert.subject, int(T0) // HOUR_S)
        assert alert.evidence.distinct == {"accounts": 30, "addresses": 10, "ok_accounts": 0}
        assert alert.attack == "T1110.003"

    def test_whether_it_can_be_stuffing_is_said(self) -> None:
        """Where failures do not say why they failed, the alert says that either kind is right."""
        (alert,) = raised(SourceStage(), turns(30))
        assert "kind_ambiguous" in {reason.code for reason in alert.reasons}

    def test_two_addresses_do_not_make_a_network(self) -> None:
        """Each has its own alert when it is due."""
        alerts = raised(SourceStage(), turns(100, addresses=2))
        assert subjects(alerts) == [("password_spray", "192.0.2.1"), ("password_spray", "192.0.2.2")]

    @pytest.mark.parametrize("pool", ["2001:db8:1:{:x}::1", "192.0.2.{}"])
    def test_an_access_network_on_an_ordinary_morning(self, pool: str) -> None:
        """Forty customers of one provider, each with an address of their own, mistype once within an hour and then log in."""
        attempts = []
        for number in range(40):
            address, login = pool.format(number), f"user{number}"
            attempts += [failure(T0 + number * 60, login, address), success(T0 + number * 60 + 10, login, address)]
        assert raised(SourceStage(), attempts) == []

    def test_who_uses_the_network_is_counted_over_its_addresses(self) -> None:
        """What a block of the range would cost: good accounts of all its addresses, those of the attack or not."""
        stage = SourceStage()
        raised(stage, [success(T0, f"customer{number % 7}", f"192.0.2.{100 + number}") for number in range(20)])
        raised(stage, [success(T0, "neighbour", "192.0.3.1")])
        (alert,) = raised(stage, turns(30))
        assert (alert.evidence.counts["successes"], alert.evidence.distinct["ok_accounts"]) == (20, 7)

    def test_who_uses_an_ipv6_network_is_unknown(self) -> None:
        """A /48 has too many addresses to look at, and unknown is not none."""
        attempts = [failure(T0 + number, f"user{number}", f"2001:db8:1:{number % 10}::1") for number in range(30)]
        (alert,) = raised(SourceStage(), attempts)
        assert alert.subject.network == "2001:db8:1::/48"
        assert "ok_accounts" not in alert.evidence.distinct

    def test_neighbours_are_not_blamed(self) -> None:
        """A customer whose address never failed has nothing to do with what others of the network do."""
        stage = SourceStage()
        assert len(raised(stage, turns(30))) == 1
        neighbour = success(T0 + 60, "alice", "192.0.2.200")
        raised(stage, [neighbour])
        assert neighbour.attack == 0


class TestStuffing:
    """``credential_stuffing``: one try per account, many accounts that do not exist."""

    def test_a_list_of_leaked_pairs(self) -> None:
        """Eight accounts, two of which do not exist, each tried once."""
        attempts = [*tries(6, fail_type="credentials"), *tries(2, start=T0 + 90, first=6, fail_type="account")]
        (alert,) = raised(SourceStage(), attempts)
        assert (alert.kind, alert.subject.ip, alert.attack) == ("credential_stuffing", HERE, "T1110.004")
        assert alert.evidence.distinct == {"accounts": 8, "ok_accounts": 0, "tries": 8, "unknown_accounts": 2}
        assert {reason.code: reason.value for reason in alert.reasons} == {
            "accounts_failing": 8, "unknown_share": 0.25, "tries_per_account": 1.0,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("attempts", "why"),
        [
            (tries(9, fail_type="credentials"), "everybody exists"),
            (tries(7, fail_type="account"), "too few accounts"),
            (tries(9), "no failure says whether its account exists"),
            (
                [failure(T0 + n, f"user{n // 5}", fail_type="account" if n < 10 else "credentials") for n in range(40)],
                "five tries per account",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_only_looks_like_it(self, attempts: list[Attempt], why: str) -> None:
        """An office, a few typing errors, and somebody who tries many passwords on few accounts are not stuffing."""
        assert raised(SourceStage(), attempts) == [], why

    def test_one_attempt_that_shows_several_times_is_one_try(self) -> None:
        """A client that repeats the same password at once does not hide a list."""
        attempts = [
            failure(
                T0 + number * 10 + again,
                f"user{number}",
                password=f"p{number}",
                fail_type="account" if number < 3 else "credentials",
            )
            for number in range(8)
            for again in range(4)
        ]
        (alert,) = raised(SourceStage(), attempts)
        assert alert.evidence.distinct["tries"] == 8
        assert alert.evidence.counts["failures"] > 8


class TestFlood:
    """``login_flood``: failures per minute from one address."""

    def test_three_hundred_a_minute(self) -> None:
        """The 300th failure within one minute raises it, whatever account and password it is."""
        attempts = [failure(T0 + number / 10, password="same") for number in range(400)]
        (alert,) = raised(SourceStage(), attempts)
        assert (alert.kind, alert.subject.ip, alert.attack) == ("login_flood", HERE, "T1499.003")
        assert alert.ts == attempts[299].ts
        assert alert.reasons[0].value == alert.reasons[0].threshold == 300

    @pytest.mark.parametrize(
        "attempts",
        [
            [failure(T0 + 30 + number / 10, password="same") for number in range(599)],
            [success(T0 + number / 100) for number in range(1000)],
            [failure(T0 + number / 100, fail_type="internal") for number in range(1000)],
            [failure(T0 + number / 10, password="same", remote=f"192.0.2.{1 + number % 2}") for number in range(590)],
        ],
        ids=[
            "299 and 300 in two minutes but never 300 in one",
            "good log-ins",
            "our own fault",
            "two addresses",
        ],
    )
    def test_what_is_no_flood(self, attempts: list[Attempt]) -> None:
        """Clients reconnect by the thousand after a restart; only failures of one address in one minute count."""
        expected = [("login_flood", HERE)] if attempts[0].ts == T0 + 30 else []
        assert subjects(raised(SourceStage(), attempts)) == expected


class TestSlowStuffing:
    """``credential_stuffing`` over days: a few accounts a day, hardly anybody gets in."""

    @pytest.mark.parametrize(("accounts", "days", "fires"), [(20, 6, True), (19, 6, False), (20, 9, False), (60, 12, True)])
    def test_twenty_accounts_within_a_week(self, accounts: int, days: int, fires: bool) -> None:
        """It is said with the threshold, and that spraying looks the same."""
        alerts = raised(SourceStage(), tries(accounts, days * DAY_S))
        assert bool(alerts) == fires
        for alert in alerts:
            assert (alert.kind, alert.subject.ip, alert.severity) == ("credential_stuffing", HERE, "medium")
            assert [reason.code for reason in alert.reasons] == ["accounts_failing_slowly", "kind_ambiguous"]
            assert alert.reasons[0].value == alert.reasons[0].threshold == 20

    def test_who_mistypes_and_gets_in_is_not_counted(self) -> None:
        """The people of an office, one after the other."""
        stage = SourceStage()
        for number, attempt in enumerate(tries(60, 6 * DAY_S)):
            assert raised(stage, [attempt, success(attempt.ts + 60, f"user{number}")]) == []

    @pytest.mark.parametrize(("customers", "fires"), [(5, True), (6, False)])
    def test_where_people_get_in(self, customers: int, fires: bool) -> None:
        """Behind a carrier's address somebody always fails; a few bought mailboxes are no excuse."""
        stage, start = SourceStage(), T0 + 5 * DAY_S
        raised(stage, tries(19, 5 * DAY_S))
        raised(stage, [success(start + number, f"customer{number}") for number in range(customers)])
        assert bool(raised(stage, tries(1, start=start + 60, first=100))) == fires


class TestPresence:
    """What goes on although all of it is refused."""

    def test_an_address_that_is_refused_and_goes_on(self) -> None:
        """Ten accounts within an hour: it is said once, of the protocol, and decides nothing."""
        stage, start = SourceStage(), T0 + HOUR_S
        raised(stage, tries(10))
        (alert,) = raised(stage, tries(30, HOUR_S - 1, start, policy_reject=True))
        assert (alert.kind, alert.cold, alert.severity) == ("password_spray", True, "low")
        assert alert.subject.parts() == {"ip": HERE, "protocol": "imap"}
        assert (alert.first_ts, alert.evidence.counts) == (start, {"refused": 10})
        assert [reason.code for reason in alert.reasons] == ["accounts_refused", "kind_ambiguous", "last_evidence_h"]

    def test_one_of_a_campaigns_many_addresses(self) -> None:
        """Of who was refused from his first attempt on the campaign's own alert tells, unless he is a flood."""
        assert raised(SourceStage(), tries(30, HOUR_S - 1, policy_reject=True)) == []

    @pytest.mark.parametrize(("per_min", "fires"), [(299, False), (300, True), (900, True)])
    def test_a_flood_that_is_refused(self, per_min: int, fires: bool) -> None:
        """300 attempts within one minute, said once an hour."""
        refused = [failure(T0 + 60 * number / per_min, policy_reject=True) for number in range(2 * per_min)]
        assert subjects(raised(SourceStage(), refused)) == ([("login_flood", HERE)] if fires else [])

    def test_who_gets_in_there_is_none_of_it(self) -> None:
        """Behind an address that is blocked are customers, whose clients try again."""
        stage = SourceStage()
        raised(stage, [success(T0 - 60, f"user{number}") for number in range(30)])
        raised(stage, tries(10, first=100))
        assert raised(stage, tries(30, start=T0 + 90, policy_reject=True)) == []

    def test_each_hour_is_counted_anew(self) -> None:
        """Nine at the end of one and nine at the begin of the next are no ten."""
        few, many = tries(18, 120.0, T0 + 2 * HOUR_S - 60), tries(40, 2 * HOUR_S - 1, T0 + HOUR_S)
        for refused, alerts in ((few, 0), (many, 2)):
            stage = SourceStage()
            raised(stage, tries(10))
            for attempt in refused:
                attempt.policy_reject = True
            assert len(raised(stage, refused)) == alerts

    @pytest.mark.parametrize("hours", [1, 5, 23])
    def test_it_says_when_it_was_last_not_refused(self, hours: int) -> None:
        """So that what refuses it can be kept alive."""
        stage = SourceStage()
        assert subjects(raised(stage, tries(10))) == [("password_spray", HERE)]
        (alert,) = raised(stage, tries(10, start=T0 + hours * HOUR_S, policy_reject=True))
        assert alert.reasons[-1].code == "last_evidence_h"
        assert alert.reasons[-1].value == hours

    def test_where_it_is_not_refused_it_has_an_alert_of_its_own(self) -> None:
        """The same hour, the same address: what is refused takes no alert away."""
        stage = SourceStage()
        raised(stage, tries(10))
        refused, evidence = tries(10, start=T0 + HOUR_S, policy_reject=True), tries(10, start=T0 + HOUR_S + 300)
        first, second = raised(stage, [*refused, *evidence])
        assert first.alert_id != second.alert_id
        assert (first.cold, second.cold) == (True, False)


class TestOrder:
    """Instant rules do not see the order of arrival."""

    @settings(max_examples=80)
    @given(seed=st.integers(0, 1 << 20), late_s=st.sampled_from([60, 300, 600]))
    def test_the_same_alerts_by_address_in_any_order(self, seed: int, late_s: int) -> None:
        """Whatever order events take that are at most ten minutes late."""
        assert spray_ids("ip", seed, late_s) == spray_ids("ip", seed, 0)

    @settings(max_examples=40)
    @given(seed=st.integers(0, 1 << 20), late_s=st.sampled_from([60, 300, 600]))
    @example(seed=5, late_s=600)
    def test_the_same_alerts_by_network_in_any_order(self, seed: int, late_s: int) -> None:
        """So do alerts about networks."""
        assert spray_ids("network", seed, late_s) == spray_ids("network", seed, 0)

    def test_a_network_is_judged_by_the_whole_window(self) -> None:
        """Its addresses are counted over the window, like its accounts.

        ::

            minutes        0        5       10
            addresses      1,2,3    1              in ten minutes 32 accounts from 3 addresses,
            accounts       16       16             whichever half comes first

        """
        first, second = turns(16, addresses=3), turns(16, start=T0 + 300, addresses=1, first=16)
        for order in (second + first, first + second):
            assert len(of_network(raised(SourceStage(), copies(order)))) == 1


def spray_ids(part: str, seed: int, late_s: int) -> set[str]:
    """The sprays, by address or by network, among failures that stay near their thresholds and arrive up to ``late_s`` late."""
    draw = Random(seed)
    near = {"ip": [(14, 900), (20, 1200), (28, 3600), (30, 5400), (50, DAY_S)], "network": [(40, 900), (60, 1200), (80, 4000)]}
    accounts, over_s = draw.choice(near[part])
    events = []
    for number in range(accounts):
        ts = T0 + draw.random() * over_s
        hosts = 3 if Random(f"{seed} {ts // 300}").random() < 0.5 else 1  # in some five minutes one address is alone
        events.append(failure(ts, f"user{number}", f"192.0.2.{1 + draw.randrange(hosts)}", password="p"))
    arrival = Random(seed + 1)
    events.sort(key=lambda attempt: attempt.ts + arrival.random() * late_s)
    alerts = raised(SourceStage(), events)
    return {alert.alert_id for alert in alerts if alert.kind == "password_spray" and getattr(alert.subject, part)}


class TestOutputs:
    """What goes on to the other stages."""

    def test_every_attempt_of_an_account_is_forwarded_with_its_place(self) -> None:
        """In order, with the offset of its record."""
        attempts = [failure(T0), success(T0 + 1), failure(T0 + 2, fail_type="internal")]
        assert SourceStage().apply(batch_of(attempts, 7)).forwards == [(7, attempts[0]), (8, attempts[1]), (9, attempts[2])]

    @pytest.mark.parametrize("kind", ["password_spray", "credential_stuffing", "login_flood"])
    def test_what_the_source_is_under_travels_with_the_attempt(self, kind: Kind) -> None:
        """For the hour of the alert and the one after; then it is over."""
        story = {
            "password_spray": tries(10),
            "credential_stuffing": tries(9, fail_type="account"),
            "login_flood": [failure(T0 + number / 10, password="same") for number in range(300)],
        }
        stage = SourceStage()
        assert [alert.kind for alert in raised(stage, story[kind])] == [kind]
        later = [success(T0 + hours * HOUR_S) for hours in (0.5, 1.5, 2.5)]
        raised(stage, later)
        assert [attempt.attack for attempt in later] == [ATTACK_BITS[kind], ATTACK_BITS[kind], 0]


class TestState:
    """What is kept about sources."""

    def test_an_alerting_source_is_never_forgotten(self) -> None:
        """However many other sources come by."""
        stage = SourceStage(max_rows=64)
        raised(stage, tries(10))
        crowd = [failure(T0 + 60, f"user{n}", f"10.{n // 250 % 250}.{n % 250}.1") for n in range(3000)]
        raised(stage, crowd)
        filler = success(T0 + 61, remote="198.51.100.1")
        stage.apply(batch_of([filler] * (64 * 4096), stage.offset + 1))
        assert stage.peek(HERE) is not None
        assert len(stage) < 300
        later = success(T0 + 62)
        raised(stage, [later])
        assert later.attack == ATTACK_BITS["password_spray"]

    def test_what_is_too_late_is_counted_as_late(self) -> None:
        """An event a day and more behind its source changes nothing but that number."""
        stage = SourceStage()
        raised(stage, tries(9, start=T0 + 3 * DAY_S))
        assert raised(stage, tries(20, start=T0)) == []
        assert stage.meta.late_events == 20

    def test_every_alert_is_well_formed(self) -> None:
        """On dense traffic: ids, scores, samples and ATT&CK numbers of all alerts."""
        alerts = raised(SourceStage(), copies(traffic(6, attempts=4000)))
        assert {alert.kind for alert in alerts} >= {"password_spray", "credential_stuffing"}
        assert len({alert.alert_id for alert in alerts}) == len(alerts)
        for alert in alerts:
            assert alert.attack == KINDS[alert.kind].attack
            assert 0 <= alert.score <= 1
            assert alert.first_ts <= alert.last_ts
            assert 1 <= len(alert.evidence.event_ids) <= 5
            assert alert.reasons


def test_an_unknown_address_moves_no_counter() -> None:
    """Attempts behind a proxy of ours go on to the account stage, and no source is judged by them."""
    stage = SourceStage()
    hidden = tries(200, over_s=30, attrs={"address_unknown": True}, fail_type="account")
    outputs = stage.apply(batch_of([*hidden, success(T0 + 40, attrs={"address_unknown": True})]))
    assert outputs.alerts == []
    assert len(outputs.forwards) == 201
    stage.checkpoint()
    untouched = SourceStage.row_type("")(newest_ts=T0 + 40)
    assert [stage.peek(key) for key, _ in stage.rows()] == [untouched]
