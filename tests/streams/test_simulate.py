"""``crible simulate`` writes what the contract says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from models.errors import InputError
from models.events import decode_event
from streams.simulate import command


def test_events_labels_and_groups_are_written_side_by_side(tmp_path: Path) -> None:
    """Line n of both files is about the same event; groups has a header and one pair a line; --json counts them."""
    out, labels, groups = tmp_path / "e.ndjson", tmp_path / "l.ndjson", tmp_path / "g.csv"
    arguments = f"quiet --seed 3 --accounts 200 --hours 0.5 --out {out} --labels {labels} --groups {groups} --json".split()
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    events = [decode_event(line) for line in out.read_bytes().splitlines()]
    truth = [json.loads(line) for line in labels.read_bytes().splitlines()]
    assert [event.event_id for event in events] == [label["event_id"] for label in truth]
    assert json.loads(result.stdout) == {"events": len(events), "accounts": 200, "hours": 0.5, "labels": {"benign": len(events)}}
    rows = groups.read_text().splitlines()
    assert rows[0] == "login,group"
    assert len(rows) == 5


def test_a_person_reads_a_short_table(tmp_path: Path) -> None:
    """Without --json the result says how much of what."""
    arguments = ["demo", "--accounts", "50", "--out", str(tmp_path / "e.ndjson")]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert "attempts on 50 accounts in 2.5 h from 2026-03-03 08:00 UTC" in result.stdout
    assert "login_flood" in result.stdout


def test_a_file_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    """The error names the file and the way out."""
    missing = tmp_path / "no" / "e.ndjson"
    with pytest.raises(InputError, match=r"e\.ndjson: No such file or directory; name a file in a folder that exists"):
        CliRunner().invoke(command, ["quiet", "--out", str(missing)], catch_exceptions=False)
