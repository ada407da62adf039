"""``crible block`` as a process, and the topics it reads and writes, for tests on a real broker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from models.alerts import Alert, Evidence, Subject, alert_id
from models.decisions import Decision
from streams import topics
from streams.settings import Kafka, Settings

__all__ = ["KEY", "LIMIT_S", "BlockService", "Topics", "block_service", "spray", "wait_for"]

KEY = "a key for the test"
LIMIT_S = 60
_ROOT = Path(__file__).resolve().parents[1]


def wait_for(condition: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
    """Return when ``condition`` holds; fail, saying ``what`` was awaited, where it does not in time."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s} s: {what}"
        time.sleep(0.05)


def spray(ip: str, ts: float, hour: int = 0) -> Alert:
    """An alert about ``ip`` that any enforcing policy acts on; ``hour`` tells alerts about one address apart."""
    subject = Subject(ip=ip)
    return Alert(
        alert_id=alert_id("password_spray", subject, hour),
        kind="password_spray",
        severity="high",
        score=1.0,
        ts=ts,
        first_ts=ts,
        last_ts=ts,
        subject=subject,
        evidence=Evidence(counts={"failures": 40}, distinct={"accounts": 30, "ok_accounts": 0}),
    )


class Topics:
    """The topics under one prefix: alerts in, decisions and dead letters out."""

    def __init__(self, bootstrap: str, prefix: str, partitions: int = 3) -> None:
        self.settings = Settings(kafka=Kafka(bootstrap=bootstrap, prefix=prefix, partitions=partitions))
        topics.create(self.settings)
        self.producer = KafkaProducer(bootstrap_servers=bootstrap)

    def send(self, value: bytes, schema: str = "alert/1", key: bytes | None = None) -> None:
        """Write one record to ``auth.alerts``."""
        headers = [("crible-schema", schema.encode())]
        self.producer.send(topics.topic(self.settings, "auth.alerts"), value, key=key, headers=headers).get(LIMIT_S)

    def send_alerts(self, alerts: Iterable[Alert]) -> None:
        """Write alerts."""
        for alert in alerts:
            self.send(msgspec.json.encode(alert))

    def read(self, name: str) -> list[Any]:
        """Every committed record of a topic."""
        full_name = topics.topic(self.settings, name)
        partitions = [TopicPartition(full_name, number) for number in range(topics.partitions(self.settings, name))]
        consumer = KafkaConsumer(
            **self.settings.kafka.client_options(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        consumer.assign(partitions)
        ends, records = consumer.end_offsets(partitions), []
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            records += [record for batch in consumer.poll(timeout_ms=100).values() for record in batch]
        consumer.close()
        return records

    def decisions(self) -> list[Decision]:
        """Every decision record, the superseded ones too, by partition and offset."""
        return [msgspec.json.decode(record.value, type=Decision) for record in self.read("auth.decisions")]

    def notes(self) -> list[dict[str, Any]]:
        """What is in ``auth.audit``, but for what follows from alerts."""
        notes: list[dict[str, Any]] = [msgspec.json.decode(record.value) for record in self.read("auth.audit")]
        return [note for note in notes if note["by"] != "crible" or note["action"] not in {"decide", "lift"}]

    def close(self) -> None:
        """Leave the broker."""
        self.producer.close()


@dataclass
class BlockService:
    """A running ``crible block``."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def get(self, path: str) -> httpx.Response | None:
        """What it answers, or ``None`` while it does not listen."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers={"X-Api-Key": KEY}, timeout=20)
        except httpx.TransportError:
            return None

    def is_ready(self) -> bool:
        """Whether ``/ready`` says so."""
        response = self.get("/ready")
        return response is not None and response.status_code == 200

    def leads(self) -> bool:
        """Whether this instance decides."""
        response = self.get("/metrics")
        return response is not None and "crible_leader 1.0" in response.text

    def served(self) -> set[str]:
        """The values on its block list."""
        response = self.get("/v1/decisions")
        assert response is not None
        assert response.status_code == 200
        return {decision["value"] for decision in response.json() or []}

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def said(self) -> str:
        """Its stderr so far."""
        return self.log.read_text()


@contextmanager
def block_service(
    settings: Settings, folder: Path, port: int, policy: str | None = None, prelude: str = "", **variables: str
) -> Iterator[BlockService]:
    """Run ``crible block`` after the Python text ``prelude``; it is ended, by force if it must be, on leaving."""
    main = f"{prelude}\nimport sys\nfrom streams.cli import main\nsys.exit(main(sys.argv[1:]))"
    arguments = [sys.executable, "-c", main, "block"]
    if policy is not None:
        (folder / f"policy-{port}.toml").write_text(policy)
        arguments += ["--policy", str(folder / f"policy-{port}.toml")]
    environment = {
        "PATH": os.environ["PATH"],
        "CRIBLE_KAFKA_BOOTSTRAP": settings.kafka.bootstrap,
        "CRIBLE_KAFKA_PREFIX": settings.kafka.prefix,
        "CRIBLE_KAFKA_PARTITIONS": str(settings.kafka.partitions),
        "CRIBLE_KAFKA_SESSION_TIMEOUT_S": "6",
        "CRIBLE_BLOCK_PORT": str(port),
        "CRIBLE_BLOCK_API_KEYS": f'[{{"name":"test","sha256":"{sha256(KEY.encode()).hexdigest()}","operator":true}}]',
        "CRIBLE_BLOCK_STOPS": str(folder / f"stops-{port}.json"),
    }
    log = folder / f"block-{port}.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(arguments, cwd=_ROOT, stdout=stderr, stderr=stderr, env=environment | variables)
    try:
        yield BlockService(process, port, log)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
