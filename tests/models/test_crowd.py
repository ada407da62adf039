"""models.crowd: far more owners at once than usual."""

from __future__ import annotations

import pytest

from models.crowd import Crowd
from tests.factories import T0


def coming(per_min: float, begin: float, end: float) -> list[float]:
    return [begin + number * 60 / per_min for number in range(int((end - begin) * per_min / 60))]


def test_what_is_always_so_is_none() -> None:
    """Nor the rise of a morning, nor the first log-ins there are."""
    crowd, most = Crowd(), 1.0
    for hour in range(6):
        for ts in coming(100 * 1.3**hour, T0 + hour * 3600, T0 + (hour + 1) * 3600):
            crowd.note(ts)
            most = max(most, crowd.times_the_usual(ts))
    assert most == 1.0


def test_at_a_small_service_a_few_at_once_are_none() -> None:
    """Of two a minute four in a row are chance, and forty are no thousandfold."""
    crowd = Crowd()
    for ts in coming(2, T0, T0 + 3600):
        crowd.note(ts)
    for number in range(4):
        crowd.note(T0 + 3600 + number)
    assert crowd.times_the_usual(T0 + 3604) == 1.0
    for number in range(40):
        crowd.note(T0 + 3604 + number / 10)
    assert crowd.times_the_usual(T0 + 3608) == pytest.approx(36, rel=0.1)


def test_a_great_crowd_is_seen_at_once() -> None:
    """Of ten thousand clients that come back within seconds, the first hundred tell."""
    crowd = Crowd()
    for ts in coming(480, T0, T0 + 3600):
        crowd.note(ts)
    for number in range(100):
        crowd.note(T0 + 3600 + number / 500)
    assert crowd.times_the_usual(T0 + 3600.2) > 5


def test_a_crowd_does_not_become_the_usual() -> None:
    """The second restart within an hour is one as well; once all are back it is over."""
    crowd, found = Crowd(), []
    for begin in (T0, T0 + 1800):
        for ts in coming(100, begin, begin + 1740):
            crowd.note(ts)
        found.append(crowd.times_the_usual(begin + 1740))
        for ts in coming(3000, begin + 1740, begin + 1800):
            crowd.note(ts)
        found.append(crowd.times_the_usual(begin + 1800))
    assert found == [1.0, pytest.approx(27, rel=0.1), 1.0, pytest.approx(27, rel=0.2)]


def test_what_comes_late_counts_as_now() -> None:
    """Time does not run backwards."""
    crowd = Crowd()
    for ts in (T0, T0 + 60, T0 + 30, T0 - 1e6):
        crowd.note(ts)
    assert crowd.times_the_usual(T0 + 60) >= 1.0
