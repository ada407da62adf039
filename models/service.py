"""The service-wide stage: what the one partition of ``auth.pulse`` knows about the service as a whole.

Counters by protocol, country, ASN and device live only here. They see what no address and no account shows: a botnet whose
thousands of addresses try one pair each. What is watched are strangers and newcomers (see :mod:`models.campaigns`), because
customers who mistype are hardly ever strangers.

Rules (all scored), judged when a minute closes:
    * ``credential_stuffing``: strangers who fail with one device, ASN, country or protocol rise far above their own baseline.
    * ``login_flood``: so do all failures together.
    * ``backend_outage``: far more fail than usual of the log-ins that look like their owners'. Of strangers it says nothing.
    * ``campaign``: strangers fail so, however often each account is tried; told to every process each minute, with its looks.

A campaign's alert is the case of an analyst: its cause, its members, the accounts of which the attacker had the right password.
Right passwords of strangers are kept for three days, by account, so that a campaign finds those of before it stood out. There is
one alert an hour, and one more after its end, as what is found later belongs to it too.
"""

from __future__ import annotations

from math import exp, log, log1p
from typing import Any, Final

import msgspec

from models.alerts import KINDS, Alert, Evidence, Kind, ModelScore, Reason, Severity, Subject, alert_id
from models.attempts import Fail
from models.by_source import GUESSES
from models.campaigns import DIMENSIONS, FIRST, HIT_SHARE, REFUSED, Campaign, Carried, Mix, fits_owner, is_newcomer, is_stranger
from models.causes import FEW_TRIES, UNKNOWN_SHARE, kind_of, told
from models.detectors import RateBaseline
from models.stage import Hit, Note, Outputs, Pulse, SeenAs, Stage

__all__ = ["ServiceStage", "Tally"]

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
#: A minute is judged when the slowest account partition has passed its end, and the fastest by a minute. On history partitions
#: may be five minutes apart; one that is silent for longer is not waited for.
_LATE_S: Final = 60
_SKEW_S: Final = 360
#: Strangers' failures are summed over this many minutes: ten an hour are people, ten in a few minutes are not.
_WINDOW_MIN: Final = 10
_MIN_FAILURES: Final = 30
_MIN_FAILURE_SHARE: Final = 0.5
_FLOOD_FAILURES_PER_MIN: Final = 600
#: Score of the baseline from which a minute is not ordinary: one of a hundred ordinary minutes reaches it.
_SCORE: Final = 0.99
_USUAL_SCORE: Final = 0.98
_TWICE: Final = log(2.0)
#: A value never seen before is judged once so many minutes have been.
_NEW_VALUE_MIN: Final = 100
_MINUTES_IN_A_ROW: Final = 2
_REMEMBER_ALERTS_H: Final = 26
#: In an outage most log-ins of owners fail; a forgotten password or a phone that was not told of a new one is seldom.
_OUTAGE_FAILURES: Final = 20
_OUTAGE_SHARE: Final = 0.3
#: A campaign ends when nothing has stood out for so long.
_CAMPAIGN_QUIET_S: Final = 1_800
#: Per minute: what a campaign looked like an hour ago hardly counts. What quiet strangers look like is learnt over a day and a
#: half: clients are updated within days, and as each account is known there are ever fewer newcomers. But what came now and then is
#: remembered for two weeks: a cloud's client at night, of which a few fail, would look like a campaign.
_FAILING_FADES: Final = 0.97
_QUIET_FADES: Final = exp(-1 / (1.5 * 1_440))
_PAST_FADES: Final = exp(-1 / (14 * 1_440))
_RATE_STEP: Final = 0.1
#: A campaign with a smaller share than this in the good log-ins of strangers and newcomers does not keep those from being learnt.
_QUIET_HIT_SHARE: Final = 0.1
#: How long our own refusals alone keep a campaign going.
_PRESENCE_S: Final = 86_400
#: Combinations of strangers kept of all minutes not yet judged. A device name is the client's claim, so there can be any number of
#: them: they get this many places, the last of which only without it, and then nothing but their outcome is counted.
_MAX_KEYS: Final = 3_500
_KEYS_WITHOUT_DEVICE: Final = 1_000
_SOME_DEVICE: Final = "~"
#: Right passwords of strangers are looked back at for so long, on so many accounts at most (the oldest go first) and so many each.
_LOOK_BACK_S: Final = 72 * _HOUR_S
_MAX_SUSPECTS: Final = 20_000
_SUSPECTS_SLACK: Final = 2_000
_MAX_HITS: Final = 4
#: From these odds on a right password was the campaign's; its owner is asked to change it, so seldom without reason.
_EXPOSED_LOG_ODDS: Final = log(10.0)
#: Alerts of the last hour that a campaign may turn out to stand behind.
_MAX_NOTES: Final = 1_024
#: A member's client and place are those of at least this share of the campaign's attempts.
_MEMBER_SHARE: Final = 0.02
#: Listed in an alert at most, the newest; counted are all.
_MAX_LISTED: Final = 500
_MAX_CLOSING: Final = 4
#: Values watched per minute, those with the most failures; and alerts about them in an hour, as an attacker can invent values.
_MAX_VALUES: Final = 100
_MAX_ALERTS_PER_H: Final = 64

#: What tells nothing of an attempt: the client did not say, nobody knows, or there was no room.
_NOTHING: Final = ("", 0, _SOME_DEVICE)

_Value = tuple[str, str]
#: Alerts about one address or network.
_OF_SOURCES: Final[frozenset[str]] = frozenset({"password_spray", "credential_stuffing"})


class Tally(msgspec.Struct, array_like=True, gc=False):
    """Attempts of strangers and newcomers with one value: all, failures, with no such account, first on their account."""

    attempts: int = 0
    failures: int = 0
    unknown: int = 0
    first: int = 0

    def add(self, other: Tally) -> None:
        """Add ``other``."""
        self.attempts += other.attempts
        self.failures += other.failures
        self.unknown += other.unknown
        self.first += other.first

    def subtract(self, other: Tally) -> None:
        """Take ``other`` away, which was added before."""
        self.attempts -= other.attempts
        self.failures -= other.failures
        self.unknown -= other.unknown
        self.first -= other.first


class Suspect(msgspec.Struct, array_like=True):
    """The last right passwords of strangers on an account, and the campaign that the newest of its was found to be of, if any."""

    newest_ts: float = 0.0
    hits: list[Hit] = msgspec.field(default_factory=list)
    campaign_id: str = ""
    found_ts: float = 0.0
    entered: bool = False


class Running(msgspec.Struct, array_like=True):
    """The campaign that runs: when it began, was last seen, and was last seen in what we did not refuse; see ``Campaign``.

    ``newcomers`` are those of ``seen.failures`` that were on accounts without a past.
    """

    campaign_id: str
    kind: Kind
    first_ts: float
    last_ts: float
    evident_ts: float
    failing: Mix
    tries_per_min: float = 0.0
    most_per_min: float = 0.0
    seen: Tally = msgspec.field(default_factory=Tally)
    members: dict[str, Note] = msgspec.field(default_factory=dict)
    found: int = 0
    entered: int = 0
    newcomers: int = 0


class Extra(msgspec.Struct, array_like=True):
    """What the stage knows.

    How far each account partition is; the counts of minutes not yet judged; the tallies of the last minutes judged; which values
    have stood out for how many minutes; the alerts that are out; the usual share of owners' failures; what strangers look like in
    quiet times; the campaign; those that have ended and whose last alert is to come; the alerts of the last hour; what strangers
    have looked like in quiet times for longer.
    """

    passed: dict[int, int] = msgspec.field(default_factory=dict)
    open: dict[int, dict[SeenAs, int]] = msgspec.field(default_factory=dict)
    window: dict[int, dict[_Value, Tally]] = msgspec.field(default_factory=dict)
    streaks: dict[_Value, int] = msgspec.field(default_factory=dict)
    alerted: dict[str, int] = msgspec.field(default_factory=dict)
    closed_minute: int = -1
    judged: int = 0
    quiet_minutes: float = 0.0
    owners_fail: float = 0.0
    strangers: Mix = msgspec.field(default_factory=Mix)
    newcomers: Mix = msgspec.field(default_factory=Mix)
    campaign: Running | None = None
    baseline: bytes = b""
    closing: list[Running] = msgspec.field(default_factory=list)
    notes: list[tuple[int, Note]] = msgspec.field(default_factory=list)
    past_strangers: Mix = msgspec.field(default_factory=Mix)
    past_newcomers: Mix = msgspec.field(default_factory=Mix)


class ServiceStage(Stage[Suspect, Pulse]):
    """See the module's text."""

    def __init__(self, max_rows: int = _MAX_SUSPECTS) -> None:
        self.extra = Extra()
        self.baseline = RateBaseline()
        self._summed: dict[_Value, Tally] | None = None  #: the window's tallies in all; ``None``: not summed up yet
        self._evident: tuple[Tally, float, list[Reason]] | None = None  #: what stands out in the minute that is being judged
        super().__init__(max_rows)

    @staticmethod
    def row_type(key: str) -> type[Suspect]:
        """All rows are alike: one per account."""
        return Suspect

    def _fold(self, item: Pulse, offset: int, outputs: Outputs) -> None:
        minute = item.second // _MINUTE_S
        extra = self.extra
        passed_ts = max(item.until_ts, float(item.second))
        self.meta.newest_ts = max(self.meta.newest_ts, passed_ts)
        extra.passed[item.source] = max(extra.passed.get(item.source, 0), int(passed_ts))
        for hit in item.hits:
            self._keep(hit)
        if item.notes:
            extra.notes = [*extra.notes, *((item.second, note) for note in item.notes)][-_MAX_NOTES:]
        if minute <= extra.closed_minute:
            self.meta.late_events += sum(item.counts.values())
            if self._is_quiet():
                self._learn_quiet(item.counts)  # where log-ins are few, those of a partition come when its next one does
            return
        self._count(extra.open.setdefault(minute, {}), item.counts)
        newest = int(self.meta.newest_ts)
        last_closable = min(newest - _LATE_S, max(min(extra.passed.values()), newest - _SKEW_S)) // _MINUTE_S
        for closing in sorted(index for index in extra.open if index < last_closable):
            self._close(closing, extra.open.pop(closing), outputs)
            extra.closed_minute = closing

    def _count(self, counts: dict[SeenAs, int], more: dict[SeenAs, int]) -> None:
        """Add to the counts of a minute what strangers and newcomers carry, as long as there is room."""
        room = _MAX_KEYS - sum(map(len, self.extra.open.values()))
        for key, attempts in more.items():
            outcome, known = key[4], key[5]
            kept = key
            if key not in counts and room <= _KEYS_WITHOUT_DEVICE and not fits_owner(known):
                kept = (*key[:3], _SOME_DEVICE, outcome, known)
                if kept not in counts and room <= 0:
                    kept = ("", "", 0, _SOME_DEVICE, outcome, known)
            room -= kept not in counts
            counts[kept] = counts.get(kept, 0) + attempts

    # -- judging a minute --------------------------------------------------------------------------------------------

    def _close(self, minute: int, counts: dict[SeenAs, int], outputs: Outputs) -> None:
        extra = self.extra
        outage = self._judge_outage(minute, counts)
        if outage is not None:
            outputs.alerts += outage
            return
        extra.judged += 1
        before = extra.streaks if minute == extra.closed_minute + 1 else {}
        extra.streaks = {}
        ts = float((minute + 1) * _MINUTE_S)
        for value, tally in self._tallies_of_window(minute, counts).items():
            score = self._unusual(value, tally)
            if score is not None and score < _SCORE:
                continue
            if tally.failures < _MIN_FAILURES or tally.failures < _MIN_FAILURE_SHARE * tally.attempts:
                continue
            streak = extra.streaks[value] = before.get(value, 0) + 1
            if streak >= _MINUTES_IN_A_ROW:
                outputs.alerts += self._alerts(value, tally, score, ts)
        outputs.alerts += self._judge_flood(minute, counts)
        self._learn(minute, counts)
        if extra.campaign is not None and self._evident is not None:
            case = self._case(extra.campaign, ts, *self._evident)
            outputs.alerts += [] if case is None else [case]
        self._evident = None
        if extra.campaign is not None:
            outputs.conclusions.append(self._conclusion(extra.campaign, ts))
        outputs.alerts += self._close_campaigns(ts)
        self._forget_suspects(outputs)

    def _tallies_of_window(self, minute: int, counts: dict[SeenAs, int]) -> dict[_Value, Tally]:
        """What strangers did in the last minutes; kept up minute by minute, as most of them are counted in the next window too."""
        window, summed = self.extra.window, self._summed
        new = window[minute] = _tallies(counts)
        past = [window.pop(old) for old in list(window) if old <= minute - _WINDOW_MIN]
        added = [new]
        if summed is None:
            summed = self._summed = {}
            added, past = list(window.values()), []
        for tallies in added:
            for value, tally in tallies.items():
                (summed.get(value) or summed.setdefault(value, Tally())).add(tally)
        for tallies in past:
            for value, tally in tallies.items():
                summed[value].subtract(tally)
                if not summed[value].attempts:
                    del summed[value]
        return dict(sorted(summed.items(), key=lambda item: (-item[1].failures, item[0]))[:_MAX_VALUES])

    def _unusual(self, value: _Value, tally: Tally) -> float | None:
        """The score of a value's failures against its own past; ``None`` while the service as a whole has too little of it.

        Also what is rare has to be twice the usual, else steady noise stands out once in a hundred minutes and its peaks are never
        learnt. What stands out is not learnt.
        """
        key, rate = "\0".join(value), log1p(tally.failures)
        score = self.baseline.score(key, rate)
        if score is not None and rate < (self.baseline.usual(key) or 0.0) + _TWICE:
            score = min(score, _USUAL_SCORE)
        if score is None and self.extra.judged > _NEW_VALUE_MIN and self.baseline.learnt >= self.baseline.min_history:
            score = 1.0 - 1.0 / self.extra.judged
        if score is None or score < _SCORE:
            self.baseline.observe(key, rate)
        return score

    def _alerts(self, value: _Value, tally: Tally, score: float | None, ts: float) -> list[Alert]:
        """What a value that stands out is told as: stuffing, where accounts are tried once or so; and, unless cold, the campaign.

        Guessing is the account stage's to tell, but for what a campaign begins with: that is its first member.
        """
        dimension, which = value
        subject = _subject(dimension, which)
        hour = (int(ts) - 1) // _HOUR_S
        is_stuffing = tally.failures <= FEW_TRIES * max(tally.first, 1)
        kind: Kind = "credential_stuffing" if is_stuffing else "brute_force"
        first_ts = float(min(index for index, tallies in self.extra.window.items() if value in tallies) * _MINUTE_S)
        where = f"with {dimension} {which}" if dimension else "in all"
        reasons = _reasons(where, tally, score)
        begins = score is not None and self.extra.campaign is None
        if begins:
            self.extra.campaign = Running(alert_id(kind, subject, hour), kind, first_ts, ts, ts, Mix())
        is_told = begins or (is_stuffing and self._may_alert(hour))
        alert = self._alert(kind, "high", subject, hour, ts, first_ts, tally, score, reasons) if is_told else None
        running = self.extra.campaign
        if running is not None and score is not None:
            running.last_ts = running.evident_ts = ts
            self._evident = self._evident or (tally, score, reasons)
            if alert is not None and len(running.members) < _MAX_LISTED:
                running.members[alert.alert_id] = Note(alert.alert_id, alert.kind, "", "", ("", "", 0, ""))
        return [] if alert is None else [alert]

    def _may_alert(self, hour: int) -> bool:
        return sum(at == hour for at in self.extra.alerted.values()) < _MAX_ALERTS_PER_H

    def _judge_flood(self, minute: int, counts: dict[SeenAs, int]) -> list[Alert]:
        failures = sum(attempts for key, attempts in counts.items() if key[4] in GUESSES)
        attempts = sum(attempts for key, attempts in counts.items() if key[4] != REFUSED)
        score = self.baseline.score("flood", log1p(failures))
        if score is None or score < _SCORE:
            self.baseline.observe("flood", log1p(failures))
        if failures < _FLOOD_FAILURES_PER_MIN or failures < _MIN_FAILURE_SHARE * attempts or (score is not None and score < _SCORE):
            return []
        ts = float((minute + 1) * _MINUTE_S)
        text = f"{failures} failures a minute in all"
        reasons = [Reason("failures_per_min", text, failures, _FLOOD_FAILURES_PER_MIN)]
        tally = Tally(attempts, failures)
        hour = minute * _MINUTE_S // _HOUR_S
        alert = self._alert("login_flood", "critical", Subject(), hour, ts, ts - _MINUTE_S, tally, score, reasons)
        return [] if alert is None else [alert]

    def _judge_outage(self, minute: int, counts: dict[SeenAs, int]) -> list[Alert] | None:
        """The alerts of a minute in which we ourselves fail; ``None`` for any other minute."""
        owners = [(key[4], attempts) for key, attempts in counts.items() if fits_owner(key[5])]
        failures = sum(attempts for outcome, attempts in owners if outcome not in {Fail.NONE, REFUSED})
        attempts = sum(attempts for outcome, attempts in owners if outcome != REFUSED)
        share = failures / max(attempts, 1)
        usual = self.extra.owners_fail
        if failures < _OUTAGE_FAILURES or share < max(_OUTAGE_SHARE, 3 * usual):
            self.extra.owners_fail += _RATE_STEP * (share - usual)
            return None
        hour = minute * _MINUTE_S // _HOUR_S
        ts = float((minute + 1) * _MINUTE_S)
        text = f"{share:.0%} of the log-ins fail that look like their owners', usually {usual:.0%}"
        reasons = [Reason("owners_fail", text, round(share, 4), _OUTAGE_SHARE)]
        tally = Tally(attempts, failures)
        alert = self._alert("backend_outage", "medium", Subject(), hour, ts, ts - _MINUTE_S, tally, None, reasons)
        return [] if alert is None else [alert]

    def _alert(
        self,
        kind: Kind,
        severity: Severity,
        subject: Subject,
        hour: int,
        ts: float,
        first_ts: float,
        tally: Tally,
        score: float | None,
        reasons: list[Reason],
    ) -> Alert | None:
        """The alert, unless it is out already."""
        identity = alert_id(kind, subject, hour)
        if identity in self.extra.alerted:
            return None
        self.extra.alerted = {old: at for old, at in self.extra.alerted.items() if at > hour - _REMEMBER_ALERTS_H} | {
            identity: hour
        }
        return Alert(
            alert_id=identity,
            kind=kind,
            severity=severity,
            score=round(score if score is not None else tally.failures / tally.attempts, 4),
            ts=ts,
            first_ts=first_ts,
            last_ts=ts,
            subject=subject,
            campaign_id=self.extra.campaign.campaign_id if self.extra.campaign else None,
            reasons=reasons,
            evidence=Evidence(counts={"attempts": tally.attempts, "failures": tally.failures, "unknown": tally.unknown}),
            attack=KINDS[kind].attack,
            model=None if score is None else ModelScore(RateBaseline.name, RateBaseline.version, round(score, 4)),
            cold=score is None,
        )

    # -- the campaign ------------------------------------------------------------------------------------------------

    def _learn(self, minute: int, counts: dict[SeenAs, int]) -> None:
        """What strangers look like: those who fail while a campaign runs, those who succeed while none of note does."""
        extra, ts = self.extra, float((minute + 1) * _MINUTE_S)
        if extra.campaign is not None and ts - extra.campaign.last_ts > _CAMPAIGN_QUIET_S:
            extra.closing = [*extra.closing, extra.campaign][-_MAX_CLOSING:]
            extra.campaign = None
        if extra.campaign is not None:
            _follow(extra.campaign, counts, ts)
        if not self._is_quiet():
            return
        extra.quiet_minutes = extra.quiet_minutes * _QUIET_FADES + 1
        extra.strangers.fade(_QUIET_FADES)
        extra.newcomers.fade(_QUIET_FADES)
        extra.past_strangers.fade(_PAST_FADES)
        extra.past_newcomers.fade(_PAST_FADES)
        self._learn_quiet(counts)

    def _is_quiet(self) -> bool:
        """Whether next to none of the strangers who succeed can be a campaign's: a slow one may go on for weeks."""
        extra = self.extra
        if extra.campaign is None:
            return True
        hits_per_min = HIT_SHARE * extra.campaign.tries_per_min
        return hits_per_min * extra.quiet_minutes < _QUIET_HIT_SHARE * (extra.strangers.total + extra.newcomers.total)

    def _learn_quiet(self, counts: dict[SeenAs, int]) -> None:
        for key, attempts in counts.items():
            outcome, known = key[4], key[5]
            if outcome == Fail.NONE and is_stranger(known):
                self.extra.strangers.add(key[:4], known, attempts)
                self.extra.past_strangers.add(key[:4], known, attempts)
            elif outcome == Fail.NONE and is_newcomer(known):
                self.extra.newcomers.add(key[:4], known, attempts)
                self.extra.past_newcomers.add(key[:4], known, attempts)

    def _conclusion(self, running: Running, ts: float) -> Campaign:
        extra = self.extra
        return Campaign(
            campaign_id=running.campaign_id,
            kind=running.kind,
            first_ts=running.first_ts,
            ts=max(ts, self.meta.newest_ts),
            until_ts=running.last_ts + _CAMPAIGN_QUIET_S,
            failing=running.failing.copy(),
            tries_per_min=running.tries_per_min,
            strangers=extra.strangers.copy(),
            newcomers=extra.newcomers.copy(),
            past_strangers=extra.past_strangers.copy(),
            past_newcomers=extra.past_newcomers.copy(),
            quiet_minutes=extra.quiet_minutes,
            existing=1.0 - running.seen.unknown / running.newcomers if running.newcomers else 1.0,
        )

    # -- the case ----------------------------------------------------------------------------------------------------

    def _keep(self, hit: Hit) -> None:
        """Remember a right password of a stranger, in case a campaign turns out to stand behind it."""
        row = self.hot.get(hit.account) or self.row(hit.account)
        row.hits.append(hit)
        row.newest_ts = max(row.newest_ts, hit.ts)
        if len(row.hits) > _MAX_HITS:
            del row.hits[0]

    def _case(self, running: Running, ts: float, tally: Tally, score: float | None, reasons: list[Reason]) -> Alert | None:
        """The campaign's alert of the hour, with what is known of it by now; nothing if it is out."""
        subject, hour = Subject(campaign=running.campaign_id), (int(ts) - 1) // _HOUR_S
        if alert_id("campaign", subject, hour) in self.extra.alerted:
            return None
        self._look_back(running, ts)
        found = self._found(running)
        self._collect(running, {account for account, _ in found})
        notes = running.members.values()
        kinds = [note.kind for note in notes if note.address]
        seen = running.seen if running.seen.failures else tally
        cause = kind_of(seen.failures, seen.unknown, seen.first, kinds.count("password_spray"), kinds.count("credential_stuffing"))
        cause = running.kind if cause == "brute_force" and running.kind != "brute_force" else cause
        mix = running.failing
        sources = len({note.address for note in notes if note.address and note.kind in _OF_SOURCES})
        told_so = [Reason("cause", told(cause, mix, sources)), *_of_kind(cause, seen), *reasons]
        alert = self._alert("campaign", "high", subject, hour, ts, running.first_ts, tally, score, told_so)
        if alert is None:
            return None
        counted = alert.evidence.counts | {"found": running.found, "entered": running.entered}
        return msgspec.structs.replace(
            alert,
            campaign_id=running.campaign_id,
            evidence=msgspec.structs.replace(alert.evidence, counts=counted),
            cause=cause,
            members=[running.campaign_id, *(each for each in running.members if each != running.campaign_id)][-_MAX_LISTED:],
            exposed=[account for account, _ in found][-_MAX_LISTED:],
            entered=[account for account, entered in found if entered][-_MAX_LISTED:],
        )

    def _look_back(self, running: Running, ts: float) -> None:
        """Score the right passwords of the last days by what the campaign looks like now."""
        campaign = msgspec.structs.replace(self._conclusion(running, ts), tries_per_min=running.most_per_min)
        since = running.first_ts - _LOOK_BACK_S
        if not campaign.failing.total:
            return
        judged: dict[tuple[Carried, int], bool] = {}  # many look alike

        def is_theirs(hit: Hit) -> bool:
            look = (hit.carried, hit.known)
            if look not in judged:
                judged[look] = campaign.log_odds(hit.carried, hit.known) >= _EXPOSED_LOG_ODDS
            return judged[look]

        for account, row in self._suspects():
            theirs = [hit for hit in row.hits if hit.ts >= since and is_theirs(hit)]
            entered = any(hit.outcome == Fail.NONE for hit in theirs)
            if theirs and (row.campaign_id != running.campaign_id or entered > row.entered):
                changed = self.row(account)
                running.found += row.campaign_id != running.campaign_id
                running.entered += entered
                changed.campaign_id, changed.found_ts, changed.entered = running.campaign_id, max(hit.ts for hit in theirs), entered

    def _found(self, running: Running) -> list[tuple[str, bool]]:
        """The accounts found so far, the newest last, and whether each was entered."""
        rows = [(row.found_ts, account, row.entered) for account, row in self._suspects() if row.campaign_id == running.campaign_id]
        return [(account, entered) for _, account, entered in sorted(rows)]

    def _collect(self, running: Running, found: set[str]) -> None:
        """Add to the members the alerts since the campaign's begin that look like it, or are about what it got into."""
        for second, note in self.extra.notes:
            if second < running.first_ts - _HOUR_S or len(running.members) >= _MAX_LISTED:
                continue
            if note.account in found if note.kind == "account_takeover" else _is_member(running, note):
                running.members.setdefault(note.alert_id, note)

    def _close_campaigns(self, ts: float) -> list[Alert]:
        """The last alerts of campaigns that have ended, in the first hour that has none of theirs yet."""
        alerts, waiting = [], []
        for running in self.extra.closing:
            text = f"nothing has stood out for {_CAMPAIGN_QUIET_S // _MINUTE_S} minutes: it has ended"
            alert = self._case(running, ts, running.seen, None, [Reason("ended", text)])
            if alert is None:
                waiting.append(running)
            else:
                alerts.append(msgspec.structs.replace(alert, last_ts=running.last_ts, cold=False))
        self.extra.closing = waiting
        return alerts

    def _suspects(self) -> list[tuple[str, Suspect]]:
        keys = [key for cold in self._cold for key in cold]
        return [(key, row) for key in keys if (row := self.peek(key)) is not None]

    def _forget_suspects(self, outputs: Outputs) -> None:
        """Once there are too many: those whose last is too long ago, and the oldest of the others."""
        if len(self) < self.max_rows + _SUSPECTS_SLACK:
            return
        ages = sorted((row.newest_ts, key) for key, row in self._suspects())
        for _, key in ages[: len(ages) - self.max_rows]:
            self._forget(key, outputs)

    # -- housekeeping ------------------------------------------------------------------------------------------------

    def _expired(self, row: Suspect) -> bool:
        return row.newest_ts < self.meta.newest_ts - _LOOK_BACK_S

    def _alerting(self, row: Suspect) -> bool:
        return False

    def _remarkable(self, row: Suspect) -> tuple[float, ...]:
        return (row.newest_ts,)

    def _dump_extra(self) -> bytes:
        self.extra.baseline = self.baseline.dump()
        return msgspec.msgpack.encode(self.extra)

    def _load_extra(self, packed: bytes) -> None:
        self.extra = msgspec.msgpack.decode(packed, type=Extra) if packed else Extra()
        self._summed = None
        self.baseline = RateBaseline.load("service", self.extra.baseline) if packed else RateBaseline()


def _tallies(counts: dict[SeenAs, int]) -> dict[_Value, Tally]:
    """Sum a minute's strangers by (dimension, value); ``("", "")`` is the whole."""
    tallies: dict[_Value, Tally] = {}
    for key, attempts in counts.items():
        outcome, known = key[4], key[5]
        if outcome == REFUSED or fits_owner(known):
            continue
        failures = attempts if outcome in GUESSES else 0
        tally = Tally(attempts, failures, attempts if outcome == Fail.ACCOUNT else 0, failures if known & FIRST else 0)
        told = [(name, str(carried)) for name, carried in zip(DIMENSIONS, key, strict=False) if carried not in _NOTHING]
        for value in (("", ""), *told):
            (tallies.get(value) or tallies.setdefault(value, Tally())).add(tally)
    return dict(sorted(tallies.items(), key=lambda item: (-item[1].failures, item[0]))[:_MAX_VALUES])


def _follow(running: Running, counts: dict[SeenAs, int], ts: float) -> None:
    """Add a minute to a campaign.

    Of those that fail on one account the first in an hour counts: a program that was not told of the new password tries all day,
    and a campaign of guesses at few accounts opens few. What we refused is no evidence: alone it keeps a campaign for a day at
    most. But it is the campaign's presence, and belongs to its looks; else the campaign would soon look like those whom we do not
    refuse, who are mostly customers.
    """
    tries = [
        (key, attempts)
        for key, attempts in counts.items()
        if (key[4] == REFUSED or (key[4] in GUESSES and key[5] & FIRST)) and not fits_owner(key[5])
    ]
    refused = sum(attempts for key, attempts in tries if key[4] == REFUSED)
    if refused >= _MIN_FAILURES / _WINDOW_MIN and ts - running.evident_ts < _PRESENCE_S:
        running.last_ts = ts
    for key, attempts in counts.items():
        if key[4] in GUESSES and not fits_owner(key[5]):
            unknown, first = key[4] == Fail.ACCOUNT, bool(key[5] & FIRST)
            running.seen.add(Tally(attempts, attempts, attempts * unknown, attempts * first))
            running.newcomers += attempts * is_newcomer(key[5])
    running.most_per_min = max(running.most_per_min, running.tries_per_min)
    running.tries_per_min += _RATE_STEP * (sum(attempts for _, attempts in tries) - running.tries_per_min)
    running.failing.fade(_FAILING_FADES)
    for key, attempts in tries:
        running.failing.add(key[:4], key[5], attempts)


def _reasons(where: str, tally: Tally, score: float | None) -> list[Reason]:
    text = f"{tally.failures} failures of strangers within {_WINDOW_MIN} minutes {where}"
    share = tally.failures / tally.attempts
    reasons = [
        Reason("stranger_failures", text, tally.failures, _MIN_FAILURES),
        Reason("failure_share", f"{share:.0%} of their attempts", round(share, 4), _MIN_FAILURE_SHARE),
        Reason("kind_ambiguous", "where accounts are tried once each, this can be password spraying as well"),
    ]
    if score is not None:
        reasons.append(Reason("above_baseline", "such minutes are rare in its own past", round(score, 4), _SCORE))
    return reasons


def _is_member(running: Running, note: Note) -> bool:
    return note.kind in _OF_SOURCES | {running.kind} and _looks_alike(running.failing, note.carried)


def _looks_alike(mix: Mix, carried: Carried) -> bool:
    """Whether the client and the place are among those that the campaign uses."""
    least = _MEMBER_SHARE * mix.total
    _, country, asn, device = carried
    counts: list[dict[Any, float]] = list(mix.counts)
    is_here = counts[2].get(asn, 0.0) >= least or counts[1].get(country, 0.0) >= least
    return is_here and counts[3].get(device, 0.0) >= least


def _of_kind(cause: Kind, seen: Tally) -> list[Reason]:
    share = seen.unknown / max(seen.failures, 1)
    text = f"{share:.0%} of the failures are on accounts that do not exist"
    return [Reason("unknown_share", text, round(share, 4), UNKNOWN_SHARE)] if cause != "brute_force" else []


def _subject(dimension: str, value: str) -> Subject:
    if dimension == "asn":
        return Subject(asn=int(value))
    parts: dict[str, Any] = {dimension: value} if dimension else {}
    return Subject(**parts)
