"""crible explain: why an alert was raised."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.alerts import Alert, Evidence, Feature, ModelScore, Reason, Subject
from models.decisions import Decision
from models.events import AuthEvent, encode_event
from streams import cli, telemetry
from tests.factories import T0, ban

Run = Callable[..., tuple[int, str, str]]
RED = "\x1b[31m"
SPRAY = Alert(
    alert_id="ab" * 16,
    kind="password_spray",
    severity="high",
    score=0.9,
    ts=T0 + 600,
    first_ts=T0,
    last_ts=T0 + 600,
    subject=Subject(ip="203.0.113.7"),
    reasons=[
        Reason("accounts_failing", f"12 accounts failed{RED} from here", 12, 10),
        Reason("tries_per_account", "1.5 tries per account", 1.5, 2.0),
    ],
    evidence=Evidence(counts={"failures": 12}),
    attack="T1110.003",
    model=ModelScore("source", "1", 0.995, [Feature("accounts", 2.5, 0.31)]),
)
OTHER = msgspec.structs.replace(
    SPRAY, alert_id="ac" * 16, kind="brute_force", subject=Subject(account=f"eve{RED}[bold]"), model=None
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``crible explain`` on files with two alerts, a decision and some events."""
    monkeypatch.setattr(telemetry, "configure", lambda _level: None)
    monkeypatch.setenv("COLUMNS", "100")
    encode = msgspec.json.encode
    decision: Decision = ban("203.0.113.7", alert_ids=(SPRAY.alert_id,), start=T0 + 610, until=T0 + 4000)
    events = [
        AuthEvent(ts=T0 + n * 60, login=f"user{n}", remote="203.0.113.7", success=n == 5, event_id=f"e{n:02}") for n in range(10)
    ]
    events.append(AuthEvent(ts=T0 + 600, login="else", remote="192.0.2.1", success=True, event_id="e99"))
    (tmp_path / "alerts").write_bytes(encode(SPRAY) + b"\n" + encode(OTHER) + b"\n")
    (tmp_path / "decisions").write_bytes(encode(decision) + b"\n")
    (tmp_path / "events").write_bytes(b"".join(encode_event(event) + b"\n" for event in events))

    def run(alert_id: str, *more: Any) -> tuple[int, str, str]:
        files = ("--alerts", tmp_path / "alerts", "--decisions", tmp_path / "decisions", "--events", tmp_path / "events")
        code = cli.main(["explain", alert_id, *map(str, (*files, *more))])
        return code, *capsys.readouterr()

    return run


def test_everything_about_an_alert(run: Run) -> None:
    """Counters against thresholds, the nearest of them, the model, the case, the decisions and what happened when."""
    code, out, _ = run(SPRAY.alert_id, "--json")
    assert code == 0
    found = json.loads(out)
    assert [(each["code"], each["margin"]) for each in found["counters"]] == [
        ("accounts_failing", 1.2),
        ("tries_per_account", pytest.approx(4 / 3)),
    ]
    assert found["nearest"]["code"] == "accounts_failing"
    assert found["features"] == [{"name": "accounts", "value": 2.5, "weight": 0.31}]
    assert (found["case"]["case_id"], found["case"]["cause"]) == (SPRAY.alert_id, "password_spray")
    assert [decision["scope"] for decision in found["decisions"]] == ["ip"]
    assert sum(slot["attempts"] for slot in found["timeline"]) == 10
    assert sum(slot["successes"] for slot in found["timeline"]) == 1


def test_on_a_terminal(run: Run) -> None:
    """The same on one screen; the first digits of the id are enough."""
    code, out, _ = run("ababab")
    assert code == 0
    for words in (
        "HIGH",
        "password_spray",
        "T1110.003",
        "1.20 x",
        "It would not have fired with accounts_failing below 10",
        "+0.310",
    ):
        assert words in out
    assert max(map(len, out.splitlines())) <= 100


def test_what_an_attacker_wrote_does_nothing(run: Run) -> None:
    """Control characters are escaped and markup is text, in names and in sentences."""
    for alert_id in ("ababab", "acacac"):
        _, out, _ = run(alert_id)
        assert RED not in out
        assert "\\x1b[31m" in out
    assert "[bold]" in out


@pytest.mark.parametrize(("alert_id", "what"), [("ffffff", "no such alert"), ("a", "2 alerts begin so"), ("abab", "too short")])
def test_an_id_that_names_no_single_alert(run: Run, alert_id: str, what: str) -> None:
    """Says so, and exits 2."""
    code, out, error = run(alert_id)
    assert (code, out) == (2, "")
    assert what in error


def test_a_file_that_is_none(run: Run, tmp_path: Path) -> None:
    """Says which line of which file."""
    (tmp_path / "alerts").write_bytes(msgspec.json.encode(SPRAY) + b"\n{}\n")
    code, _, error = run("ababab")
    assert code == 2
    assert f"{tmp_path / 'alerts'}:2" in error
