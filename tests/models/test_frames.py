"""models.frames: the records between the stages."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from models.campaigns import HISTORY, Campaign, Mix, carried_by
from models.frames import (
    ATTEMPTS_SCHEMA,
    CAMPAIGN_SCHEMA,
    MAX_ATTEMPTS,
    PULSE_SCHEMA,
    AttemptFrame,
    PulseFrame,
    decode_attempts,
    decode_campaign,
    decode_pulse,
    encode,
)
from models.service import ServiceStage
from models.stage import Pulse
from tests.factories import T0, batch_of, campaign_pulses, failure, success, traffic

#: What Kafka takes in one record unless told otherwise, overhead included.
BROKER_BYTES = 1_048_576


def test_attempts_survive_the_wire() -> None:
    """Everything about each attempt, also what the source stage noted, and where it stems from."""
    attempts = [
        replace(attempt, attack=number % 8, latitude=48.86, longitude=-2.35) for number, attempt in enumerate(traffic(1, 100))
    ]
    attempts.append(failure(T0 + 0.123456, "é\U0001f600", "2001:db8::1", country="FR", asn=4294967295, user_agent="\u202e"))
    frame = AttemptFrame(15, list(range(1 << 40, (1 << 40) + 101)), attempts)
    assert decode_attempts(encode(frame)) == frame


def test_pulses_survive_the_wire() -> None:
    """Counts keep their keys and numbers."""
    frame = PulseFrame(3, 1 << 40, Pulse(int(T0), {("imap", "FR", 64500, "ua:é", 0, 31): 7, ("http", "", 0, "", -1, 0): 1}))
    assert decode_pulse(encode(frame)) == frame


def test_a_campaign_survives_the_wire() -> None:
    """Also numbers that are keys."""
    (*_, campaign) = ServiceStage().apply(batch_of(campaign_pulses(1))).conclusions
    assert campaign.failing.counts[2].keys() == {64502, 64500, 64501, 64503}
    assert decode_campaign(encode(campaign)) == campaign


def test_the_schemas_are_named() -> None:
    """Each record says in its header which of them it is, and of which version."""
    assert (ATTEMPTS_SCHEMA, PULSE_SCHEMA, CAMPAIGN_SCHEMA) == ("attempt-frame/1", "pulse-frame/2", "campaign/2")


def test_a_later_version_may_add_fields_at_the_end() -> None:
    """Workers of two versions run side by side during an update."""
    frame = AttemptFrame(1, [5], [success(T0)])
    fields: list[Any] = msgspec.msgpack.decode(encode(frame))
    fields[2][0].append("later")
    fields.append("later")
    assert decode_attempts(msgspec.msgpack.encode(fields)) == frame


@pytest.mark.parametrize("decode", [decode_attempts, decode_campaign, decode_pulse])
@pytest.mark.parametrize("garbage", [b"", b"\xc1", b'{"json": 1}', b"\x93\x01\xa1x\x90", b"\x92\x01\x90", b"\x00" * 100])
def test_what_is_no_frame_is_a_decode_error(decode: Any, garbage: bytes) -> None:
    """It goes to dead letters; nothing else is ever raised."""
    with pytest.raises(msgspec.DecodeError):
        decode(garbage)


def test_a_full_frame_of_ordinary_attempts_fits_into_a_record() -> None:
    """With names of the longest kind that people have."""
    attempt = failure(T0, "x" * 64 + "@" + "y" * 63 + ".example", "2001:db8::1", user_agent="Mozilla/5.0 " + "z" * 200)
    frame = AttemptFrame(15, [1 << 40] * MAX_ATTEMPTS, [attempt] * MAX_ATTEMPTS)
    assert len(encode(frame)) < 0.5 * BROKER_BYTES


def test_a_full_frame_of_the_worst_attempts_fits_into_a_record() -> None:
    """Login and user agent are the client's: 256 characters of four bytes each."""
    attempt = failure(T0, "\U0001f600" * 256, user_agent="\U0001f600" * 256)
    frame = AttemptFrame(15, [1 << 40] * MAX_ATTEMPTS, [attempt] * MAX_ATTEMPTS)
    assert len(encode(frame)) < BROKER_BYTES


def test_a_campaign_of_the_worst_attempts_fits_into_a_record() -> None:
    """Its sender stops where a record is refused, so no client may make one too large."""
    mix = Mix()
    for number in range(3_000):
        name = "\U0001f600" * 200 + str(number)
        mix.add(carried_by(failure(T0, user_agent=name, asn=1 << 31 | number, country="FR")), HISTORY, 1)
    campaign = Campaign("c" * 32, "credential_stuffing", T0, T0, T0, mix, 1.0, mix, mix, 1.0)
    assert 100_000 < len(encode(campaign)) < 0.5 * BROKER_BYTES
