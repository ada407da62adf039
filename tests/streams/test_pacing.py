"""streams.pacing: what is read from the control topic."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from models.campaigns import Campaign, Mix
from models.frames import encode
from streams.pacing import Pacing
from streams.settings import Kafka, Settings
from streams.stages import CAMPAIGN_KEY
from streams.watermarks import CONTROL_PREFIX, Progress, encode_progress
from tests.factories import T0


def record(key: str, value: bytes | None) -> Any:
    """A record of ``auth.control``."""
    return SimpleNamespace(key=key.encode(), value=value, timestamp=int(T0 * 1000))


def test_only_progress_is_taken_from_the_control_topic() -> None:
    """The running campaign, what others may write some day and tombstones are passed over; our own partitions we know better."""

    async def emit(_send: Any) -> asyncio.Future[Any]:
        raise AssertionError("nothing is to be sent")

    pacing = Pacing(Settings(kafka=Kafka(partitions=4)), emit, lambda: {1: Progress(7)})
    campaign = Campaign("c1", "credential_stuffing", T0, T0, T0 + 1800, Mix(), 1.0, Mix(), Mix(), 60.0)
    pacing._take(
        [
            record(CAMPAIGN_KEY, encode(campaign)),
            record("policy/version", b"12"),
            record(f"{CONTROL_PREFIX}0", encode_progress(Progress(3, T0))),
            record(f"{CONTROL_PREFIX}1", encode_progress(Progress(5, T0))),
            record(f"{CONTROL_PREFIX}2", None),
        ]
    )
    assert [pacing._watermarks.progress(partition) for partition in range(4)] == [Progress(3, T0), *[Progress(0)] * 3]
