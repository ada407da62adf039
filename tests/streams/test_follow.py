"""Following files: no line is lost or taken twice, whatever rotation, a crash or a restart does in between."""

from __future__ import annotations

import io
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from kafka import KafkaConsumer

from models.errors import InputError
from models.events import MAX_LINE_BYTES, decode_event
from models.geo import Geo
from streams import follow as module
from streams import telemetry, topics
from streams.follow import Checkpoint, Follower, Saved, follow
from streams.ingest import FileSink, Ingest, Options, Reading
from streams.settings import Kafka, Settings

LINE = "Apr 12 06:00:01 gw sshd[501]: Failed password for {} from 192.0.2.20 port 40100 ssh2\n"
WAIT_S = 30.0


@dataclass
class Taken:
    """A reader that notes what it is given; lines up to ``done`` are not new."""

    producer: str
    done: int
    lines: list[tuple[int, bytes]] = field(default_factory=list)
    waits_since: int | None = None
    connections: list[list[str]] = field(default_factory=list)
    is_closed: bool = False

    def take(self, raw: bytes, number: int) -> None:
        """Note a line."""
        self.lines.append((number, raw))

    def release(self, now: float) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """There are no more."""
        self.is_closed = True

    def resume(self, connections: Sequence[Sequence[str]]) -> None:
        """Note what another reader knew."""
        self.connections = [list(connection) for connection in connections]


class Watched:
    """A follower of one file with the readers that it made."""

    all: ClassVar[list[Watched]] = []

    def __init__(self, path: Path, saved: list[Saved] | None = None) -> None:
        self.readers: list[Taken] = []
        self.follower = Follower(str(path), self._new, saved or [])
        self.all.append(self)

    def _new(self, producer: str, done: int) -> Taken:
        self.readers.append(Taken(producer, done))
        return self.readers[-1]

    def poll(self) -> list[bytes]:
        """All new lines so far, after reading what is there."""
        idle = 0
        while idle < 2:  # a new file is found in one round and looked at in the next
            idle = 0 if self.follower.poll() or self.follower.needs_saving else idle + 1
            self.follower.saved()
        return self.lines

    @property
    def lines(self) -> list[bytes]:
        """The lines that are new, by reader."""
        return [raw for reader in self.readers for number, raw in reader.lines if number > reader.done]

    def crash(self, path: Path) -> Watched:
        """Another one that goes on from the checkpoint of this one."""
        return Watched(path, self.follower.saved())


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Files are closed after each test, as a crash would."""
    yield
    while Watched.all:
        Watched.all.pop().follower.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A file with one line."""
    path = tmp_path / "mail.log"
    path.write_bytes(b"1\n")
    return path


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The warnings about lost lines."""
    names: list[str] = []
    monkeypatch.setattr(telemetry, "warning", lambda event, **_: names.append(event))
    return names


def add(path: Path, data: bytes) -> None:
    """Append to a file, at a time of its own: the system's clock ticks seldom."""
    with path.open("ab") as file:
        file.write(data)
    os.utime(path, ns=(time.time_ns(), time.time_ns()))


def rotate(path: Path, name: str, *, by_copy: bool = False) -> None:
    """Rotate a log."""
    if by_copy:
        shutil.copyfile(path, path.with_name(name))
        os.utime(path.with_name(name), ns=(time.time_ns(), time.time_ns()))
        os.truncate(path, 0)
    else:
        path.rename(path.with_name(name))
    add(path, b"")


def test_lines_are_taken_when_they_are_complete(log: Path) -> None:
    """What has no end yet waits for it, and numbers go up."""
    watched = Watched(log)
    assert watched.poll() == [b"1"]
    add(log, b"2\n3")
    assert watched.poll() == [b"1", b"2"]
    add(log, b"3\r\n\n")
    assert watched.poll() == [b"1", b"2", b"33", b""]
    assert [number for number, _ in watched.readers[0].lines] == [1, 2, 3, 4]


def test_rename_and_create(log: Path) -> None:
    """The old file is read on while its writer has not noticed, the new one has a producer of its own."""
    watched = Watched(log)
    watched.poll()
    with log.open("ab") as writer:
        log.rename(log.with_name("mail.log.1"))
        log.write_bytes(b"new 1\n")
        assert watched.poll() == [b"1", b"new 1"]
        writer.write(b"2\n")
    add(log, b"new 2\n")
    assert sorted(watched.poll()) == [b"1", b"2", b"new 1", b"new 2"]
    assert len({reader.producer for reader in watched.readers}) == 2
    assert [number for number, _ in watched.readers[1].lines] == [1, 2]


def test_an_old_file_ends_when_it_is_silent(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then its last line needs no end, and its reader is told that there is no more."""
    now = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    watched = Watched(log)
    add(log, b"2")
    watched.poll()
    log.rename(log.with_name("mail.log.1"))
    log.write_bytes(b"new\n")
    assert watched.poll() == [b"1", b"new"]
    now[0] = 59.0
    add(log.with_name("mail.log.1"), b"2")
    assert watched.poll() == [b"1", b"new"]
    now[0] = 118.0
    assert watched.poll() == [b"1", b"new"]
    now[0] = 120.0
    assert watched.poll() == [b"1", b"22", b"new"]
    assert [reader.is_closed for reader in watched.readers] == [True, False]
    assert len(watched.follower.saved()) == 1


def test_a_name_may_be_gone_for_a_while(log: Path) -> None:
    """Between rename and create there is no file of that name."""
    watched = Watched(log)
    log.rename(log.with_name("mail.log.1"))
    assert watched.poll() == [b"1"]
    log.write_bytes(b"2\n")
    assert watched.poll() == [b"1", b"2"]


@pytest.mark.parametrize("new", [b"", b"a\n", b"something longer than before, as it happens on a busy day\n" * 20])
def test_copy_and_truncate(log: Path, new: bytes) -> None:
    """What was not read before the file was cut is found in its copy; what comes then is new, however much it is."""
    watched = Watched(log)
    watched.poll()
    add(log, b"2\n3\n")
    shutil.copy(log, log.with_name("mail.log-20220412"))
    with log.open("r+b") as file:
        file.truncate(0)
        file.write(new)
    assert watched.poll() == [b"1", b"2", b"3", *new.splitlines()]


def test_a_file_that_was_cut_without_a_copy(log: Path, lost: list[str]) -> None:
    """What nobody can read any more is said, a line that was cut is not taken, and the rest is read."""
    watched = Watched(log)
    add(log, b"2 half of a li")
    watched.poll()
    with log.open("r+b") as file:
        file.truncate(0)
        file.write(b"new\n")
    assert watched.poll() == [b"1", b"new"]
    assert lost == ["file.lost"]


@pytest.mark.parametrize("length", [MAX_LINE_BYTES - 1, MAX_LINE_BYTES + 1, 3_000_000])
def test_a_long_line_takes_no_memory(log: Path, length: int) -> None:
    """It is cut so that it shows, also where it arrives in pieces, and what follows is read."""
    watched = Watched(log)
    for _ in range(3):
        add(log, b"x" * (length // 3))
        watched.poll()
        assert all(len(file._beginning) <= MAX_LINE_BYTES + 1 for file in watched.follower.files)
    add(log, b"\n2\n")
    lines = watched.poll()
    assert [len(line) for line in lines] == [1, min(length // 3 * 3, MAX_LINE_BYTES + 1), 1]


def test_a_restart_goes_on_where_it_was(log: Path) -> None:
    """Lines that are safe are read again as context only; the producer stays."""
    watched = Watched(log)
    add(log, b"2\nhalf")
    watched.poll()
    again = watched.crash(log)
    add(log, b" and half\n")
    assert again.poll() == [b"half and half"]
    assert again.readers[0].producer == watched.readers[0].producer
    assert [number for number, _ in again.readers[0].lines] == [1, 2, 3]


def test_a_line_that_waits_is_not_safe_yet(log: Path) -> None:
    """After a crash it is new again, under its old number."""
    watched = Watched(log)
    add(log, b"2\n3\n")
    watched.poll()
    watched.readers[0].waits_since = 2
    assert watched.crash(log).poll() == [b"2", b"3"]


def test_context_is_bounded(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart reads some lines again, not the whole file, and numbers them as before."""
    monkeypatch.setattr(module, "_CONTEXT_LINES", 10)
    monkeypatch.setattr(module, "_MARK_EVERY", 5)
    watched = Watched(log)
    add(log, b"".join(b"%d\n" % number for number in range(2, 101)))
    watched.poll()
    again = watched.crash(log)
    add(log, b"101\n")
    assert again.poll() == [b"101"]
    assert again.readers[0].lines[0] == (91, b"91")
    assert all(number == int(raw) for number, raw in again.readers[0].lines)


def test_connections_that_go_on_are_known_after_a_restart(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However far back the lines are that told of them: a pool of an LDAP client stays open for days."""
    monkeypatch.setattr(module, "_CONTEXT_LINES", 2)
    monkeypatch.setattr(module, "_MARK_EVERY", 1)

    found = io.BytesIO()

    def reading(producer: str, done: int) -> Reading:
        return Ingest(FileSink(found, None), Options(year=2022), Geo(), "ingest", live=False).reading(str(log), producer, done)

    slapd = "Apr 12 06:00:01 ldap1 slapd[7]: conn={} {}\n"
    log.write_text(slapd.format(5, "fd=21 ACCEPT from IP=192.0.2.5:4500 (IP=0.0.0.0:636)"))
    add(log, slapd.format(6, "fd=22 ACCEPT from IP=192.0.2.6:4500 (IP=0.0.0.0:636)").encode())
    add(log, slapd.format(5, 'op=1 BIND dn="uid=anna,dc=x" method=128').encode())
    add(log, slapd.format(6, "fd=22 closed").encode() + b"x\n" * 50)
    follower = Follower(str(log), reading)
    saved = []
    for _ in range(4):
        follower.poll()
        saved = follower.saved()
    follower.close()
    assert saved[0].start_line > 4
    assert saved[0].connections == [["ldap1", "slapd", "5", "anna", "192.0.2.5"]]
    add(log, slapd.format(5, "op=1 RESULT tag=97 err=49 text=").encode())
    again = Follower(str(log), reading, msgspec.json.decode(msgspec.json.encode(saved), type=list[Saved]))
    again.poll()
    again.close()
    (event,) = map(decode_event, found.getvalue().splitlines())
    assert (event.login, event.remote, event.success) == ("anna", "192.0.2.5", False)


def test_rotated_while_nobody_read(log: Path) -> None:
    """The file is found under its new name, then those that had the name since, then the one that has it."""
    watched = Watched(log)
    watched.poll()
    saved = watched.follower.saved()
    add(log, b"2\n")
    log.rename(log.with_name("mail.log.2"))
    log.with_name("mail.log.1").write_bytes(b"3\n")
    log.write_bytes(b"4\n")
    for name in ("mail.log.2", "mail.log.1", "mail.log"):
        add(log.with_name(name), b"")
    log.with_name("mail.log.3.gz").write_bytes(b"packed\n")
    log.with_name("mail.log.swp").write_bytes(b"no log\n")
    log.with_name("mail.logger.1").write_bytes(b"another\n")
    assert Watched(log, saved).poll() == [b"2", b"3", b"4"]


def test_cut_while_nobody_read(log: Path) -> None:
    """A copy is known by its content, though the file kept name and place."""
    watched = Watched(log)
    watched.poll()
    saved = watched.follower.saved()
    add(log, b"2\n")
    shutil.copy(log, log.with_name("mail.log.1"))
    with log.open("r+b") as file:
        file.truncate(0)
        file.write(b"3\n4\n5\n")
    assert Watched(log, saved).poll() == [b"2", b"3", b"4", b"5"]


def test_filled_and_cut_while_nobody_read(log: Path) -> None:
    """What an empty file held meanwhile is in a copy that is younger than the checkpoint."""
    log.write_bytes(b"")
    rotate(log, "mail.log.1", by_copy=True)
    saved = Watched(log).follower.saved()
    add(log, b"1\n")
    rotate(log, "mail.log.2", by_copy=True)
    add(log, b"2\n")
    assert Watched(log, saved).poll() == [b"1", b"2"]


def test_no_line_is_taken_before_the_checkpoint_knows_the_file(log: Path) -> None:
    """How a file begins is saved first: after a crash its lines would be nobody's."""
    watched = Watched(log)
    for _ in range(3):
        assert watched.follower.poll() == 0
    assert (watched.lines, watched.follower.needs_saving) == ([], True)
    saved = watched.follower.saved()
    assert watched.poll() == [b"1"]
    rotate(log, "mail.log.1", by_copy=True)
    add(log, b"another\n")
    again = Watched(log, saved)
    assert again.poll() == [b"1", b"another"]
    assert again.readers[0].producer == watched.readers[0].producer


def test_rotated_away_for_good(log: Path, lost: list[str]) -> None:
    """What cannot be found is said, and the file of that name is read from its beginning."""
    watched = Watched(log)
    watched.poll()
    saved = watched.follower.saved()
    log.unlink()
    log.write_bytes(b"2\n")
    again = Watched(log, saved)
    assert again.poll() == [b"2"]
    assert again.readers[0].producer != watched.readers[0].producer
    assert lost == ["file.lost"]


@pytest.mark.parametrize("seed", range(25))
def test_any_story(tmp_path: Path, seed: int) -> None:
    """Writing, rotating either way, polling, crashing and restarting in any order: every line is new exactly once per producer."""
    draw = random.Random(seed)
    log = tmp_path / "mail.log"
    log.write_bytes(b"")
    written: list[bytes] = []
    watched = Watched(log)
    saved = watched.follower.saved()
    sent: list[tuple[str, int, bytes]] = []

    def note() -> None:  # what was read before a crash was sent
        for reader in watched.readers:
            sent.extend((reader.producer, number, raw) for number, raw in reader.lines if number > reader.done)
            reader.lines.clear()

    for step in range(60):
        match draw.choice(["write"] * 5 + ["poll"] * 3 + ["save", "crash", "rename", "cut"]):
            case "write":
                lines = [b"%d %d" % (len(written) + number, draw.getrandbits(200)) for number in range(draw.randrange(1, 5))]
                written += lines
                add(log, b"".join(line + b"\n" for line in lines))
            case "poll":
                watched.follower.poll()
                if watched.follower.needs_saving:
                    note()
                    saved = watched.follower.saved()
            case "save":
                note()
                saved = watched.follower.saved()
            case "crash":
                note()
                watched = Watched(log, saved)
                saved = watched.follower.saved()
            case "rename":
                rotate(log, f"mail.log.{step}")
            case "cut":  # nobody cuts a file that was cut a moment before, before anybody has looked
                watched.poll()
                saved = watched.follower.saved()
                note()
                rotate(log, f"mail.log.{step}", by_copy=True)
                watched.poll()
                saved = watched.follower.saved()
                note()
    watched.poll()
    note()
    once = {(producer, number): raw for producer, number, raw in sent}
    assert len({(producer, number, raw) for producer, number, raw in sent}) == len(once)  # a number means one line
    assert Counter(once.values()) == Counter(written)


# --- the checkpoint -------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_kept_whole(tmp_path: Path, log: Path) -> None:
    """What was saved is loaded, a file that is not there is an empty one, and nothing else is left behind."""
    checkpoint = Checkpoint(tmp_path / "c.json")
    assert checkpoint.load() == {}
    saved = {"a": Watched(log).follower.saved()}
    checkpoint.save(saved)
    assert checkpoint.load() == saved
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.json", "mail.log"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no checkpoint"),
        (b'{"schema": 7}', "is no checkpoint"),
        (b'{"schema": "ingest-checkpoint/2", "files": {}}', "upgrade"),
    ],
)
def test_what_is_no_checkpoint_is_an_error(tmp_path: Path, content: bytes, said: str) -> None:
    """Going on from nothing would count lines twice, so nothing is guessed."""
    path = tmp_path / "c.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        Checkpoint(path).load()


def test_a_checkpoint_that_cannot_be_written(tmp_path: Path, log: Path) -> None:
    """The place is named."""
    with pytest.raises(InputError, match="cannot be written"):
        Checkpoint(tmp_path / "none" / "c.json").save({"a": Watched(log).follower.saved()})


def wait_until(holds: Callable[[], Any]) -> None:
    """Return when ``holds()``; fail after a limit."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_producers_are_saved_before_their_lines_are_sent(tmp_path: Path, log: Path) -> None:
    """At the first sight of a line its producer is in the checkpoint, at the start and after a rotation."""
    checkpoint, stop = Checkpoint(tmp_path / "c.json"), threading.Event()
    seen: list[tuple[bytes, bool]] = []

    class Checking(Taken):
        def take(self, raw: bytes, number: int) -> None:
            known = [saved.producer for files in checkpoint.load().values() for saved in files]
            seen.append((raw, self.producer in known))

    following = threading.Thread(
        target=follow, args=([str(log)], lambda _name, producer, done: Checking(producer, done), lambda: None, checkpoint, stop)
    )
    following.start()
    wait_until(lambda: len(seen) == 1)
    log.rename(log.with_name("mail.log.1"))
    log.write_bytes(b"2\n")
    wait_until(lambda: len(seen) == 2)
    stop.set()
    following.join(WAIT_S)
    assert seen == [(b"1", True), (b"2", True)]
    (files,) = checkpoint.load().values()
    assert [saved.done_line for saved in files] == [1, 1]


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts ``crible ingest --follow ARGUMENTS``; ends it with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str | Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "streams", "ingest", "--follow", "--year", "2022", *map(str, arguments)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_following_into_a_file(start: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    """Events are added to the file as lines come, a signal ends it with the figures, and a second run goes on."""
    log, out, checkpoint = tmp_path / "auth.log", tmp_path / "out.ndjson", tmp_path / "c.json"
    log.write_text(LINE.format("a"))
    for events, new_lines in ((2, 2), (3, 1)):
        process = start(log, "--out", out, "--checkpoint", checkpoint)
        wait_until(lambda wanted=events - 1: out.exists() and out.read_bytes().count(b"\n") == wanted)
        add(log, LINE.format("abc"[events - 1]).encode())
        wait_until(lambda wanted=events: out.read_bytes().count(b"\n") == wanted)
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=WAIT_S)
        assert (process.returncode, stderr) == (0, "")
        assert stdout.startswith(f"{new_lines} lines = {new_lines} log-ins")
    assert [line.split('"login":"')[1][0] for line in out.read_text().splitlines()] == ["a", "b", "c"]


def test_the_figures_of_following_add_up(start: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    """Log-ins, refused lines and others, over a rotation and a restart, each counted once."""
    log, out, errors, checkpoint = (tmp_path / name for name in ("auth.log", "out", "errors", "c.json"))
    log.write_text(LINE.format("a") + "no log-in\n")
    process = start(log, "--out", out, "--errors", errors, "--checkpoint", checkpoint)
    wait_until(lambda: out.exists() and out.read_bytes().count(b"\n") == 1)
    rotate(log, "auth.log.1")
    add(log, (LINE.replace("192.0.2.20", "nowhere").format("b") + "x\n" + LINE.format("c")).encode())
    wait_until(lambda: out.read_bytes().count(b"\n") == 2)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=WAIT_S)[0] == ("5 lines = 2 log-ins + 1 refused (bad_remote 1) + 2 not log-ins; 2 events\n")
    assert errors.read_text().count("bad_remote") == 1
    add(log, b"y\n" + LINE.format("d").encode())
    process = start(log, "--out", out, "--errors", errors, "--checkpoint", checkpoint)
    wait_until(lambda: out.read_bytes().count(b"\n") == 3)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=WAIT_S)[0] == "2 lines = 1 log-ins + 0 refused + 1 not log-ins; 1 events\n"
    assert errors.read_text().count("bad_remote") == 1


@pytest.mark.kafka
def test_nothing_is_lost_or_sent_twice_after_kill_9(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, kafka_broker: str, topic_prefix: str
) -> None:
    """Killed again and again over rotations, each log-in has one (producer, number), and none is missing."""
    settings = Settings(kafka=Kafka(bootstrap=kafka_broker, prefix=topic_prefix, partitions=2, connect_timeout_s=20))
    topics.create(settings, keep_all=True)
    config = tmp_path / "crible.toml"
    config.write_text(f'[kafka]\nbootstrap = "{kafka_broker}"\nprefix = "{topic_prefix}"\npartitions = 2\nconnect_timeout_s = 20\n')
    log, checkpoint = tmp_path / "auth.log", tmp_path / "c.json"
    consumer = KafkaConsumer(topics.topic(settings, "auth.events"), auto_offset_reset="earliest", **settings.kafka.client_options())
    records: list[Any] = []
    written = 0

    def write(count: int) -> None:
        nonlocal written
        addresses = [f"192.0.{number % 7}.20" for number in range(count)]
        lines = (LINE.format(f"u{written + number}").replace("192.0.2.20", at) for number, at in enumerate(addresses))
        add(log, "".join(lines).encode())
        written += count

    def arrived() -> int:
        for batch in consumer.poll(timeout_ms=200).values():
            records.extend(batch)
        return len({record.value for record in records})

    def login(record: Any) -> str:
        return str(record.value.split(b'"login":"')[1].split(b'"')[0].decode())

    try:
        for story in ("rename", "cut", "none"):
            write(2_000)
            process = start(log, "--to-kafka", "--checkpoint", checkpoint, "--config", config)
            before = written - 1_500
            wait_until(lambda wanted=before: arrived() >= wanted)
            write(500)
            process.kill()
            process.communicate()
            if story == "rename":
                log.rename(log.with_name("auth.log.1"))
            elif story == "cut":
                shutil.copy(log, log.with_name("auth.log.2"))
                os.truncate(log, 0)
        process = start(log, "--to-kafka", "--checkpoint", checkpoint, "--config", config)
        wait_until(lambda: arrived() >= written)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
    finally:
        consumer.close()
    accepted = []
    highest: dict[tuple[int, bytes], int] = {}
    for record in records:  # what the source stage does with them
        headers = dict(record.headers)
        key, seq = (record.partition, headers["crible-producer"]), int(headers["crible-seq"])
        if seq > highest.get(key, -1):
            highest[key] = seq
            accepted.append(login(record))
    assert Counter(accepted) == Counter(f"u{number}" for number in range(written))
    assert len(records) > written  # some were sent again, or the test has not tested anything
