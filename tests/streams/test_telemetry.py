"""streams.telemetry: the form of log lines and of metric names."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import get_args

import pytest
from prometheus_client import Counter, Gauge, Histogram

from streams import telemetry


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    """Put logging back as it was: it is global."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_a_log_line_is_one_json_object_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Event, level, time and fields; nothing on stdout, which belongs to results."""
    telemetry.configure()
    telemetry.info("state.loaded", partition=3, rows=12)
    (line,) = lines(capsys)
    assert line.pop("timestamp")
    assert line == {"event": "state.loaded", "level": "info", "partition": 3, "rows": 12}


def test_an_exception_is_logged_without_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    """The message may quote what a client sent: type and place are kept."""
    telemetry.configure()
    try:
        raise ValueError("login doctor@example.org")
    except ValueError as error:
        telemetry.error("record.failed", error, partition=1)
    (line,) = lines(capsys)
    assert line["exception"] == "ValueError"
    assert "test_telemetry.py" in str(line["trace"])
    assert "doctor" not in json.dumps(line)


def test_a_library_speaks_under_one_event_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings of libraries come through, escaped and cut; their info lines do not."""
    telemetry.configure()
    logging.getLogger("somebody.elses").info("chatter")
    logging.getLogger("somebody.elses").warning("odd\x1b[31m%s", "x" * 1000)
    (line,) = lines(capsys)
    assert (line["event"], line["library"]) == ("library.message", "somebody.elses")
    assert len(str(line["text"])) == 300


def test_a_library_quotes_no_exception(capsys: pytest.CaptureFixture[str]) -> None:
    """Faust and asyncio would: what an exception says may be a client's."""
    telemetry.configure()
    error = ValueError("login doctor@example.org")
    logging.getLogger("faust").error("Agent %s raised: %r", "by_source", error, exc_info=error)
    logging.getLogger("asyncio").error(f"Task exception was never retrieved\nfuture: {error!r}")
    faust, asyncio = lines(capsys)
    assert (faust["text"], faust["exception"]) == ("Agent by_source raised: 'ValueError'", "ValueError")
    assert asyncio["text"] == "Task exception was never retrieved"
    assert "doctor" not in json.dumps([faust, asyncio])


def test_lines_below_the_level_are_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    """`telemetry.level` is the least severe that is written."""
    telemetry.configure("warning")
    telemetry.info("service.started", service="block")
    telemetry.warning("kafka.unreachable", broker="127.0.0.1:9092")
    assert [line["event"] for line in lines(capsys)] == ["kafka.unreachable"]


def test_event_names_are_unique_and_dotted() -> None:
    """Each name is `thing.happened`, once."""
    names = get_args(telemetry.Event)
    assert len(set(names)) == len(names)
    assert all(name.count(".") == 1 and name.replace(".", "").replace("_", "").islower() for name in names)


def test_no_field_can_hold_personal_data() -> None:
    """No log field is made for an account, a log-in or an address."""
    assert not set(telemetry.Fields.__annotations__) & {"account", "login", "remote", "ip", "address", "user", "user_agent", "text"}


def test_metric_names_follow_the_convention() -> None:
    """Prefix `crible_`; counters end in `_total`; histograms are in seconds; no label can take a client's value."""
    metrics = [value for value in vars(telemetry).values() if isinstance(value, Counter | Gauge | Histogram)]
    assert len(metrics) >= 10
    for metric in metrics:
        (family,) = metric.collect()
        assert family.name.startswith("crible_")
        assert family.documentation.endswith(".")
        assert not set(metric._labelnames) & {"account", "login", "ip", "address", "value"}
        if isinstance(metric, Histogram):
            assert family.name.endswith("_seconds")


def test_the_command_line_does_not_load_faust() -> None:
    """`crible kafka` starts fast: neither Faust nor River nor an HTTP server is imported for it."""
    program = """
import sys
from streams.cli import main
main(["kafka", "--help"])
print(sorted({"faust", "river", "uvicorn"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
