"""Lines in the many ways that programs write them: of each the address, the name and the outcome that a person reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.truth import Collector, read

FILES = sorted((Path(__file__).parent / "variations").glob("*.txt"))
#: Between lines of one file that belong together.
THEN = " <NL> "


def cases(file: Path) -> list[tuple[str, str]]:
    """What is expected, and the line, or several."""
    rows = (row for row in file.read_text("utf-8").splitlines() if not row.startswith("#"))
    return [(expected, line) for expected, _, line in (row.partition(" | ") for row in rows)]


def told(found: Collector) -> str:
    """What came out, in the words of the files."""
    if not found.events:
        return "refused" if found.reasons else "none"
    first = found.events[0]
    name = "?" if first.login.startswith("~") else first.login
    times = f" x{len(found.events)}" if len(found.events) > 1 else ""
    return f"{'+' if first.success else '-'} {name} {first.remote}{times}"


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_each_variation_is_read_as_a_person_reads_it(file: Path) -> None:
    """No line has another address, name or outcome, and none is overlooked."""
    different = [(line, told(found)) for expected, line in cases(file) if told(found := read(*line.split(THEN))) != expected]
    assert different == []
    assert len(cases(file)) >= 10
