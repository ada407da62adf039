"""What each stage reads from Kafka and writes to it: the glue between bytes and the pure stages.

auth.events -> by_source -> auth.scopes, auth.by-account -> by_account -> auth.alerts, auth.profiles
auth.account-changes -> changes --------------/                      \\-> auth.pulse -> service -> auth.alerts, auth.control
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from models.accounts import Groups
from models.alerts import SCHEMA as ALERT_SCHEMA
from models.alerts import Alert
from models.attempts import Attempt, Resolver
from models.by_account import AccountStage
from models.by_source import SourceStage
from models.campaigns import Campaign
from models.changes import SCHEMA as CHANGE_SCHEMA
from models.changes import AccountChange, ChangeStage
from models.events import SCHEMA as EVENT_SCHEMA
from models.events import Refused, decode_event
from models.frames import (
    ATTEMPTS_SCHEMA,
    CAMPAIGN_SCHEMA,
    CHANGES_SCHEMA,
    MAX_ATTEMPTS,
    PULSE_SCHEMA,
    AttemptFrame,
    ChangeFrame,
    PulseFrame,
    decode_attempts,
    decode_changes,
    decode_pulse,
    encode,
)
from models.partition import partitions_of
from models.profiles import SCHEMA as PROFILE_SCHEMA
from models.profiles import Profile, encode_profile
from models.service import ServiceStage
from models.sketches import SCOPE_USE_SCHEMA, ScopeUse
from models.stage import Batch, Outputs, Pulse
from streams import telemetry, topics
from streams.partitions import DeadLetter, Record, Send, StageSpec
from streams.settings import Settings

__all__ = ["CAMPAIGN_KEY", "SERVICE_PREFIX", "stage_specs"]

#: Keys of ``auth.control`` under which the service-wide stage says what it concludes: alerts by kind, and the running campaign.
SERVICE_PREFIX: Final = "service/"
CAMPAIGN_KEY: Final = "campaign/running"

_EVENT_SCHEMA: Final = EVENT_SCHEMA.encode()
_CHANGE_SCHEMA: Final = CHANGE_SCHEMA.encode()
_CHANGES_SCHEMA: Final = CHANGES_SCHEMA.encode()
#: What fits into a signed 64-bit number whatever its digits.
_SEQ_DIGITS: Final = 18
_encode_alert: Final = msgspec.json.Encoder().encode
_decode_change: Final = msgspec.json.Decoder(AccountChange).decode


def stage_specs(settings: Settings, resolver: Resolver, groups: Groups) -> list[StageSpec[Any]]:
    """The stages, in the order of the data.

    Args:
        settings: Names and numbers of partitions of the topics, and how many keys to keep.
        resolver: Account keys and places.
        groups: Groups of accounts, for alerts.
    """
    topic = {name: topics.topic(settings, name) for name in topics.TOPICS}
    partitions = settings.kafka.partitions
    max_rows = settings.worker.max_keys // partitions

    def alerts(found: Iterable[Alert]) -> list[Send]:
        return [_alert(topic["auth.alerts"], alert) for alert in found]

    def read_events(records: Sequence[Record]) -> tuple[Batch[Attempt], list[DeadLetter]]:
        return _read_events(resolver, records)

    def write_by_source(partition: int, outputs: Outputs) -> list[Send]:
        told = [
            _scope_use(topic["auth.scopes"], partition, use) for use in outputs.scopes
        ]  # before the alerts, which decisions follow
        return told + alerts(outputs.alerts) + _attempts(topic["auth.by-account"], partition, outputs.forwards, partitions)

    def write_by_account(partition: int, outputs: Outputs) -> list[Send]:
        pulses = [_pulse(topic["auth.pulse"], partition, number, pulse) for _, number, pulse in outputs.pulses]
        profiles = [_profile(topic["auth.profiles"], partition, *changed) for changed in outputs.profiles.items()]
        return alerts(outputs.alerts) + pulses + profiles

    def write_changes(partition: int, outputs: Outputs) -> list[Send]:
        return [_change(topic["auth.by-account"], partition, offset, change, partitions) for offset, change in outputs.forwards]

    def write_service(_: int, outputs: Outputs) -> list[Send]:
        told = [_conclusion(topic["auth.control"], alert) for alert in outputs.alerts]
        told += [_campaign(topic["auth.control"], campaign) for campaign in outputs.conclusions[-1:]]  # the newest holds
        return alerts(outputs.alerts) + told

    return [
        StageSpec(
            name="by_source",
            topic=topic["auth.events"],
            changelog=topic["auth.source-state"],
            new_stage=lambda: SourceStage(max_rows),
            read=read_events,
            write=write_by_source,
        ),
        StageSpec(
            name="changes",
            topic=topic["auth.account-changes"],
            changelog=topic["auth.change-state"],
            new_stage=ChangeStage,
            read=_read_changes,
            write=write_changes,
        ),
        StageSpec(
            name="by_account",
            topic=topic["auth.by-account"],
            changelog=topic["auth.account-state"],
            new_stage=lambda: AccountStage(groups, max_rows),
            read=_read_by_account,
            write=write_by_account,
        ),
        StageSpec(
            name="service",
            topic=topic["auth.pulse"],
            changelog=topic["auth.service-state"],
            new_stage=ServiceStage,
            read=_read_pulses,
            write=write_service,
        ),
    ]


# -- reading -------------------------------------------------------------------------------------------------------------


def _read_events(resolver: Resolver, records: Sequence[Record]) -> tuple[Batch[Attempt], list[DeadLetter]]:
    batch: Batch[Attempt] = Batch(records[-1].offset)
    refused: list[DeadLetter] = []
    for record in records:
        try:
            attempt = resolver.attempt(decode_event(record.value or b""))
        except Refused as refusal:
            refused.append(DeadLetter(record, refusal.reason, "Refused"))
            continue
        headers = dict(record.headers)
        if headers.get("crible-schema", _EVENT_SCHEMA) != _EVENT_SCHEMA and _is_newer(headers["crible-schema"]):
            refused.append(DeadLetter(record, "newer_schema", "this version reads auth-event/1; update the workers first"))
            continue
        producer, seq = _origin(headers, record.offset)
        batch.add(attempt, producer, seq, record.offset)
    return batch, refused


def _is_newer(schema: bytes) -> bool:
    name, _, major = schema.partition(b"/")
    return name != b"auth-event" or not major.isdigit() or int(major) > 1


def _origin(headers: Mapping[str, bytes], offset: int) -> tuple[str, int]:
    """Where an event was first written: by its headers, else by its own place in the topic."""
    producer, seq = headers.get("crible-producer"), headers.get("crible-seq")
    if producer and seq and seq.isdigit() and len(seq) <= _SEQ_DIGITS:
        return producer.decode("ascii", "replace"), int(seq)
    return "", offset


def _read_changes(records: Sequence[Record]) -> tuple[Batch[AccountChange], list[DeadLetter]]:
    batch: Batch[AccountChange] = Batch(records[-1].offset)
    refused: list[DeadLetter] = []
    for record in records:
        headers = dict(record.headers)
        if headers.get("crible-schema", _CHANGE_SCHEMA) != _CHANGE_SCHEMA:
            refused.append(DeadLetter(record, "newer_schema", "this version reads account-change/1"))
            continue
        try:
            change = _decode_change(record.value or b"")
        except msgspec.DecodeError as error:
            refused.append(DeadLetter(record, "not_a_change", type(error).__name__))
            continue
        producer, seq = _origin(headers, record.offset)
        batch.add(change, producer, seq, record.offset)
    return batch, refused


def _read_by_account(records: Sequence[Record]) -> tuple[Batch[Attempt | AccountChange], list[DeadLetter]]:
    """Attempts and changes in one order: that in which they stand here."""
    batch: Batch[Attempt | AccountChange] = Batch(records[-1].offset)
    refused: list[DeadLetter] = []
    for record in records:
        try:
            if dict(record.headers).get("crible-schema") == _CHANGES_SCHEMA:
                told = decode_changes(record.value or b"")
                batch.add(told.change, f"changes/{told.source_partition}", told.offset, record.offset)
                continue
            frame = decode_attempts(record.value or b"")
        except msgspec.DecodeError as error:
            refused.append(DeadLetter(record, "not_a_frame", type(error).__name__))
            continue
        if len(frame.offsets) != len(frame.attempts):
            refused.append(DeadLetter(record, "not_a_frame", "its lists are not of one length"))
            continue
        producer = str(frame.source_partition)
        for offset, attempt in zip(frame.offsets, frame.attempts, strict=True):
            batch.add(attempt, producer, offset, record.offset)
    return batch, refused


def _read_pulses(records: Sequence[Record]) -> tuple[Batch[Pulse], list[DeadLetter]]:
    batch: Batch[Pulse] = Batch(records[-1].offset)
    refused: list[DeadLetter] = []
    for record in records:
        try:
            frame = decode_pulse(record.value or b"")
        except msgspec.DecodeError as error:
            refused.append(DeadLetter(record, "not_a_frame", type(error).__name__))
        else:
            frame.pulse.source = frame.source_partition
            batch.add(frame.pulse, str(frame.source_partition), frame.number, record.offset)
    return batch, refused


# -- writing -------------------------------------------------------------------------------------------------------------


def _alert(topic: str, alert: Alert) -> Send:
    telemetry.ALERTS.labels(alert.kind, alert.severity).inc()
    return Send(topic, _encode_alert(alert), ALERT_SCHEMA, partition=0, ts=alert.ts)


def _attempts(topic: str, source_partition: int, forwards: list[tuple[int, Attempt]], partitions: int) -> list[Send]:
    """Frames of attempts, cut by account partition."""
    sends: list[Send] = []
    frames: dict[int, AttemptFrame] = {}
    targets = partitions_of([attempt.account for _, attempt in forwards], partitions)
    for (offset, attempt), target in zip(forwards, targets, strict=True):
        frame = frames.get(target)
        if frame is None:
            frame = frames[target] = AttemptFrame(source_partition, [], [])
        frame.offsets.append(offset)
        frame.attempts.append(attempt)
        if len(frame.offsets) == MAX_ATTEMPTS:
            sends.append(_frame(topic, target, frames.pop(target)))
    return sends + [_frame(topic, target, frame) for target, frame in frames.items()]


def _frame(topic: str, partition: int, frame: AttemptFrame) -> Send:
    return Send(topic, encode(frame), ATTEMPTS_SCHEMA, partition, max(attempt.ts for attempt in frame.attempts))


def _pulse(topic: str, account_partition: int, number: int, pulse: Pulse) -> Send:
    return Send(topic, encode(PulseFrame(account_partition, number, pulse)), PULSE_SCHEMA, partition=0, ts=float(pulse.second))


def _change(topic: str, source_partition: int, offset: int, change: AccountChange, partitions: int) -> Send:
    (target,) = partitions_of([change.account], partitions)
    return Send(topic, encode(ChangeFrame(source_partition, offset, change)), CHANGES_SCHEMA, target, change.ts)


def _profile(topic: str, partition: int, account: str, profile: Profile | None) -> Send:
    """Keyed by account; as there are as many partitions as of ``auth.by-account``, it is the one that the key belongs to."""
    value = None if profile is None else encode_profile(profile)
    return Send(topic, value, PROFILE_SCHEMA, partition, key=account.encode())


def _conclusion(topic: str, alert: Alert) -> Send:
    """What the service-wide stage concludes is for every process: the newest alert of each kind, by name."""
    return Send(topic, _encode_alert(alert), ALERT_SCHEMA, ts=alert.ts, key=f"{SERVICE_PREFIX}{alert.kind}".encode())


def _scope_use(topic: str, partition: int, use: ScopeUse) -> Send:
    """Who uses a scope, for those who decide about it; in the partition that counted, as others may count under the same key."""
    told = msgspec.structs.replace(use, source=partition)
    return Send(topic, encode(told), SCOPE_USE_SCHEMA, partition, ts=use.ts, key=f"{use.scope}:{use.value}".encode())


def _campaign(topic: str, campaign: Campaign) -> Send:
    """What is known of the running campaign, for those who judge single log-ins; it ends by itself (``until_ts``)."""
    return Send(topic, encode(campaign), CAMPAIGN_SCHEMA, ts=campaign.ts, key=CAMPAIGN_KEY.encode())
