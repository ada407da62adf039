"""streams.local_kafka: a real broker starts, freezes, goes on, restarts and ends."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from models.errors import CribleError
from streams import cli, local_kafka, telemetry
from streams.local_kafka import LocalKafka


def answers(kafka: LocalKafka) -> bool:
    try:
        client = KafkaAdminClient(bootstrap_servers=kafka.bootstrap, bootstrap_timeout_ms=1500, request_timeout_ms=1000)
    except KafkaError:
        return False
    client.close()
    return True


@pytest.mark.kafka
def test_a_broker_freezes_and_goes_on(own_kafka: LocalKafka) -> None:
    """A paused broker accepts connections and answers nothing; resumed, it answers again."""
    assert answers(own_kafka)
    own_kafka.pause()
    assert not answers(own_kafka)
    own_kafka.resume()
    assert answers(own_kafka)


@pytest.mark.kafka
def test_a_restarted_broker_has_its_data_and_port(own_kafka: LocalKafka) -> None:
    """Topics survive; the process is another."""
    client = KafkaAdminClient(bootstrap_servers=own_kafka.bootstrap)
    client.create_topics({"kept": {"num_partitions": 1, "replication_factor": 1}})
    client.close()
    restarted = own_kafka.restart()
    assert restarted.bootstrap == own_kafka.bootstrap
    assert restarted.pid != own_kafka.pid
    client = KafkaAdminClient(bootstrap_servers=restarted.bootstrap)
    assert "kept" in client.list_topics()
    client.close()


@pytest.mark.kafka
def test_a_broker_is_found_until_it_stops(own_kafka: LocalKafka) -> None:
    """find() knows a running broker; a second one on its directory is refused; stop() ends a paused one too."""
    assert local_kafka.find(own_kafka.directory) == own_kafka
    with pytest.raises(CribleError, match=f"already running on port {own_kafka.port}, pid {own_kafka.pid}"):
        local_kafka.start(own_kafka.directory, local_kafka.free_port())
    own_kafka.pause()
    own_kafka.stop()
    assert local_kafka.find(own_kafka.directory) is None
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", own_kafka.port)) != 0


def test_a_foreign_process_with_an_old_pid_is_left_alone(tmp_path: Path) -> None:
    """Process ids are used again: one that is not our broker is not found, so never signalled."""
    (tmp_path / "broker.json").write_text(f'{{"pid": {os.getpid()}, "port": 9092}}', "utf-8")
    assert local_kafka.find(tmp_path) is None


@pytest.mark.kafka
def test_a_taken_port_is_named(own_kafka: LocalKafka, tmp_path: Path) -> None:
    """The error says which port and the two ways out."""
    with pytest.raises(CribleError, match=f"{own_kafka.bootstrap}: the port is taken; to use what listens there, set CRIBLE_KAFKA"):
        local_kafka.start(tmp_path / "second", own_kafka.port)


@pytest.mark.kafka
def test_a_broker_that_cannot_start_quotes_its_log(own_kafka: LocalKafka) -> None:
    """Damaged data end the start with the last lines of the log and its path."""
    own_kafka.stop()
    (own_kafka.directory / "data" / "meta.properties").write_text("version=1\ncluster.id=other\nnode.id=7\n", "utf-8")
    with pytest.raises(CribleError, match=r"kafka.log: Kafka did not start: .*node"):
        local_kafka.start(own_kafka.directory, own_kafka.port)
    assert local_kafka.find(own_kafka.directory) is None


def test_docker_is_used_where_there_is_no_java(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without Java, but with an engine that answers, `up` and `down` drive the broker of docker-compose.yml."""
    calls = tmp_path / "calls"
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(f'#!/bin/sh\necho "$@" >>{calls}\n', "utf-8")
    docker.chmod(0o755)
    (docker.parent / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(docker.parent))
    monkeypatch.delenv("CRIBLE_KAFKA", raising=False)
    monkeypatch.setattr(local_kafka, "_HOME", tmp_path / "home")
    monkeypatch.setattr(telemetry, "configure", lambda _level: None)
    assert cli.main(["kafka", "up"]) == 0
    assert cli.main(["kafka", "down"]) == 0
    composed = [line.partition("docker-compose.yml ")[2] for line in calls.read_text("utf-8").splitlines() if "compose" in line]
    assert composed == ["up --detach --wait broker", "stop broker"]
    assert "127.0.0.1:9092: started with Docker" in capsys.readouterr().out


def test_a_machine_without_java_and_docker_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 1."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CRIBLE_KAFKA", raising=False)
    monkeypatch.setattr(local_kafka, "_HOME", tmp_path)
    monkeypatch.setattr(telemetry, "configure", lambda _level: None)
    assert cli.main(["kafka", "up"]) == 1
    hint = "install Java 17 and Maven, or set CRIBLE_KAFKA to a broker"
    assert capsys.readouterr().err == f"error: no java and no mvn on this machine; {hint}\n"
