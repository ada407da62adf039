"""models.by_account: each rule fires on its smallest story, and not on the story that only looks like it."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.accounts import Groups
from models.alerts import KINDS, Alert, alert_id
from models.attempts import Attempt
from models.by_account import AccountStage, familiarity
from models.campaigns import FIRST, HISTORY, NETWORK, PROTOCOL, REFUSED, TRIED
from models.changes import AccountChange, Change
from models.ids import hash64
from models.profiles import Profile, device_number, network_number
from tests.factories import DAY_S, HOUR_S, T0, batch_of, copies, failure, raised, success, traffic

ALICE = "alice@example.org"
HOME, ABROAD = "192.0.2.7", "203.0.113.50"


def kinds(alerts: Iterable[Alert]) -> list[str]:
    """The kinds of alerts, in order."""
    return [alert.kind for alert in alerts]


def guesses(number: int, over_s: float = 60.0, start: float = T0, **fields: Any) -> list[Attempt]:
    """So many different passwords against alice."""
    return [failure(start + index * over_s / number, **fields) for index in range(number)]


def owner(days: int = 10, until: float = T0, **fields: Any) -> AccountStage:
    """A stage that knows alice: a good log-in a day from home until ``until``."""
    defaults: dict[str, Any] = {"remote": HOME, "country": "FR", "asn": 64500, "user_agent": "Thunderbird"}
    stage = AccountStage()
    assert raised(stage, [success(until - day * DAY_S, **defaults | fields) for day in range(days, 0, -1)]) == []
    return stage


class TestTokenFailure:
    """``token_failure``: a device of the owner whose tokens are not renewed."""

    def app(self, tries: int, every_s: float, **fields: Any) -> list[Attempt]:
        """An app whose grant has ended."""
        common: dict[str, Any] = {"mech": "XOAUTH2", "fail_type": "token", "user_agent": "Thunderbird", "remote": ABROAD}
        return [failure(T0 + number * every_s, **common | fields) for number in range(tries)]

    @pytest.mark.parametrize(
        ("tries", "every_s", "fires"), [(4, 1200, True), (3, 3600, False), (4, 1199, False), (300, 8, False), (2, 40_000, False)]
    )
    def test_thresholds(self, tries: int, every_s: float, fires: bool) -> None:
        """Four tries over an hour, from wherever the device is."""
        assert kinds(raised(owner(), self.app(tries, every_s))) == (["token_failure"] if fires else [])

    def test_the_alert(self) -> None:
        """It blames nobody, and names the device."""
        (alert,) = raised(owner(), self.app(4, 1200, mech="OAUTHBEARER", fail_type=None))
        assert alert.subject.parts() == {"account": ALICE, "device": "ua:Thunderbird"}
        assert (alert.severity, alert.attack) == ("low", None)
        assert [reason.value for reason in alert.reasons] == [4, 3600]

    def test_a_token_that_is_renewed(self) -> None:
        """Tokens expire every hour; one good log-in of the device ends the count."""
        day = [
            make(T0 + hour * HOUR_S + late, user_agent="Thunderbird", remote=HOME, country="FR", asn=64500, **fields)
            for hour in range(24)
            for make, late, fields in ((failure, 0, {"fail_type": "token"}), (success, 5, {}))
        ]
        assert raised(owner(), day) == []

    @pytest.mark.parametrize("device", ["curl", ""])
    def test_a_stranger_who_sends_tokens(self, device: str) -> None:
        """Anybody can send a token that is none."""
        assert raised(owner(), self.app(300, 60, user_agent=device)) == []

    def test_bounded(self) -> None:
        """Some devices of an account are kept, the last ones."""
        stage = owner()
        raised(stage, [success(T0 - DAY_S + n, user_agent=f"app {n}", remote=HOME, country="FR", asn=64500) for n in range(7)])
        raised(stage, [each for n in range(7) for each in self.app(1, 1, user_agent=f"app {n}")])
        assert len(stage.row(ALICE).tokens) == 4


class TestBruteForce:
    """``brute_force``: many different passwords against one account."""

    @pytest.mark.parametrize(
        ("number", "over_s", "fires"),
        [
            (10, 300, True),  # ten within ten minutes
            (9, 300, False),
            (25, 3300, True),  # 25 within the hour, never ten within ten minutes
            (24, 3300, False),
            (50, 20 * HOUR_S, True),  # fifty within the day
            (49, 20 * HOUR_S, False),
            (200, 20 * DAY_S, False),
        ],
    )
    def test_thresholds(self, number: int, over_s: float, fires: bool) -> None:
        """10 passwords in ten minutes, 25 in an hour or 50 in a day; one fewer is no alert."""
        assert kinds(raised(AccountStage(), guesses(number, over_s))) == (["brute_force"] if fires else [])

    def test_the_alert(self) -> None:
        """It names the account and its groups, what was counted, and the addresses that tried most."""
        stage = AccountStage(Groups({ALICE: ["health", "beta"]}))
        attempts = [failure(T0 + number, remote=f"203.0.113.{1 + number % 2 * (number % 4)}") for number in range(10)]
        (alert,) = raised(stage, attempts)
        assert alert.alert_id == alert_id("brute_force", alert.subject, int(T0) // HOUR_S)
        assert (alert.subject.parts(), alert.groups) == ({"account": ALICE}, ["beta", "health"])
        assert (alert.attack, alert.ts, alert.first_ts, alert.last_ts) == ("T1110.001", T0 + 9, T0, T0 + 9)
        assert alert.evidence.counts == {"failures": 10, "failures_from_listed": 10}
        assert alert.evidence.distinct == {"guesses": 10, "addresses": 3}
        assert alert.evidence.addresses == ["203.0.113.1", "203.0.113.2", "203.0.113.4"]
        assert alert.evidence.event_ids == [attempts[-1].event_id]
        (reason,) = alert.reasons
        assert (reason.code, reason.value, reason.threshold) == ("guesses", 10, 10)
        assert "from 3 addresses" in reason.text

    def test_from_many_addresses(self) -> None:
        """A botnet in which each address guesses once is seen all the same; five addresses are named."""
        (alert,) = raised(AccountStage(), [failure(T0 + n, remote=f"203.0.{n}.1") for n in range(10)])
        assert len(alert.evidence.addresses) == 5
        assert alert.evidence.counts == {"failures": 10, "failures_from_listed": 5}

    def test_one_alert_an_hour(self) -> None:
        """An attack that goes on raises the next hour's alert."""
        alerts = raised(AccountStage(), guesses(400, 3 * HOUR_S, start=T0 + 1800))
        assert [int(alert.ts - T0) // HOUR_S for alert in alerts] == [0, 1, 2, 3]
        assert len({alert.alert_id for alert in alerts}) == 4

    def test_an_owner_who_mistypes_six_times(self) -> None:
        """Six variants, each typed twice, then the right one, from home: nothing."""
        variants = [failure(T0 + 10 * number, remote=HOME, password=f"variant {number % 6}") for number in range(12)]
        assert raised(owner(), [*variants, success(T0 + 200, remote=HOME, country="FR", user_agent="Thunderbird")]) == []

    def test_a_forgotten_phone(self) -> None:
        """One old password a thousand times is one guess."""
        phone = [failure(T0 + 10 * number, remote=ABROAD, password="old") for number in range(1000)]
        assert raised(AccountStage(), phone) == []

    def test_a_password_whose_hash_says_nothing(self) -> None:
        """Without a usable hash every failure is a guess: CRAM hashes differ from try to try."""
        attempts = [failure(T0 + number, password="old", mech="CRAM-MD5") for number in range(10)]
        assert kinds(raised(AccountStage(), attempts)) == ["brute_force"]

    @pytest.mark.parametrize("fail_type", ["token", "expired", "disabled", "policy", "internal"])
    def test_what_is_not_a_wrong_password(self, fail_type: str) -> None:
        """A hundred failures that are nobody's guess, and the success after them, raise nothing."""
        stage = owner()
        assert raised(stage, guesses(100, fail_type=fail_type)) == []
        assert raised(stage, [success(T0 + 300, remote=ABROAD, country="FR", user_agent="new")]) == []

    def test_a_late_guess_completes_an_earlier_window(self) -> None:
        """A late event is judged in the windows that it falls in, for their hour.

        ::

            minutes   55 |  0  5
            first     -7-|-----1   eight within a quarter of an hour: nothing
            late      -3-|         ten at 55, so for the hour before

        """
        stage = AccountStage()
        assert raised(stage, [*guesses(7, start=T0 - 300), failure(T0 + 300)]) == []
        (alert,) = raised(stage, guesses(3, start=T0 - 200))
        assert alert.alert_id == alert_id("brute_force", alert.subject, int(T0) // HOUR_S - 1)

    def test_what_is_too_late_is_counted_as_late(self) -> None:
        """A day and more behind the account's newest, a failure changes nothing but that number."""
        stage = AccountStage()
        raised(stage, [success(T0 + 3 * DAY_S)])
        assert raised(stage, guesses(20)) == []
        assert stage.meta.late_events == 20

    @settings(max_examples=80)
    @given(seed=st.integers(0, 1 << 20), late_s=st.sampled_from([60, 300, 600]))
    def test_the_same_alerts_in_any_order(self, seed: int, late_s: int) -> None:
        """Whatever order failures take that are at most ten minutes late."""
        assert brute_force_ids(seed, late_s) == brute_force_ids(seed, 0)

    def test_the_owner_is_not_among_the_addresses_that_are_cut_off(self) -> None:
        """A telephone with an old password fails at home while the account is guessed at from elsewhere."""
        stage = owner()
        telephone = [failure(T0 + number, remote=HOME, password="old") for number in range(50)]
        (alert,) = raised(stage, sorted([*telephone, *guesses(10, remote=ABROAD)], key=lambda attempt: attempt.ts))
        assert alert.evidence.addresses == [ABROAD]
        assert alert.evidence.counts["failures_from_listed"] < alert.evidence.counts["failures"]


def brute_force_ids(seed: int, late_s: int) -> set[str]:
    """The alerts among failures that stay near the thresholds; events arrive up to ``late_s`` late."""
    draw = Random(seed)
    number, over_s = draw.choice([(14, 900), (22, 1500), (32, 4000), (40, 7200), (60, DAY_S)])
    events = [failure(T0 + draw.random() * over_s, password=f"p{draw.randrange(2 * number)}") for _ in range(number)]
    events += [success(T0 + draw.random() * over_s) for _ in range(3)]
    arrival = Random(seed + 1)
    events.sort(key=lambda attempt: attempt.ts + arrival.random() * late_s)
    return {alert.alert_id for alert in raised(AccountStage(), events) if alert.kind == "brute_force"}


class TestStalePassword:
    """``stale_password``: a familiar network keeps trying an old password."""

    def phone(self, tries: int, every_s: float, remote: str = HOME, password: str = "old", **fields: Any) -> list[Attempt]:
        """A phone that nobody told about the new password."""
        return [failure(T0 + number * every_s, remote=remote, password=password, **fields) for number in range(tries)]

    def test_a_phone_at_home(self) -> None:
        """A thousand tries of one password in an hour: one alert that notifies, none that blames."""
        (alert,) = raised(owner(), self.phone(1000, 3.5))
        assert (alert.kind, alert.severity, alert.attack) == ("stale_password", "low", None)
        assert alert.subject.parts() == {"account": ALICE, "network": "192.0.2.0/24"}
        assert alert.reasons[0].code == "same_password"

    @pytest.mark.parametrize(
        ("tries", "every_s", "fires"),
        [(5, 150, True), (4, 300, False), (5, 149, False), (100, 6, False), (102, 6, True)],
    )
    def test_thresholds(self, tries: int, every_s: float, fires: bool) -> None:
        """At least five tries over at least ten minutes."""
        assert kinds(raised(owner(), self.phone(tries, every_s))) == (["stale_password"] if fires else [])

    def test_a_strangers_network(self) -> None:
        """Who repeats one leaked password from elsewhere is no forgotten phone."""
        assert raised(owner(), self.phone(100, 60, remote=ABROAD)) == []

    def test_who_got_in_today_earns_nothing(self) -> None:
        """From a network, or with a device, that the account knows since today only, the alert is cold: it exempts nothing."""
        stage = owner()
        raised(stage, [success(T0, remote=ABROAD, asn=64500, user_agent="Thunderbird")])
        (alert,) = raised(stage, [failure(T0 + 60 + n * 60, remote=ABROAD, password="leaked") for n in range(30)])
        assert (alert.kind, alert.cold) == ("stale_password", True)
        (alert,) = raised(owner(), self.phone(100, 60, user_agent="curl"))[:1]
        assert alert.cold
        (alert,) = raised(owner(), self.phone(100, 60, user_agent="Thunderbird"))[:1]
        assert not alert.cold

    def test_changing_passwords(self) -> None:
        """Two passwords in turn are not one old password."""
        attempts = [failure(T0 + number * 60, remote=HOME, password=f"p{number % 2}") for number in range(100)]
        assert raised(owner(), attempts) == []

    @pytest.mark.parametrize(
        "fields", [{"mech": "CRAM-MD5"}, {"mech": "XOAUTH2"}, {"fail_type": "token"}, {"fail_type": "internal"}]
    )
    def test_what_says_nothing_about_the_password(self, fields: dict[str, Any]) -> None:
        """A hash of something else, an OAuth token, our own fault."""
        assert raised(owner(), self.phone(9, 120, **fields)) == []

    def test_once_an_hour(self) -> None:
        """A phone that goes on for a day is told about once an hour."""
        alerts = raised(owner(), self.phone(24 * 60, 60))
        assert [int(alert.ts - T0) // HOUR_S for alert in alerts] == list(range(24))


class TestPulse:
    """What the service-wide stage is told."""

    def test_every_attempt_is_in_one_pulse(self) -> None:
        """By what it carries, how it ended and what the account knows of it."""
        stage = owner(country="FR", asn=64500, user_agent="mail")
        known = {"remote": HOME, "country": "FR", "asn": 64500, "user_agent": "mail"}
        attempts = [
            *(success(T0 + DAY_S + number, **known) for number in range(3)),
            failure(T0 + DAY_S + 4, remote=ABROAD, country="BR", asn=64502, user_agent="curl"),
            failure(T0 + DAY_S + 5, remote=ABROAD, country="BR", asn=64502, user_agent="curl"),
            failure(T0 + DAY_S + 6, "nobody", fail_type="account"),
            success(T0 + DAY_S + 7, remote=ABROAD, policy_reject=True),
            success(T0 + DAY_S + 90, **known),
        ]
        pulses = stage.apply(batch_of(attempts, stage.offset + 1)).pulses
        assert len({number for _, number, _ in pulses}) == len(pulses)
        closing, _, pulse = pulses[-1]
        assert (closing, pulse.second, pulse.until_ts) == (stage.offset, int(T0 + DAY_S), attempts[-1].ts)
        assert pulse.counts == {
            ("", "", 0, "", 0, HISTORY | NETWORK): 3,
            ("imap", "BR", 64502, "ua:curl", 1, HISTORY | PROTOCOL | FIRST): 1,
            ("imap", "BR", 64502, "ua:curl", 1, HISTORY | PROTOCOL): 1,
            ("imap", "", 0, "", 3, FIRST): 1,
            ("imap", "", 0, "", REFUSED, HISTORY | PROTOCOL): 1,
        }

    def test_what_was_new_today_is_strange_once(self) -> None:
        """It may be the attack itself, so another device or network is strange still; tomorrow it is known."""
        stage = owner()
        new = {"remote": ABROAD, "country": "BR", "asn": 64502, "user_agent": "curl"}
        other_device, other_network = new | {"user_agent": "wget"}, new | {"remote": "198.51.100.9"}
        story = [success(T0 + DAY_S + HOUR_S * hour, **way) for hour, way in enumerate((new, new, other_device, other_network))]
        story += [success(T0 + DAY_S * 2, **new)]
        strangers = stage.apply(batch_of(story, stage.offset + 1)).strangers
        assert [attempt.ts for attempt, _ in strangers] == [story[0].ts, story[2].ts, story[3].ts]

    def test_a_new_account_is_a_newcomer_once(self) -> None:
        """Its owner, who got in, comes again."""
        story = [success(T0 + HOUR_S * hour, "new") for hour in range(3)]
        assert [attempt.ts for attempt, _ in AccountStage().apply(batch_of(story)).strangers] == [T0]

    def test_failing_does_not_make_a_stranger_known(self) -> None:
        """Only who got in has been here today."""
        story = [failure(T0 + HOUR_S * hour, "new") for hour in range(3)]
        assert len(AccountStage().apply(batch_of(story)).strangers) == len(story)

    def test_pulses_hold_all_attempts_of_a_busy_partition(self) -> None:
        """Whenever pulses close, nothing is counted twice or lost, and none is large."""
        attempts = [attempt for attempt in traffic(5, attempts=3000, hours=0.1) if attempt.account]
        attempts += [failure(T0 + HOUR_S / 2, user_agent=f"{number:0250}") for number in range(1000)]
        outputs = AccountStage().apply(batch_of([*attempts, success(T0 + HOUR_S)]))
        assert sum(sum(pulse.counts.values()) for _, _, pulse in outputs.pulses) == len(attempts)
        assert len(outputs.pulses) > 10
        assert max(len(pulse.counts) for _, _, pulse in outputs.pulses) <= 256
        assert len({number for _, number, _ in outputs.pulses}) == len(outputs.pulses)


class TestState:
    """What is kept about accounts."""

    def test_accounts_do_not_mix(self) -> None:
        """Nine passwords against each of many accounts are nobody's ten."""
        attempts = [failure(T0 + number, f"user{number % 50}") for number in range(450)]
        assert raised(AccountStage(), attempts) == []

    def test_a_customer_is_remembered_longer_than_a_stranger(self) -> None:
        """Half a year without a success, against a day for an account that never had one."""
        stage = AccountStage()
        raised(stage, [success(T0, "customer"), failure(T0, "stranger"), success(T0 - 100 * DAY_S, "old customer")])
        filler = success(T0 + 90 * DAY_S, "today")
        stage.apply(batch_of([filler] * (64 * 4096), stage.offset + 1))
        known = {name: stage.peek(f"{name}@example.org") is not None for name in ("customer", "stranger", "old customer")}
        assert known == {"customer": True, "stranger": False, "old customer": False}

    def test_a_row_stays_small_whatever_is_done_to_the_account(self) -> None:
        """A day of thousands of networks, devices and passwords leaves at most 30 kB: distinct counts and habits are bounded."""
        stage = AccountStage()
        attempts = []
        for number in range(3000):
            fields: dict[str, Any] = {
                "remote": f"10.{number % 250}.{number % 7}.{number % 5}",
                "user_agent": f"device {number}",
                "asn": 1 + number,
            }
            make = success if number % 3 == 0 else failure
            attempts.append(make(T0 + number * 30, country="ABCDEFGHIJ"[number % 10] * 2, **fields))
        raised(stage, attempts)
        ((key, packed),) = ((key, packed) for key, packed in stage.checkpoint().rows if packed)
        assert key == ALICE
        assert len(packed) < 30_000

    def test_every_alert_is_well_formed(self) -> None:
        """On dense traffic: ids, scores, samples and ATT&CK numbers of all alerts."""
        alerts = raised(AccountStage(), copies(traffic(8, attempts=6000)))
        assert {alert.kind for alert in alerts} >= {"brute_force", "account_takeover", "stale_password"}
        assert len({alert.alert_id for alert in alerts}) == len(alerts)
        for alert in alerts:
            assert alert.attack == KINDS[alert.kind].attack
            assert 0 <= alert.score <= 1
            assert alert.first_ts <= alert.last_ts
            assert len(alert.evidence.event_ids) <= 5
            assert alert.reasons


#: Fields of an attempt of which only a proxy of ours is known.
HIDDEN: dict[str, Any] = {"remote": "10.0.0.1", "attrs": {"address_unknown": True}}


class TestUnknownAddress:
    """Attempts of which only a proxy of ours is known."""

    def test_they_count_for_the_account(self) -> None:
        """Guessing through the webmail is seen, and no address is named for it."""
        (alert,) = raised(AccountStage(), guesses(10, **HIDDEN))
        assert (alert.kind, alert.subject.parts()) == ("brute_force", {"account": ALICE})
        assert alert.evidence.addresses == []
        assert alert.evidence.counts == {"failures": 10, "failures_from_listed": 0}
        assert alert.reasons[0].text == "10 different passwords within 10 minutes from behind a proxy of ours"

    def test_no_takeover_is_seen_in_them(self) -> None:
        """A success after wrong passwords is not from a new network if nobody knows its network."""
        stage = owner()
        assert raised(stage, [*guesses(6, **HIDDEN), success(T0 + 70, **HIDDEN)]) == []

    def test_no_habit_is_learnt_from_them(self) -> None:
        """The proxy does not become a place of the owner's, and where he was last stays known."""
        stage = owner()
        before = stage.row(ALICE)
        networks, last = dict(before.networks), before.last_success
        raised(stage, [success(T0 + hour * HOUR_S, **HIDDEN) for hour in range(48)])
        after = stage.row(ALICE)
        assert (after.networks, after.last_success) == (networks, last)
        assert not after.failing
        assert not after.stale

    def test_an_old_password_behind_it_is_no_pair(self) -> None:
        """There is no network whose device could be told about its old password."""
        stage = owner(**HIDDEN)
        tried = [failure(T0 + 60 * n, password="old", **HIDDEN) for n in range(60)]
        assert raised(stage, tried) == []


def test_what_strangers_copy_of_the_owner_is_in_the_evidence() -> None:
    """A device and a credential of his that they show while they fail; not what he shows at home, nor what is not his."""
    stage = owner(credential_id="his")
    at_home = [failure(T0 + n, remote=HOME, user_agent="Thunderbird", credential_id="his") for n in range(5)]
    (alert,) = raised(stage, at_home + guesses(9, start=T0 + 60, remote=ABROAD, user_agent="curl", credential_id="none of his"))
    assert alert.evidence.copied == []
    stage = owner(credential_id="his")
    (alert,) = raised(stage, guesses(10, remote=ABROAD, user_agent="Thunderbird", credential_id="his"))
    assert alert.evidence.copied == sorted([device_number("ua:Thunderbird"), hash64("his")])


class TestPresence:
    """Guesses that are all refused."""

    def test_ten_passwords_within_an_hour(self) -> None:
        """It is said once, of the protocol, with where they came from, and decides nothing."""
        (alert,) = raised(AccountStage(Groups({ALICE: ["health"]})), guesses(30, policy_reject=True, remote=ABROAD))
        assert (alert.kind, alert.cold, alert.groups) == ("brute_force", True, ["health"])
        assert alert.subject.parts() == {"account": ALICE, "protocol": "imap"}
        assert alert.evidence.addresses == [ABROAD]
        assert alert.evidence.counts == {"refused": 10}

    @pytest.mark.parametrize("fields", [{"password": "old"}, {"mech": "CRAM-MD5"}])
    def test_one_password_is_no_guessing(self, fields: dict[str, Any]) -> None:
        """Nor are passwords that cannot be compared: a client that is refused tries again all day."""
        refused = [failure(T0 + number, **{"remote": ABROAD, "policy_reject": True} | fields) for number in range(30)]
        assert raised(AccountStage(), refused) == []

    def test_the_owner_at_home_is_none_of_it(self) -> None:
        """His address may be blocked for what others do there."""
        assert raised(owner(), guesses(30, policy_reject=True, remote=HOME)) == []

    def test_it_says_when_it_was_last_not_refused(self) -> None:
        """So that what refuses it can be kept alive."""
        stage = AccountStage()
        assert [alert.cold for alert in raised(stage, guesses(10, remote=ABROAD))] == [False]
        (alert,) = raised(stage, guesses(10, start=T0 + 3 * HOUR_S, policy_reject=True, remote=ABROAD))
        assert alert.reasons[-1].code == "last_evidence_h"
        assert alert.reasons[-1].value == 3


class TestRefusedPairs:
    """A pair that a stranger was refused with comes back from elsewhere."""

    @staticmethod
    def known(stage: AccountStage, ts: float, **fields: Any) -> int:
        row = stage.peek(ALICE)
        return familiarity(row, success(ts, **{"remote": "198.51.100.9", "pwhash": "leaked"} | fields)) if row else 0

    @staticmethod
    def refused(stage: AccountStage, ts: float = T0, **fields: Any) -> dict[str, Profile | None]:
        attempt = success(ts, **{"remote": ABROAD, "pwhash": "leaked", "policy_reject": True} | fields)
        return stage.apply(batch_of([attempt], stage.offset + 1)).profiles

    @pytest.mark.parametrize("has_past", [True, False])
    def test_it_is_known_again_until_the_end_of_the_next_day(self, has_past: bool) -> None:
        """Of an account without a past as well."""
        stage = owner() if has_past else AccountStage()
        self.refused(stage)
        midnight = (int(T0) // DAY_S + 2) * DAY_S
        assert [bool(self.known(stage, ts) & TRIED) for ts in (T0 + 1, midnight - 1, midnight)] == [True, True, False]

    @pytest.mark.parametrize("other", [{"pwhash": "another"}, {"pwhash": None}, {"mech": "CRAM-MD5"}])
    def test_another_password_is_none_of_it(self, other: dict[str, Any]) -> None:
        """Nor one that cannot be compared."""
        stage = owner()
        self.refused(stage)
        assert not self.known(stage, T0 + 1, **other) & TRIED

    def test_at_home_nothing_is_asked(self) -> None:
        """The owner whose password was leaked gets in."""
        stage = owner()
        self.refused(stage)
        assert self.known(stage, T0 + 1, remote=HOME) == HISTORY | NETWORK

    def test_what_the_owner_was_refused_with_is_not_kept(self) -> None:
        """His home may be blocked for what others do there."""
        stage = owner()
        assert self.refused(stage, remote=HOME) == {}
        assert not self.known(stage, T0 + 1) & TRIED

    def test_it_is_published_once_a_day(self) -> None:
        """For the gates."""
        stage = owner()
        profile = self.refused(stage)[ALICE]
        assert profile is not None
        assert list(profile.refused.values()) == [int(T0) // DAY_S]
        assert self.refused(stage, T0 + 1) == {}
        assert list(self.refused(stage, T0 + DAY_S)) == [ALICE]

    def test_a_new_password_ends_it(self) -> None:
        """The leaked one opens nothing any more."""
        stage = owner()
        self.refused(stage)
        change = AccountChange(ts=T0 + 60, account=ALICE, change="password_changed", by="support")
        assert not stage.apply(batch_of([change], stage.offset + 1)).profiles[ALICE].refused
        assert not self.known(stage, T0 + 61) & TRIED

    def test_few_are_kept(self) -> None:
        """The newest, whatever is tried."""
        stage = AccountStage()
        for number in range(100):
            self.refused(stage, T0 + number, pwhash=f"{number}")
        row = stage.peek(ALICE)
        assert row is not None
        assert len(row.refused) == 6
        assert self.known(stage, T0 + 100, pwhash="99") & TRIED


class TestAccountChanges:
    """What happened to an account besides log-ins."""

    def known(self, stage: AccountStage, attempt: Attempt) -> int:
        row = stage.peek(ALICE)
        return familiarity(row, attempt) if row else 0

    def changed(self, stage: AccountStage, change: Change, ts: float, account: str = ALICE) -> dict[str, Profile | None]:
        told = AccountChange(ts=ts, account=account, change=change, by="support")
        return stage.apply(batch_of([told], stage.offset + 1)).profiles

    @pytest.mark.parametrize("change", ["closed", "created"])
    def test_a_mailbox_that_changes_hands_has_no_past(self, change: Change) -> None:
        """Who had it before is a stranger then; that is published."""
        stage = owner()
        assert self.known(stage, success(T0 + 60, remote=HOME)) & NETWORK
        assert self.changed(stage, change, T0 + 30) == {ALICE: None}
        assert self.known(stage, success(T0 + 60, remote=HOME)) == 0

    def test_a_change_that_arrives_late_leaves_what_was_learnt_since(self) -> None:
        """The time of the change counts, not that of its arrival."""
        stage = owner()
        raised(stage, [success(T0 + 3 * DAY_S, remote=ABROAD)])
        profile = self.changed(stage, "created", T0 + DAY_S)[ALICE]
        assert profile is not None
        assert list(profile.networks) == [network_number("203.0.113.0/24")]
        assert self.known(stage, success(T0 + 4 * DAY_S, remote=ABROAD)) & NETWORK
        assert not self.known(stage, success(T0 + 4 * DAY_S, remote=HOME)) & NETWORK

    @pytest.mark.parametrize("change", ["password_changed", "credential_revoked"])
    def test_an_intruder_is_forgotten_with_the_password_he_had(self, change: Change) -> None:
        """What was learnt since the day of the takeover alert goes; the owner's home stays."""
        stage = owner()
        intruder = success(T0 + 700, remote=ABROAD, country="BR", asn=64501)
        assert "account_takeover" in kinds(raised(stage, [*guesses(6, start=T0 + 600), intruder]))
        assert self.known(stage, success(T0 + DAY_S, remote=ABROAD)) & NETWORK
        profile = self.changed(stage, change, T0 + DAY_S)[ALICE]
        assert profile is not None
        assert not self.known(stage, success(T0 + DAY_S, remote=ABROAD)) & NETWORK
        assert self.known(stage, success(T0 + DAY_S, remote=HOME)) & NETWORK

    def test_an_intruders_credential_is_forgotten_and_the_owners_is_not(self) -> None:
        """An app password that was made while he was in."""
        stage = owner(credential_id="his")
        intruder = success(T0 + 700, remote=ABROAD, country="BR", asn=64501, credential_id="made by a thief")
        raised(stage, [*guesses(6, start=T0 + 600), intruder])
        assert set(stage.row(ALICE).credentials) == {hash64("his"), hash64("made by a thief")}
        profile = self.changed(stage, "credential_revoked", T0 + DAY_S)[ALICE]
        assert profile is not None
        assert set(profile.credentials) == {hash64("his")}

    def test_a_new_password_alone_forgets_no_habit(self) -> None:
        """Nothing to publish."""
        stage = owner()
        assert self.changed(stage, "password_changed", T0) == {}
        assert self.known(stage, success(T0 + 60, remote=HOME)) & NETWORK

    def test_guesses_at_the_old_password_count_no_more(self) -> None:
        """Nine before and nine after are no list; ten after are."""
        stage = AccountStage()
        assert raised(stage, guesses(9)) == []
        self.changed(stage, "password_changed", T0 + 60)
        assert raised(stage, guesses(9, start=T0 + 61)) == []
        assert kinds(raised(stage, guesses(1, start=T0 + 121))) == ["brute_force"]

    @pytest.mark.parametrize("change", ["credential_added", "group_changed"])
    def test_the_other_changes_change_nothing(self, change: Change) -> None:
        """They say nothing about who the owner is."""
        stage = owner()
        stage.checkpoint()
        before = dict(stage.rows())
        assert self.changed(stage, change, T0 + 60) == {}
        stage.checkpoint()
        assert dict(stage.rows()) == before

    def test_a_change_of_an_unknown_account_makes_no_row(self) -> None:
        """Whoever may write changes cannot fill the memory with names."""
        stage = AccountStage()
        assert self.changed(stage, "closed", T0, "nobody@example.org") == {}
        assert len(stage) == 0
