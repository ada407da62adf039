"""The flood has the rate it claims."""

from __future__ import annotations

from simulator.timeline import Step
from tests.simulator.plays import made


def test_a_flood_comes_from_one_address_at_hundreds_a_minute(demo: list[Step]) -> None:
    """One address keeps 500 log-ins a minute or more for minutes."""
    events = made(demo, "flood", "login_flood")
    assert len({event.remote for event in events}) == 1
    assert len(events) / (events[-1].ts - events[0].ts) * 60 > 500
