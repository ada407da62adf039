"""The service-wide stage: what the one partition of ``auth.pulse`` knows about the service as a whole.

Counters by protocol, country, ASN and device live only here. They see what no address and no account shows: a botnet whose
thousands of addresses try one pair each.

Rules (both scored), judged when a minute closes:
    * ``credential_stuffing``: failures that carry one device, ASN, country or protocol rise far above their own baseline.
    * ``login_flood``: so do all failures together.
"""

from __future__ import annotations

from math import log1p
from typing import Any, Final

import msgspec

from models.alerts import KINDS, Alert, Evidence, Kind, ModelScore, Reason, Severity, Subject, alert_id
from models.attempts import Fail
from models.by_source import GUESSES
from models.detectors import RateBaseline
from models.stage import Outputs, Pulse, Stage

__all__ = ["ServiceStage", "Tally"]

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
#: A minute is judged when the slowest source partition has passed its end, and the fastest by a minute. On history partitions
#: may be five minutes apart; one that is silent for longer is not waited for.
_LATE_S: Final = 60
_SKEW_S: Final = 360
#: Below this a rise is people, not a tool.
_MIN_FAILURES_PER_MIN: Final = 60
_MIN_FAILURE_SHARE: Final = 0.5
_FLOOD_FAILURES_PER_MIN: Final = 600
#: Score of the baseline from which a minute is not ordinary: one of a hundred ordinary minutes reaches it.
_SCORE: Final = 0.99
_MINUTES_IN_A_ROW: Final = 3
_REMEMBER_ALERTS_H: Final = 26
#: Combinations that one minute keeps: a device name is the client's claim, so there can be any number of them.
_MAX_KEYS_PER_MIN: Final = 2_000
#: Values watched per minute, those with the most attempts.
_MAX_VALUES: Final = 200


class Tally(msgspec.Struct, array_like=True, gc=False):
    """Attempts of one value in one minute."""

    attempts: int = 0
    failures: int = 0
    unknown: int = 0


class NoRow(msgspec.Struct, array_like=True):
    """The stage keeps nothing by key."""


class Extra(msgspec.Struct, array_like=True):
    """What the stage knows: how far each source partition is, the counts of minutes not yet judged, and what it has judged."""

    passed: dict[int, int] = msgspec.field(default_factory=dict)
    open: dict[int, dict[tuple[str, str, int, str, int], int]] = msgspec.field(default_factory=dict)
    streaks: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)
    alerted: dict[str, int] = msgspec.field(default_factory=dict)
    closed_minute: int = -1
    baseline: bytes = b""


class ServiceStage(Stage[NoRow, Pulse]):
    """See the module's text."""

    def __init__(self, max_rows: int = 1_000) -> None:
        self.extra = Extra()
        self.baseline = RateBaseline()
        super().__init__(max_rows)

    @staticmethod
    def row_type(key: str) -> type[NoRow]:
        """There are no rows."""
        return NoRow

    def _fold(self, item: Pulse, offset: int, outputs: Outputs) -> None:
        minute = item.second // _MINUTE_S
        extra = self.extra
        self.meta.newest_ts = max(self.meta.newest_ts, float(item.second))
        extra.passed[item.source] = max(extra.passed.get(item.source, 0), item.second)
        if minute <= extra.closed_minute:
            self.meta.late_events += sum(item.counts.values())
            return
        counts = extra.open.setdefault(minute, {})
        for key, attempts in item.counts.items():
            if key in counts or len(counts) < _MAX_KEYS_PER_MIN:
                counts[key] = counts.get(key, 0) + attempts
        newest = int(self.meta.newest_ts)
        last_closable = min(newest - _LATE_S, max(min(extra.passed.values()), newest - _SKEW_S)) // _MINUTE_S
        for closing in sorted(index for index in extra.open if index < last_closable):
            outputs.alerts += self._close(closing, _tallies(extra.open.pop(closing)))
            extra.closed_minute = closing

    def _close(self, minute: int, tallies: dict[tuple[str, str], Tally]) -> list[Alert]:
        alerts: list[Alert] = []
        before = self.extra.streaks if minute == self.extra.closed_minute + 1 else {}
        self.extra.streaks = {}
        for key, tally in sorted(tallies.items()):
            streak = before.get(key, 0)
            high = tally.failures >= _MIN_FAILURES_PER_MIN and tally.failures >= _MIN_FAILURE_SHARE * tally.attempts
            score = self.baseline.observe("\0".join(key), log1p(tally.failures), learn=not high)
            if high and (score is None or score >= _SCORE):
                self.extra.streaks[key] = streak + 1
                alerts += self._judge(minute, key, tally, score, streak + 1)
        return alerts

    def _judge(self, minute: int, key: tuple[str, str], tally: Tally, score: float | None, streak: int) -> list[Alert]:
        if streak < _MINUTES_IN_A_ROW:
            return []
        dimension, value = key
        flood = not dimension
        if flood and tally.failures < _FLOOD_FAILURES_PER_MIN:
            return []
        kind: Kind = "login_flood" if flood else "credential_stuffing"
        severity: Severity = "critical" if flood else "high"
        subject = _subject(dimension, value)
        hour = minute * _MINUTE_S // _HOUR_S
        identity = alert_id(kind, subject, hour)
        if identity in self.extra.alerted:
            return []
        self.extra.alerted = {old: at for old, at in self.extra.alerted.items() if at > hour - _REMEMBER_ALERTS_H} | {
            identity: hour
        }
        ts = float((minute + 1) * _MINUTE_S)
        where = f"with {dimension} {value}" if dimension else "in all"
        return [
            Alert(
                alert_id=identity,
                kind=kind,
                severity=severity,
                score=round(score if score is not None else tally.failures / tally.attempts, 4),
                ts=ts,
                first_ts=ts - streak * _MINUTE_S,
                last_ts=ts,
                subject=subject,
                reasons=_reasons(where, tally, score, streak),
                evidence=Evidence(counts={"attempts": tally.attempts, "failures": tally.failures, "unknown": tally.unknown}),
                attack=KINDS[kind].attack,
                model=None if score is None else ModelScore(RateBaseline.name, RateBaseline.version, round(score, 4)),
                cold=score is None,
            )
        ]

    # -- housekeeping ------------------------------------------------------------------------------------------------

    def _expired(self, row: NoRow) -> bool:
        return True

    def _alerting(self, row: NoRow) -> bool:
        return False

    def _remarkable(self, row: NoRow) -> tuple[float, ...]:
        return (0.0,)

    def _dump_extra(self) -> bytes:
        self.extra.baseline = self.baseline.dump()
        return msgspec.msgpack.encode(self.extra)

    def _load_extra(self, packed: bytes) -> None:
        self.extra = msgspec.msgpack.decode(packed, type=Extra) if packed else Extra()
        self.baseline = RateBaseline.load("service", self.extra.baseline) if packed else RateBaseline()


def _tallies(counts: dict[tuple[str, str, int, str, int], int]) -> dict[tuple[str, str], Tally]:
    """Sum a minute's counts by (dimension, value); ``("", "")`` is the whole."""
    tallies: dict[tuple[str, str], Tally] = {}
    for (protocol, country, asn, device, outcome), attempts in counts.items():
        if outcome < 0:  # refused by us
            continue
        for key in (("", ""), ("protocol", protocol), ("country", country), ("asn", str(asn or "")), ("device", device)):
            if key[0] and not key[1]:
                continue
            tally = tallies.get(key) or tallies.setdefault(key, Tally())
            tally.attempts += attempts
            tally.failures += attempts if outcome in GUESSES else 0
            tally.unknown += attempts if outcome == Fail.ACCOUNT else 0
    return dict(sorted(tallies.items(), key=lambda item: (-item[1].attempts, item[0]))[:_MAX_VALUES])


def _reasons(where: str, tally: Tally, score: float | None, streak: int) -> list[Reason]:
    reasons = [
        Reason("failures_per_min", f"{tally.failures} failures a minute {where}", tally.failures, _MIN_FAILURES_PER_MIN),
        Reason(
            "failure_share",
            f"{tally.failures / tally.attempts:.0%} of the attempts",
            tally.failures / tally.attempts,
            _MIN_FAILURE_SHARE,
        ),
        Reason("minutes_in_a_row", f"for {streak} minutes", streak, _MINUTES_IN_A_ROW),
    ]
    if score is not None:
        reasons.append(Reason("above_baseline", "such minutes are rare in its own past", round(score, 4), _SCORE))
    return reasons


def _subject(dimension: str, value: str) -> Subject:
    if dimension == "asn":
        return Subject(asn=int(value))
    parts: dict[str, Any] = {dimension: value} if dimension else {}
    return Subject(**parts)
