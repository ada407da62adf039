"""The internal records between the stages: many events a record, each with where it stems from (contract section 2).

``auth.by-account`` carries attempts of one source partition for one account partition, and account changes; ``auth.pulse`` half a
minute of one account partition. An event record holds exactly one event, so its (source partition, offset) names it and the index
within the record is always 0 and not written. ``auth.control`` carries what is known of the running campaign.
"""

from __future__ import annotations

from typing import Final

import msgspec

from models.attempts import Attempt
from models.campaigns import Campaign
from models.changes import AccountChange
from models.stage import Pulse

__all__ = [
    "ATTEMPTS_SCHEMA",
    "CAMPAIGN_SCHEMA",
    "CHANGES_SCHEMA",
    "MAX_ATTEMPTS",
    "PULSE_SCHEMA",
    "AttemptFrame",
    "ChangeFrame",
    "PulseFrame",
    "decode_attempts",
    "decode_campaign",
    "decode_changes",
    "decode_pulse",
    "encode",
]

ATTEMPTS_SCHEMA: Final = "attempt-frame/1"
CHANGES_SCHEMA: Final = "change-frame/1"
PULSE_SCHEMA: Final = "pulse-frame/2"
CAMPAIGN_SCHEMA: Final = "campaign/2"
#: An attempt takes at most about 2.4 kB (its strings are cut at ingest, to 256 characters), so a frame stays under Kafka's 1 MB.
MAX_ATTEMPTS: Final = 250


class AttemptFrame(msgspec.Struct, array_like=True):
    """``offsets[i]`` is the offset in ``auth.events`` that ``attempts[i]`` stems from."""

    source_partition: int
    offsets: list[int]
    attempts: list[Attempt]


class ChangeFrame(msgspec.Struct, array_like=True):
    """``offset`` in partition ``source_partition`` of ``auth.account-changes`` is where ``change`` stems from."""

    source_partition: int
    offset: int
    change: AccountChange


class PulseFrame(msgspec.Struct, array_like=True):
    """``number`` grows with each pulse of the account partition ``source_partition``."""

    source_partition: int
    number: int
    pulse: Pulse


encode = msgspec.msgpack.Encoder().encode
decode_attempts = msgspec.msgpack.Decoder(AttemptFrame).decode
decode_changes = msgspec.msgpack.Decoder(ChangeFrame).decode
decode_pulse = msgspec.msgpack.Decoder(PulseFrame).decode
decode_campaign = msgspec.msgpack.Decoder(Campaign).decode
