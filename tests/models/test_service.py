"""models.service: what no address and no account shows, minute by minute."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from models.alerts import Alert, Subject, alert_id
from models.service import ServiceStage
from models.stage import Pulse
from tests.factories import HOUR_S, T0, batch_of, pulses, raised

OK, UNKNOWN, CREDENTIALS, ACCOUNT, TOKEN, INTERNAL, REFUSED = 0, 1, 2, 3, 4, 8, -1
MINUTE_S = 60
Counts = dict[tuple[str, str, int, str, int], int]


def minutes(*counts: Counts, start: float = T0, then_s: float = 3 * MINUTE_S) -> list[Pulse]:
    """One pulse a minute with these counts, then an empty one that closes them."""
    last = int(start) + len(counts) * MINUTE_S + int(then_s)
    return [Pulse(int(start) + number * MINUTE_S, each) for number, each in enumerate(counts)] + [Pulse(last, {})]


def bots(failures: int, device: str = "ua:curl", country: str = "BR", asn: int = 64502, protocol: str = "imap") -> Counts:
    """So many wrong passwords with these traits."""
    return {(protocol, country, asn, device, CREDENTIALS): failures}


CUSTOMERS: Counts = {("imap", "FR", 64500, "ua:mail", OK): 2000, ("imap", "FR", 64500, "ua:mail", CREDENTIALS): 30}


def about(alerts: Iterable[Alert]) -> set[tuple[str, str]]:
    """Kind and subject of each alert."""
    return {(alert.kind, str(alert.subject.parts())) for alert in alerts}


class TestStuffing:
    """``credential_stuffing`` by a trait that the attack shares."""

    def test_a_botnet_shows_by_what_its_bots_share(self) -> None:
        """Three minutes of failures with one device, country and ASN, among customers who are fine."""
        alerts = raised(ServiceStage(), minutes(*[CUSTOMERS | bots(300)] * 3))
        assert about(alerts) == {
            ("credential_stuffing", str({"device": "ua:curl"})),
            ("credential_stuffing", str({"country": "BR"})),
            ("credential_stuffing", str({"asn": 64502})),
        }

    def test_the_alert(self) -> None:
        """It is about the minutes that were counted, and cold while there is no baseline."""
        alerts = raised(ServiceStage(), minutes(*[CUSTOMERS | bots(300)] * 3))
        (alert,) = (alert for alert in alerts if alert.subject.device)
        assert alert.alert_id == alert_id("credential_stuffing", Subject(device="ua:curl"), int(T0) // HOUR_S)
        assert (alert.ts, alert.first_ts, alert.last_ts) == (T0 + 180, T0, T0 + 180)
        assert alert.evidence.counts == {"attempts": 300, "failures": 300, "unknown": 0}
        assert (alert.attack, alert.severity, alert.cold, alert.model) == ("T1110.004", "high", True, None)
        assert {reason.code: reason.value for reason in alert.reasons} == {
            "failures_per_min": 300, "failure_share": 1.0, "minutes_in_a_row": 3,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("counts", "why"),
        [
            ([CUSTOMERS | bots(300)] * 2, "two minutes"),
            ([CUSTOMERS | bots(59)] * 9, "few failures"),
            ([CUSTOMERS | bots(300), CUSTOMERS | bots(300), CUSTOMERS | bots(1)] * 3, "never three in a row"),
            ([CUSTOMERS] * 9, "customers who mistype"),
            ([{("imap", "BR", 64502, "ua:curl", OK): 400} | bots(390)] * 9, "fewer failures than good log-ins"),
            (
                [{("imap", "BR", 64502, "ua:curl", outcome): 400 for outcome in (TOKEN, INTERNAL, REFUSED)}] * 9,
                "no wrong passwords",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_is_not_an_attack(self, counts: list[Counts], why: str) -> None:
        """Short, small or mixed rises, failures that are not guesses, and our own refusals."""
        assert raised(ServiceStage(), minutes(*counts)) == [], why

    def test_our_own_refusals_hide_nothing(self) -> None:
        """What we refuse is neither an attempt nor a failure: an attack that we refuse for the most part still shows."""
        counts = bots(300) | {("imap", "BR", 64502, "ua:curl", REFUSED): 5000}
        alerts = raised(ServiceStage(), minutes(*[CUSTOMERS | counts] * 3))
        assert {alert.evidence.counts["attempts"] for alert in alerts if alert.subject.device} == {300}

    def test_minutes_in_a_row_are_minutes_in_a_row(self) -> None:
        """Bad minutes an hour apart are no attack, whether something else happens between them or nothing at all."""
        hourly = [T0 + number * HOUR_S for number in range(4)]
        assert raised(ServiceStage(), [each for start in hourly for each in minutes(bots(300), start=start)]) == []
        assert raised(ServiceStage(), [Pulse(int(start), bots(300)) for start in hourly]) == []

    def test_one_alert_an_hour(self) -> None:
        """An attack over three hours raises three alerts per trait."""
        alerts = raised(ServiceStage(), minutes(*[CUSTOMERS | bots(300)] * 150))
        devices = [alert for alert in alerts if alert.subject.device]
        assert [int(alert.ts - T0) // HOUR_S for alert in devices] == [0, 1, 2]
        assert len({alert.alert_id for alert in alerts}) == len(alerts)

    def test_what_is_always_so_is_the_baseline(self) -> None:
        """A protocol whose failures were as many all day raises nothing once that is learnt; a rise above it does."""
        usual = [
            CUSTOMERS | {("ssh", "", 0, "", CREDENTIALS): 45 + number % 10, ("ssh", "", 0, "", OK): 60} for number in range(900)
        ]
        stage = ServiceStage()
        raised(stage, minutes(*usual))
        rise = [CUSTOMERS | {("ssh", "", 0, "", CREDENTIALS): 2000, ("ssh", "", 0, "", OK): 60}] * 4
        alerts = raised(stage, minutes(*rise, start=T0 + 20 * HOUR_S))
        (alert,) = (alert for alert in alerts if alert.subject.protocol == "ssh")
        assert not alert.cold
        assert alert.model is not None
        assert alert.model.score >= 0.99
        assert alert.score == alert.model.score
        assert {reason.code for reason in alert.reasons} >= {"above_baseline"}


class TestFlood:
    """``login_flood``: failures of the whole service."""

    def spread(self, failures: int) -> Counts:
        """Failures that have nothing in common."""
        return {
            ("imap", f"{chr(65 + n % 26)}{chr(65 + n // 26)}", 1000 + n, f"ua:{n}", CREDENTIALS): failures // 50 for n in range(50)
        }

    def test_from_everywhere(self) -> None:
        """600 failures a minute for three minutes, more than half of all attempts."""
        alerts = raised(ServiceStage(), minutes(*[self.spread(1000)] * 3))
        (alert,) = (alert for alert in alerts if alert.kind == "login_flood")
        assert (alert.subject.parts(), alert.severity, alert.attack) == ({}, "critical", "T1499.003")

    @pytest.mark.parametrize("failures", [550, 100])
    def test_below_the_threshold(self, failures: int) -> None:
        """Fewer are no flood."""
        assert not [alert for alert in raised(ServiceStage(), minutes(*[self.spread(failures)] * 5)) if alert.kind == "login_flood"]

    def test_customers_who_reconnect(self) -> None:
        """A hundred thousand good log-ins a minute after a restart, with as many failures as ever."""
        assert raised(ServiceStage(), minutes(*[{("imap", "FR", 64500, "ua:mail", OK): 100_000} | self.spread(1000)] * 5)) == []


class TestTime:
    """Minutes are judged in event time."""

    def test_partitions_add_up(self) -> None:
        """A minute is the sum of all pulses in it, in any order, also one that comes when the next minute has begun."""
        parts = [Pulse(int(T0) + minute * 60 + second, bots(100)) for minute in range(3) for second in (0, 20, 59)]
        late = [parts[index] for index in (3, 0, 1, 4, 2, 6, 7, 5, 8)]
        close = Pulse(int(T0) + 360, {})
        one, other = (raised(ServiceStage(), [*order, close]) for order in (parts, late))
        assert one == other
        assert {alert.evidence.counts["failures"] for alert in one} == {300}

    def test_a_pulse_for_a_minute_that_was_judged(self) -> None:
        """It is counted as late and changes nothing."""
        stage = ServiceStage()
        raised(stage, minutes(CUSTOMERS))
        assert raised(stage, [Pulse(int(T0), bots(5000))]) == []
        assert stage.meta.late_events == 5000

    def test_a_minute_is_open_until_the_one_after_has_passed(self) -> None:
        """Half-minute pulses of slower partitions still find their minute."""
        stage = ServiceStage()
        raised(stage, [Pulse(int(T0) + second, bots(100)) for second in (0, 60, 119)])
        raised(stage, [Pulse(int(T0) + 59, bots(1))])
        assert stage.meta.late_events == 0

    def test_the_slowest_partition_is_waited_for(self) -> None:
        """On history one source partition may be minutes behind another: its attempts still count in their minute."""
        stage = ServiceStage()
        ahead = [Pulse(int(T0) + second, bots(100), source=0) for second in range(0, 300, 60)]
        behind = [Pulse(int(T0) + second, bots(200), source=1) for second in range(0, 300, 60)]
        raised(stage, [behind[0], *ahead])
        alerts = raised(stage, [*behind[1:], *(Pulse(int(T0) + 420, {}, source=source) for source in (0, 1))])
        assert stage.meta.late_events == 0
        assert {alert.evidence.counts["failures"] for alert in alerts if alert.subject.device} == {300}

    def test_a_silent_partition_is_not_waited_for(self) -> None:
        """A partition without log-ins for more than six minutes holds nothing up."""
        stage = ServiceStage()
        alerts = raised(stage, [Pulse(int(T0), bots(1), source=1), *minutes(*[bots(300)] * 12)])
        (alert,) = (alert for alert in alerts if alert.subject.device)
        assert alert.ts == T0 + 180


class TestState:
    """What is kept about the service."""

    def test_the_same_pulses_give_the_same_alerts(self) -> None:
        """Twice from scratch, and from a restored half."""
        story = pulses(9, minutes=60)
        one, other = ServiceStage(), ServiceStage()
        alerts = raised(one, story)
        first = raised(other, story[:50])
        restored = ServiceStage()
        restored.restore(other.checkpoint())
        restored.restored()
        assert alerts == first + raised(restored, story[50:])
        assert len(alerts) >= 3
        assert restored.dump() == one.dump()

    def test_devices_that_nobody_has_counted_before_cost_bounded_memory(self) -> None:
        """A client can call itself anything: of fifty thousand names a minute keeps twenty thousand."""
        stage = ServiceStage()
        for chunk in range(5):
            names: Any = {("imap", "FR", 0, f"ua:{chunk}/{number}", CREDENTIALS): 1 for number in range(10_000)}
            stage.apply(batch_of([Pulse(int(T0) + chunk, names)], chunk))
        assert len(stage.dump()) < 1_000_000
