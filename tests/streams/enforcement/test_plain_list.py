"""The plain list: what is in it, for how long, and that it lapses where the writer is dead."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from models.decisions import Decision
from streams.enforcement.nginx import NginxPoint
from streams.enforcement.plain_list import ListPoint
from streams.settings import Nginx, PlainList
from tests.enforcing import ATTACKER, RANGE, RANGE_6, decision

NOW = 1_700_000_000.0
EXPIRE = Path(__file__).resolve().parents[3] / "deploy/list/expire-list"


def written(folder: Path, *decisions: Decision, min_remaining_s: int = 0) -> list[str]:
    point = ListPoint(PlainList(file=str(folder / "list"), min_remaining_s=min_remaining_s))
    point.apply(decisions, NOW)
    return (folder / "list").read_text().splitlines()[1:]


def entries(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if not line.startswith("#")]


def test_entries_stand_below_their_end(tmp_path: Path) -> None:
    """One address or range a line, the earliest end first; every other line is a comment."""
    lines = written(
        tmp_path, decision(RANGE, until=NOW + 60), decision(ATTACKER, until=NOW + 30.5), decision(RANGE_6, until=NOW + 60)
    )
    assert lines == [f"# until {NOW + 30:.0f}", ATTACKER, f"# until {NOW + 60:.0f}", RANGE, RANGE_6]


def test_what_ends_soon_is_left_out(tmp_path: Path) -> None:
    """A reader that comes every five minutes is not given what ends before it comes again."""
    soon, later = decision(ATTACKER, until=NOW + 300), decision(RANGE, until=NOW + 301)
    assert RANGE in written(tmp_path, soon, later, min_remaining_s=300)
    assert entries(tmp_path / "list") == [RANGE]


def test_nothing_is_an_empty_list(tmp_path: Path) -> None:
    """No blocks make a file with a comment only."""
    assert written(tmp_path) == []
    assert entries(tmp_path / "list") == []


@pytest.mark.parametrize("kind", ["list", "nginx"])
def test_expire_list_removes_what_has_ended(tmp_path: Path, kind: str) -> None:
    """With the writer dead the script removes what has ended, runs the command then and only then, and keeps the rest."""
    file, ran = tmp_path / "list", tmp_path / "ran"
    decisions = [decision(ATTACKER, until=NOW), decision(RANGE, until=NOW + 1), decision(RANGE_6, until=4e9)]
    if kind == "list":
        ListPoint(PlainList(file=str(file))).apply(decisions, NOW - 10)
    else:
        NginxPoint(Nginx(file=str(file), reload=("true",))).apply(decisions, NOW - 10)
    before = entries(file)
    assert len(before) == 3
    for _ in range(2):
        subprocess.run([EXPIRE, file, "sh", "-c", f"echo x >> {ran}"], check=True)
    assert entries(file) == before[2:]
    assert ran.read_text() == "x\n"
    assert file.read_text().startswith("# Written by crible")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["list", "ran"]


def test_expire_list_leaves_what_holds(tmp_path: Path) -> None:
    """A list in which everything holds is not touched."""
    file = tmp_path / "list"
    ListPoint(PlainList(file=str(file))).apply([decision(ATTACKER, until=4e9)], NOW)
    inode = file.stat().st_ino
    subprocess.run([EXPIRE, file], check=True)
    assert file.stat().st_ino == inode
    assert entries(file) == [ATTACKER]
