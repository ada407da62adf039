"""A real one-node Apache Kafka (KRaft) for development and tests, and ``crible kafka up|down|status``.

The server's jars are resolved by Maven from ``deploy/kafka/pom.xml`` once and run with ``java``. The broker listens on
the loopback only, keeps its data, log and pid under one directory, and ``down`` ends just the process it started.
Where ``CRIBLE_KAFKA`` (``kafka.bootstrap``) names another broker, that one is used and nothing is started. Where there
is no Java or Maven but a Docker engine answers, ``up`` starts the broker of ``docker-compose.yml`` instead.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click
import msgspec
from kafka import KafkaAdminClient

from models.errors import CribleError
from streams.cli import print_json, standard_options
from streams.settings import Kafka, Settings
from streams.topics import admin

__all__ = ["LocalKafka", "command", "find", "free_port", "start", "unavailable", "version"]

_ROOT: Final = Path(__file__).resolve().parent.parent
_POM: Final = _ROOT / "deploy" / "kafka" / "pom.xml"
_HOME: Final = _ROOT / ".kafka"
_CLUSTER_ID: Final = "Y3JpYmxlLWxvY2FsLWthZg"
_MIN_JAVA: Final = 17
_START_LIMIT_S: Final = 60
_STOP_LIMIT_S: Final = 30
_POLL_S: Final = 0.1
_QUOTED_LINES: Final = 5
_PORT: Final = 9092
_STATUS_LIMIT_S: Final = 0.2

# Serial collector and first-tier compiler: the start takes 3.5 s of processor time instead of 5.4 s, and 200,000 records/s
# still go through (measured on two cores).
_JVM: Final = ("java", "-Xms256m", "-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

_SERVER_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.quorum.voters=1@127.0.0.1:{controller_port}
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
log.index.size.max.bytes=1048576
"""

_LOG4J_PROPERTIES: Final = """\
appender.stdout.type=Console
appender.stdout.name=stdout
appender.stdout.layout.type=PatternLayout
appender.stdout.layout.pattern=%d{ISO8601} %p %m (%c)%n
rootLogger.level=WARN
rootLogger.appenderRef.stdout.ref=stdout
"""


class _State(msgspec.Struct, frozen=True):
    """What is remembered about a running broker, in ``broker.json``."""

    pid: int
    port: int


@dataclass(frozen=True, slots=True)
class LocalKafka:
    """A broker that :func:`start` started; it may have been started by another process."""

    directory: Path
    pid: int
    port: int

    @property
    def bootstrap(self) -> str:
        """Where clients reach it."""
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End the broker in order; kill it where that takes too long. Its data stays."""
        self.resume()  # a frozen process does not hear SIGTERM
        self._signal(signal.SIGTERM)
        if not _wait(lambda: not _runs_on(self.directory, self.pid), _STOP_LIMIT_S):
            self._signal(signal.SIGKILL)
            _wait(lambda: not _runs_on(self.directory, self.pid), _STOP_LIMIT_S)
        _state_file(self.directory).unlink(missing_ok=True)

    def pause(self) -> None:
        """Freeze the broker: connections stay open, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen broker go on."""
        self._signal(signal.SIGCONT)

    def restart(self) -> LocalKafka:
        """Stop, and start again with the same data and port; the new broker has another ``pid``."""
        self.stop()
        return start(self.directory, self.port)

    def _signal(self, number: signal.Signals) -> None:
        if _runs_on(self.directory, self.pid):  # never another process that was given the same id
            os.kill(self.pid, number)


def unavailable() -> str | None:
    """Why no broker can be started on this machine, or ``None``."""
    needed = ["java"] if _libs().exists() else ["java", "mvn"]
    missing = [program for program in needed if shutil.which(program) is None]
    if missing:
        return f"no {' and no '.join(missing)} on this machine"
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < _MIN_JAVA:
        return f"java is older than {_MIN_JAVA}"
    return None


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find(directory: Path) -> LocalKafka | None:
    """The broker that runs on ``directory``, or ``None``."""
    try:
        state = msgspec.json.decode(_state_file(directory).read_bytes(), type=_State)
    except (OSError, msgspec.DecodeError):
        return None
    return LocalKafka(directory, state.pid, state.port) if _runs_on(directory, state.pid) else None


def start(directory: Path, port: int) -> LocalKafka:
    """Start a broker that keeps everything under ``directory``; return when it answers.

    Raises:
        CribleError: No Java 17 or Maven, the jars cannot be had, the port is taken, or the broker does not start (the
            error quotes the end of its log).
    """
    reason = unavailable()
    if reason is not None:
        raise CribleError(reason, hint="install Java 17 and Maven, or set CRIBLE_KAFKA to a broker")
    running = find(directory)
    if running is not None:
        raise CribleError(f"already running on port {running.port}, pid {running.pid}", where=str(directory))
    _check_free(port)
    directory.mkdir(parents=True, exist_ok=True)
    _write_config(directory, port)
    java = [*_JVM, f"-Dlog4j2.configurationFile={directory / 'log4j2.properties'}", "-cp", f"{_resolved_libs()}/*"]
    if not (_data(directory) / "meta.properties").exists():
        _format_storage(directory, java)
    kafka = LocalKafka(directory, _spawn(directory, java), port)
    _state_file(directory).write_bytes(msgspec.json.encode(_State(kafka.pid, port)))
    _await_answer(kafka)
    return kafka


def _libs() -> Path:
    return _HOME / f"libs-{version()}"


def version() -> str:
    """The Kafka version that ``deploy/kafka/pom.xml`` pins."""
    found = re.search(r"<kafka.version>(.+)</kafka.version>", _POM.read_text("utf-8"))
    if found is None:
        raise CribleError("no kafka.version", where=str(_POM))
    return found[1]


def _resolved_libs() -> Path:
    """The folder with Kafka's jars, filled by Maven the first time."""
    libs = _libs()
    if not libs.exists():
        _HOME.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=_HOME) as unfinished:
            copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={unfinished}/libs"]
            done = subprocess.run(["mvn", "-q", "-B", "-f", _POM, *copy], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise CribleError(f"Maven could not fetch Kafka's jars: {_last_lines(done.stdout)}", where=str(_POM))
            with suppress(OSError):  # another process was faster
                Path(unfinished, "libs").rename(libs)
    return libs


def _write_config(directory: Path, port: int) -> None:
    config = _SERVER_PROPERTIES.format(port=port, controller_port=free_port(), data=_data(directory))
    _properties(directory).write_text(config, "utf-8")
    (directory / "log4j2.properties").write_text(_LOG4J_PROPERTIES, "utf-8")


def _format_storage(directory: Path, java: list[str]) -> None:
    storage_tool = [*java, "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(_properties(directory))]
    done = subprocess.run(storage_tool, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CribleError(f"cannot format the storage: {_last_lines(done.stderr + done.stdout)}", where=str(directory))


def _spawn(directory: Path, java: list[str]) -> int:
    """Start the broker as nobody's child, so that it outlives us and its death leaves no zombie; its process id."""
    detach = 'log=$1; shift; "$@" >"$log" 2>&1 </dev/null & echo $!'
    broker = [*java, "kafka.Kafka", str(_properties(directory))]
    shell = ["sh", "-c", detach, "sh", str(_log(directory)), *broker]
    return int(subprocess.run(shell, capture_output=True, text=True, check=True, start_new_session=True).stdout)


def _await_answer(kafka: LocalKafka) -> None:
    """Return when the API answers; the broker opens its port only then."""
    ended = not _wait(lambda: _listens(kafka.port) or not _runs_on(kafka.directory, kafka.pid), _START_LIMIT_S)
    if not ended and _runs_on(kafka.directory, kafka.pid):
        client = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        client.describe_cluster()
        client.close()
        return
    kafka.stop()
    log = _log(kafka.directory)
    raise CribleError(f"Kafka did not start: {_last_lines(log.read_text('utf-8', 'replace'))}", where=str(log))


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        # As the broker does: a port whose last connections are only lingering is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            hint = f"to use what listens there, set CRIBLE_KAFKA=127.0.0.1:{port}; else choose another --port"
            raise CribleError("the port is taken", where=f"127.0.0.1:{port}", hint=hint) from error


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _runs_on(directory: Path, pid: int) -> bool:
    """Is ``pid`` alive and a broker on this directory? Process ids are used again, so its command line is looked at."""
    try:
        command_line = Path(f"/proc/{pid}/cmdline").read_text("utf-8")
    except FileNotFoundError:
        shown = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
        command_line = shown.stdout
    return str(_properties(directory)) in command_line


def _wait(condition: Callable[[], bool], limit_s: float) -> bool:
    """Poll until ``condition`` holds; ``False`` where it did not within the limit."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _last_lines(text: str) -> str:
    """The end of a log on one line, without the frames of Java's stack traces."""
    told = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("\tat ")]
    return " | ".join(told[-_QUOTED_LINES:]) or "it said nothing"


def _data(directory: Path) -> Path:
    return directory / "data"


def _properties(directory: Path) -> Path:
    return directory / "server.properties"


def _log(directory: Path) -> Path:
    return directory / "kafka.log"


def _state_file(directory: Path) -> Path:
    return directory / "broker.json"


@click.group(no_args_is_help=False)
def command() -> None:
    """A one-node Apache Kafka for development."""


@command.command()
@click.option("--port", type=click.IntRange(1, 65535), default=_PORT, show_default=True, help="Port on the loopback.")
@standard_options
def up(port: int, settings: Settings, as_json: bool) -> None:
    """Start the broker, or say that one is there."""
    if settings.kafka.bootstrap != Kafka().bootstrap:
        with admin(settings):
            _say(as_json, settings.kafka.bootstrap, "nothing started: kafka.bootstrap names this broker, and it answers")
        return
    running = find(_HOME)
    if running is not None:
        _say(as_json, running.bootstrap, f"runs already, pid {running.pid}")
    elif unavailable() is not None and _docker_answers():
        _docker_compose("up", "--detach", "--wait", "broker")
        _say(as_json, Kafka().bootstrap, "started with Docker")
    else:
        kafka = start(_HOME, port)
        _say(as_json, kafka.bootstrap, f"started, pid {kafka.pid}, log {_log(_HOME)}")


@command.command()
@standard_options
def down(settings: Settings, as_json: bool) -> None:
    """Stop the broker that 'up' started; its data stays."""
    running = find(_HOME)
    if running is not None:
        running.stop()
        _say(as_json, running.bootstrap, "stopped")
    elif unavailable() is not None and _docker_answers():
        _docker_compose("stop", "broker")
        _say(as_json, Kafka().bootstrap, "stopped with Docker")
    else:
        _say(as_json, None, "none was running that 'crible kafka up' started")


@command.command()
@standard_options
def status(settings: Settings, as_json: bool) -> None:
    """Say whether a broker answers; exit 1 where none does."""
    running = find(_HOME)
    kafka = settings.kafka
    if running is not None and kafka.bootstrap == Kafka().bootstrap:
        kafka = msgspec.structs.replace(kafka, bootstrap=running.bootstrap)
    kafka = msgspec.structs.replace(kafka, connect_timeout_s=_STATUS_LIMIT_S)
    with admin(msgspec.structs.replace(settings, kafka=kafka)):
        _say(as_json, kafka.bootstrap, f"answers, pid {running.pid}" if running else "answers")


def _docker_answers() -> bool:
    return bool(shutil.which("docker")) and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def _docker_compose(*arguments: str) -> None:
    compose = ["docker", "compose", "--file", str(_ROOT / "docker-compose.yml"), *arguments]
    done = subprocess.run(compose, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CribleError(f"docker compose failed: {_last_lines(done.stderr)}")


def _say(as_json: bool, bootstrap: str | None, text: str) -> None:
    if as_json:
        print_json({"bootstrap": bootstrap, "status": text})
    else:
        click.echo(f"Kafka {version()}" + (f" on {bootstrap}" if bootstrap else "") + f": {text}")
