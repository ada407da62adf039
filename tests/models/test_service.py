"""models.service: what no address and no account shows, minute by minute."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import pytest

from models.alerts import Alert, Subject, alert_id
from models.campaigns import DEVICE, FIRST, HISTORY, REFUSED, Campaign
from models.service import ServiceStage
from models.stage import Hit, Note, Outputs, Pulse, SeenAs
from tests.factories import DAY_S, HOUR_S, OWNER, T0, batch_of, campaign_pulses, pulses, raised

OK, UNKNOWN, CREDENTIALS, ACCOUNT, TOKEN, EXPIRED, INTERNAL = 0, 1, 2, 3, 4, 5, 8
MINUTE_S = 60
STRANGER = HISTORY
Counts = dict[SeenAs, int]


def minutes(*counts: Counts, start: float = T0, then_s: float = 3 * MINUTE_S) -> list[Pulse]:
    """One pulse a minute with these counts, then an empty one that closes them."""
    last = int(start) + len(counts) * MINUTE_S + int(then_s)
    return [Pulse(int(start) + number * MINUTE_S, each) for number, each in enumerate(counts)] + [Pulse(last, {})]


def bots(failures: int, device: str = "ua:curl", country: str = "BR", asn: int = 64502, known: int = STRANGER | FIRST) -> Counts:
    """So many wrong passwords of strangers with these traits."""
    return {("imap", country, asn, device, CREDENTIALS, known): failures}


CUSTOMERS: Counts = {
    ("imap", "FR", 64500, "ua:mail", OK, OWNER): 2000,
    ("imap", "FR", 64500, "ua:mail", CREDENTIALS, OWNER): 30,
    ("imap", "FR", 64501, "ua:phone", OK, STRANGER | DEVICE): 5,
    ("imap", "FR", 64501, "ua:mail", OK, 0): 2,
}
#: Long enough for every baseline.
QUIET_MIN = 900
LATER = T0 + QUIET_MIN * MINUTE_S


def warm() -> ServiceStage:
    """A stage that has seen a quiet night."""
    stage = ServiceStage()
    raised(stage, [Pulse(int(T0) + number * MINUTE_S, CUSTOMERS | bots(number % 3)) for number in range(QUIET_MIN)])
    return stage


def told(stage: ServiceStage, story: Iterable[Pulse]) -> Outputs:
    """What the stage makes of pulses that come after everything it has seen."""
    return stage.apply(batch_of(story, stage.offset + 1))


def about(alerts: Iterable[Alert]) -> set[tuple[str, str]]:
    """Kind and subject of each alert that is no campaign."""
    return {(alert.kind, str(alert.subject.parts())) for alert in alerts if alert.kind != "campaign"}


class TestStuffing:
    """``credential_stuffing`` by a trait that the attack shares."""

    def test_a_botnet_shows_by_what_its_bots_share(self) -> None:
        """Two minutes of strangers who fail with one device, country and ASN, among customers who are fine."""
        alerts = raised(ServiceStage(), minutes(*[CUSTOMERS | bots(300)] * 2))
        assert about(alerts) == {
            ("credential_stuffing", str({"device": "ua:curl"})),
            ("credential_stuffing", str({"country": "BR"})),
            ("credential_stuffing", str({"asn": 64502})),
            ("credential_stuffing", str({"protocol": "imap"})),
            ("credential_stuffing", str({})),
        }

    def test_the_alert(self) -> None:
        """It is about the minutes that were counted, and cold while there is no baseline."""
        alerts = raised(ServiceStage(), minutes(*[CUSTOMERS | bots(300)] * 2))
        (alert,) = (alert for alert in alerts if alert.subject.device)
        assert alert.alert_id == alert_id("credential_stuffing", Subject(device="ua:curl"), int(T0) // HOUR_S)
        assert (alert.ts, alert.first_ts, alert.last_ts) == (T0 + 120, T0, T0 + 120)
        assert alert.evidence.counts == {"attempts": 600, "failures": 600, "unknown": 0}
        assert (alert.attack, alert.severity, alert.cold, alert.model) == ("T1110.004", "high", True, None)
        assert {reason.code: reason.value for reason in alert.reasons} == {
            "stranger_failures": 600, "failure_share": 1.0, "kind_ambiguous": None,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("counts", "why"),
        [
            ([CUSTOMERS | bots(300)], "one minute"),
            ([CUSTOMERS | bots(2)] * 30, "few failures"),
            ([CUSTOMERS] * 9, "customers who mistype"),
            ([CUSTOMERS | bots(300, known=OWNER)] * 9, "owners with an old password"),
            ([{("imap", "BR", 64502, "ua:curl", OK, STRANGER): 400} | bots(390)] * 9, "fewer failures than good log-ins"),
            (
                [{("imap", "BR", 64502, "ua:curl", outcome, STRANGER): 400 for outcome in (TOKEN, INTERNAL, REFUSED)}] * 9,
                "no wrong passwords",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_is_not_an_attack(self, counts: list[Counts], why: str) -> None:
        """Short, small or mixed rises, failures of owners or that are not guesses, and our own refusals."""
        alerts = raised(ServiceStage(), minutes(*counts))
        assert [alert.kind for alert in alerts if alert.kind != "backend_outage"] == [], why

    def test_our_own_refusals_hide_nothing(self) -> None:
        """What we refuse is neither an attempt nor a failure: an attack that we refuse for the most part still shows."""
        counts = bots(300) | {("imap", "BR", 64502, "ua:curl", REFUSED, STRANGER): 5000}
        alerts = raised(ServiceStage(), minutes(*[CUSTOMERS | counts] * 2))
        assert {alert.evidence.counts["attempts"] for alert in alerts if alert.subject.device} == {600}

    def test_one_account_guessed_at_is_no_stuffing(self) -> None:
        """Many tries on few accounts are guessing, which the account stage sees."""
        counts = bots(290, known=STRANGER) | bots(10)
        assert about(raised(ServiceStage(), minutes(*[CUSTOMERS | counts] * 4))) == set()

    def test_one_alert_an_hour(self) -> None:
        """An attack over three hours raises three alerts per trait."""
        alerts = raised(warm(), minutes(*[CUSTOMERS | bots(300)] * 150, start=LATER))
        devices = [alert for alert in alerts if alert.subject.device]
        assert [int(alert.ts - 1 - LATER) // HOUR_S for alert in devices] == [0, 1, 2]
        assert len({alert.alert_id for alert in alerts}) == len(alerts)

    def test_what_is_always_so_is_the_baseline(self) -> None:
        """Strangers who have failed at a rate all night raise nothing; a rise far above it does, and is warm."""
        stage, draw = ServiceStage(), Random(4)
        usual = [CUSTOMERS | bots(draw.randrange(20, 80)) for _ in range(QUIET_MIN + 600)]
        raised(stage, [Pulse(int(T0) + n * MINUTE_S, usual[n]) for n in range(QUIET_MIN)])
        late = raised(stage, [Pulse(int(LATER) + n * MINUTE_S, usual[QUIET_MIN + n]) for n in range(600)])
        assert len({int(alert.ts) // HOUR_S for alert in late}) <= 3  # a hundredth of ordinary minutes stands out
        alerts = raised(stage, minutes(*[CUSTOMERS | bots(2000)] * 4, start=LATER + 12 * HOUR_S))
        alert = next(alert for alert in alerts if alert.subject.device)
        assert not alert.cold
        assert alert.model is not None
        assert alert.score == alert.model.score >= 0.99
        assert {reason.code for reason in alert.reasons} >= {"above_baseline"}


class TestCampaign:
    """What goes on, told to everybody."""

    def test_it_is_told_each_minute_with_what_it_looks_like(self) -> None:
        """Who fails in it, and who succeeds in quiet times."""
        outputs = told(warm(), minutes(*[CUSTOMERS | bots(200)] * 10, start=LATER))
        conclusions: list[Campaign] = outputs.conclusions
        assert len(conclusions) >= 8
        last = conclusions[-1]
        assert last.failing.counts[3].keys() == {"ua:curl"}
        assert 100 < last.tries_per_min < 200
        assert last.strangers.counts[3].keys() == {"ua:phone"}
        assert last.newcomers.counts[3].keys() == {"ua:mail"}
        assert 4 < last.strangers.total / last.quiet_minutes < 6
        members = {alert.alert_id for alert in outputs.alerts if alert.kind == "credential_stuffing"}
        assert last.campaign_id in members
        assert [alert.subject.campaign for alert in outputs.alerts if alert.kind == "campaign"] == [last.campaign_id]

    def test_it_looks_like_first_tries_only(self) -> None:
        """A program that tries an old password all day is one try of one account an hour, and no campaign's looks."""
        forgotten = {("imap", "IE", 64503, "ua:sync", CREDENTIALS, STRANGER): 50}
        (*_, last) = told(warm(), minutes(*[CUSTOMERS | bots(200) | forgotten] * 10, start=LATER)).conclusions
        assert last.failing.counts[3].keys() == {"ua:curl"}
        assert 100 < last.tries_per_min < 200

    def test_its_first_member_is_an_alert_also_where_it_guesses(self) -> None:
        """Many tries on each of many accounts: no stuffing, but the campaign can be looked up by its id."""
        outputs = told(warm(), minutes(*[CUSTOMERS | bots(290, known=STRANGER) | bots(10)] * 4, start=LATER))
        assert about(outputs.alerts) == {("brute_force", str({}))}
        first = outputs.alerts[0]
        assert {campaign.campaign_id for campaign in outputs.conclusions} == {first.alert_id} == {first.campaign_id}
        assert {campaign.kind for campaign in outputs.conclusions} == {"brute_force"}

    def test_its_members_say_so(self) -> None:
        """All of them, the first one included."""
        alerts = raised(warm(), minutes(*[CUSTOMERS | bots(200)] * 4, start=LATER))
        (campaign,) = (alert for alert in alerts if alert.kind == "campaign")
        assert {alert.campaign_id for alert in alerts} == {campaign.subject.campaign}

    def test_a_cold_service_has_none(self) -> None:
        """Without a past nobody knows what is unusual."""
        assert told(ServiceStage(), minutes(*[CUSTOMERS | bots(200)] * 10)).conclusions == []

    def test_it_ends_half_an_hour_after_its_last_sign(self) -> None:
        """Then quiet times are learnt again."""
        stage = warm()
        told(stage, minutes(*[CUSTOMERS | bots(200)] * 10, start=LATER))
        after = told(stage, [Pulse(int(LATER) + (12 + n) * MINUTE_S, CUSTOMERS) for n in range(60)]).conclusions
        assert 20 < len(after) < 50
        assert stage.extra.campaign is None

    def test_refusals_alone_keep_it_for_a_day(self) -> None:
        """They are its presence, not evidence."""
        stage = warm()
        told(stage, minutes(*[CUSTOMERS | bots(200)] * 10, start=LATER))
        refused = CUSTOMERS | {("imap", "BR", 64502, "ua:curl", REFUSED, STRANGER): 200}
        begin = int(LATER) + 12 * MINUTE_S
        day = DAY_S // MINUTE_S
        told(stage, [Pulse(begin + n * MINUTE_S, refused) for n in range(day - 60)])
        assert stage.extra.campaign is not None
        told(stage, [Pulse(begin + n * MINUTE_S, refused) for n in range(day - 60, day + 120)])
        assert stage.extra.campaign is None

    def test_what_comes_late_is_learnt_in_quiet_times_only(self) -> None:
        """Where log-ins are few, a partition's pulse comes when its next log-in does."""
        stage = warm()
        owners = stage.extra.strangers.total
        late = Pulse(int(LATER) - 20 * MINUTE_S, CUSTOMERS)
        told(stage, [late])
        assert stage.extra.strangers.total == owners + 5
        told(stage, minutes(*[CUSTOMERS | bots(500)] * 5, start=LATER))
        owners = stage.extra.strangers.total
        told(stage, [late])
        assert stage.extra.strangers.total == owners
        assert stage.meta.late_events == 2 * sum(CUSTOMERS.values())

    def test_what_is_known_is_dated_by_the_log_in_that_told_it(self) -> None:
        """Nobody acts on a minute before it could be known: a pulse is sent when the next half minute has begun."""
        stage = warm()
        story = [Pulse(int(LATER) + n * 30, bots(100), 0, LATER + n * 30 + 41.5) for n in range(20)]
        conclusions = told(stage, story).conclusions
        assert [(campaign.ts - 41.5 - LATER) % 30 for campaign in conclusions] == [0.0] * len(conclusions)
        assert len(conclusions) >= 5

    def test_an_attack_is_not_learnt_as_quiet(self) -> None:
        """Good log-ins of strangers while it runs may be its hits."""
        stage = warm()
        before = stage.extra.strangers.total
        hits: Counts = {("imap", "BR", 64502, "ua:curl", OK, STRANGER): 50}
        told(stage, minutes(*[CUSTOMERS | bots(500)] * 3, *[CUSTOMERS | bots(500) | hits] * 20, start=LATER))
        assert "ua:curl" not in stage.extra.strangers.counts[3]
        assert stage.extra.strangers.total <= before + 5 * 3

    def test_a_slow_attack_does_not_keep_owners_from_being_learnt(self) -> None:
        """It may go on for weeks, and of those who succeed next to none are its hits."""
        stage = warm()
        before = stage.extra.strangers.total
        told(stage, minutes(*[CUSTOMERS | bots(8)] * 60, start=LATER))
        assert stage.extra.campaign is not None
        assert stage.extra.strangers.total > before + 5 * 30  # of 5 * 60, as what was before fades


class TestCase:
    """What a campaign's alert says: its cause, its members, the accounts that the attacker has the right password of."""

    BOT = ("imap", "BR", 64502, "ua:curl")
    PHONE = ("imap", "FR", 64501, "ua:phone")

    def hit(self, account: str, ts: float, carried: tuple[str, str, int, str] = BOT, outcome: int = OK) -> Hit:
        """A right password of a stranger."""
        return Hit(account, ts, outcome, carried, STRANGER)

    def story(self, *hits: Hit, notes: Iterable[Note] = (), attack_min: int = 100) -> list[Alert]:
        """The campaign's alerts on an attack of so many minutes, half of whose hits come before it stands out."""
        stage = warm()
        told(stage, [Pulse(int(LATER) - 1, {}, hits=list(hits), notes=list(notes))])
        attack = minutes(*[CUSTOMERS | bots(200)] * attack_min, start=LATER)
        calm = [Pulse(int(LATER) + (attack_min + 2 + n) * MINUTE_S, CUSTOMERS) for n in range(120)]
        return [alert for alert in told(stage, [*attack, *calm]).alerts if alert.kind == "campaign"]

    def test_an_alert_an_hour_and_one_after_the_end(self) -> None:
        """The last says that it has ended, and has no hour of another."""
        alerts = self.story()
        assert [any(reason.code == "ended" for reason in alert.reasons) for alert in alerts] == [False, False, True]
        assert len({alert.alert_id for alert in alerts}) == 3
        assert {alert.campaign_id for alert in alerts} == {alert.subject.campaign for alert in alerts}
        assert not any(alert.cold for alert in alerts)

    def test_the_cause(self) -> None:
        """In a word, and in a sentence."""
        for alert in self.story():
            assert alert.cause == "credential_stuffing"
            assert alert.reasons[0].text == (
                "a leaked list of logins and passwords, each pair tried about once, from AS64502, by a client that shows ua:curl"
            )

    def test_right_passwords_of_before_it_stood_out_are_found(self) -> None:
        """By what the campaign looks like: a customer's new telephone does not; up to three days back."""
        alerts = self.story(
            self.hit("anne", LATER - HOUR_S),
            self.hit("bob", LATER - 2 * HOUR_S, outcome=EXPIRED),
            self.hit("customer", LATER - HOUR_S, self.PHONE),
            self.hit("long ago", LATER - 4 * DAY_S),
        )
        assert {(*(alert.exposed or ()),) for alert in alerts} == {("bob", "anne")}
        assert {(*(alert.entered or ()),) for alert in alerts} == {("anne",)}
        assert alerts[-1].evidence.counts["found"] == 2
        assert alerts[-1].evidence.counts["entered"] == 1

    def test_members_look_like_it(self) -> None:
        """Alerts about single sources with its client and place; not guessing at one account, nor another's spraying."""
        notes = [
            Note("of it", "credential_stuffing", "x", "203.0.113.7", self.BOT),
            Note("other client", "password_spray", "x", "203.0.113.8", ("imap", "BR", 64502, "ua:other")),
            Note("guessing", "brute_force", "x", "203.0.113.9", self.BOT),
            Note("entered", "account_takeover", "anne", "203.0.113.9", self.PHONE),
        ]
        last = self.story(self.hit("anne", LATER - HOUR_S), notes=notes)[-1]
        members = set(last.members or ())
        assert members >= {last.campaign_id, "of it", "entered"}
        assert members.isdisjoint({"other client", "guessing"})

    def test_suspects_are_bounded(self) -> None:
        """Over the bound the oldest are forgotten."""
        stage = ServiceStage(max_rows=100)
        for number in range(60):
            hits = [self.hit(f"user{number}/{n}", T0 + number * MINUTE_S) for n in range(100)]
            told(stage, [Pulse(int(T0) + number * MINUTE_S, CUSTOMERS, hits=hits)])
        assert len(stage) <= 100 + 2_000 + 100
        stage.checkpoint()
        assert "user59/0" in dict(stage.rows())


class TestOutage:
    """``backend_outage``: our own failures."""

    def test_owners_who_fail_are_our_own_fault(self) -> None:
        """Whether the lines say so or not; the strangers among them are no campaign."""
        for outcome in (INTERNAL, UNKNOWN):
            stage = warm()
            failing: Counts = {
                ("imap", "FR", 64500, "ua:mail", outcome, OWNER): 1500,
                ("imap", "FR", 64500, "ua:mail", OK, OWNER): 500,
                ("imap", "FR", 64501, "ua:phone", outcome, STRANGER): 100,
            }
            outputs = told(stage, minutes(*[failing] * 5, start=LATER))
            assert {alert.kind for alert in outputs.alerts} <= {"backend_outage", "login_flood"}
            assert "backend_outage" in {alert.kind for alert in outputs.alerts}
            assert outputs.conclusions == []


class TestFlood:
    """``login_flood``: failures of the whole service."""

    def spread(self, failures: int) -> Counts:
        """Failures that have nothing in common."""
        return {
            ("imap", f"{chr(65 + n % 26)}{chr(65 + n // 26)}", 1000 + n, f"ua:{n}", CREDENTIALS, 0): failures // 50
            for n in range(50)
        }

    def test_from_everywhere(self) -> None:
        """600 failures in a minute, more than half of all attempts."""
        alerts = raised(ServiceStage(), minutes(*[self.spread(1000)] * 3))
        (alert,) = (alert for alert in alerts if alert.kind == "login_flood")
        assert (alert.subject.parts(), alert.severity, alert.attack) == ({}, "critical", "T1499.003")

    @pytest.mark.parametrize("failures", [550, 100])
    def test_below_the_threshold(self, failures: int) -> None:
        """Fewer are no flood."""
        assert not [alert for alert in raised(ServiceStage(), minutes(*[self.spread(failures)] * 5)) if alert.kind == "login_flood"]

    def test_customers_who_reconnect(self) -> None:
        """A hundred thousand good log-ins a minute after a restart, with as many failures as ever."""
        counts = {("imap", "FR", 64500, "ua:mail", OK, OWNER): 100_000} | self.spread(1000)
        assert not [alert for alert in raised(ServiceStage(), minutes(*[counts] * 5)) if alert.kind == "login_flood"]


class TestTime:
    """Minutes are judged in event time."""

    def test_partitions_add_up(self) -> None:
        """A minute is the sum of all pulses in it, in any order, also one that comes when the next minute has begun."""
        parts = [Pulse(int(T0) + minute * 60 + second, bots(100)) for minute in range(3) for second in (0, 20, 59)]
        late = [parts[index] for index in (3, 0, 1, 4, 2, 6, 7, 5, 8)]
        close = Pulse(int(T0) + 360, {})
        one, other = (raised(ServiceStage(), [*order, close]) for order in (parts, late))
        assert one == other
        assert {alert.evidence.counts["failures"] for alert in one if alert.subject.device} == {600}

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
        """On history one account partition may be minutes behind another: its attempts still count in their minute."""
        stage = ServiceStage()
        ahead = [Pulse(int(T0) + second, bots(100), source=0) for second in range(0, 300, 60)]
        behind = [Pulse(int(T0) + second, bots(200), source=1) for second in range(0, 300, 60)]
        raised(stage, [behind[0], *ahead])
        alerts = raised(stage, [*behind[1:], *(Pulse(int(T0) + 420, {}, source=source) for source in (0, 1))])
        assert stage.meta.late_events == 0
        assert {alert.evidence.counts["failures"] for alert in alerts if alert.subject.device} == {600}

    def test_a_silent_partition_is_not_waited_for(self) -> None:
        """A partition without log-ins for more than six minutes holds nothing up."""
        stage = ServiceStage()
        alerts = raised(stage, [Pulse(int(T0), bots(1), source=1), *minutes(*[bots(300)] * 12)])
        (alert,) = (alert for alert in alerts if alert.subject.device)
        assert alert.ts == T0 + 120


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

    def test_a_million_devices_that_a_client_invents_cost_bounded_memory(self) -> None:
        """A client can call itself anything: the state stays within one frame of the changelog, also while a partition is late."""
        stage = warm()
        told(stage, [Pulse(int(LATER), {}, source=1)])
        largest = 0
        for half_minute in range(100):
            names = [f"ua:{half_minute * 10_000 + number:0125}" for number in range(10_000)]
            assert len(names[0]) == 128  # as long as any
            counts: Counts = {
                ("imap", f"{number % 250:02x}", number, name, (CREDENTIALS, OK)[number % 3 == 0], STRANGER | FIRST): 1
                for number, name in enumerate(names)
            }
            told(stage, [Pulse(int(LATER) + half_minute * 30, counts)])
            largest = max(largest, len(stage.dump()))
        assert stage.extra.campaign is not None
        assert largest < 900_000

    def test_invented_devices_do_not_hide_the_rest(self) -> None:
        """Where there is no room for their names, their providers, countries and outcomes are still counted."""
        invented: Counts = {("imap", "BR", 64502, f"ua:{number}", CREDENTIALS, STRANGER | FIRST): 1 for number in range(10_000)}
        alerts = raised(warm(), minutes(*[CUSTOMERS | invented] * 3, start=LATER))
        (alert,) = (alert for alert in alerts if alert.subject.asn == 64502)
        assert alert.evidence.counts["failures"] >= 10_000
        assert not [alert for alert in alerts if alert.subject.device]

    def test_alerts_that_an_attacker_can_order_are_bounded(self) -> None:
        """Who invents a program for every few tries gets some alerts an hour about programs, and one about the campaign."""
        story = []
        for minute in range(60):
            names = [f"ua:{minute // 3}/{number}" for number in range(20)]
            story.append(CUSTOMERS | {key: tries for name in names for key, tries in bots(20, device=name).items()})
        alerts = raised(warm(), minutes(*story, start=LATER))
        assert len(alerts) < 80
        assert [alert.kind for alert in alerts].count("campaign") == 1

    @pytest.mark.parametrize("place", [100, 370, 385])
    def test_a_dump_goes_on_like_the_original(self, place: int) -> None:
        """In quiet times, while a campaign begins and while it runs."""
        original, copy = ServiceStage(), ServiceStage()
        story = campaign_pulses(5)
        told(original, story[:place])
        copy.restore(original.checkpoint())
        copy.restored()
        rest = [told(stage, story[place:]) for stage in (original, copy)]
        assert rest[0] == rest[1]
        assert len(rest[0].conclusions) > 5
        assert copy.dump() == original.dump()
