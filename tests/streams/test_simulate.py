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
    counts = json.loads(result.stdout)
    assert {"events": len(events), "accounts": 200, "hours": 0.5, "labels": {"benign": len(events)}}.items() <= counts.items()
    assert ["accounts", "200", "RBA: 3.3 million"] in counts["marginals"]
    assert counts["start"] == counts["judged_from"] <= events[0].ts
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


def test_a_scenario_with_a_history_says_from_when_it_is_judged(tmp_path: Path) -> None:
    """Fewer hours mean less history; a person reads it on stdout, and on stderr the figures beside published ones."""
    arguments = ["laposte-2022", "--accounts", "100", "--hours", "30", "--out", str(tmp_path / "e.ndjson")]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert "attempts on 100 accounts in 30 h from 2022-04-10 16:00 UTC" in result.stdout
    assert "history until 2022-04-10 22:00 UTC, judged from there" in result.stdout
    assert "RBA: 31.3 million" in result.stderr
    assert "RBA" not in result.stdout


def test_the_closed_loop_writes_what_it_detected_and_decided(tmp_path: Path) -> None:
    """Refused attempts are marked in the events, counted in the result, and follow from the decisions that are written."""
    names = ("out", "labels", "alerts", "decisions")
    files = {name: tmp_path / f"{name}.ndjson" for name in names}
    arguments = ["demo", "--seed", "7", "--accounts", "300", "--closed-loop", "--json"]
    arguments += [part for name, path in files.items() for part in (f"--{name}", str(path))]
    counts = json.loads(CliRunner().invoke(command, arguments, catch_exceptions=False).stdout)
    events = [decode_event(line) for line in files["out"].read_bytes().splitlines()]
    truth = [json.loads(line) for line in files["labels"].read_bytes().splitlines()]
    assert sum(event.policy_reject for event in events) == sum(counts["refused"].values()) > 100
    assert all("password_ok" in label for event, label in zip(events, truth, strict=True) if event.policy_reject)
    alerts = {json.loads(line)["alert_id"] for line in files["alerts"].read_bytes().splitlines()}
    decisions = [json.loads(line) for line in files["decisions"].read_bytes().splitlines()]
    assert any(decision["mode"] == "enforce" for decision in decisions)
    assert {alert_id for decision in decisions for alert_id in decision["alert_ids"]} <= alerts
    assert [decision["start"] for decision in decisions] == sorted(decision["start"] for decision in decisions)


def test_the_closed_loop_takes_a_policy(tmp_path: Path) -> None:
    """One that enforces nothing refuses nobody."""
    policy = tmp_path / "policy.toml"
    policy.write_text('version = "nothing"\n')
    arguments = f"demo --accounts 100 --closed-loop --policy {policy} --out {tmp_path / 'e.ndjson'} --json".split()
    counts = json.loads(CliRunner().invoke(command, arguments, catch_exceptions=False).stdout)
    assert not any(counts["refused"].values())


@pytest.mark.parametrize("option", ["--policy", "--alerts", "--decisions"])
def test_options_of_the_loop_need_the_loop(tmp_path: Path, option: str) -> None:
    """One clear line says which to add."""
    value = tmp_path / "given"
    value.touch()
    with pytest.raises(InputError, match="add --closed-loop"):
        CliRunner().invoke(command, ["quiet", "--out", str(tmp_path / "e.ndjson"), option, str(value)], catch_exceptions=False)
