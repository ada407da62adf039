"""models.memo: answers are remembered, in bounded memory, and errors are not."""

from __future__ import annotations

import pytest

from models.memo import Memo


def test_a_question_is_answered_once() -> None:
    """The function is asked only for keys that are new."""
    asked: list[int] = []

    def double(number: int) -> int:
        asked.append(number)
        return 2 * number

    memo = Memo(double, size=10)
    assert [memo[1], memo[2], memo[1], memo[2]] == [2, 4, 2, 4]
    assert asked == [1, 2]


def test_it_never_holds_more_than_its_size() -> None:
    """A full memo starts anew; answers stay right."""
    memo = Memo(lambda number: -number, size=3)
    lengths = []
    for number in range(8):
        assert memo[number] == -number
        lengths.append(len(memo))
    assert lengths == [1, 2, 3, 1, 2, 3, 1, 2]


def test_an_error_is_passed_on_and_not_remembered() -> None:
    """A key that the function refuses takes no room."""
    memo = Memo(int, size=3)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            memo["seven"]
    assert len(memo) == 0
