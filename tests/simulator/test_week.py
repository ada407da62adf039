"""The hours of a week."""

from __future__ import annotations

from datetime import UTC, datetime

from simulator.week import HOURS_PER_WEEK, is_weekend, week_profile


def test_weekends_are_those_of_the_calendar() -> None:
    """For a month of hours, the same as Python's own calendar says."""
    start_h = int(datetime(2022, 4, 1, tzinfo=UTC).timestamp()) // 3600
    for hour in range(start_h, start_h + 30 * 24):
        assert is_weekend(hour) == (datetime.fromtimestamp(hour * 3600, UTC).weekday() >= 5)


def test_without_emphasis_all_days_are_the_same() -> None:
    """A day repeated seven times, with its busiest hour at 1."""
    profile = week_profile(weekend=1.0, monday_morning=1.0)
    assert profile == profile[:24] * 7
    assert max(profile) == 1.0


def test_a_monday_morning_stands_out_and_a_weekend_lies_low() -> None:
    """Three hours are higher, two days lower, nothing else changes."""
    plain, week = week_profile(1.0, 1.0), week_profile(0.5, 2.0)
    assert len(week) == HOURS_PER_WEEK
    assert [hour for hour in range(HOURS_PER_WEEK) if week[hour] > plain[hour]] == [4 * 24 + hour for hour in (8, 9, 10)]
    assert [hour for hour in range(HOURS_PER_WEEK) if week[hour] < plain[hour]] == list(range(48, 96))
