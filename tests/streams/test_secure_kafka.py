"""The whole way, from a log-in to the block list, through a broker that asks for a password and speaks TLS."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from models.errors import CribleError
from models.events import AuthEvent, encode_event
from streams import local_kafka, telemetry, topics
from streams.cli import main
from streams.local_kafka import free_port
from streams.settings import Kafka, Settings
from tests.block_service import block_service, wait_for
from tests.certificates import certificate
from tests.gate_service import gate_service
from tests.worker_runs import WorkerProcess

pytestmark = pytest.mark.kafka

USER, PASSWORD = "crible", "correct horse battery staple"
_REPLACED = ("listeners=", "advertised.listeners=", "listener.security.protocol.map=")
_SECURE = """\
listeners=PLAINTEXT://127.0.0.1:{{port}},SECURE://127.0.0.1:{port},CONTROLLER://127.0.0.1:{{controller_port}}
advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},SECURE://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location={keystore}
"""


class Secure(NamedTuple):
    """A broker's second listener: where it is, and what a client has to know."""

    port: int
    certificate: str
    password_file: Path

    def kafka(self, prefix: str = "", **changes: str) -> Kafka:
        """The settings with which it is reached."""
        settings = {
            "bootstrap": f"127.0.0.1:{self.port}",
            "prefix": prefix,
            "security_protocol": "SASL_SSL",
            "sasl_username": USER,
            "sasl_password_file": str(self.password_file),
            "ssl_cafile": self.certificate,
        }
        return Kafka(**(settings | changes), partitions=2, connect_timeout_s=5)  # type: ignore[arg-type]

    def variables(self) -> dict[str, str]:
        """The same for a process."""
        kafka = self.kafka()
        names = ("security_protocol", "sasl_username", "sasl_password_file", "ssl_cafile")
        return {f"CRIBLE_KAFKA_{name.upper()}": str(getattr(kafka, name)) for name in names}


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    folder, port = tmp_path_factory.mktemp("secure"), free_port()
    reason = local_kafka.unavailable()
    if reason is not None and os.environ.get("CRIBLE_REQUIRE_KAFKA") != "1":
        pytest.skip(reason)
    tls, keystore = certificate(folder), folder / "keystore.pem"
    keystore.write_text(Path(tls.key).read_text() + Path(tls.certificate).read_text())
    (folder / "password").write_text(f"{PASSWORD}\n")
    plain = (line for line in local_kafka._SERVER_PROPERTIES.splitlines() if not line.startswith(_REPLACED))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_kafka, "_SERVER_PROPERTIES", "\n".join([*plain, _SECURE.format(port=port, keystore=keystore)]))
        broker = local_kafka.start(folder / "kafka", free_port())
    try:
        admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
        admin.alter_user_scram_credentials([UserScramCredentialUpsertion(USER, ScramMechanism.SCRAM_SHA_512, PASSWORD)])
        admin.close()
        yield Secure(port, tls.certificate, folder / "password")
    finally:
        broker.stop()


def test_every_process_reaches_it_by_the_settings(
    secure: Secure, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ingest, worker (Faust and aiokafka), blocking service (transactions) and gate: a spray ends on the block list."""
    monkeypatch.setattr(telemetry, "configure", lambda _level: None)
    kafka = secure.kafka(topic_prefix)
    settings, now = Settings(kafka=kafka), time.time()
    for name, value in secure.variables().items():
        monkeypatch.setenv(name, value)
    events = [
        AuthEvent(ts=now - 60 + number / 10, login=f"u{number}@example.org", remote="203.0.113.7", success=False, protocol="imap")
        for number in range(300)
    ]
    (tmp_path / "events.ndjson").write_bytes(b"".join(encode_event(event) + b"\n" for event in events))
    topics.create(settings)
    with ExitStack() as running:
        worker = WorkerProcess(settings, tmp_path / "worker.log")
        running.callback(worker.stop)
        block = running.enter_context(block_service(settings, tmp_path, free_port(), **secure.variables()))
        gate = running.enter_context(gate_service(settings, tmp_path, free_port(), **secure.variables()))
        for name, value in (("BOOTSTRAP", kafka.bootstrap), ("PREFIX", kafka.prefix), ("PARTITIONS", "2")):
            monkeypatch.setenv(f"CRIBLE_KAFKA_{name}", value)
        assert main(["ingest", str(tmp_path / "events.ndjson"), "--to-kafka"]) == 0
        wait_for(lambda: block.is_ready() and "decisions_active{" in block.get("/metrics").text, "a decision", 120)
        wait_for(gate.is_ready, "the gate has read the decisions")
        assert gate.report(range(1)) == [0]
        wait_for(lambda: gate.metric("crible_spool_bytes") == 0, "the gate's report is in Kafka")
        said = worker.tail() + block.said() + gate.said()
    assert PASSWORD not in said


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("password", "or it refuses the password; look at kafka.sasl_username and its password file"),
        ("certificate", "certificate is not trusted: self-signed certificate; set kafka.ssl_cafile"),
    ],
)
def test_what_is_wrong_is_said(secure: Secure, tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: str, said: str) -> None:
    """What to look at; and no password in any line."""
    (tmp_path / "wrong").write_text("wrong")
    changed = {
        "password": {"sasl_password_file": str(tmp_path / "wrong")},
        "certificate": {"ssl_cafile": certificate(tmp_path).certificate},
    }[wrong]
    with pytest.raises(CribleError, match=said), topics.admin(Settings(kafka=secure.kafka(**changed))):
        pass
    assert PASSWORD not in caplog.text
