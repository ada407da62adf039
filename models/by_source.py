"""The source stage: what one partition of ``auth.events`` knows about addresses and their networks.

Each attempt updates two rows, that of its address and that of its network (/24, /48), then goes on to the account stage with a
note on what its source is under (``Attempt.attack``). Its country, provider and protocol are counted too (:mod:`models.wide_use`).

Rules:
    * ``password_spray`` (instant): many different accounts fail from one address or network.
    * ``credential_stuffing`` (scored): the same, about one try per account, with a share of accounts that do not exist; or a few
      accounts a day for a week, at an address where hardly anybody gets in.
    * ``login_flood`` (scored): failing attempts per minute from one address, of accounts that do not use it with success.
    * ``shared_source`` (scored): an address under one of these alerts is one that many people have used for days. It says that what
      is done has to be done account by account. That is all it does, because bought mailboxes can make an address look so.

What we refused of an address is counted apart (:mod:`models.presence`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf, log1p
from typing import Final, Self
from zlib import compress, decompress

import msgspec

from models.alerts import KINDS, Alert, Evidence, Feature, Kind, ModelScore, Reason, Severity, Subject, alert_id
from models.attempts import Attempt, Fail
from models.detectors import Detector, SourceDetector
from models.ids import hash32
from models.policy import Scope
from models.presence import MANY, MANY_PER_MIN, Presence, presence_alert
from models.sketches import ScopeUse, Sketch
from models.stage import Checkpoint, Outputs, Stage
from models.usage import USAGE_CELLS, USAGE_S
from models.wide_use import DOUBTFUL, FAILED, FAMILIAR, USE_PREFIX, Telling, UseRow, WideUse
from models.windows import HOUR_S, K_MIN_VALUES, RECENT_S, InstantRule, add_distinct, cell_at, count_distinct, union

__all__ = ["ATTACK_BITS", "GUESSES", "NETWORK_RULES", "SPRAY_RULES", "NetworkRow", "SourceRow", "SourceStage"]

#: Bits of ``Attempt.attack``, and of the marks by which a row knows what it has raised in which hour.
ATTACK_BITS: Final[dict[Kind, int]] = {"password_spray": 1, "credential_stuffing": 2, "login_flood": 4}
_KIND_BITS: Final = 3

#: Thresholds sit where an office after a forced password change stays below (10 people in ten minutes from one address).
SPRAY_RULES: Final = (
    InstantRule("password_spray", 600, 10),
    InstantRule("password_spray", HOUR_S, 20),
    InstantRule("password_spray", 24 * HOUR_S, 40),
)
#: A network is an access provider's street as often as an attacker's rack: thrice as many, and from several addresses, as a single
#: one has its own alert.
NETWORK_RULES: Final = (InstantRule("password_spray", 600, 30), InstantRule("password_spray", HOUR_S, 60))
_NETWORK_ADDRESSES: Final = 3
#: A few a day: so many fail within a week, and at most so many get in. A household has not so many, and an office gets in.
_SLOW_ACCOUNTS: Final = 20
_SLOW_OK_ACCOUNTS: Final = 5
_SLOW_DAYS: Final = 7
#: Stuffing lists are old: accounts that do not exist show it. An office's typing errors stay below 15 %.
_STUFFING_ACCOUNTS: Final = 8
_STUFFING_UNKNOWN_SHARE: Final = 0.15
_STUFFING_TRIES_PER_ACCOUNT: Final = 2.0
_FLOOD_PER_MIN: Final = MANY_PER_MIN
_MINUTE_S: Final = 60
#: Accounts that wait for a source's sketch at most.
_MOST_WAITING: Final = 512
#: While a source is under attack it is said every so often who uses it.
_TELL_EVERY_S: Final = 60
#: So many accounts within about a day are not one household; on so many of the last days, an address that people share.
_SHARED_BY: Final = 10
#: So many within six hours are not one person: who gets in there need not be who attacks from there.
_SEVERAL: Final = 3
_SHARED_DAYS: Final = 3
_SHARED_OF_DAYS: Final = 14
_DAY_S: Final = 24 * HOUR_S
_IDLE_S: Final = 25 * HOUR_S
#: Who uses what is counted for so long.
_IDLE_USE_S: Final = (USAGE_CELLS + 1) * USAGE_S
_REMEMBER_ALERTS_H: Final = 26
_SAMPLE_FROM: Final = 4
_SAMPLES: Final = 5
#: The model learns from the source of every so many attempts, and is asked when the failures of a source double.
_LEARN_EVERY: Final = 64

#: Failures that are guesses; the rest (expired, disabled, policy, our own fault, OAuth) are not wrong passwords.
GUESSES: Final = frozenset({Fail.UNKNOWN, Fail.CREDENTIALS, Fail.ACCOUNT})


class FailureCell(msgspec.Struct, array_like=True, gc=False):
    """Failures in one sub-window: first and last second, how many, how many do not say why (``untyped``), distinct accounts."""

    first_s: int = 1 << 40
    last_s: int = 0
    failures: int = 0
    untyped: int = 0
    accounts: list[int] = msgspec.field(default_factory=list)

    def merge(self, other: Self) -> None:
        """Add what happened in ``other``."""
        self.untyped += other.untyped
        self.first_s = min(self.first_s, other.first_s)
        self.last_s = max(self.last_s, other.last_s)
        self.failures += other.failures
        self.accounts = union((self.accounts, other.accounts))


class SourceCell(FailureCell, array_like=True, gc=False):
    """From one address: also distinct tries, and distinct accounts that do not exist."""

    tries: list[int] = msgspec.field(default_factory=list)
    unknown: list[int] = msgspec.field(default_factory=list)

    def merge(self, other: Self) -> None:
        """Add what happened in ``other``."""
        FailureCell.merge(self, other)
        self.tries = union((self.tries, other.tries))
        self.unknown = union((self.unknown, other.unknown))


class NetworkCell(FailureCell, array_like=True, gc=False):
    """From one network: also distinct addresses."""

    addresses: list[int] = msgspec.field(default_factory=list)

    def merge(self, other: Self) -> None:
        """Add what happened in ``other``."""
        FailureCell.merge(self, other)
        self.addresses = union((self.addresses, other.addresses))


class UsageCell(msgspec.Struct, array_like=True, gc=False):
    """Good log-ins in six hours: how many, distinct accounts, and those that first came while the source was under attack.

    Once ``accounts`` is full, the next ones wait in ``waiting`` for a theta ``sketch`` of all of them.
    """

    successes: int = 0
    accounts: list[int] = msgspec.field(default_factory=list)
    doubtful: list[int] = msgspec.field(default_factory=list)
    waiting: list[int] = msgspec.field(default_factory=list)
    sketch: bytes = b""

    def wait(self, account: int) -> None:
        """Keep an account for which ``accounts`` may have no room; before it is added there."""
        if not (self.waiting or self.sketch):
            self.waiting = list(self.accounts)  # until now these are all
        self.waiting.append(account)
        if len(self.waiting) >= _MOST_WAITING:
            self.sketch, self.waiting = self.all_accounts().dump(), []

    def all_accounts(self) -> Sketch:
        """A sketch of all accounts, those that were seen before an attack alone."""
        if not (self.waiting or self.sketch):
            return Sketch.of(self.accounts)
        waiting = Sketch.of(self.waiting)
        return Sketch.load(self.sketch) | waiting if self.sketch else waiting


class Row(msgspec.Struct, array_like=True, gc=False):
    """What addresses and networks have in common."""

    newest_ts: float = 0.0
    alerted: list[int] = msgspec.field(default_factory=list)

    def has_alerted(self, kind: Kind, hour: int) -> bool:
        """Whether ``kind`` has been raised in ``hour``."""
        return (hour << _KIND_BITS | ATTACK_BITS[kind]) in self.alerted

    def note_alert(self, kind: Kind, hour: int) -> None:
        """Remember that ``kind`` has been raised in ``hour``."""
        oldest = int(self.newest_ts) // HOUR_S - _REMEMBER_ALERTS_H << _KIND_BITS
        self.alerted = [*(mark for mark in self.alerted if mark > oldest), hour << _KIND_BITS | ATTACK_BITS[kind]]

    def last_alerted_h(self) -> int | None:
        """The last hour since the epoch in which anything was raised, within about a day."""
        return max(self.alerted) >> _KIND_BITS if self.alerted else None

    def attacks(self, ts: float) -> int:
        """Bits of the kinds raised in the hour of ``ts`` or the one before."""
        hour = int(ts) // HOUR_S
        return self.attacks_in(hour - 1, hour)

    def attacks_in(self, first_hour: int, last_hour: int) -> int:
        """Bits of the kinds raised in these hours."""
        bits = 0
        for mark in self.alerted:
            if first_hour <= mark >> _KIND_BITS <= last_hour:
                bits |= mark & (1 << _KIND_BITS) - 1
        return bits


class SourceRow(Row, array_like=True, gc=False):
    """What is known about an address.

    ``minute`` and ``minute_failures``: the newest minute with a failure. ``told_s``: when it was last said who uses it.
    ``shared_days``: UTC days on which many accounts used it. ``presence``: what was refused. ``week``: the last accounts
    that failed and have not got in here, and the UTC day.
    """

    recent: dict[int, SourceCell] = msgspec.field(default_factory=dict)
    hours: dict[int, SourceCell] = msgspec.field(default_factory=dict)
    usage: dict[int, UsageCell] = msgspec.field(default_factory=dict)
    minute: int = 0
    minute_failures: int = 0
    samples: list[str] = msgspec.field(default_factory=list)
    shared_days: list[int] = msgspec.field(default_factory=list)
    told_s: int = 0
    presence: Presence | None = None
    week: dict[int, int] = msgspec.field(default_factory=dict)

    def count_success(self, ts: float, account: int, *, under_attack: bool) -> bool:
        """Note a good log-in; returns whether several accounts had one within six hours of about the last day.

        Who uses this source decides what a block of it would cost. While the source is ``under_attack``, an account that was not
        seen here before has probably just been entered: not counted.
        """
        index = int(ts) // USAGE_S
        cell = self.usage.get(index)
        if cell is None:
            cell = self.usage[index] = UsageCell()
            oldest = int(self.newest_ts) // USAGE_S - USAGE_CELLS + 1
            for past in [past for past in self.usage if past < oldest]:
                del self.usage[past]
        if under_attack and not self.knows(account):
            add_distinct(cell.doubtful, account)
            return self._is_used_by_several()
        if self.week:
            self.week.pop(account, None)
        cell.successes += 1
        if len(cell.accounts) == K_MIN_VALUES and account not in cell.accounts:
            cell.wait(account)
        add_distinct(cell.accounts, account)
        day = int(ts) // _DAY_S
        if self.shared_days and self.shared_days[-1] == day:
            return True
        if not self._is_used_by_several():
            return False
        seen = [cell.accounts for cell in self.usage.values()]
        if sum(map(len, seen)) >= _SHARED_BY and count_distinct(seen) >= _SHARED_BY:
            self._note_shared_day(day)
        return True

    def count_in_week(self, account: int, day: int) -> None:
        """Note that ``account`` failed on a UTC day."""
        week = self.week
        if week.get(account) != day:
            week[account] = day
            if len(week) > _SLOW_ACCOUNTS:
                del week[min(week, key=week.__getitem__)]

    def fail_in_week(self, day: int) -> int:
        """How many accounts have failed in the week that ends with a UTC day, :data:`_SLOW_ACCOUNTS` at most."""
        return sum(last > day - _SLOW_DAYS for last in self.week.values())

    def _is_used_by_several(self) -> bool:
        for cell in self.usage.values():  # noqa: SIM110  # half the time of any()
            if len(cell.accounts) >= _SEVERAL:
                return True
        return False

    def _note_shared_day(self, day: int) -> None:
        newest = max(day, *self.shared_days, 0)
        self.shared_days = sorted(each for each in {*self.shared_days, day} if each > newest - _SHARED_OF_DAYS)

    @property
    def is_shared(self) -> bool:
        """Whether many accounts have used it on several of the last days."""
        return len(self.shared_days) >= _SHARED_DAYS

    def knows(self, account: int) -> bool:
        """Whether ``account`` has logged in from here in about the last 24 hours (as far as the count remembers)."""
        for cell in self.usage.values():  # noqa: SIM110  # half the time of any()
            if account in cell.accounts:
                return True
        return False


class NetworkRow(Row, array_like=True, gc=False):
    """What is known about a network: failures only; who uses it with success is counted by address."""

    recent: dict[int, NetworkCell] = msgspec.field(default_factory=dict)
    hours: dict[int, NetworkCell] = msgspec.field(default_factory=dict)


class SourceStage(Stage[SourceRow | NetworkRow | UseRow, Attempt]):
    """See the module's text.

    Args:
        tells: Whether anybody listens to who uses what countries, providers, protocols and devices; else that is not counted.
    """

    def __init__(self, max_rows: int = 1_000_000, *, tells: bool = True) -> None:
        self.detector: Detector = SourceDetector()
        self._tells = tells
        self.wide = WideUse(self.row, self.peek)  # type: ignore[arg-type]  # by the keys that it asks for
        super().__init__(max_rows)

    @staticmethod
    def row_type(key: str) -> type[SourceRow | NetworkRow | UseRow]:
        """An IPv4 address has no slash; IPv6 addresses are /64, networks are /24 and /48."""
        if key.startswith(USE_PREFIX):
            return UseRow
        return SourceRow if "/" not in key or key.endswith("/64") else NetworkRow

    def checkpoint(self) -> Checkpoint:
        """Pack what changed since the last checkpoint."""
        self.wide.let_go()
        return super().checkpoint()

    def _fold(self, attempt: Attempt, offset: int, outputs: Outputs) -> None:
        ts = attempt.ts
        meta = self.meta
        row: SourceRow = self.hot.get(attempt.address) or self.row(attempt.address)  # type: ignore[assignment]
        if ts > row.newest_ts:
            row.newest_ts = ts
            if ts > meta.newest_ts:
                meta.newest_ts = ts
        if not attempt.account:  # a master log-in is nobody's
            return
        if attempt.policy_reject:  # our own refusal is presence, not evidence
            self._note_presence(row, attempt, outputs)
            outputs.forwards.append((offset, attempt))
            return
        if not attempt.address:  # a proxy of ours is not the source, and nobody knows who is
            outputs.forwards.append((offset, attempt))
            return
        if row.alerted:
            attempt.attack = row.attacks(ts)
        account = hash32(attempt.account)
        if attempt.success:
            self._count_success(row, attempt, account)
        elif attempt.fail in GUESSES:
            alerts = self._judge_address(row, attempt) if self._count_at_address(row, attempt, account) else []
            alerts += self._count_at_network(attempt, account, outputs.scopes)
            attempt.attack = row.attacks(ts) if row.alerted else 0
            if alerts:
                outputs.alerts += alerts
                attempt.raised = tuple((alert.alert_id, alert.kind) for alert in alerts if KINDS[alert.kind].attack)
        elif attempt.fail == Fail.TOKEN and self._count_in_minute(row, int(ts), account):
            outputs.alerts += self._judge_address(row, attempt)
        self._tell_uses(row, attempt, outputs)
        if not meta.applied % _LEARN_EVERY and not attempt.attack:
            self.detector.learn(_features(row))
        outputs.forwards.append((offset, attempt))

    def _note_presence(self, row: SourceRow, attempt: Attempt, outputs: Outputs) -> None:
        account = hash32(attempt.account)
        if not attempt.address or (row.usage and row.knows(account)):
            return
        presence = row.presence = row.presence or Presence()
        second = int(attempt.ts)
        has_many, floods = presence.count(second, account), presence.floods(second)
        if not (has_many or floods):
            return
        last_h = row.last_alerted_h()
        evidence_h = None if last_h is None else max(presence.hour - last_h, 0)
        found: list[tuple[Kind, Reason]] = []
        # Without evidence it is one of a campaign's many addresses, of which the campaign's own alert tells.
        if has_many and evidence_h is not None:
            text = f"{MANY} accounts were tried from here within the hour, and all refused"
            found.append(("password_spray", Reason("accounts_refused", text, MANY, MANY)))
        if floods:
            text = f"{MANY_PER_MIN} attempts in one minute, and all refused"
            found.append(("login_flood", Reason("refused_per_min", text, MANY_PER_MIN, MANY_PER_MIN)))
        subject = Subject(ip=attempt.address, protocol=attempt.protocol)
        alerts = [presence_alert(kind, subject, presence, why, attempt.event_id, evidence_h) for kind, why in found]
        outputs.alerts += alerts
        attempt.raised = tuple((alert.alert_id, alert.kind) for alert in alerts)

    def _tell_uses(self, row: SourceRow, attempt: Attempt, outputs: Outputs) -> None:
        """Say who uses the address, if it is under attack, and what else there is to tell."""
        if attempt.attack and attempt.ts >= row.told_s + _TELL_EVERY_S:
            scope: Scope = "range" if "/" in attempt.address else "ip"
            row.told_s = int(attempt.ts)
            outputs.scopes.append(_use_of(scope, attempt.address, row, attempt.ts, list(row.usage.items())))
        if self.wide.due_ts() <= self.meta.newest_ts:
            outputs.scopes += self.wide.take_told(self.meta.newest_ts)

    def _count_success(self, row: SourceRow, attempt: Attempt, account: int) -> None:
        """Note a good log-in, at its address and for what it has in common with others."""
        if self._tells:
            self.wide.count(DOUBTFUL if attempt.attack and not row.knows(account) else FAMILIAR, attempt, account)
        attempt.shared = row.count_success(attempt.ts, account, under_attack=bool(attempt.attack))

    # -- counting ----------------------------------------------------------------------------------------------------

    def _count_at_address(self, row: SourceRow, attempt: Attempt, account: int) -> bool:
        """Count a failure; returns whether there is anything new to judge."""
        second = int(attempt.ts)
        cell = row.recent.get(second // RECENT_S) or cell_at(row.recent, row.hours, second, row.newest_ts, SourceCell)
        if cell is None:
            self.meta.late_events += 1
            return False
        if not (row.usage and row.knows(account)):
            row.count_in_week(account, second // _DAY_S)
            if self._tells:
                self.wide.count(FAILED, attempt, account)
        cell.failures += 1
        if second < cell.first_s:
            cell.first_s = second
        if second > cell.last_s:
            cell.last_s = second
        is_new = add_distinct(cell.accounts, account)
        add_distinct(cell.tries, attempt.try_id)
        if attempt.fail == Fail.ACCOUNT:
            add_distinct(cell.unknown, account)
        elif attempt.fail == Fail.UNKNOWN:
            cell.untyped += 1
        if cell.failures == _SAMPLE_FROM:
            row.samples = []
        if cell.failures >= _SAMPLE_FROM and len(row.samples) < _SAMPLES:
            row.samples.append(attempt.event_id)
        if self._count_in_minute(row, second, account):
            return True
        return is_new and (len(cell.accounts) >= _STUFFING_ACCOUNTS or len(row.recent) > 1 or bool(row.hours))

    @staticmethod
    def _count_in_minute(row: SourceRow, second: int, account: int) -> bool:
        """Count a failure for floods; returns whether there are so many now."""
        minute = second // _MINUTE_S
        if minute > row.minute:
            row.minute, row.minute_failures = minute, 0
        if minute == row.minute and not (row.usage and row.knows(account)):
            row.minute_failures += 1
        return row.minute_failures == _FLOOD_PER_MIN

    def _count_at_network(self, attempt: Attempt, account: int, scopes: list[ScopeUse]) -> list[Alert]:
        """Count a failure, and judge it where it brings anything new; say who uses the network where that is an attack."""
        second = int(attempt.ts)
        row: NetworkRow = self.hot.get(attempt.network) or self.row(attempt.network)  # type: ignore[assignment]
        if attempt.ts > row.newest_ts:
            row.newest_ts = attempt.ts
        cell = row.recent.get(second // RECENT_S) or cell_at(row.recent, row.hours, second, row.newest_ts, NetworkCell)
        if cell is None:
            return []
        cell.failures += 1
        if second < cell.first_s:
            cell.first_s = second
        if second > cell.last_s:
            cell.last_s = second
        if attempt.fail == Fail.UNKNOWN:
            cell.untyped += 1
        is_new = add_distinct(cell.addresses, hash32(attempt.address))
        is_new |= add_distinct(cell.accounts, account)
        if not is_new or (len(cell.accounts) < NETWORK_RULES[0].threshold and len(row.recent) == 1 and not row.hours):
            return []
        if len(set().union(*[seen.addresses for seen in (*row.recent.values(), *row.hours.values())])) < _NETWORK_ADDRESSES:
            return []  # the usual attacker: alone in its network
        network = attempt.network
        alerts = _spray(NETWORK_RULES, row, attempt, Subject(network=network), lambda: _cells(self._usage_of(network)))
        usage = self._usage_of(network) if alerts else None
        if usage is not None:
            scopes.append(_use_of("range", network, row, attempt.ts, usage))
        return alerts

    def _usage_of(self, network: str) -> list[tuple[int, UsageCell]] | None:
        """Who uses a network with success, from the rows of its addresses; unknown for IPv6, which has too many to look at."""
        if ":" in network:
            return None
        prefix = network.removesuffix("0/24")
        rows = (self.peek(f"{prefix}{host}") for host in range(256))
        return [each for row in rows if isinstance(row, SourceRow) for each in row.usage.items()]

    # -- judging -----------------------------------------------------------------------------------------------------

    def _judge_address(self, row: SourceRow, attempt: Attempt) -> list[Alert]:
        hour = int(attempt.ts) // HOUR_S
        subject = Subject(ip=attempt.address)
        told_before = row.attacks_in(hour, hour)
        alerts = _spray(SPRAY_RULES, row, attempt, subject, lambda: list(row.usage.values()))
        if not row.has_alerted("credential_stuffing", hour):
            alerts += self._stuffing(row, attempt, subject, hour)
        if len(row.week) == _SLOW_ACCOUNTS and not row.attacks_in(hour, hour):
            alerts += self._slow_stuffing(row, attempt, subject, hour)
        if row.minute_failures >= _FLOOD_PER_MIN and not row.has_alerted("login_flood", hour):
            alerts.append(_flood(row, attempt, subject, hour))
        if row.is_shared and not told_before and row.attacks_in(hour, hour):
            alerts.append(_shared(row, attempt, subject, hour))
        return alerts

    @staticmethod
    def _slow_stuffing(row: SourceRow, attempt: Attempt, subject: Subject, hour: int) -> list[Alert]:
        accounts, usage = row.fail_in_week(int(attempt.ts) // _DAY_S), list(row.usage.values())
        if accounts < _SLOW_ACCOUNTS or count_distinct([cell.accounts for cell in usage]) > _SLOW_OK_ACCOUNTS:
            return []
        row.note_alert("credential_stuffing", hour)
        text = f"{accounts} accounts or more failed from here within {_SLOW_DAYS} days, and hardly anybody gets in"
        ambiguous = "accounts are tried once each: this can be password spraying as well"
        reasons = [Reason("accounts_failing_slowly", text, accounts, _SLOW_ACCOUNTS), Reason("kind_ambiguous", ambiguous)]
        window = [*row.recent.values(), *row.hours.values()]
        return [_alert("credential_stuffing", "medium", row, window, usage, attempt, subject, hour, reasons)]

    def _stuffing(self, row: SourceRow, attempt: Attempt, subject: Subject, hour: int) -> list[Alert]:
        window = list(row.recent.values())
        unknown_bound = sum([len(cell.unknown) for cell in window])
        if (
            unknown_bound < _STUFFING_UNKNOWN_SHARE * _STUFFING_ACCOUNTS
            or sum([len(cell.accounts) for cell in window]) < _STUFFING_ACCOUNTS
        ):
            return []
        accounts = count_distinct([cell.accounts for cell in window])
        unknown = count_distinct([cell.unknown for cell in window])
        tries = count_distinct([cell.tries for cell in window])
        if accounts < _STUFFING_ACCOUNTS or unknown < _STUFFING_UNKNOWN_SHARE * accounts:
            return []
        if tries > _STUFFING_TRIES_PER_ACCOUNT * accounts:
            return []
        row.note_alert("credential_stuffing", hour)
        score = self.detector.score(_features(row))
        reasons = [
            Reason("accounts_failing", f"{accounts} accounts failed from here within about an hour", accounts, _STUFFING_ACCOUNTS),
            Reason(
                "unknown_share",
                f"{unknown / accounts:.0%} of them do not exist",
                round(unknown / accounts, 4),
                _STUFFING_UNKNOWN_SHARE,
            ),
            Reason(
                "tries_per_account",
                f"{tries / accounts:.1f} tries per account",
                round(tries / accounts, 4),
                _STUFFING_TRIES_PER_ACCOUNT,
            ),
        ]
        model = None
        if score is not None:
            features = [Feature(*each) for each in self.detector.strongest(_features(row))]
            model = ModelScore(self.detector.name, self.detector.version, round(score, 4), features)
        return [
            _alert("credential_stuffing", "high", row, window, list(row.usage.values()), attempt, subject, hour, reasons, model)
        ]

    # -- housekeeping ------------------------------------------------------------------------------------------------

    def _rewind(self) -> None:
        self.wide.let_go()
        super()._rewind()

    def _forget(self, key: str, outputs: Outputs) -> None:
        self.wide.let_go()
        super()._forget(key, outputs)

    def _expired(self, row: SourceRow | NetworkRow | UseRow) -> bool:
        idle_s = _IDLE_USE_S if isinstance(row, UseRow) else _IDLE_S
        return row.newest_ts < self.meta.newest_ts - idle_s

    def _alerting(self, row: SourceRow | NetworkRow | UseRow) -> bool:
        return isinstance(row, UseRow) or row.attacks(self.meta.newest_ts) != 0

    def _remarkable(self, row: SourceRow | NetworkRow | UseRow) -> tuple[float, ...]:
        if isinstance(row, UseRow):
            return (inf, row.newest_ts)
        cells: Iterable[FailureCell] = (*row.recent.values(), *row.hours.values())
        return (float(sum(len(cell.accounts) for cell in cells)), row.newest_ts)

    def _dump_extra(self) -> bytes:
        return msgspec.msgpack.encode((self.wide.telling, compress(self.detector.dump(), 1)))

    def _load_extra(self, packed: bytes) -> None:
        if packed:
            self.wide.telling, detector = msgspec.msgpack.decode(packed, type=tuple[Telling, bytes])
            self.detector = Detector.load("source", decompress(detector))
        else:
            self.wide.telling, self.detector = Telling(), SourceDetector()


def _cells(usage: list[tuple[int, UsageCell]] | None) -> list[UsageCell] | None:
    return None if usage is None else [cell for _, cell in usage]


def _use_of(scope: Scope, value: str, row: SourceRow | NetworkRow, ts: float, usage: Sequence[tuple[int, UsageCell]]) -> ScopeUse:
    """Who uses a source, by the cells of about a day."""
    cells = [cell for index, cell in usage if index > int(ts) // USAGE_S - USAGE_CELLS]
    familiar = Sketch.of(())
    for cell in cells:
        familiar |= cell.all_accounts()
    seen = set().union(*(cell.accounts for cell in cells))
    doubtful = [[account for account in cell.doubtful if account not in seen] for cell in cells]
    window: Iterable[FailureCell] = row.recent.values()
    return ScopeUse(
        scope=scope,
        value=value,
        ts=ts,
        attempts=sum(cell.failures for cell in window),
        attacked=count_distinct([cell.accounts for cell in window]),
        doubtful=count_distinct(doubtful) if doubtful else 0,
        familiar=familiar.dump(),
    )


def _spray(
    rules: Sequence[InstantRule],
    row: SourceRow | NetworkRow,
    attempt: Attempt,
    subject: Subject,
    usage: Callable[[], list[UsageCell] | None],
) -> list[Alert]:
    recent: Mapping[int, FailureCell] = row.recent
    hours: Mapping[int, FailureCell] = row.hours
    second = int(attempt.ts)
    if second // RECENT_S == int(row.newest_ts) // RECENT_S and row.has_alerted("password_spray", second // HOUR_S):
        return []  # on time: every window ends in this hour, for which the alert is out
    if sum([len(cell.accounts) for cell in (*recent.values(), *hours.values())]) < rules[0].threshold:
        return []
    alerts = []
    for rule in rules:
        for hour, window in rule.windows(recent, hours, second, row.newest_ts):
            if row.has_alerted(rule.kind, hour) or sum(len(cell.accounts) for cell in window) < rule.threshold:
                continue
            accounts = count_distinct([cell.accounts for cell in window])
            if accounts < rule.threshold or not _from_enough_addresses(window):
                continue
            row.note_alert(rule.kind, hour)
            text = f"{accounts} accounts failed from here within {rule.window_text}"
            reasons = [Reason("accounts_failing", text, accounts, rule.threshold), *_which_kind(window, accounts)]
            alerts.append(_alert(rule.kind, "high", row, window, usage(), attempt, subject, hour, reasons))
    return alerts


def _from_enough_addresses(window: Sequence[FailureCell]) -> bool:
    addresses = [cell.addresses for cell in window if isinstance(cell, NetworkCell)]
    return not addresses or count_distinct(addresses) >= _NETWORK_ADDRESSES


def _which_kind(window: Sequence[FailureCell], accounts: int) -> list[Reason]:
    """Say so where spray and stuffing cannot be told apart."""
    if any(cell.untyped for cell in window):
        text = "some failures do not say whether their account exists: this can be credential stuffing as well"
        return [Reason("kind_ambiguous", text)]
    if sum(cell.failures for cell in window) <= _STUFFING_TRIES_PER_ACCOUNT * accounts:
        return [Reason("kind_ambiguous", "accounts have been tried once or twice: this can be credential stuffing as well")]
    return []


def _flood(row: SourceRow, attempt: Attempt, subject: Subject, hour: int) -> Alert:
    row.note_alert("login_flood", hour)
    rate = row.minute_failures
    reason = Reason("failures_per_min", f"{rate} failing attempts in one minute", rate, _FLOOD_PER_MIN)
    return _alert(
        "login_flood", "medium", row, list(row.recent.values()), list(row.usage.values()), attempt, subject, hour, [reason]
    )


def _shared(row: SourceRow, attempt: Attempt, subject: Subject, hour: int) -> Alert:
    window, usage = list(row.recent.values()), list(row.usage.values())
    return _alert("shared_source", "low", row, window, usage, attempt, subject, hour, _shared_reasons(row))


def _shared_reasons(row: SourceRow) -> list[Reason]:
    days = len(row.shared_days)
    text = f"used by {_SHARED_BY} accounts or more on {days} days: what is done here is done account by account"
    return [Reason("shared_source", text, days, _SHARED_DAYS)]


def _alert(
    kind: Kind,
    severity: Severity,
    row: SourceRow | NetworkRow,
    window: Sequence[FailureCell],
    usage: list[UsageCell] | None,
    attempt: Attempt,
    subject: Subject,
    hour: int,
    reasons: list[Reason],
    model: ModelScore | None = None,
) -> Alert:
    if isinstance(row, SourceRow) and row.is_shared and kind != "shared_source":
        reasons = [*reasons, *_shared_reasons(row)]
    accounts = count_distinct([cell.accounts for cell in window])
    counts = {"failures": sum(cell.failures for cell in window)}
    distinct = {"accounts": accounts}
    if usage is not None:
        counts["successes"] = sum(cell.successes for cell in usage)
        distinct["ok_accounts"] = count_distinct([cell.accounts for cell in usage])
    if isinstance(row, SourceRow):
        cells = [cell for cell in window if isinstance(cell, SourceCell)]
        distinct["tries"] = count_distinct([cell.tries for cell in cells])
        distinct["unknown_accounts"] = count_distinct([cell.unknown for cell in cells])
    else:
        distinct["addresses"] = count_distinct([cell.addresses for cell in window if isinstance(cell, NetworkCell)])
    return Alert(
        alert_id=alert_id(kind, subject, hour),
        kind=kind,
        severity=severity,
        score=round(accounts / (accounts + distinct.get("ok_accounts", 0) + 1), 4),
        ts=attempt.ts,
        first_ts=float(min((cell.first_s for cell in window), default=int(attempt.ts))),
        last_ts=float(max((cell.last_s for cell in window), default=int(attempt.ts))),
        subject=subject,
        reasons=reasons,
        evidence=Evidence(
            counts=counts,
            distinct=distinct,
            event_ids=list(row.samples) if isinstance(row, SourceRow) and row.samples else [attempt.event_id],
        ),
        attack=KINDS[kind].attack,
        model=model,
    )


def _features(row: SourceRow) -> list[float | None]:
    """The vector of the ``source`` detector, in the order of its feature names; over what the recent ring holds."""
    window = row.recent.values()
    tries = count_distinct([cell.tries for cell in window])
    accounts = count_distinct([cell.accounts for cell in window])
    unknown = count_distinct([cell.unknown for cell in window])
    failures, successes = sum(cell.failures for cell in window), sum(cell.successes for cell in row.usage.values())
    return [
        log1p(tries),
        log1p(accounts),
        log1p(count_distinct([cell.accounts for cell in row.usage.values()])),
        failures / max(failures + successes, 1),
        unknown / accounts if unknown else None,
        log1p(tries / max(accounts, 1)),
    ]
