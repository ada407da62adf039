"""``docs/promises.md``: every promise has a test, and the test is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_TEXT = (_ROOT / "docs/promises.md").read_text()
_ROWS = [line for line in _TEXT.splitlines() if line.startswith("| ") and not line.startswith("| promise ")]


@cache
def names_of_tests(path: str) -> set[str]:
    """The names of the tests of a file: its functions and those of its classes, as what stands deeper is never run."""
    top = ast.parse((_ROOT / path).read_text()).body
    nodes = [*top, *(node for each in top if isinstance(each, ast.ClassDef) for node in each.body)]
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("row", _ROWS)
def test_a_promise_has_its_test(row: str) -> None:
    """One, which is where it is said to be."""
    _, promise, test, _ = row.split("|")
    found = re.fullmatch(r" `(tests/[a-z_/]+\.py)::(test_\w+)` ", test)
    assert promise.strip()
    assert found is not None, f"no name of a test: {test}"
    path, name = found.groups()
    assert name in names_of_tests(path)


def test_each_promise_is_made_once() -> None:
    """And no row is passed over."""
    assert len(_ROWS) == len(set(_ROWS)) == _TEXT.count("::test_") > 60
