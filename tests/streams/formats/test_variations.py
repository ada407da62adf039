"""Lines in the many ways that programs write them: of each the address, the name and the outcome that a person reads."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import Random

import pytest

from tests.truth import Collector, read

FILES = sorted((Path(__file__).parent / "variations").glob("*.txt"))
VICTIM = "203.0.113.66"
#: Parts of other lines that each name is tried with.
TRIES = 8
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


@cache
def parts_of_lines() -> list[str]:
    """Pieces of all lines around the client's address, with the victim's in its place."""
    found = set()
    for file in FILES:
        for expected, line in cases(file):
            address = expected.split(" ")[-1]
            if THEN not in line and address in line:
                text = line.replace(address, VICTIM)
                at = text.index(VICTIM)
                spans = ((60, 40), (25, 20), (12, len(VICTIM)), (90, len(text)), (40, len(text)))
                found |= {text[max(0, at - before) : at + after] for before, after in spans}
    return sorted(found)


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_who_calls_himself_like_a_part_of_another_line_blames_nobody_else(file: Path) -> None:
    """Of any program, in the place of the name in a failure: nobody else's address comes out, and no success."""
    chance = Random(file.stem)
    blamed = []
    for expected, line in cases(file):
        outcome, login, address, *_ = (*expected.split(" "), "", "")
        if outcome != "-" or login == "?" or login not in line:
            continue
        for part in chance.sample(parts_of_lines(), TRIES):
            name = chance.choice(("", "x")) + part + chance.choice(("", "x"))
            attacked = line.replace(login, json.dumps(name, ensure_ascii=False)[1:-1] if line.startswith("{") else name)
            if address in attacked:
                events = read(*attacked.split(THEN)).events
                blamed += [attacked for event in events if event.remote == VICTIM or event.success]
    assert blamed == []
