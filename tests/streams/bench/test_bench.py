"""``crible bench``: every figure is measured, and of what it says it is."""

from __future__ import annotations

import msgspec
import pytest

from streams.bench import Figures
from streams.cli import main
from streams.settings import Kafka


@pytest.mark.kafka
def test_a_quick_run_measures_every_figure(
    kafka_broker: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Too little to say how fast, enough to see that each figure is about the work it names."""
    monkeypatch.setenv("CRIBLE_KAFKA", kafka_broker)
    assert kafka_broker != Kafka().bootstrap
    assert main(["bench", "--quick", "--json"]) == 0
    figures = msgspec.json.decode(capsys.readouterr().out, type=Figures)
    assert figures.no_broker is None
    assert figures.live is not None
    assert figures.ordinary is not None
    assert figures.takeover is not None
    assert figures.ingest.lines == figures.ingest.events > 100
    assert figures.replay.events > 500
    assert figures.replay.alerts > 0
    assert {key: memory.keys for key, memory in figures.memory.items()} == dict.fromkeys(figures.memory, 5_000)
    assert figures.memory.keys() == {"account", "address", "profile"}
    assert figures.memory["profile"].rows == 5_000
    assert 0 < figures.live.events <= figures.replay.events
    assert figures.live.events_per_s > figures.ordinary.events_per_s > 0
    assert figures.takeover.keys >= 2_000
    assert figures.gate is not None
    assert (figures.gate.allow.answers, figures.gate.allow.refused) == (2_000, 20)
    assert 0 < figures.gate.allow.p50_ms <= figures.gate.allow.p99_ms <= figures.gate.allow.max_ms
    assert figures.gate.profiles == 2_000
    assert figures.gate.with_reports.answers == 2_000
    assert figures.gate.allow_cpu_us > 0
