"""The speed of ingest is measured on lines that all become events, beside the same file in other programs."""

from __future__ import annotations

import shutil

import pytest

from streams.bench.ingest import measure_ingest


def test_every_line_becomes_an_event() -> None:
    """What is measured is the work, not its absence; a program that is not there has no figure."""
    figures = measure_ingest(accounts=100, hours=0.9, runs=2)
    assert figures.lines == figures.events > 100
    assert figures.lines_per_s == max(figures.runs)
    assert figures.json_lines_per_s > 0
    assert (figures.fail2ban_lines_per_s is None) == (shutil.which("fail2ban-regex") is None)
    if shutil.which("crowdsec") is None:
        assert figures.crowdsec_lines_per_s is None


def test_without_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither is installed their figures are null."""
    monkeypatch.setenv("PATH", "")
    figures = measure_ingest(accounts=50, hours=0.9, runs=1)
    assert (figures.fail2ban_lines_per_s, figures.crowdsec_lines_per_s) == (None, None)
