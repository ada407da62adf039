"""The makers of hostile texts find what they are for."""

from __future__ import annotations

import re

import pytest

from tests.hostile import adversarial, growth_problem


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?:a|a)*b",
        r"(?:a+)+b",
        r"user=.*ip=.*port=\d+$",
        r"x\s*\s*$",
        r"(?P<name>\S+) ?\S+@$",
        r"(?:\w+,? ?)*!",
        r"for .* from .* port \d+$",
    ],
)
def test_patterns_that_take_more_than_linear_time_are_found(pattern: str) -> None:
    """Exponential, quadratic and cubic patterns are found by their own pieces."""
    assert any(growth_problem(job) for job in adversarial(re.compile(pattern, re.DOTALL)))


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?>.*?ip=)(?>.*?port=)\d+$",
        r"for (?P<name>.*) from (?P<remote>[0-9A-Fa-f.:]{2,45}) port \d+$",
        r'"(?:[^"\\]|\\.)*"',
        r"(?:[^;]*;)*end",
    ],
)
def test_patterns_that_take_linear_time_are_left_alone(pattern: str) -> None:
    """Nothing is found where there is nothing."""
    assert [problem for job in adversarial(re.compile(pattern, re.DOTALL)) if (problem := growth_problem(job))] == []
