"""tests.incident, which is ``make evaluate``: bars and floors on figures made up here; it plays a small incident to the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests import incident
from tests.incident import FLOORS, Measured, main


@pytest.mark.parametrize(
    ("value", "at_most", "reached"),
    [(0.9, False, True), (0.89, False, False), (0.9, True, True), (0.91, True, False), (None, True, False)],
)
def test_a_limit_is_reached_at_the_limit(value: float | None, at_most: bool, reached: bool) -> None:
    """From above or from below; what could not be measured reaches nothing."""
    assert Measured("x", value, 0.9, at_most).reaches(0.9) == reached


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [(0.97, {}, "97.0 %"), (0.96999, {}, "96.9 %"), (0.0002, {"at_most": True}, "0.02 %"), (1398.8, {"share": False}, "1,399")],
)
def test_shares_are_never_shown_better_than_they_are(value: float, kind: dict[str, Any], shown: str) -> None:
    """As in the tables above them."""
    assert Measured("x", value, 0.9, **kind).shown(value) == shown


def played(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, floors: dict[str, float]) -> Any:
    """``make evaluate`` on as few accounts as there can be attacks on, as if it were its usual size."""
    monkeypatch.setattr(incident, "ACCOUNTS", 2000)
    monkeypatch.setattr(incident, "FLOORS", floors)
    chart = tmp_path / "chart.png"
    return CliRunner().invoke(main, ["--accounts", "2000", "--chart", str(chart), "--keep", str(tmp_path)])


@pytest.mark.timeout(600)
def test_an_incident_is_played_to_the_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every floor is of a figure that there is; tables, bars and the chart come out; one below its floor fails."""
    result = played(monkeypatch, tmp_path, dict.fromkeys(FLOORS, 1.0) | {"protected customers touched": -1})
    assert result.exit_code == 1
    assert "floors without a figure" not in result.output
    assert "below a floor" in result.output
    for title in ("Compared with the cruder ways", "What it must come to", "blocks in a week without attack"):
        assert title in result.output
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "incident.events.ndjson").stat().st_size > 1_000_000
