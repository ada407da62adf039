"""The account stage: what one partition of ``auth.by-account`` knows about accounts.

Rules:
    * ``brute_force`` (instant): many different passwords against one account, from one or many addresses.
    * ``account_takeover`` (scored): a success by a source under attack alert, a success from a new network after failures, two
      successes of strangers in two countries, or one that no traveller could make.
    * ``stale_password`` (scored): a familiar network and device keep trying one old password.
    * ``token_failure`` (scored): a familiar device's OAuth tokens fail for longer than one is valid, with no success in between.

A repeated password is one guess, so a forgotten phone never looks like guessing (``Attempt.guess``).

It also counts, for the service-wide stage, every attempt by what its account knows of it: a pulse each half minute. It says what
is familiar about an account when that changes. What we refused is counted apart (:mod:`models.presence`). Account changes
(``models.changes``) take effect where they stand among attempts.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log1p
from typing import Final, TypeVar
from zlib import compress, decompress

import msgspec

from models.accounts import Groups
from models.addresses import locate
from models.alerts import KINDS, Alert, Evidence, Feature, Kind, ModelScore, Reason, Severity, Subject, alert_id
from models.attempts import TRY_SLOT_S, Attempt, Fail
from models.by_source import GUESSES
from models.campaigns import (
    ASN,
    COUNTRY,
    DEVICE,
    FIRST,
    HISTORY,
    NETWORK,
    NOT_TOLD,
    PROTOCOL,
    REFUSED,
    TODAY,
    TRIED,
    carried_by,
    fits_owner,
)
from models.changes import AccountChange
from models.detectors import AccountDetector, Detector, Vector
from models.ids import hash32, hash64
from models.presence import MANY, Presence, presence_alert
from models.profiles import Profile, device_number, network_number, password_number, protocol_bit
from models.stage import Batch, Hit, Note, Outputs, Pulse, Stage
from models.takeover import takeover_reasons
from models.windows import HOUR_S, RECENT_S, InstantRule, add_distinct, cell_at, count_distinct, union

__all__ = ["BRUTE_RULES", "AccountRow", "AccountStage", "familiarity", "profile_of"]

#: People try up to about six variants of a forgotten password; ten different ones in ten minutes is a list.
BRUTE_RULES: Final = (
    InstantRule("brute_force", 600, 10),
    InstantRule("brute_force", HOUR_S, 25),
    InstantRule("brute_force", 24 * HOUR_S, 50),
)
_KIND_CODES: Final[dict[Kind, int]] = {"brute_force": 1, "account_takeover": 2, "stale_password": 3, "token_failure": 4}
_MINUTE_S: Final = 60
_DAY_S: Final = 86400
_IDLE_STRANGER_S: Final = 25 * HOUR_S
_IDLE_OWNER_S: Final = 180 * _DAY_S
_HABITS: Final = 8
_FAILING_ADDRESSES: Final = 16
_REFUSED_PASSWORDS: Final = 6
_LISTED_ADDRESSES: Final = 5
_STALE_PAIRS: Final = 4
_REMEMBER_ALERTS_H: Final = 26
#: Design section 4.2: familiar = successes on >= 3 days over >= 7. Less history than that makes an alert cold.
_HISTORY_DAYS: Final = 3
_HISTORY_SPAN_DAYS: Final = 7
#: After these changes the mailbox is somebody else's; after those an intruder is out.
_STARTS_ANEW: Final = frozenset({"created", "closed"})
_NEW_SECRET: Final = frozenset({"password_changed", "credential_revoked"})
_STALE_TRIES: Final = 5
_STALE_SPAN_S: Final = 600
#: A token is valid for an hour: tried once more before it is renewed it is ordinary, for an hour on end it is not renewed.
_TOKEN_TRIES: Final = 4
_TOKEN_SPAN_S: Final = HOUR_S
_TOKEN_DEVICES: Final = 4
_LEARN_EVERY: Final = 64
#: A pulse closes with its half minute (records of one event each would cost too much), or when it is large (a device name is the
#: client's claim, and a record is bounded).
_PULSE_SLOT_S: Final = 30
_PULSE_LARGE: Final = 256

#: Outcomes only after the right password; of what we refused, nobody looked at it.
_RIGHT_PASSWORD: Final = frozenset({Fail.NONE, Fail.EXPIRED})

Key = TypeVar("Key", str, int)


class AccountCell(msgspec.Struct, array_like=True, gc=False):
    """Failures in one sub-window: how many, and distinct guesses and addresses."""

    first_s: int = 1 << 40
    last_s: int = 0
    failures: int = 0
    guesses: list[int] = msgspec.field(default_factory=list)
    addresses: list[int] = msgspec.field(default_factory=list)

    def merge(self, other: AccountCell) -> None:
        """Add what happened in ``other``."""
        self.first_s = min(self.first_s, other.first_s)
        self.last_s = max(self.last_s, other.last_s)
        self.failures += other.failures
        self.guesses = union((self.guesses, other.guesses))
        self.addresses = union((self.addresses, other.addresses))


class Habit(msgspec.Struct, array_like=True, gc=False):
    """How long a network, ASN, country, device or credential has been seen with good log-ins; UTC days since the epoch."""

    first_day: int
    last_day: int
    days: int = 1


class Failing(msgspec.Struct, array_like=True, gc=False):
    """An address that failed on the account lately."""

    last_s: int
    failures: int = 1


class Stale(msgspec.Struct, array_like=True, gc=False):
    """One password that a network keeps trying; or, ``guess`` 0, the tokens that a device does."""

    guess: int
    first_s: int
    last_s: int
    tries: int = 1


class LastSuccess(msgspec.Struct, array_like=True, gc=False):
    """Where somebody was last, and on which UTC day that was learnt."""

    ts: float
    day: int
    network: str
    device: int
    country: str
    latitude: float | None
    longitude: float | None


class AccountRow(msgspec.Struct, array_like=True, gc=False):
    """What is known about an account.

    ``copied``: devices and credentials of its own with which strangers failed, and when last. ``refused``: passwords with which
    strangers were refused, by :func:`models.profiles.password_number`, and the last UTC day; ``presence``: how many lately.
    ``last_stranger``: where the last success came from that did not look like the owner's.
    """

    newest_ts: float = 0.0
    recent: dict[int, AccountCell] = msgspec.field(default_factory=dict)
    hours: dict[int, AccountCell] = msgspec.field(default_factory=dict)
    networks: dict[str, Habit] = msgspec.field(default_factory=dict)
    asns: dict[int, Habit] = msgspec.field(default_factory=dict)
    countries: dict[str, Habit] = msgspec.field(default_factory=dict)
    devices: dict[int, Habit] = msgspec.field(default_factory=dict)
    last_success: LastSuccess | None = None
    failing: dict[str, Failing] = msgspec.field(default_factory=dict)
    stale: dict[str, Stale] = msgspec.field(default_factory=dict)
    alerted: list[int] = msgspec.field(default_factory=list)
    tokens: dict[int, Stale] = msgspec.field(default_factory=dict)
    protocols: int = 0
    copied: dict[int, int] = msgspec.field(default_factory=dict)
    refused: dict[int, int] = msgspec.field(default_factory=dict)
    credentials: dict[int, Habit] = msgspec.field(default_factory=dict)
    presence: Presence | None = None
    last_stranger: LastSuccess | None = None

    def is_cold(self) -> bool:
        """Whether there is less history than the definition of familiar asks for."""
        if not self.countries:
            return True
        first = min(habit.first_day for habit in self.countries.values())
        last = max(habit.last_day for habit in self.countries.values())
        days = max(habit.days for habit in self.countries.values())
        return days < _HISTORY_DAYS or last - first < _HISTORY_SPAN_DAYS


class AccountStage(Stage[AccountRow, Attempt | AccountChange]):
    """See the module's text.

    Args:
        groups: Which groups an account is in, for alerts.
    """

    def __init__(self, groups: Groups | None = None, max_rows: int = 1_000_000) -> None:
        self.groups = groups or Groups()
        self.detector: Detector = AccountDetector()
        self.pulse = Pulse(0, {})
        self.pulse_attempts = 0
        super().__init__(max_rows)

    @staticmethod
    def row_type(key: str) -> type[AccountRow]:
        """All rows are alike."""
        return AccountRow

    def apply(self, batch: Batch[Attempt | AccountChange]) -> Outputs:
        """Fold a batch into the state, and say which profiles it changed."""
        outputs = super().apply(batch)
        rows = {account: self.peek(account) for account in outputs.reprofiled}
        outputs.profiles = {account: None if row is None else profile_of(row) for account, row in rows.items()}
        return outputs

    def _fold(self, item: Attempt | AccountChange, offset: int, outputs: Outputs) -> None:
        if isinstance(item, AccountChange):
            self._change(item, outputs)
        elif item.policy_reject:
            known = self._count_in_pulse(self.peek(item.account) or AccountRow(), item, offset, outputs)
            alerts = self._note_refused(item, outputs) if item.repeats_password and not fits_owner(known) else []
            if alerts or item.raised:
                outputs.alerts += alerts
                self._note_in_pulse(item, alerts)
        else:
            self._attempt(item, offset, outputs)

    def _attempt(self, attempt: Attempt, offset: int, outputs: Outputs) -> None:
        row = self.hot.get(attempt.account) or self.row(attempt.account)
        if attempt.ts > row.newest_ts:
            row.newest_ts = attempt.ts
            if attempt.ts > self.meta.newest_ts:
                self.meta.newest_ts = attempt.ts
        known = self._count_in_pulse(row, attempt, offset, outputs)
        alerts: Sequence[Alert] = ()
        if attempt.success:
            if attempt.address and (attempt.network not in row.networks or self.meta.applied % _LEARN_EVERY == 0):
                alerts = self._judge_success(row, attempt)
            is_cloud = attempt.shared and row.countries and attempt.country not in row.countries
            if not (fits_owner(known) or is_cloud):  # where a cloud client is says nothing of who uses it
                row.last_stranger = _where(attempt)
            if row.tokens:
                row.tokens.pop(device_number(attempt.device), None)
            if _learn(row, attempt):
                outputs.reprofiled[attempt.account] = None
        elif attempt.fail in GUESSES:
            if self._count_failure(row, attempt):
                alerts = self._judge_brute_force(row, attempt)
            if attempt.repeats_password and attempt.address:
                alerts = [*alerts, *self._judge_stale(row, attempt)]
        elif attempt.fail == Fail.TOKEN:
            alerts = self._judge_token(row, attempt)
        if alerts or attempt.raised:
            outputs.alerts += alerts
            self._note_in_pulse(attempt, alerts)

    def _note_refused(self, attempt: Attempt, outputs: Outputs) -> list[Alert]:
        """Remember a pair that a stranger was refused with; returns what there is to say where they are many."""
        row = self.row(attempt.account)
        row.newest_ts = max(row.newest_ts, attempt.ts)
        self._remember_refused(row, attempt, outputs)
        presence = row.presence = row.presence or Presence()
        if not presence.count(int(attempt.ts), attempt.guess, attempt.address):
            return []
        subject = Subject(account=attempt.account, protocol=attempt.protocol)
        reason = Reason("guesses_refused", f"{MANY} different passwords within the hour, and all refused", MANY, MANY)
        groups = self.groups.of(attempt.account)
        return [presence_alert("brute_force", subject, presence, reason, attempt.event_id, _evidence_h(row, presence.hour), groups)]

    def _remember_refused(self, row: AccountRow, attempt: Attempt, outputs: Outputs) -> None:
        """Those longest ago make room."""
        password, day = password_number(attempt), int(attempt.ts) // _DAY_S
        if row.refused.get(password, 0) >= day:
            return
        row.refused = {old: last for old, last in row.refused.items() if old != password and last >= day - 1}
        if len(row.refused) >= _REFUSED_PASSWORDS:
            del row.refused[min(row.refused, key=row.refused.__getitem__)]
        row.refused[password] = day
        outputs.reprofiled[attempt.account] = None

    def _change(self, change: AccountChange, outputs: Outputs) -> None:
        """A new or a gone mailbox has no past; with a new password, what an intruder may have taught is forgotten.

        Either way what was tried so far, and fails from now on, says nothing. Goes by the time of the change, not of its arrival:
        what was learnt on later days stays. The other changes say nothing about who the owner is.
        """
        if change.change not in _STARTS_ANEW and change.change not in _NEW_SECRET:
            return
        if self.peek(change.account) is None:
            return
        row, until_day = self.row(change.account), int(change.ts) // _DAY_S
        from_day = 0 if change.change in _STARTS_ANEW else _entered_on(row, until_day)
        before = profile_of(row)
        row.networks, row.countries = (_without(habits, from_day, until_day) for habits in (row.networks, row.countries))
        row.asns, row.devices = (_without(habits, from_day, until_day) for habits in (row.asns, row.devices))
        row.credentials = _without(row.credentials, from_day, until_day)
        if change.change in _STARTS_ANEW and not row.countries:
            row.protocols = 0
        row.last_success = row.last_stranger = None
        row.recent, row.hours = (
            {number: cell for number, cell in window.items() if cell.last_s > change.ts} for window in (row.recent, row.hours)
        )
        row.failing = {address: failing for address, failing in row.failing.items() if failing.last_s > change.ts}
        row.stale = {network: stale for network, stale in row.stale.items() if stale.last_s > change.ts}
        row.tokens = {device: stale for device, stale in row.tokens.items() if stale.last_s > change.ts}
        row.refused = {password: day for password, day in row.refused.items() if day > until_day}
        if profile_of(row) != before:
            outputs.reprofiled[change.account] = None

    # -- counting ----------------------------------------------------------------------------------------------------

    def _count_in_pulse(self, row: AccountRow, attempt: Attempt, offset: int, outputs: Outputs) -> int:
        """Count an attempt for the service-wide stage, and pass on what does not look like the owner's.

        Of what does, only its outcome matters there. Returns what the account knows of the attempt.
        """
        second = int(attempt.ts)
        pulse = self.pulse
        if second // _PULSE_SLOT_S > pulse.second // _PULSE_SLOT_S or self.pulse_attempts >= _PULSE_LARGE:
            if pulse.counts:
                pulse.until_ts = max(attempt.ts, float(pulse.second))
                outputs.pulses.append((offset, self.meta.applied, pulse))
            pulse = self.pulse = Pulse(max(second, pulse.second), {})
            self.pulse_attempts = 0
        self.pulse_attempts += 1
        known = familiarity(row, attempt)
        outcome = REFUSED if attempt.policy_reject else attempt.fail
        carried = NOT_TOLD
        if fits_owner(known):
            outputs.owners_ts.append(attempt.ts)
        else:
            carried = carried_by(attempt)
            if outcome != REFUSED:
                outputs.strangers.append((attempt, known))
                if outcome in _RIGHT_PASSWORD and attempt.network not in row.networks:
                    pulse.hits.append(Hit(attempt.account, attempt.ts, outcome, carried, known))
            if outcome in GUESSES and all(cell.last_s <= second - HOUR_S for cell in row.recent.values()):
                known |= FIRST
        seen_as = (*carried, outcome, known & ~TRIED)
        pulse.counts[seen_as] = pulse.counts.get(seen_as, 0) + 1
        return known

    def _note_in_pulse(self, attempt: Attempt, alerts: Sequence[Alert]) -> None:
        """Tell the service-wide stage of the alerts on attacks that an attempt led to, here and at its source.

        Those about what we refused go without the source, so that they say nothing of a campaign's cause.
        """
        raised = attempt.raised + tuple((alert.alert_id, alert.kind) for alert in alerts if KINDS[alert.kind].attack)
        notes, source = self.pulse.notes, "" if attempt.policy_reject else attempt.address
        notes += [Note(identity, kind, attempt.account, source, carried_by(attempt)) for identity, kind in raised]

    def _count_failure(self, row: AccountRow, attempt: Attempt) -> bool:
        """Count a failure; returns whether there is anything new to judge."""
        second = int(attempt.ts)
        cell = row.recent.get(second // RECENT_S) or cell_at(row.recent, row.hours, second, row.newest_ts, AccountCell)
        if cell is None:
            self.meta.late_events += 1
            return False
        cell.failures += 1
        if second < cell.first_s:
            cell.first_s = second
        if second > cell.last_s:
            cell.last_s = second
        is_new = add_distinct(cell.guesses, attempt.guess)
        if attempt.address:
            add_distinct(cell.addresses, hash32(attempt.address))
            _note_failing(row, attempt.address, second)
            if attempt.network not in row.networks:
                _note_copied(row, attempt, second)
        return is_new and (len(cell.guesses) >= BRUTE_RULES[0].threshold or len(row.recent) > 1 or bool(row.hours))

    # -- judging -----------------------------------------------------------------------------------------------------

    def _judge_brute_force(self, row: AccountRow, attempt: Attempt) -> list[Alert]:
        recent, hours, second = row.recent, row.hours, int(attempt.ts)
        on_time = second // RECENT_S == int(row.newest_ts) // RECENT_S
        if on_time and _mark("brute_force", second // HOUR_S) in row.alerted:
            return []  # every window ends in this hour, for which the alert is out
        if sum([len(cell.guesses) for cell in (*recent.values(), *hours.values())]) < BRUTE_RULES[0].threshold:
            return []
        alerts = []
        for rule in BRUTE_RULES:
            for hour, window in rule.windows(recent, hours, second, row.newest_ts):
                if _mark("brute_force", hour) in row.alerted or sum(len(cell.guesses) for cell in window) < rule.threshold:
                    continue
                guesses = count_distinct([cell.guesses for cell in window])
                if guesses < rule.threshold or not _first_time(row, _mark("brute_force", hour)):
                    continue
                addresses = count_distinct([cell.addresses for cell in window])
                text = f"{guesses} different passwords within {rule.window_text} from {_addresses(addresses)}"
                reason = Reason("guesses", text, guesses, rule.threshold)
                subject = Subject(account=attempt.account)
                alerts.append(self._alert("brute_force", "medium", row, attempt, subject, hour, [reason], window))
        return alerts

    def _judge_success(self, row: AccountRow, attempt: Attempt) -> list[Alert]:
        reasons = takeover_reasons(row, attempt)
        vector = _features(row, attempt) if row.networks else None
        alerts = []
        hour = int(attempt.ts) // HOUR_S
        if reasons and _first_time(row, _mark("account_takeover", hour, attempt.address)):
            subject = Subject(account=attempt.account, ip=attempt.address)
            alerts.append(self._takeover(row, attempt, subject, hour, reasons, vector))
        if vector and not attempt.attack:
            self.detector.learn(vector)
        return alerts

    def _takeover(
        self, row: AccountRow, attempt: Attempt, subject: Subject, hour: int, reasons: list[Reason], vector: Vector | None
    ) -> Alert:
        score, features = self.detector.score(vector) if vector else None, []
        if vector and score is not None:
            features = [Feature(*each) for each in self.detector.strongest(vector)]
        cold, cells = row.is_cold() and not attempt.attack, list(row.recent.values())
        return self._alert(
            "account_takeover", "high", row, attempt, subject, hour, reasons, cells, score=score, features=features, cold=cold
        )

    def _judge_stale(self, row: AccountRow, attempt: Attempt) -> list[Alert]:
        second = int(attempt.ts)
        stale = row.stale.get(attempt.network)
        if stale is None or stale.guess != attempt.guess:
            if stale is None and len(row.stale) >= _STALE_PAIRS:
                del row.stale[min(row.stale, key=lambda network: (row.stale[network].last_s, network))]
            row.stale[attempt.network] = Stale(attempt.guess, second, second)
            return []
        if second // TRY_SLOT_S == stale.last_s // TRY_SLOT_S:  # parallel connections are one try
            return []
        stale.tries += 1
        stale.last_s = max(stale.last_s, second)
        span_s = stale.last_s - stale.first_s
        if stale.tries < _STALE_TRIES or span_s < _STALE_SPAN_S or attempt.network not in row.networks:
            return []
        hour = second // HOUR_S
        if not _first_time(row, _mark("stale_password", hour, attempt.network)):
            return []
        text = f"one password tried {stale.tries} times in {span_s // _MINUTE_S} minutes from a network of the owner"
        reason = Reason("same_password", text, stale.tries, _STALE_TRIES)
        subject = Subject(account=attempt.account, network=attempt.network)
        window, cold = list(row.recent.values()), not _is_familiar(row, attempt)
        return [self._alert("stale_password", "low", row, attempt, subject, hour, [reason], window, cold=cold)]

    def _judge_token(self, row: AccountRow, attempt: Attempt) -> list[Alert]:
        second, device = int(attempt.ts), device_number(attempt.device)
        habit = row.devices.get(device)
        if not attempt.device or habit is None or habit.first_day >= second // _DAY_S:
            return []  # anybody can send a token that is none
        failing = row.tokens.get(device)
        if failing is None:
            if len(row.tokens) >= _TOKEN_DEVICES:
                del row.tokens[min(row.tokens, key=lambda old: (row.tokens[old].last_s, old))]
            row.tokens[device] = Stale(0, second, second)
            return []
        if second // TRY_SLOT_S == failing.last_s // TRY_SLOT_S:
            return []
        failing.tries += 1
        failing.first_s, failing.last_s = min(failing.first_s, second), max(failing.last_s, second)
        span_s, hour = failing.last_s - failing.first_s, second // HOUR_S
        if failing.tries < _TOKEN_TRIES or span_s < _TOKEN_SPAN_S:
            return []
        if not _first_time(row, _mark("token_failure", hour, attempt.device)):
            return []
        text = f"tokens of a device of the owner failed {failing.tries} times in {span_s // _MINUTE_S} minutes, none was good"
        reasons = [
            Reason("token_tries", text, failing.tries, _TOKEN_TRIES),
            Reason("token_span_s", "longer than a token is valid", span_s, _TOKEN_SPAN_S),
        ]
        subject = Subject(account=attempt.account, device=attempt.device)
        return [self._alert("token_failure", "low", row, attempt, subject, hour, reasons, list(row.recent.values()))]

    def _alert(
        self,
        kind: Kind,
        severity: Severity,
        row: AccountRow,
        attempt: Attempt,
        subject: Subject,
        hour: int,
        reasons: list[Reason],
        cells: list[AccountCell],
        *,
        score: float | None = None,
        features: Sequence[Feature] = (),
        cold: bool = False,
    ) -> Alert:
        failures = sum(cell.failures for cell in cells)
        first_s = min((cell.first_s for cell in cells), default=int(attempt.ts))
        # Not the owner's own: what is listed is cut off from the account, and a forgotten telephone fails at home all day.
        listed = sorted(
            (
                address
                for address, failing in row.failing.items()
                if failing.last_s >= first_s and _network_of(address) not in row.networks
            ),
            key=lambda address: (-row.failing[address].failures, address),
        )[:_LISTED_ADDRESSES]
        from_listed = min(failures, sum(row.failing[address].failures for address in listed))
        return Alert(
            alert_id=alert_id(kind, subject, hour),
            kind=kind,
            severity=severity,
            score=round(score if score is not None else 1.0 - 1.0 / (1 + len(reasons) + failures), 4),
            ts=attempt.ts,
            first_ts=float(min(first_s, int(attempt.ts))),
            last_ts=attempt.ts,
            subject=subject,
            reasons=reasons,
            evidence=Evidence(
                counts={"failures": failures, "failures_from_listed": from_listed},
                distinct={
                    "guesses": count_distinct([cell.guesses for cell in cells]),
                    "addresses": count_distinct([cell.addresses for cell in cells]),
                },
                addresses=listed,
                event_ids=[attempt.event_id],
                copied=sorted(device for device, last_s in row.copied.items() if last_s >= first_s),
            ),
            attack=KINDS[kind].attack,
            groups=list(self.groups.of(attempt.account)),
            model=None if score is None else ModelScore(self.detector.name, self.detector.version, score, list(features)),
            cold=cold,
        )

    # -- housekeeping ------------------------------------------------------------------------------------------------

    def _forget(self, key: str, outputs: Outputs) -> None:
        row = self.peek(key)
        if row is not None and (row.countries or row.refused):
            outputs.reprofiled[key] = None
        super()._forget(key, outputs)

    def _expired(self, row: AccountRow) -> bool:
        return row.newest_ts < self.meta.newest_ts - (_IDLE_OWNER_S if row.networks else _IDLE_STRANGER_S)

    def _alerting(self, row: AccountRow) -> bool:
        newest_h = int(self.meta.newest_ts) // HOUR_S
        return any(mark >> _MARK_HOUR_SHIFT > newest_h - _REMEMBER_ALERTS_H for mark in row.alerted)

    def _remarkable(self, row: AccountRow) -> tuple[float, ...]:
        return (float(max((habit.days for habit in row.countries.values()), default=0)), row.newest_ts)

    def _dump_extra(self) -> bytes:
        return msgspec.msgpack.encode((self.pulse, self.pulse_attempts, compress(self.detector.dump(), 1)))

    def _load_extra(self, packed: bytes) -> None:
        if packed:
            self.pulse, self.pulse_attempts, detector = msgspec.msgpack.decode(packed, type=tuple[Pulse, int, bytes])
            self.detector = Detector.load("account", decompress(detector))
        else:
            self.pulse, self.pulse_attempts, self.detector = Pulse(0, {}), 0, AccountDetector()


def familiarity(row: AccountRow, attempt: Attempt) -> int:
    """What the account knows of an attempt, as bits (see :mod:`models.campaigns`); 0 for an account without a past.

    Known is what had a good log-in on an earlier day: what was new today may be the attack itself. From a known network, where
    nearly all attempts come from, nothing else is asked. A gate asks :func:`models.profiles.familiarity_of` instead.
    """
    today = int(attempt.ts) // _DAY_S
    here = row.networks.get(attempt.network)
    if here is not None and here.first_day < today:
        return HISTORY | NETWORK
    device = row.devices.get(device_number(attempt.device))
    known = TODAY if here is not None and (device is not None or not attempt.device) else 0
    if row.refused and row.refused.get(password_number(attempt), 0) >= today - 1:
        known |= TRIED
    countries = row.countries
    for habit in countries.values():
        if habit.first_day < today:
            break
    else:
        return known
    if not attempt.address:  # behind a proxy of ours nobody is a stranger
        return HISTORY | NETWORK
    known |= HISTORY
    if (asn := row.asns.get(attempt.asn)) is not None and asn.first_day < today:
        known |= ASN
    if (country := countries.get(attempt.country)) is not None and country.first_day < today:
        known |= COUNTRY
    if device is not None and device.first_day < today:
        known |= DEVICE
    if row.protocols & protocol_bit(attempt.protocol):
        known |= PROTOCOL
    return known


def profile_of(row: AccountRow) -> Profile | None:
    """What is said about the account; ``None`` where it has no past and no stranger was refused."""
    if not row.countries and not row.refused:
        return None
    return Profile(
        {network_number(network): habit.first_day for network, habit in row.networks.items()},
        {asn: habit.first_day for asn, habit in row.asns.items()},
        {country: habit.first_day for country, habit in row.countries.items()},
        {device: habit.first_day for device, habit in row.devices.items()},
        row.protocols,
        dict(row.refused),
        {credential: habit.first_day for credential, habit in row.credentials.items()},
    )


_MARK_HOUR_SHIFT: Final = 36
_MARK_KINDS: Final = 15


def _mark(kind: Kind, hour: int, place: str = "") -> int:
    """A number for (kind, hour, place), small enough for a row."""
    return hour << _MARK_HOUR_SHIFT | (hash32(place) if place else 0) << 4 | _KIND_CODES[kind]


def _first_time(row: AccountRow, mark: int) -> bool:
    """Whether this row has not yet raised what ``mark`` stands for; remembers that it has now."""
    if mark in row.alerted:
        return False
    newest_h = int(row.newest_ts) // HOUR_S
    row.alerted = [*(old for old in row.alerted if old >> _MARK_HOUR_SHIFT > newest_h - _REMEMBER_ALERTS_H), mark]
    return True


def _evidence_h(row: AccountRow, hour: int) -> int | None:
    """How many hours before ``hour`` guessing was raised last, within about a day."""
    guessed = [mark >> _MARK_HOUR_SHIFT for mark in row.alerted if mark & _MARK_KINDS == _KIND_CODES["brute_force"]]
    return max(hour - max(guessed), 0) if guessed else None


def _note_failing(row: AccountRow, address: str, second: int) -> None:
    """Remember who fails; the address with the fewest failures makes room."""
    failing = row.failing.get(address)
    if failing is None:
        if len(row.failing) >= _FAILING_ADDRESSES:
            del row.failing[min(row.failing, key=lambda a: (row.failing[a].failures, row.failing[a].last_s, a))]
        row.failing[address] = Failing(second)
    else:
        failing.failures += 1
        failing.last_s = max(failing.last_s, second)


def _note_copied(row: AccountRow, attempt: Attempt, second: int) -> None:
    """Remember which of the account's own devices and credentials a stranger who failed has shown."""
    shown = {device_number(attempt.device)} & row.devices.keys()
    if attempt.credential:
        shown |= {hash64(attempt.credential)} & row.credentials.keys()
    if shown:
        own = row.devices.keys() | row.credentials.keys()
        row.copied = {known: last_s for known, last_s in row.copied.items() if known in own} | dict.fromkeys(shown, second)


def _network_of(address: str) -> str:
    return locate(address.partition("/")[0]).network if address else ""


def _is_familiar(row: AccountRow, attempt: Attempt) -> bool:
    """Whether the account knew the network before today, and the device too if it is told: who got in today earns nothing by it."""
    if not familiarity(row, attempt) & NETWORK:
        return False
    device = row.devices.get(device_number(attempt.device))
    return not attempt.device or (device is not None and device.first_day < int(attempt.ts) // _DAY_S)


def _addresses(count: int) -> str:
    return "one address" if count == 1 else f"{count} addresses" if count else "behind a proxy of ours"


def _entered_on(row: AccountRow, day: int) -> int:
    """The first day, within a week before ``day``, on which somebody else may have been in the account; the day after if none."""
    marks = (mark for mark in row.alerted if mark & _MARK_KINDS == _KIND_CODES["account_takeover"])
    days = [(mark >> _MARK_HOUR_SHIFT) * HOUR_S // _DAY_S for mark in marks]
    return min((entered for entered in days if day - _HISTORY_SPAN_DAYS <= entered <= day), default=day + 1)


def _without(habits: dict[Key, Habit], from_day: int, until_day: int) -> dict[Key, Habit]:
    """The habits that did not begin on these days."""
    return {key: habit for key, habit in habits.items() if not from_day <= habit.first_day <= until_day}


def _learn(row: AccountRow, attempt: Attempt) -> bool:
    """Take a success into the account's habits, unless its source is under alert; returns whether its profile changed."""
    if attempt.attack and attempt.network not in row.networks:
        return False
    ts, network, device, last = attempt.ts, attempt.network, device_number(attempt.device), row.last_success
    day = int(ts) // _DAY_S
    is_new = not row.protocols & (bit := protocol_bit(attempt.protocol))
    row.protocols |= bit
    if attempt.credential:
        is_new |= _practise(row.credentials, hash64(attempt.credential), day)
    if last is not None and last.day == day and last.network == network and last.device == device:  # a client that polls
        if ts > last.ts:
            last.ts = ts
        return is_new
    is_new |= _practise(row.countries, attempt.country, day)
    if attempt.asn:
        is_new |= _practise(row.asns, attempt.asn, day)
    if attempt.device:
        is_new |= _practise(row.devices, device, day)
    if not network:  # behind a proxy of ours: where he is, nobody knows
        return is_new
    is_new |= _practise(row.networks, network, day)
    if last is None or ts >= last.ts:
        row.last_success = _where(attempt)
    return is_new


def _where(attempt: Attempt) -> LastSuccess:
    day, device = int(attempt.ts) // _DAY_S, device_number(attempt.device)
    return LastSuccess(attempt.ts, day, attempt.network, device, attempt.country, attempt.latitude, attempt.longitude)


def _practise(habits: dict[Key, Habit], key: Key, day: int) -> bool:
    """Note ``key`` for ``day``, and return whether it is known for longer now; the habit longest out of use makes room."""
    habit = habits.get(key)
    if habit is not None and habit.last_day == day:
        return False
    if habit is None:
        if len(habits) >= _HABITS:
            del habits[min(habits, key=lambda old: (habits[old].last_day, old))]
        habits[key] = Habit(day, day)
        return True
    if day > habit.last_day:
        habit.last_day = day
        habit.days += 1
        return False
    if day < habit.first_day:
        habit.first_day = day
        habit.days += 1
        return True
    return False


def _features(row: AccountRow, attempt: Attempt) -> list[float | None]:
    """The vector of the ``account`` detector, in the order of its feature names."""
    window = [cell for cell in (*row.recent.values(), *row.hours.values()) if cell.last_s > attempt.ts - _DAY_S]
    last = row.last_success
    return [
        float(attempt.network not in row.networks),
        float(attempt.asn not in row.asns) if attempt.asn else None,
        float(attempt.country not in row.countries) if attempt.country else None,
        float(device_number(attempt.device) not in row.devices) if attempt.device else None,
        log1p(max(attempt.ts - last.ts, 0.0) / HOUR_S) if last else 0.0,
        log1p(count_distinct([cell.guesses for cell in window])),
        log1p(count_distinct([cell.addresses for cell in window])),
    ]
