"""``crible decisions plan``: what could be done about a campaign, beside what it would cost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.accounts import AccountDirectory
from models.attempts import Resolver
from models.events import encode_event
from models.geo import Geo
from models.pipeline import Pipeline
from simulator import simulate
from streams import cli, telemetry
from streams.settings import Settings
from streams.sources import Sources


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The incident at a small provider."""
    path = tmp_path_factory.mktemp("incident") / "events.ndjson"
    path.write_bytes(b"".join(encode_event(event) + b"\n" for event, _ in simulate("laposte-2022", seed=2, accounts=600)))
    return path


@pytest.fixture(scope="module")
def campaign(incident: Path) -> str:
    """Its campaign."""
    alerts = Pipeline(Resolver(AccountDirectory(), Geo())).run(iter(Sources((str(incident),), Settings())))
    return next(alert.campaign_id for alert in alerts if alert.campaign_id is not None)


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr(telemetry, "configure", lambda _level: None)
    monkeypatch.setenv("COLUMNS", "130")
    code = cli.main(["decisions", "plan", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_plan_beats_the_crude_measures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], incident: Path, campaign: str
) -> None:
    """It stops more than cutting foreign addresses, for no customer, and stays within its budget."""
    code, out, _ = run(monkeypatch, capsys, campaign, incident, "--budget", "5", "--json")
    made = json.loads(out)
    assert code == 0
    assert made["within_budget"]["customers"] <= 5 < made["cut_foreign"]["customers"] < made["cut_pop_imap"]["customers"]
    assert made["within_budget"]["stopped"] > made["attempts"] // 2
    stopped = [point["stopped"] for point in made["curve"]]
    customers = [point["customers"] for point in made["curve"]]
    assert stopped == sorted(stopped)
    assert customers == sorted(customers)
    assert customers[0] == 0


def test_table_marks_plan_and_crude_measures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], incident: Path, campaign: str
) -> None:
    """With a bar for each choice."""
    code, out, _ = run(monkeypatch, capsys, campaign, incident, "--budget", "5")
    assert code == 0
    assert all(mark in out for mark in ("the plan, within 5 customers", "cut foreign", "cut POP+IMAP", "▇"))


def test_unknown_campaign_is_an_input_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], incident: Path, campaign: str
) -> None:
    """That names those that there are."""
    code, _, err = run(monkeypatch, capsys, "nosuch", incident)
    assert code == 2
    assert "nosuch" in err
    assert campaign in err
