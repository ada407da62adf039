"""When people log in: the hours of a day, and the days of a week.

Local time is counted in hours since the epoch, which was a Thursday at midnight.
"""

from __future__ import annotations

from typing import Final

__all__ = ["HOURS_PER_WEEK", "is_weekend", "week_profile"]

HOURS_PER_WEEK: Final = 168
_HOURS_PER_DAY: Final = 24
_DAYS_FROM_MONDAY: Final = 3  #: on the day of the epoch
_SATURDAY: Final = 5
_MORNING_H: Final = range(8, 11)

#: Relative number of visits by local hour: few at night, a peak in the morning.
_DAY_PROFILE: Final = (
    0.10, 0.05, 0.04, 0.04, 0.06, 0.15, 0.40, 0.70, 0.95, 1.00, 0.95, 0.85,
    0.75, 0.80, 0.80, 0.75, 0.75, 0.80, 0.85, 0.80, 0.75, 0.65, 0.45, 0.25,
)  # fmt: skip


def _weekday(local_h: float) -> int:
    """0 is Monday.

    >>> _weekday(0), _weekday(4 * 24)  # Thursday 1 January and Monday 5 January 1970
    (3, 0)
    """
    return (int(local_h // _HOURS_PER_DAY) + _DAYS_FROM_MONDAY) % 7


def is_weekend(local_h: float) -> bool:
    """Whether ``local_h`` is on a Saturday or Sunday."""
    return _weekday(local_h) >= _SATURDAY


def week_profile(weekend: float, monday_morning: float) -> list[float]:
    """Relative number of visits by local hour of the week, from Thursday midnight on.

    Args:
        weekend: What a Saturday or Sunday has of another day's visits.
        monday_morning: How many times as many as on another morning.

    >>> profile = week_profile(weekend=0.5, monday_morning=2.0)
    >>> profile[9], profile[2 * 24 + 9], profile[4 * 24 + 9]  # nine o'clock on a Thursday, a Saturday, a Monday
    (1.0, 0.5, 2.0)
    """
    return [
        _DAY_PROFILE[hour % _HOURS_PER_DAY]
        * (weekend if is_weekend(hour) else 1.0)
        * (monday_morning if _weekday(hour) == 0 and hour % _HOURS_PER_DAY in _MORNING_H else 1.0)
        for hour in range(HOURS_PER_WEEK)
    ]
