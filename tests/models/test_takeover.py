"""models.takeover: a success that is perhaps not its owner's, as the account stage tells of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from models.alerts import alert_id
from models.attempts import Attempt
from models.by_account import AccountStage
from models.by_source import ATTACK_BITS
from tests.factories import DAY_S, HOUR_S, T0, failure, raised, success
from tests.models.test_by_account import ABROAD, ALICE, HOME, guesses, kinds, owner

PARIS, NICE, LYON, SAO_PAULO = (48.86, 2.35), (43.70, 7.27), (45.76, 4.84), (-23.55, -46.63)


def at(place: tuple[float, float], attempt: Attempt) -> Attempt:
    """The attempt with coordinates, degrees north and east."""
    return replace(attempt, latitude=place[0], longitude=place[1])


class TestTakeover:
    """``account_takeover``: a success that does not look like its owner."""

    def test_a_success_by_a_source_under_alert(self) -> None:
        """From a network where the owner never was."""
        entry = replace(success(T0, remote=ABROAD), attack=ATTACK_BITS["credential_stuffing"])
        (alert,) = raised(owner(), [entry])
        assert alert.subject.parts() == {"account": ALICE, "ip": ABROAD}
        assert alert.alert_id == alert_id("account_takeover", alert.subject, int(T0) // HOUR_S)
        assert (alert.attack, alert.severity, alert.cold) == ("T1078", "high", False)
        assert [reason.code for reason in alert.reasons] == ["source_under_alert"]
        assert "credential_stuffing" in alert.reasons[0].text

    def test_a_stranger_by_a_source_under_alert(self) -> None:
        """An account without any history is entered too; the source's alert is evidence enough, so it is not cold."""
        entry = replace(success(T0, remote=ABROAD), attack=ATTACK_BITS["password_spray"])
        (alert,) = raised(AccountStage(), [entry])
        assert not alert.cold

    def test_the_owner_behind_an_attacking_address(self) -> None:
        """A customer of a network that is under alert, who was always there, polls all morning: nothing."""
        polls = [replace(success(T0 + n, remote=HOME, country="FR"), attack=ATTACK_BITS["password_spray"]) for n in range(200)]
        assert raised(owner(), polls) == []

    def test_an_attackers_success_is_not_learnt(self) -> None:
        """Nobody becomes the owner by entering: the next entry from there is seen as well."""
        stage = owner()
        for hour in range(3):
            entry = replace(success(T0 + hour * HOUR_S, remote=ABROAD), attack=ATTACK_BITS["password_spray"])
            assert kinds(raised(stage, [entry])) == ["account_takeover"]

    @pytest.mark.parametrize(
        ("wrong", "entry", "fires"),
        [
            (5, {"remote": ABROAD, "user_agent": "curl", "country": "FR"}, True),
            (4, {"remote": ABROAD, "user_agent": "curl", "country": "FR"}, False),
            (5, {"remote": HOME, "user_agent": "curl", "country": "FR"}, False),  # the owner's network
            (5, {"remote": ABROAD, "user_agent": "Thunderbird", "country": "FR", "asn": 64500}, False),  # their own phone
            (5, {"remote": ABROAD, "user_agent": "Thunderbird", "country": "FR", "asn": 64999}, True),
        ],
    )
    def test_a_new_network_after_guessing(self, wrong: int, entry: dict[str, Any], fires: bool) -> None:
        """Five wrong passwords within the hour, then a success from a new network that is not the owner's device and provider."""
        alerts = raised(owner(), [*guesses(wrong, remote=ABROAD), success(T0 + 300, **entry)])
        assert kinds(alerts) == (["account_takeover"] if fires else [])
        assert [reason.code for alert in alerts for reason in alert.reasons] == (["new_network_after_failures"] if fires else [])

    def test_guesses_of_yesterday(self) -> None:
        """What was more than an hour ago is no reason."""
        entry = success(T0 + 2 * HOUR_S, remote=ABROAD, user_agent="curl", country="FR")
        assert raised(owner(), [*guesses(9, remote=ABROAD), entry]) == []

    def test_one_password_repeated_is_not_guessing(self) -> None:
        """An owner with one old password stored, who then gets it right somewhere else."""
        old = [failure(T0 + number, remote=ABROAD, password="old") for number in range(50)]
        assert raised(owner(), [*old, success(T0 + 300, remote=ABROAD, user_agent="curl", country="FR")]) == []

    @pytest.mark.parametrize(
        ("first", "second", "country", "gap_s", "fires"),
        [
            (PARIS, SAO_PAULO, "BR", HOUR_S, True),  # 9,400 km in an hour
            (PARIS, SAO_PAULO, "BR", 12 * HOUR_S, False),  # a flight
            (PARIS, SAO_PAULO, "FR", HOUR_S, False),  # the same country: a mobile gateway, or the database is wrong
            (PARIS, NICE, "FR", 60, False),
            (PARIS, (-21.1, 55.5), "RE", 3 * HOUR_S, False),  # overseas France is France
            (NICE, (44.4, 8.9), "IT", 60, False),  # a border 150 km away
            (PARIS, LYON, "BE", 60, False),  # under 500 km the geography is too coarse
        ],
    )
    def test_travel(self, first: tuple[float, float], second: tuple[float, float], country: str, gap_s: float, fires: bool) -> None:
        """Two successes further apart than anybody flies, the second in a country that is new for the account."""
        stage = owner()
        assert raised(stage, [at(first, success(T0, country="FR", remote=HOME, user_agent="Thunderbird"))]) == []
        alerts = raised(stage, [at(second, success(T0 + gap_s, country=country, remote=ABROAD, user_agent="Thunderbird"))])
        assert [reason.code for alert in alerts for reason in alert.reasons] == (["impossible_travel"] if fires else [])

    def test_travel_is_seen_whichever_event_comes_first(self) -> None:
        """The later success may arrive before the earlier one; the gap is the same."""
        stage = owner()
        raised(stage, [at(PARIS, success(T0, country="FR", remote=HOME))])
        (alert,) = raised(stage, [at(SAO_PAULO, success(T0 - HOUR_S, country="BR", remote=ABROAD))])
        assert alert.reasons[0].code == "impossible_travel"
        assert alert.reasons[0].value == pytest.approx(9400, rel=0.02)

    def test_two_countries_without_coordinates_are_no_travel(self) -> None:
        """A traveller, and his computer at home that goes on polling."""
        stage = owner()
        raised(stage, [success(T0, country="FR", remote=HOME)])
        assert raised(stage, [success(T0 + 60, country="BR", remote=ABROAD)]) == []

    @pytest.mark.parametrize(
        ("first", "second", "gap_s", "fires"),
        [
            ({}, {}, 600, True),
            ({}, {}, HOUR_S, False),
            ({"asn": 64500, "user_agent": "Thunderbird"}, {}, 600, False),  # the owner in a hotel of his own carrier
            ({}, {"user_agent": "Thunderbird"}, 600, False),
            ({}, {"user_agent": "Thunderbird", "protocol": "http"}, 600, True),  # browsers all call themselves the same
            ({}, {"country": "RO"}, 600, False),
            ({}, {"country": "FR"}, 600, False),
            ({}, {"country": None}, 600, False),
        ],
    )
    def test_a_second_stranger(self, first: dict[str, Any], second: dict[str, Any], gap_s: float, fires: bool) -> None:
        """Who found the pair right, and within an hour who bought it; one alone may be the owner on his way."""
        stage = owner(country="FR", asn=64500, user_agent="Thunderbird")
        finder = {"remote": ABROAD, "country": "RO", "asn": 64501, "user_agent": "checker"} | first
        buyer = {"remote": "198.51.100.9", "country": "BR", "asn": 64502, "user_agent": "browser"} | second
        assert raised(stage, [success(T0 + DAY_S, **finder)]) == []
        alerts = raised(stage, [success(T0 + DAY_S + gap_s, **buyer)])
        assert [reason.code for alert in alerts for reason in alert.reasons] == (["second_stranger"] if fires else [])

    @pytest.mark.parametrize(
        ("shared", "country", "fires"), [(False, "RO", True), (True, "RO", False), (True, "FR", True), (False, "FR", True)]
    )
    def test_where_the_first_stranger_was(self, shared: bool, country: str, fires: bool) -> None:
        """A cloud client is where its vendor is, a telephone in its carrier's country; the owner changes nothing."""
        stage = owner(country="FR", asn=64500, user_agent="Thunderbird")
        first = success(T0 + DAY_S, remote=ABROAD, country=country, asn=64501, user_agent="checker")
        first.shared = shared
        at_home = success(T0 + DAY_S + 60, remote=HOME, country="FR", asn=64500, user_agent="Thunderbird")
        second = success(T0 + DAY_S + 600, remote="198.51.100.9", country="BR", asn=64502, user_agent="browser")
        codes = [reason.code for alert in raised(stage, [first, at_home, second]) for reason in alert.reasons]
        assert codes == (["second_stranger"] if fires else [])

    @pytest.mark.parametrize(
        ("days", "step", "cold"),
        [(1, 1, True), (3, 1, True), (7, 1, True), (8, 1, False), (2, 8, True), (3, 4, False)],
    )
    def test_little_history_is_said(self, days: int, step: int, cold: bool) -> None:
        """Less than three days over seven: the alert is cold, which never decides anything."""
        stage = AccountStage()
        history = [at(PARIS, success(T0 - day * step * DAY_S, country="FR", remote=HOME)) for day in range(days - 1, -1, -1)]
        assert raised(stage, history) == []
        (alert,) = raised(stage, [at(SAO_PAULO, success(T0 + 60, country="BR", remote=ABROAD))])
        assert alert.cold is cold

    def test_the_first_success_ever(self) -> None:
        """A new customer, or a new installation of ours: there is nothing to compare with."""
        assert raised(AccountStage(), [*guesses(6), success(T0 + 100, remote=ABROAD, country="BR")]) == []

    def test_one_alert_an_hour_and_address(self) -> None:
        """Who polls after entering raises one alert; another address raises another."""
        stage = owner()
        entries = [
            replace(success(T0 + number, remote=f"203.0.113.{50 + number % 2}"), attack=ATTACK_BITS["password_spray"])
            for number in range(40)
        ]
        assert sorted(alert.subject.ip or "" for alert in raised(stage, entries)) == ["203.0.113.50", "203.0.113.51"]

    def test_a_polling_client_of_the_owner(self) -> None:
        """Every minute of a day from a known network: nothing, whatever device it calls itself."""
        polls = [success(T0 + minute * 60, remote=HOME, country="FR", user_agent=f"v{minute}") for minute in range(1440)]
        assert raised(owner(), polls) == []
