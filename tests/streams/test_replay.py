"""crible replay: past events through the code that runs live, alerts and decisions into files."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from kafka import KafkaProducer

from models.addresses import locate
from models.changes import AccountChange
from models.events import encode_event
from models.partition import partitions_of
from models.verdicts import DELAY_S
from simulator.provider import groups
from simulator.scenarios import simulate
from streams import cli, telemetry, topics
from streams.changes import ChangeTopic
from streams.settings import Kafka, Settings

ROOT = Path(__file__).resolve().parents[2]
START = 1_772_524_800.0  #: of the demo
SHADOW = 'version = "all in shadow"\n'


class Done(NamedTuple):
    """What a replay left behind."""

    code: int
    stdout: str
    stderr: str
    alerts: bytes
    decisions: bytes
    verdicts: bytes


Run = Callable[..., Done]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the demo's events, 300 accounts."""
    path = tmp_path_factory.mktemp("demo") / "events.ndjson"
    path.write_bytes(b"".join(encode_event(event) + b"\n" for event, _ in simulate("demo", seed=1, accounts=300)))
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``crible replay ARGUMENTS`` with files for alerts, decisions and verdicts."""

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(telemetry, "configure", lambda _level: None)
        capsys.readouterr()
        files = {name: tmp_path / f"{name}.ndjson" for name in ("alerts", "decisions", "verdicts")}
        options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
        code = cli.main(["replay", *options, *map(str, arguments)])
        captured = capsys.readouterr()
        written = [path.read_bytes() if path.exists() else b"" for path in files.values()]
        return Done(code, captured.out, captured.err, *written)

    return run


def test_breaker_is_told(run: Run, demo: Path, tmp_path: Path) -> None:
    """A policy that allows nobody to be touched: since when, and why."""
    policy = tmp_path / "policy.toml"
    kinds = '["brute_force", "password_spray", "credential_stuffing", "account_takeover"]'
    enforce = f'[enforce]\nkinds = {kinds}\nscopes = ["account_ip", "ip", "range"]'
    policy.write_text(f'version = "1"\nbudget = {{ hour = 0, day = 0 }}\n{enforce}\n')
    told = json.loads(run(demo, "--json", "--policy", policy).stdout)
    assert told["breaker"]["reason"] == "1 accounts within an hour, 0 allowed"
    assert "the breaker opened at 2026-" in run(demo, "--policy", policy).stdout
    assert json.loads(run(demo, "--json").stdout)["breaker"] is None


def test_verdicts_end_where_they_have_spent_the_budget(run: Run, demo: Path, tmp_path: Path) -> None:
    """Those until five seconds after are what they would have been; repeated, all of it is the same bytes."""
    policy = tmp_path / "policy.toml"
    policy.write_text('version = "1"\n[enforce]\nkinds = ["campaign"]\n')
    free = run(demo, "--policy", policy)
    policy.write_text('version = "1"\nbudget = { hour = 0, day = 0 }\n[enforce]\nkinds = ["campaign"]\n')
    spent, again = run(demo, "--json", "--policy", policy), run(demo, "--json", "--policy", policy)
    breaker = json.loads(spent.stdout)["breaker"]
    assert (breaker["decision_id"], breaker["reason"]) == ("verdicts", "1 accounts within an hour, 0 allowed")
    assert objects(spent.verdicts) == [each for each in objects(free.verdicts) if each["ts"] <= breaker["opened"] + DELAY_S]
    assert 0 < len(objects(spent.verdicts)) < len(objects(free.verdicts))
    assert (spent.verdicts, spent.decisions) == (again.verdicts, again.decisions)


@pytest.fixture(scope="module")
def whole(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The whole demo, replayed once for all tests that compare with it."""
    folder = tmp_path_factory.mktemp("whole")
    files = ["--alerts", str(folder / "a"), "--decisions", str(folder / "d"), "--verdicts", str(folder / "v")]
    done = subprocess.run(
        [sys.executable, "-m", "streams", "replay", str(demo), "--json", *files],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "7"},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Done(0, done.stdout, done.stderr, *((folder / name).read_bytes() for name in "adv"))


def objects(lines: bytes) -> list[dict[str, Any]]:
    """The JSON objects of an NDJSON file."""
    return [json.loads(line) for line in lines.splitlines()]


class TestFiles:
    """From files, which needs no broker."""

    def test_alerts_and_decisions_are_written(self, whole: Done) -> None:
        """One JSON object a line; every decision goes back to an alert, and what is enforced starts after it."""
        alerts = {alert["alert_id"]: alert for alert in objects(whole.alerts)}
        decisions = objects(whole.decisions)
        assert {alert["kind"] for alert in alerts.values()} >= {
            "brute_force",
            "password_spray",
            "credential_stuffing",
            "login_flood",
        }
        assert len(decisions) > 5
        for decision in decisions:
            assert decision["start"] == alerts[decision["alert_ids"][0]]["ts"] + 10
            assert decision["start"] < decision["until"]
        assert {decision["mode"] for decision in decisions} >= {"enforce"}
        assert [each["decision_id"] for each in decisions] == list(dict.fromkeys(each["decision_id"] for each in decisions))

    def test_verdicts_are_written(self, whole: Done, demo: Path) -> None:
        """One JSON object a line, in the order of the attempts, each on one attempt and with the campaign that it stems from."""
        verdicts = objects(whole.verdicts)
        events = {event["event_id"]: event for event in objects(demo.read_bytes())}
        told = [alert for alert in objects(whole.alerts) if alert["kind"] == "campaign"]
        began = {alert["campaign_id"]: alert["ts"] for alert in reversed(told)}  # one an hour
        assert len(verdicts) > 100
        assert len({verdict["event_id"] for verdict in verdicts}) == len(verdicts)
        assert [verdict["ts"] for verdict in verdicts] == sorted(verdict["ts"] for verdict in verdicts)
        for verdict in verdicts:
            event = events[verdict["event_id"]]
            assert (verdict["action"], verdict["phase"]) == ("refuse", "before")
            assert (verdict["ts"], verdict["remote"]) == (event["ts"], event["remote"])
            assert verdict["ts"] > began[verdict["alert_id"]]
            assert verdict["reasons"]

    def test_alerts_come_in_the_order_of_their_time(self, whole: Done) -> None:
        """Service-wide ones are about a minute that is over, so up to a few minutes behind."""
        times = [alert["ts"] for alert in objects(whole.alerts)]
        assert all(later > earlier - 300 for earlier, later in pairwise(times))

    def test_repeated_it_is_byte_identical(self, run: Run, demo: Path, whole: Done) -> None:
        """Also in another process with other hashes; with --json the figures are the only thing on standard output."""
        assert run(demo, "--json") == whole
        told = json.loads(whole.stdout)
        assert told["events"] == len(demo.read_bytes().splitlines())
        assert told["refused"] == {}
        assert sum(told["alerts"].values()) == len(whole.alerts.splitlines())
        assert sum(told["decisions"].values()) == len(whole.decisions.splitlines())
        assert told["verdicts"] == len(whole.verdicts.splitlines()) > 0
        assert whole.stderr == ""

    def test_a_history_in_parts_out_of_order_and_on_standard_input(
        self, run: Run, demo: Path, whole: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever cuts a day into files, or writes it with ten threads, gets the same alerts."""
        lines = demo.read_bytes().splitlines(keepends=True)
        part = tmp_path / "part"
        part.write_bytes(b"".join(lines[::2]))
        rest = b"".join(line for start in range(1, len(lines), 40) for line in reversed(lines[start : start + 40 : 2]))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(rest)))
        assert run(part, "-")[3:] == whole[3:]

    @pytest.mark.parametrize("partitions", [1, 5])
    def test_instant_alerts_do_not_depend_on_the_partitions(self, run: Run, demo: Path, whole: Done, partitions: int) -> None:
        """``--partitions`` changes no instant alert."""
        one, other = (
            [alert for alert in objects(done.alerts) if alert["kind"] in {"brute_force", "password_spray"}]
            for done in (whole, run(demo, "--partitions", partitions))
        )
        assert one == other
        assert len(one) > 5

    def test_since_and_until(self, run: Run, demo: Path, whole: Done) -> None:
        """Seconds or RFC 3339; ``since`` is read, ``until`` is not."""
        early = run(demo, "--json", "--until", START + 3600)
        late = run(demo, "--json", "--since", "2026-03-03T09:00:00Z")
        events = [json.loads(done.stdout)["events"] for done in (whole, early, late)]
        assert events[1] + events[2] == events[0]
        assert {alert["ts"] < START + 3600 for alert in objects(early.alerts)} == {True}
        assert {alert["first_ts"] >= START + 3600 for alert in objects(late.alerts)} == {True}

    def test_a_policy_decides_what_is_enforced(self, run: Run, demo: Path, whole: Done, tmp_path: Path) -> None:
        """Without ``--policy`` the shipped one enforces; a policy that enforces nothing leaves the alerts as they are."""
        policy = tmp_path / "policy.toml"
        policy.write_text(SHADOW)
        shadow = run(demo, "--policy", policy)
        assert shadow.alerts == whole.alerts
        assert shadow.verdicts == b""
        assert "enforce" not in {decision["mode"] for decision in objects(shadow.decisions)}
        assert {decision["policy_version"] for decision in objects(shadow.decisions)} == {"all in shadow"}

    def test_account_changes(self, run: Run, tmp_path: Path) -> None:
        """As they are posted, by account or login; they take effect at their own time, whatever their order in the file."""
        events, changes = tmp_path / "events.ndjson", tmp_path / "changes.ndjson"
        guess = {"login": "alice@example.org", "remote": "203.0.113.7", "success": False, "mech": "PLAIN", "protocol": "imap"}
        guesses = [guess | {"ts": START + 5 * number, "pwhash": str(number)} for number in range(18)]
        events.write_text("".join(f"{json.dumps(each)}\n" for each in guesses))
        changed = {"change": "password_changed", "by": "owner"}
        told = [
            changed | {"ts": START + 900, "account": "bob@example.org"},
            changed | {"ts": START + 42, "login": "Alice@example.org"},
        ]
        changes.write_text("".join(f"{json.dumps(each)}\n" for each in told))
        assert [json.loads(line)["kind"] for line in run(events).alerts.splitlines()] == ["brute_force"]
        assert run(events, "--account-changes", changes).alerts == b""
        assert run(events, "--account-changes", changes, "--since", START + 43).alerts == b""
        changes.write_text('{"ts": 1, "account": "a", "change": "created", "by": "owner"}\n{"ts": 1}\n')
        done = run(events, "--account-changes", changes)
        assert (done.code, done.stderr.count("\n")) == (2, 1)
        assert done.stderr.startswith(f"error: {changes}:2: ")

    def test_groups(self, run: Run, demo: Path, tmp_path: Path) -> None:
        """Accounts in a group are named as such in alerts."""
        file = tmp_path / "groups.csv"
        file.write_text("login,group\n" + "".join(f"{login},{group}\n" for login, group in groups(300)) + everybody(demo))
        found = [alert for alert in objects(run(demo, "--groups", file).alerts) if "account" in alert["subject"]]
        assert found
        assert all("everybody" in alert["groups"] for alert in found)

    def test_a_person_reads_a_table(self, run: Run, demo: Path, tmp_path: Path) -> None:
        """What was raised and decided, and where the first line is that could not be read."""
        path = tmp_path / "with [red]errors.ndjson"
        path.write_bytes(b"nonsense\n" + demo.read_bytes() + b"[]\n")
        done = run(path)
        assert done.code == 0
        assert "8,190 events" in done.stdout
        assert "Many passwords against one account" in done.stdout
        told = " ".join(done.stdout.split())
        assert f"refused: 2 events; the first: {path}:1: not_json" in told

    def test_no_events(self, run: Run, tmp_path: Path) -> None:
        """An empty file is a history too."""
        path = tmp_path / "empty"
        path.touch()
        done = run(path, "--json")
        assert done == (
            0,
            '{"events":0,"refused":{},"alerts":{},"cold":{},"decisions":{},"verdicts":0,"breaker":null}\n',
            "",
            b"",
            b"",
            b"",
        )


def everybody(demo: Path) -> str:
    """Lines of ``groups.csv`` that put every log-in of the demo into one group."""
    return "".join(
        f"{login},everybody\n" for login in sorted({json.loads(line)["login"] for line in demo.read_bytes().splitlines()})
    )


class TestErrors:
    """Exit code 2 and one line: what, where, what to do."""

    def refused(self, done: Done, *words: str) -> None:
        assert done.code == 2
        assert done.stderr.count("\n") == 1
        assert all(word in done.stderr for word in words)

    def test_no_such_file(self, run: Run, tmp_path: Path) -> None:
        """The file is named."""
        self.refused(run(tmp_path / "none.ndjson"), "none.ndjson", "No such file")

    @pytest.mark.parametrize("time", ["yesterday", "2026-03-03", "-5", "1e400"])
    def test_no_time(self, run: Run, demo: Path, time: str) -> None:
        """What is meant is said."""
        self.refused(run(demo, "--since", time), "--since", "neither seconds since the epoch nor RFC 3339")

    def test_no_policy(self, run: Run, demo: Path, tmp_path: Path) -> None:
        """An unknown key is not guessed at."""
        policy = tmp_path / "policy.toml"
        policy.write_text(SHADOW + "enforcement = true\n")
        self.refused(run(demo, "--policy", policy), "policy.toml", "enforcement")

    @pytest.mark.parametrize("arguments", [[], ["--partitions", 0], ["--nonsense"]])
    def test_a_wrong_call(self, run: Run, demo: Path, arguments: list[object]) -> None:
        """Without a source, or with what does not exist."""
        self.refused(run(*([demo, *arguments] if arguments else [])), "crible replay --help")

    def test_a_file_that_is_not_in_order(self, run: Run, tmp_path: Path) -> None:
        """It is not replayed wrongly."""
        path = tmp_path / "mixed.ndjson"
        line = '{{"ts": {ts}, "login": "a", "remote": "192.0.2.7", "success": true}}\n'
        path.write_text("".join(line.format(ts=START + number) for number in range(25_000)) + line.format(ts=START))
        self.refused(run(path), "mixed.ndjson", "sort the events by ts")

    @pytest.mark.parametrize("option", ["--alerts", "--decisions", "--verdicts"])
    def test_a_folder_that_does_not_exist(self, run: Run, demo: Path, tmp_path: Path, option: str) -> None:
        """The file is named, and no time is lost on the events."""
        self.refused(run(demo, option, tmp_path / "none" / "out.ndjson"), "out.ndjson")

    def test_the_source_is_not_overwritten(self, demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Whoever gives the events' file for the alerts still has the events."""
        path = tmp_path / "events.ndjson"
        path.write_bytes(demo.read_bytes())
        code = cli.main(["replay", str(path), "--alerts", str(path), "--decisions", str(tmp_path / "d")])
        assert path.read_bytes() == demo.read_bytes()
        assert code == 2


@pytest.mark.kafka
class TestTopic:
    """From a topic, without joining the live group."""

    def test_a_topic_is_the_file(
        self, run: Run, demo: Path, whole: Done, kafka_broker: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The same events written by ingest into partitions by network: the same bytes, twice; ``--since`` as well."""
        settings = Settings(kafka=Kafka(bootstrap=kafka_broker, prefix=topic_prefix, partitions=4, connect_timeout_s=20))
        topics.create(settings, keep_all=True)
        name = topics.topic(settings, "auth.events")
        producer = KafkaProducer(**settings.kafka.client_options(), enable_idempotence=True)
        for line in demo.read_bytes().splitlines():
            event = json.loads(line)
            network = locate(event["remote"]).network
            (partition,) = partitions_of([network], 4)
            producer.send(name, line, key=network.encode(), partition=partition, timestamp_ms=int(event["ts"] * 1000))
        producer.flush()
        producer.close()
        monkeypatch.setenv("CRIBLE_KAFKA", kafka_broker)
        assert run(f"kafka:{name}", "--json") == run(f"kafka:{name}", "--json") == whole
        since = ["--since", START + 5400, "--json"]
        assert run(f"kafka:{name}", *since) == run(demo, *since)
        with topics.admin(settings) as client:
            assert not [group for group in client.list_groups() if topic_prefix in str(group)]

    def test_account_changes_of_a_topic_are_those_of_the_file(
        self, run: Run, demo: Path, tmp_path: Path, kafka_broker: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As POST /v1/account-changes wrote them; what is none of them is left out."""
        settings = Settings(kafka=Kafka(bootstrap=kafka_broker, prefix=topic_prefix, partitions=4, connect_timeout_s=20))
        topics.create(settings, keep_all=True)
        accounts = sorted({event["login"] for event in objects(demo.read_bytes()) if event["success"]})
        changes = [
            AccountChange(ts=START + 5400 + number, account=account, change="closed", by="support")
            for number, account in enumerate(accounts)
        ]
        file = tmp_path / "changes.ndjson"
        file.write_bytes(b"".join(msgspec.json.encode(change) + b"\n" for change in changes))
        writer = ChangeTopic(settings)
        writer.send(changes)
        writer.close()
        name = topics.topic(settings, "auth.account-changes")
        producer = KafkaProducer(**settings.kafka.client_options())
        producer.send(name, b"nonsense")
        producer.close()
        monkeypatch.setenv("CRIBLE_KAFKA", kafka_broker)
        from_file, from_topic = (run(demo, "--account-changes", source) for source in (file, f"kafka:{name}"))
        assert (from_file.code, from_topic.code) == (0, 0)
        assert from_file.alerts == from_topic.alerts != run(demo).alerts
        assert run(demo, "--account-changes", "kafka:nonsense").code == 2

    def test_no_such_topic(self, run: Run, kafka_broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """One line."""
        monkeypatch.setenv("CRIBLE_KAFKA", kafka_broker)
        done = run("kafka:nonsense")
        assert (done.code, done.stderr.count("\n")) == (2, 1)
        assert "no topic nonsense" in done.stderr


def test_no_broker(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1 after the configured time, and one line on how to start one."""
    monkeypatch.setenv("CRIBLE_KAFKA", "127.0.0.1:9")
    monkeypatch.setenv("CRIBLE_KAFKA_CONNECT_TIMEOUT_S", "0.3")
    monkeypatch.setattr(telemetry, "warning", lambda *_args, **_fields: None)
    done = run("kafka:auth.events")
    assert done.code == 1
    assert done.stderr.splitlines() == [
        "error: 127.0.0.1:9: no Kafka broker answered within 0.3 s; start one with 'crible kafka up', or set kafka.bootstrap"
    ]
