"""``crible alerts`` on a real broker: what is kept is shown, what comes is followed, and delivery goes on where it ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.alerts import Alert
from models.errors import CribleError, InputError
from models.pseudonyms import Pseudonyms
from streams import cli
from streams.alerts import deliver, show
from streams.local_kafka import free_port
from tests.block_service import LIMIT_S, Topics, spray, wait_for

ROOT = Path(__file__).resolve().parents[3]
ADDRESSES = [f"203.0.113.{n}" for n in range(1, 6)]


@pytest.fixture
def channel(kafka_broker: str, topic_prefix: str) -> Iterator[Topics]:
    """The topics of this test, with five alerts and two records that are none."""
    opened = Topics(kafka_broker, topic_prefix)
    opened.send_alerts(spray(address, time.time()) for address in ADDRESSES[:3])
    opened.send(b"not json")
    opened.send(b"{}", schema="alert/2")
    opened.send_alerts(spray(address, time.time()) for address in ADDRESSES[3:])
    yield opened
    opened.close()


class Collector:
    """Takes alerts, the first few only if it is told so."""

    def __init__(self, takes: int | None = None) -> None:
        self.taken, self._takes = list[str](), takes

    def send(self, alert: Alert, stop: threading.Event) -> bool:
        if self._takes is not None and len(self.taken) == self._takes:
            stop.set()
            return False
        self.taken.append(alert.subject.ip or "")
        return True


@contextmanager
def working(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """``work`` in a thread, which is stopped on leaving."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,))
    thread.start()
    yield
    stop.set()
    thread.join(LIMIT_S)


@pytest.mark.kafka
def test_what_is_kept_is_shown(channel: Topics) -> None:
    """Without --follow every alert in the topic is shown, in order, and the command ends."""
    lines: list[str] = []
    show(channel.settings, "ocsf", False, threading.Event(), lines.append)
    assert [json.loads(line)["evidences"][0]["src_endpoint"]["ip"] for line in lines] == ADDRESSES


@pytest.mark.kafka
def test_follow_shows_what_comes(channel: Topics) -> None:
    """With --follow it is what is raised from then on."""
    lines: list[str] = []

    def comes() -> bool:
        channel.send_alerts([spray("198.51.100.1", time.time())])  # again and again: nobody knows when it has begun
        return bool(lines)

    with working(lambda stop: show(channel.settings, "json", True, stop, lines.append)):
        wait_for(comes, "an alert")
    assert {json.loads(line)["subject"]["ip"] for line in lines} == {"198.51.100.1"}


@pytest.mark.kafka
def test_delivery_goes_on_where_it_ended(channel: Topics) -> None:
    """It begins with what is new; what was not taken when it ended comes first when it starts again, and nothing twice."""
    stop = threading.Event()
    stop.set()
    deliver(channel.settings, Collector(), "test", stop)  # the first start: from here on everything counts
    channel.send_alerts(spray(address, time.time()) for address in ADDRESSES)
    first, second = Collector(takes=2), Collector()
    deliver(channel.settings, first, "test", threading.Event())
    with working(lambda stop: deliver(channel.settings, second, "test", stop)):
        wait_for(lambda: len(second.taken) == 3, "the rest")
    assert first.taken + second.taken == ADDRESSES


def crible(settings: Sequence[str], *arguments: str) -> subprocess.Popen[str]:
    environment = {"PATH": os.environ["PATH"], **dict(each.split("=", 1) for each in settings)}
    return subprocess.Popen(
        [sys.executable, "-m", "streams", "alerts", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.kafka
def test_the_command(channel: Topics) -> None:
    """As a process: one alert a line on stdout, log lines on stderr."""
    kafka = channel.settings.kafka
    settings = [f"CRIBLE_KAFKA_BOOTSTRAP={kafka.bootstrap}", f"CRIBLE_KAFKA_PREFIX={kafka.prefix}"]
    settings.append(f"CRIBLE_KAFKA_PARTITIONS={kafka.partitions}")
    out, err = crible(settings, "--format", "cef").communicate(timeout=LIMIT_S)
    assert [line.partition("src=")[2].split()[0] for line in out.splitlines()] == ADDRESSES
    assert [json.loads(line)["reason"] for line in err.splitlines()] == ["not_an_alert", "another_schema"]


@pytest.mark.kafka
def test_pseudonyms_hide_and_tell_who_has_the_key(channel: Topics, tmp_path: Path) -> None:
    """What is handed on names nobody; with the key, whom a pseudonym stands for can be asked, and only then."""
    kafka, key = channel.settings.kafka, tmp_path / "key"
    key.write_text("0123456789abcdef0123456789abcdef\n")
    settings = [f"CRIBLE_KAFKA_BOOTSTRAP={kafka.bootstrap}", f"CRIBLE_KAFKA_PREFIX={kafka.prefix}"]
    settings += [f"CRIBLE_KAFKA_PARTITIONS={kafka.partitions}", f"CRIBLE_ALERTS_PSEUDONYM_KEY_FILE={key}"]
    hidden = crible(settings, "--pseudonyms").communicate(timeout=LIMIT_S)[0]
    assert "203.0.113" not in hidden
    pseudonyms = [json.loads(line)["subject"]["ip"] for line in hidden.splitlines()]
    assert len(set(pseudonyms)) == len(ADDRESSES)
    (told,) = crible(settings, "--who", pseudonyms[1]).communicate(timeout=LIMIT_S)[0].splitlines()
    assert json.loads(told)["subject"]["ip"] == ADDRESSES[1]

    stop, taken = threading.Event(), Collector()
    stop.set()
    deliver(channel.settings, taken, "hidden", stop)
    channel.send_alerts([spray(ADDRESSES[1], time.time())])
    secret = Pseudonyms(key.read_bytes().strip())
    with working(lambda stop: deliver(channel.settings, taken, "hidden", stop, secret)):
        wait_for(lambda: taken.taken, "an alert")
    assert taken.taken == [pseudonyms[1]]


def test_pseudonyms_need_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """None, or too short a one, is said before anything is shown."""
    assert cli.main(["alerts", "--pseudonyms"]) == InputError.exit_code
    assert "alerts.pseudonym_key_file is not set" in capsys.readouterr().err
    (tmp_path / "key").write_text("short")
    monkeypatch.setenv("CRIBLE_ALERTS_PSEUDONYM_KEY_FILE", str(tmp_path / "key"))
    assert cli.main(["alerts"]) == InputError.exit_code
    assert "holds no secret of at least 32 bytes; make one: openssl rand -hex 32" in capsys.readouterr().err


def test_what_is_missing_in_the_settings_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A destination without settings ends with 2 before any broker is asked; a broker that is away with 1."""
    for to in ("webhook", "syslog"):
        assert cli.main(["alerts", "--to", to]) == InputError.exit_code
        assert f"alerts.{to} is not set" in capsys.readouterr().err
    settings = [f"CRIBLE_KAFKA=127.0.0.1:{free_port()}", "CRIBLE_KAFKA_CONNECT_TIMEOUT_S=1"]
    process = crible(settings)
    assert "no Kafka broker answered within 1 s" in process.communicate(timeout=LIMIT_S)[1]
    assert process.returncode == CribleError.exit_code
