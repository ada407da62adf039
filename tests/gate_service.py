"""``crible gate`` as a process, for tests on a real broker and with a real Dovecot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from streams.settings import Settings
from tests.block_service import LIMIT_S

__all__ = ["GATE_KEY", "GateService", "asked", "gate_service", "reported", "seen_once"]

GATE_KEY = "a key for the gate"
_ROOT = Path(__file__).resolve().parents[1]


def asked(number: int = 0, remote: str = "203.0.113.7", **fields: Any) -> dict[str, Any]:
    """The body of an ``allow``."""
    return {"login": f"user{number}@example.org", "remote": remote, "protocol": "imap", "pwhash": "0ee0", "mech": "PLAIN"} | fields


def reported(number: int, **fields: Any) -> dict[str, Any]:
    """The body of a ``report``, of another account and from another network for each number."""
    remote = f"203.{number >> 8 & 255}.{number & 255}.7"
    return asked(number, **({"remote": remote, "success": False, "policy_reject": False, "event_id": str(number)} | fields))


def seen_once(records: list[Any]) -> list[Any]:
    """The records that a stage counts: of each producer and partition those with a number above all before."""
    highest: dict[tuple[int, bytes], int] = {}
    counted = []
    for record in sorted(records, key=lambda record: record.offset):
        headers = dict(record.headers)
        place, seq = (record.partition, headers["crible-producer"]), int(headers["crible-seq"])
        if seq > highest.get(place, -1):
            highest[place] = seq
            counted.append(record)
    return counted


@dataclass
class GateService:
    """A running ``crible gate``."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(self, command: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """Ask for a command; a body is posted."""
        url, headers = f"http://127.0.0.1:{self.port}/?command={command}", {"X-API-Key": GATE_KEY}
        if body is None:
            return httpx.get(url, headers=headers, timeout=LIMIT_S)
        return httpx.post(url, headers=headers, json=body, timeout=LIMIT_S)

    def report(self, numbers: range) -> list[int]:
        """Report attempts; returns the numbers of those that were taken."""
        return [number for number in numbers if self.ask("report", reported(number)).status_code == httpx.codes.OK]

    def probe(self, path: str) -> httpx.Response | None:
        """What a probe answers, or ``None`` while nobody listens."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=20)
        except httpx.TransportError:
            return None

    def is_up(self) -> bool:
        """Whether it listens."""
        return self.probe("/health") is not None

    def is_ready(self) -> bool:
        """Whether it knows whom to refuse."""
        response = self.probe("/ready")
        return response is not None and response.status_code == httpx.codes.OK

    def metric(self, name: str) -> float:
        """A figure of ``/metrics``; 0 where there is none yet."""
        response = self.probe("/metrics")
        assert response is not None
        values = [line.rpartition(" ")[2] for line in response.text.splitlines() if line.startswith(f"{name} ")]
        return float(values[0]) if values else 0.0

    def said(self) -> str:
        """Its stderr so far."""
        return self.log.read_text()

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def gate_service(
    settings: Settings, folder: Path, port: int, prelude: str = "", spool: str = "spool", **variables: str
) -> Iterator[GateService]:
    """Run ``crible gate`` after the Python text ``prelude``; it is ended, by force if it must be, on leaving."""
    main = f"{prelude}\nimport sys\nfrom streams.cli import main\nsys.exit(main(sys.argv[1:]))"
    environment = {
        "PATH": os.environ["PATH"],
        "CRIBLE_KAFKA_BOOTSTRAP": settings.kafka.bootstrap,
        "CRIBLE_KAFKA_PREFIX": settings.kafka.prefix,
        "CRIBLE_KAFKA_PARTITIONS": str(settings.kafka.partitions),
        "CRIBLE_ACCOUNTS_DEFAULT_DOMAIN": "example.org",
        "CRIBLE_GATE_PORT": str(port),
        "CRIBLE_GATE_SPOOL": str(folder / spool),
        "CRIBLE_GATE_API_KEYS": f'[{{"name":"test","sha256":"{sha256(GATE_KEY.encode()).hexdigest()}"}}]',
    }
    log = folder / f"gate-{port}.log"
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", main, "gate"], cwd=_ROOT, stdout=stderr, stderr=stderr, env=environment | variables
        )
    try:
        yield GateService(process, port, log)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
