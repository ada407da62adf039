"""How fast ``crible gate`` answers a log-in that waits, at a steady rate of questions from another process.

A campaign runs, so that every stranger is judged: most attempts come from the account's own network, every tenth does not. The load
keeps some connections open, as Dovecot does, and each asks at fixed times. A question that is late because the answer
before it was late counts from when it was due, so that a slow moment is not measured once only (coordinated omission).
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from time import perf_counter, time
from typing import Final

import msgspec
from kafka import KafkaProducer

from models import decisions, profiles
from models.accounts import Groups
from models.alerts import Alert, Evidence, Subject, alert_id
from models.campaigns import HISTORY, Campaign, Mix
from models.decisions import Decision
from models.frames import CAMPAIGN_SCHEMA, encode
from models.ledger import Ledger
from models.policy import Policy
from models.profiles import Profile, encode_profile, network_number
from streams import topics
from streams.bench.broker import Process, Processes, wait_for
from streams.bench.machine import calibrate
from streams.local_kafka import free_port
from streams.settings import Settings
from streams.stages import CAMPAIGN_KEY

__all__ = ["GateFigures", "ask", "measure_gate"]

_KEY: Final = "bench"
_RATE: Final = 2_000
_CONNECTIONS: Final = 50
_WARM_UP_S: Final = 1.0
_TARGET_MS: Final = 2.0
_DECISIONS: Final = 10_000
_ACCOUNTS: Final = 20_000
_PROGRAMS: Final = 200
_DAY_S: Final = 86_400
#: One report to so many questions: each good log-in asks twice, and some fail.
_QUESTIONS_PER_REPORT: Final = 2
_MS_PER_S: Final = 1000
_ROOT: Final = Path(__file__).resolve().parents[2]
_BODY: Final = (
    '{{"account":"user{0}@mail.example","device_id":"","login":"user{0}@mail.example","mech":"PLAIN","protocol":"imap",'
    '"pwhash":"0ee0","realm":"mail.example","remote":"{1}","server":"mx1","session_id":"{2}"{3},"tls":true}}'
)
_CONFIG: Final = """
[gate]
port = {port}
spool = "{spool}"
[[gate.api_keys]]
name = "{key}"
sha256 = "{sha256}"
[block]
policy = "{policy}"
"""
_POLICY: Final = b'version = "bench"\n[enforce]\nkinds = ["campaign"]\nscopes = []\n'
_OUTCOME: Final = ',"success":false,"policy_reject":false'


class Latencies(msgspec.Struct, frozen=True):
    """Of so many answers to ``allow`` in milliseconds; ``refused`` of them said no."""

    answers: int
    refused: int
    per_s: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class GateFigures(msgspec.Struct, frozen=True):
    """``allow`` alone, and beside reports that go to the disk and to Kafka.

    ``cpu_us`` is the gate's processor time per request, user and system; ``decisions`` are in force, ``profiles`` loaded.
    """

    allow: Latencies
    allow_cpu_us: float
    with_reports: Latencies
    with_reports_cpu_us: float
    reports_per_s: int
    decisions: int
    profiles: int
    calibration_ns: float
    target_p99_ms: float = _TARGET_MS


def measure_gate(settings: Settings, seconds: float, profiles: int, directory: Path) -> GateFigures:
    """Ask a gate for some seconds, twice.

    Args:
        settings: The broker, and a prefix with topics.
        seconds: Of each turn.
        profiles: Of so many accounts.
        directory: For the spool, settings and log files.
    """
    _write_state(settings, profiles)
    port, config, policy = free_port(), directory / "gate.toml", directory / "policy.toml"
    policy.write_bytes(_POLICY)
    digest = sha256(_KEY.encode()).hexdigest()
    config.write_text(_CONFIG.format(port=port, spool=directory / "spool", policy=policy, key=_KEY, sha256=digest))
    with Processes() as processes:
        gate = Process(f"from streams.cli import main; main(['gate', '--config', '{config}'])", settings, directory)
        processes.append(gate)
        wait_for(lambda: _is_ready(gate), "the gate is ready")
        calibration_ns = calibrate()
        _turn(port, _WARM_UP_S, with_reports=True)
        alone, alone_us = _turn(port, seconds, with_reports=False)
        beside, beside_us = _turn(port, seconds, with_reports=True)
    return GateFigures(alone, alone_us, beside, beside_us, _RATE // _QUESTIONS_PER_REPORT, _DECISIONS, profiles, calibration_ns)


def _is_ready(gate: Process) -> bool:
    gate.check()
    return bool(gate.logged("service.started"))


def _turn(port: int, seconds: float, *, with_reports: bool) -> tuple[Latencies, float]:
    """One load, by a process of its own."""
    program = f"from {__name__} import ask; ask({port}, {seconds}, {with_reports})"
    said = subprocess.run([sys.executable, "-c", program], cwd=_ROOT, stdout=subprocess.PIPE, check=True)  # noqa: S603  made here
    return msgspec.json.decode(said.stdout, type=tuple[Latencies, float])


def ask(port: int, seconds: float, with_reports: bool) -> None:
    """Be the load, and write what was measured as JSON on stdout."""
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(_ask(port, seconds, with_reports))))


async def _ask(port: int, seconds: float, with_reports: bool) -> tuple[Latencies, float]:
    asking = [await _connect(port) for _ in range(_CONNECTIONS)]
    reporting = [await _connect(port) for _ in range(_CONNECTIONS)] if with_reports else []
    watching = await _connect(port)
    before_us = await watching.used_us()
    start = perf_counter() + 0.2
    turns = [client.ask_all("allow", number, _RATE, start, seconds) for number, client in enumerate(asking)]
    turns += [
        client.ask_all("report", number, _RATE // _QUESTIONS_PER_REPORT, start, seconds) for number, client in enumerate(reporting)
    ]
    await asyncio.gather(*turns)
    elapsed_s = perf_counter() - start
    used_us = await watching.used_us() - before_us
    latencies = sorted(latency for client in asking for latency in client.latencies_s)
    requests = sum(len(client.latencies_s) for client in asking + reporting)
    p50, p99, longest = (latencies[int((len(latencies) - 1) * share)] for share in (0.5, 0.99, 1))
    figures = Latencies(
        answers=len(latencies),
        refused=sum(client.refused for client in asking),
        per_s=round(len(latencies) / elapsed_s),
        p50_ms=round(p50 * _MS_PER_S, 2),
        p99_ms=round(p99 * _MS_PER_S, 2),
        max_ms=round(longest * _MS_PER_S, 2),
    )
    return figures, round(used_us / requests, 1)


class _Client(asyncio.Protocol):
    """One connection that is kept open; one request at a time."""

    def __init__(self) -> None:
        self.latencies_s: list[float] = []
        self.refused = 0
        self._received = b""
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  of a TCP connection
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if end and len(body) == int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]) and self._answer:
            self._received = b""
            self._answer.set_result(body if head.startswith(b"HTTP/1.1 200 ") else b"")

    async def request(self, method: str, command: str, body: str = "") -> bytes:
        """The body of the answer; empty for one that is no success."""
        self._answer = asyncio.get_running_loop().create_future()
        head = f"{method} /?command={command} HTTP/1.1\r\nHost: gate\r\nX-API-Key: {_KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write((head + body).encode())
        return await self._answer

    async def used_us(self) -> float:
        """The gate's processor time so far."""
        stats = msgspec.json.decode(await self.request("GET", "stats"))
        return float(stats["user-msec"] + stats["sys-msec"]) * _MS_PER_S

    async def ask_all(self, command: str, number: int, rate: int, start: float, seconds: float) -> None:
        """Ask at fixed times: all connections together at ``rate`` a second."""
        for turn in range(int(seconds * rate / _CONNECTIONS)):
            due = start + (turn * _CONNECTIONS + number) / rate
            early_s = due - perf_counter()
            if early_s > 0:
                await asyncio.sleep(early_s)
                due = perf_counter()  # that we wake up late is not the gate's fault
            attempt = turn * _CONNECTIONS + number
            answer = await self.request("POST", command, _body(attempt, command))
            self.latencies_s.append(perf_counter() - due)
            self.refused += answer.startswith(b'{"status":-1')


async def _connect(port: int) -> _Client:
    _, client = await asyncio.get_running_loop().create_connection(_Client, "127.0.0.1", port)
    return client


def _body(attempt: int, command: str) -> str:
    """What Dovecot says; every hundredth attempt comes from an address that is blocked, every tenth from a new network."""
    account = attempt * 7919 % _ACCOUNTS
    if attempt % 100 == 0:
        remote = _blocked(account % _DECISIONS)
    else:
        remote = f"{203 if attempt % 10 == 0 else 192}.{_network(account)}.{account & 255}"
    return _BODY.format(account, remote, f"{command}{attempt}", _OUTCOME if command == "report" else "")


def _blocked(number: int) -> str:
    return f"198.18.{number >> 8}.{number & 255}"


def _network(account: int) -> str:
    return f"0.{account >> 8 & 255}"


def _write_state(settings: Settings, accounts: int) -> None:
    """All that a gate reads."""
    producer = KafkaProducer(**settings.kafka.client_options(), linger_ms=100)

    def write(name: str, key: str, value: bytes, schema: str) -> None:
        headers = [("crible-schema", schema.encode())]
        producer.send(topics.topic(settings, name), value, key=key.encode(), headers=headers)

    for decision in _decisions():
        write("auth.decisions", decision.decision_id, msgspec.json.encode(decision), decisions.SCHEMA)
    day = int(time()) // _DAY_S - 1
    for account in range(accounts):
        homes = {network_number(f"192.{_network(account)}.0/24"): day, network_number("198.51.100.0/24"): day}
        profile = Profile(homes, {64500: day, 64501: day}, {"FR": day}, {account: day, account + 1: day})
        write("auth.profiles", f"user{account}@mail.example", encode_profile(profile), profiles.SCHEMA)
    write("auth.control", CAMPAIGN_KEY, encode(_campaign()), CAMPAIGN_SCHEMA)
    producer.flush()
    producer.close()


def _campaign() -> Campaign:
    """Bots with programs of their own; customers have none that says its name."""
    failing, owners, now = Mix(), Mix(), time()
    for number in range(_PROGRAMS):
        failing.add(("imap", "BR", 64_600 + number, f"ua:bot {number}"), HISTORY, 1_000)
    for mailer in range(_PROGRAMS):
        owners.add(("imap", "", 0, "" if mailer == 0 else f"ua:mail {mailer}"), HISTORY, 1_000)
    return Campaign(
        "c" * 32, "credential_stuffing", now - 600, now - 60, now + 3_600, failing, 500.0, owners, owners, 1_000.0
    )  # fmt: skip


def _decisions() -> Iterator[Decision]:
    """Bans of single addresses, in force since a minute."""
    ledger, ts = Ledger(Policy.enforcing(), Groups()), time() - 60
    for number in range(_DECISIONS):
        subject = Subject(ip=_blocked(number))
        alert = Alert(
            alert_id=alert_id("password_spray", subject, 0),
            kind="password_spray",
            severity="high",
            score=1.0,
            ts=ts,
            first_ts=ts,
            last_ts=ts,
            subject=subject,
            evidence=Evidence(counts={"failures": 40}, distinct={"accounts": 30, "ok_accounts": 0}),
        )
        yield from ledger.apply(alert, ts)
