"""crible evaluate: decisions, verdicts and alerts judged by labelled events, from files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from models.orders import AUDIT_SCHEMA, Audit
from models.policy import Ramp
from models.reopening import Reopening
from streams import cli, telemetry, topics
from streams.settings import Kafka, Settings
from streams.writing import TopicWriter, Written
from tests.factories import ban

START = 1_772_524_800.0  #: of the demo
ACCOUNTS = 300


class Done(NamedTuple):
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The result of a command that was called with --json."""
        assert self.code == 0, self.stderr
        return json.loads(self.stdout)


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``crible ARGUMENTS``."""

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(telemetry, "configure", lambda _level: None)
        capsys.readouterr()
        code = cli.main(list(map(str, arguments)))
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def open_loop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, replayed with verdicts: a folder of everything that ``crible evaluate`` takes."""
    folder = tmp_path_factory.mktemp("open")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(telemetry, "configure", lambda _level: None)
        given = [f"--labels={folder / 'labels'}", f"--groups={folder / 'groups'}"]
        assert cli.main(["simulate", "demo", f"--accounts={ACCOUNTS}", f"--out={folder / 'events'}", *given]) == 0
        made = [f"--{name}={folder / name}" for name in ("alerts", "decisions", "verdicts")]
        assert cli.main(["replay", str(folder / "events"), *made, f"--groups={folder / 'groups'}"]) == 0
    return folder


@pytest.fixture(scope="module")
def closed_loop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, where everybody reacts to being refused; verdicts and all are the simulation's own."""
    folder = tmp_path_factory.mktemp("closed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(telemetry, "configure", lambda _level: None)
        made = [f"--{name}={folder / name}" for name in ("labels", "groups", "alerts", "decisions", "verdicts")]
        call = ["simulate", "demo", f"--accounts={ACCOUNTS}", f"--out={folder / 'events'}", "--closed-loop", *made]
        assert cli.main(call) == 0
    return folder


def given(folder: Path, *names: str) -> list[str]:
    """The options that name these files."""
    return [f"--{name}={folder / name}" for name in ("events", "labels", "decisions", *names)]


def rows(path: Path) -> list[dict[str, Any]]:
    """The objects of an NDJSON file."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


class TestFigures:
    """What is counted is what the files say."""

    def test_all_of_section_6_is_there(self, run: Run, open_loop: Path) -> None:
        """By their names in the contract, for each measure."""
        found = run("evaluate", *given(open_loop, "verdicts", "alerts", "groups"), "--json").json
        assert list(found["measures"]) == ["crible", "do_nothing", "cut_foreign", "cut_pop_imap"]
        kinds = {"password_spray", "brute_force", "credential_stuffing", "account_takeover", "login_flood"}
        for measure in found["measures"].values():
            assert measure["accounts"].keys() == measure["attempts"].keys() == kinds | {"all"}
            assert measure["accounts"]["all"].keys() == {"accounts_exposed", "accounts_lost", "accounts_saved"}
            touched = ("cut", "delayed", "challenged", "reset", "touched")
            assert measure.keys() >= {f"legit_accounts_{how}" for how in touched} | {"protected_touched"}
        assert found["time_to_decision"].keys() == kinds | {"all"}
        assert found["time_to_decision"]["all"].keys() == {"actors", "p50_s", "p90_s", "undecided", "never_decided"}
        assert found["alerts"]["cases"]["false_per_day_and_million"] >= 0
        assert found["alerts"]["confusion"].keys() <= {alert["kind"] for alert in rows(open_loop / "alerts")}
        assert {"precision", "recall"} <= found["alerts"]["kinds"]["password_spray"].keys()

    def test_they_are_those_of_the_labels(self, run: Run, open_loop: Path) -> None:
        """Counted here by hand: attempts by kind, accounts exposed, alerts."""
        found = run("evaluate", *given(open_loop, "verdicts", "alerts"), "--json").json
        labels = rows(open_loop / "labels")
        crible = found["measures"]["crible"]
        for kind in crible["attempts"].keys() - {"all"}:
            assert crible["attempts"][kind]["attempts"] == sum(label["label"] == kind for label in labels) > 0
        login_of = {event["event_id"]: event["login"] for event in rows(open_loop / "events")}
        exposed = {login_of[label["event_id"]] for label in labels if label["label"] != "benign" and label.get("password_ok")}
        assert crible["accounts"]["all"]["accounts_exposed"] == len(exposed)
        assert found["measures"]["do_nothing"]["accounts"]["all"]["accounts_lost"] == len(exposed)
        kinds = [alert["kind"] for alert in rows(open_loop / "alerts")]
        assert found["alerts"]["kinds"]["password_spray"]["alerts"] == kinds.count("password_spray") > 0
        assert (found["events"], found["unlabelled"]) == (len(labels), 0)

    def test_decisions_and_verdicts_count_together(self, run: Run, open_loop: Path) -> None:
        """Each stops something that the other does not."""
        (open_loop / "nothing").write_bytes(b"")
        without = ["--events", open_loop / "events", "--labels", open_loop / "labels"]
        by_decisions = run("evaluate", *given(open_loop), "--json").json
        by_verdicts = run(
            "evaluate", *without, "--decisions", open_loop / "nothing", "--verdicts", open_loop / "verdicts", "--json"
        ).json
        together = run("evaluate", *given(open_loop, "verdicts"), "--json").json
        stopped = [each["measures"]["crible"]["attempts"]["all"]["stopped"] for each in (by_decisions, by_verdicts, together)]
        assert 0 < max(stopped[:2]) < stopped[2] <= stopped[0] + stopped[1]
        refusals = len(rows(open_loop / "verdicts"))
        assert together["verdicts"] == {"refuse": refusals}
        assert refusals > 0

    def test_what_a_closed_loop_refused_counts(self, run: Run, closed_loop: Path) -> None:
        """With the loop's own files and without its verdicts alike; customers whom it refused are customers who were cut."""
        found = run("evaluate", *given(closed_loop, "verdicts", "groups"), "--json").json
        refused = {event["event_id"] for event in rows(closed_loop / "events") if event.get("policy_reject")}
        labels = [label for label in rows(closed_loop / "labels") if label["event_id"] in refused]
        crible = found["measures"]["crible"]
        attacks = sum(label["label"] not in {"benign", "login_flood"} for label in labels)
        assert crible["attempts"]["all"]["stopped"] >= attacks > 100
        cut = {label["actor"] for label in labels if label["label"] == "benign" and label.get("password_ok")}
        assert crible["legit_accounts_cut"] >= len(cut)
        assert run("evaluate", *given(closed_loop, "groups"), "--json").json["measures"] == found["measures"]

    def test_since_and_until(self, run: Run, open_loop: Path) -> None:
        """Only what lies between is counted; times are seconds or RFC 3339."""
        found = run("evaluate", *given(open_loop), "--since", "2026-03-03T08:30:00Z", "--until", START + 5400, "--json").json
        times = {event["event_id"]: event["ts"] for event in rows(open_loop / "events")}
        between = [label for label in rows(open_loop / "labels") if START + 1800 <= times[label["event_id"]] < START + 5400]
        assert found["attempts"] == len(between)
        assert (found["start_ts"], found["end_ts"]) == (START + 1800, START + 5400)
        attacks = found["measures"]["crible"]["attempts"]
        assert attacks["password_spray"]["attempts"] == sum(label["label"] == "password_spray" for label in between)

    def test_repeated_it_is_byte_identical(self, run: Run, open_loop: Path) -> None:
        """Nothing depends on the order of labels and verdicts."""
        call = ["--json", *given(open_loop, "verdicts", "alerts", "groups")]
        first = run("evaluate", *call)
        for name in ("labels", "verdicts"):
            lines = (open_loop / name).read_bytes().splitlines(keepends=True)
            (open_loop / f"{name} backwards").write_bytes(b"".join(reversed(lines)))
            call = [part.replace(f"/{name}", f"/{name} backwards") for part in call]
        assert run("evaluate", *call).stdout == first.stdout

    def test_protected_customers_need_the_groups(self, run: Run, open_loop: Path) -> None:
        """Cutting POP and IMAP meets health professionals; nobody knows it without the file."""
        with_groups = run("evaluate", *given(open_loop, "groups"), "--json").json["measures"]["cut_pop_imap"]
        without = run("evaluate", *given(open_loop), "--json").json["measures"]["cut_pop_imap"]
        assert with_groups["protected_touched"] > without["protected_touched"] == 0

    def test_a_person_reads_tables(self, run: Run, open_loop: Path) -> None:
        """With the names of the cruder ways, and nothing on stderr."""
        done = run("evaluate", *given(open_loop, "verdicts", "alerts", "groups"))
        assert (done.code, done.stderr) == (0, "")
        for title in ("Compared with the cruder ways", "What was stopped and saved", "Who was found", "really about"):
            assert title in done.stdout


class TestVerdictsBySession:
    """Verdicts of a log-in server may name the session instead of the event."""

    def test_session_and_account_name_the_attempt(self, run: Run, tmp_path: Path) -> None:
        """The account tells sessions of the same number apart."""
        events = [
            {"ts": START + n, "login": login, "remote": "192.0.2.7", "success": True, "session_id": "s1", "protocol": "imap"}
            for n, login in enumerate(("anne@mail.example", "bob@mail.example"))
        ]
        for number, event in enumerate(events):
            event["event_id"] = f"e{number}"
        labels = [{"event_id": f"e{number}", "label": "benign", "actor": "x"} for number in range(2)]
        about = {"session_id": "s1", "account": "bob@mail.example", "ts": START + 1, "action": "refuse"}
        for name, lines in {"events": events, "labels": labels, "decisions": [], "verdicts": [about]}.items():
            (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
        found = run("evaluate", *given(tmp_path, "verdicts"), "--json").json
        assert found["measures"]["crible"]["legit_accounts_cut"] == 1

    def test_of_two_verdicts_the_more_severe_one_counts(self, run: Run, tmp_path: Path) -> None:
        """Before and after the password."""
        event = {"ts": START, "login": "a@b.c", "remote": "192.0.2.7", "success": True, "event_id": "e"}
        actions = [{"event_id": "e", "account": "a@b.c", "ts": START, "action": action} for action in ("refuse", "tarpit")]
        label = {"event_id": "e", "label": "benign", "actor": "x"}
        for name, lines in {"events": [event], "labels": [label], "decisions": [], "verdicts": actions}.items():
            (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
        crible = run("evaluate", *given(tmp_path, "verdicts"), "--json").json["measures"]["crible"]
        assert (crible["legit_accounts_cut"], crible["legit_accounts_delayed"]) == (1, 0)


class TestReopenings:
    """What was cut widely was opened again, wave by wave."""

    @pytest.fixture
    def cut(self, open_loop: Path, tmp_path: Path) -> list[str]:
        """The options that name a cut of everything abroad that the demo's attackers use, and of nothing else."""
        cut = ban("BR", START, START + 86_400, scope="country", scenario="campaign")
        (tmp_path / "decisions").write_bytes(msgspec.json.encode(cut) + b"\n")
        return [f"--events={open_loop / 'events'}", f"--labels={open_loop / 'labels'}", f"--decisions={tmp_path / 'decisions'}"]

    def state(self, decision: dict[str, Any], after_s: float, *shares: int) -> bytes:
        """A record of auth.audit that tells how far it went."""
        reopening = Reopening(
            decision_id=decision["decision_id"],
            until=decision["until"],
            attack_since=START,
            protected_groups=("health",),
            ramp=Ramp(),
            watched_from=START + after_s,
            counts_from=START,
            shares=shares,
        )
        note = Audit(ts=START + after_s, decision_id="d", action="reopen", by="ops", reason="quiet", reopening=reopening)
        return msgspec.json.encode(note) + b"\n"

    def test_whom_they_let_in_counts_as_accepted(self, run: Run, cut: list[str], tmp_path: Path) -> None:
        """As auth.audit tells it: all shut it is the cut itself, all open it does nothing, in between it stops some."""
        (decision,) = rows(tmp_path / "decisions")
        file, other = tmp_path / "audit", Audit(ts=START, decision_id="x", action="lift", by="ops", reason="r")

        def stopped(*states: bytes) -> int:
            file.write_bytes(msgspec.json.encode(other) + b"\n" + b"".join(states))
            found = run("evaluate", *cut, "--reopenings", file, "--json").json["measures"]["crible"]["attempts"]["all"]["stopped"]
            assert isinstance(found, int)
            return found

        cut_alone = run("evaluate", *cut, "--json").json["measures"]["crible"]["attempts"]["all"]["stopped"]
        assert stopped(self.state(decision, 0, 0, 0, 0, 0)) == cut_alone > 0
        assert stopped(self.state(decision, 0, 100, 100, 100, 100)) == 0
        assert 0 < stopped(self.state(decision, 0, 100, 0, 0, 50)) < cut_alone
        assert 0 < stopped(self.state(decision, 0, 100, 0, 0, 0), self.state(decision, 5900, 100, 100, 100, 100)) < cut_alone

    @pytest.mark.kafka
    def test_they_are_read_from_auth_audit(
        self,
        run: Run,
        cut: list[str],
        tmp_path: Path,
        kafka_broker: str,
        topic_prefix: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The same as from a file; the other notes there are passed over."""
        (decision,) = rows(tmp_path / "decisions")
        notes = [self.state(decision, 0, 100, 0, 0, 50), b"nonsense"]
        (tmp_path / "audit").write_bytes(notes[0])
        settings = Settings(kafka=Kafka(bootstrap=kafka_broker, prefix=topic_prefix, partitions=2, connect_timeout_s=20))
        topics.create(settings, keep_all=True)
        writer = TopicWriter(settings, "auth.audit", AUDIT_SCHEMA)
        writer.send([Written("d", note, START) for note in notes])
        writer.close()
        monkeypatch.setenv("CRIBLE_KAFKA", kafka_broker)
        monkeypatch.setattr(telemetry, "error", lambda *_args, **_fields: None)
        from_file, from_topic = (
            run("evaluate", *cut, "--reopenings", source, "--json").json["measures"]
            for source in (tmp_path / "audit", f"kafka:{topics.topic(settings, 'auth.audit')}")
        )
        assert from_topic == from_file
        nothing = run("evaluate", *cut, "--reopenings", "kafka:nonsense")
        assert (nothing.code, "no topic nonsense" in nothing.stderr) == (2, True)

    def test_a_wrong_record_is_named(self, run: Run, cut: list[str], tmp_path: Path) -> None:
        """With its line; a file that is not there as well."""
        (tmp_path / "audit").write_text("{}\n")
        done = run("evaluate", *cut, "--reopenings", tmp_path / "audit")
        assert (done.code, "audit:1: not one of the audit records" in done.stderr) == (2, True)
        assert run("evaluate", *cut, "--reopenings", tmp_path / "none").code == 2


class TestChart:
    """--chart."""

    def test_each_is_drawn(self, run: Run, open_loop: Path, tmp_path: Path) -> None:
        """By its ending."""
        starts = {"png": b"\x89PNG", "svg": b"<?xml", "html": b"<!doctype html>"}
        charts = [part for ending in starts for part in ("--chart", tmp_path / f"c.{ending}")]
        assert run("evaluate", *given(open_loop), *charts).code == 0
        for ending, start in starts.items():
            assert (tmp_path / f"c.{ending}").read_bytes().startswith(start)

    def test_another_ending_is_refused_before_anything_is_read(self, run: Run, open_loop: Path, tmp_path: Path) -> None:
        """The call is wrong, and says how it would be right."""
        done = run("evaluate", *given(open_loop), "--chart", tmp_path / "c.gif")
        assert done.code == 2
        assert "c.gif must end in .png, .svg, .html" in done.stderr


class TestWrongInput:
    """One line on stderr: what, where, what to do; exit code 2."""

    @pytest.mark.parametrize(
        ("name", "line", "told"),
        [
            ("labels", b'{"event_id":"x","label":"mischief","actor":"a"}', "labels:2: not one of the labels: "),
            ("labels", b'{"label":"benign","actor":"a"}', "labels:2: not one of the labels: "),
            ("decisions", b"{", "decisions:2: not one of the decisions: "),
            ("verdicts", b'{"account":"a","ts":1,"action":"refuse"}', "neither event_id nor session_id"),
            ("alerts", b"[]", "alerts:2: not one of the alerts: "),
        ],
    )
    def test_a_wrong_line_is_named(self, run: Run, open_loop: Path, tmp_path: Path, name: str, line: bytes, told: str) -> None:
        """With its number."""
        first = (open_loop / name).read_bytes().splitlines()[0]
        (tmp_path / name).write_bytes(first + b"\n" + line + b"\n")
        call = [part for part in given(open_loop, "verdicts", "alerts") if not part.startswith(f"--{name}=")]
        done = run("evaluate", *call, f"--{name}={tmp_path / name}")
        assert (done.code, done.stdout) == (2, "")
        assert told in done.stderr

    def test_labels_of_another_run_are_noticed(self, run: Run, open_loop: Path, tmp_path: Path) -> None:
        """None of them is about one of the events."""
        (tmp_path / "labels").write_bytes(b'{"event_id":"other","label":"benign","actor":"a"}\n')
        call = [part for part in given(open_loop) if not part.startswith("--labels")]
        done = run("evaluate", *call, f"--labels={tmp_path / 'labels'}")
        assert (done.code, "no event has a label" in done.stderr) == (2, True)

    def test_two_labels_for_one_event_are_refused(self, run: Run, open_loop: Path, tmp_path: Path) -> None:
        """Said twice alike it is one."""
        for labels, code in ((("benign", "benign"), 0), (("benign", "brute_force"), 2)):
            first = json.loads((open_loop / "labels").read_bytes().splitlines()[0])["event_id"]
            lines = [json.dumps({"event_id": first, "label": label, "actor": "a"}) for label in labels]
            (tmp_path / "labels").write_text("\n".join(lines) + "\n")
            call = [part for part in given(open_loop) if not part.startswith("--labels")]
            assert run("evaluate", *call, f"--labels={tmp_path / 'labels'}").code == code

    def test_what_is_left_out_is_said(self, run: Run, open_loop: Path, tmp_path: Path) -> None:
        """Events without a label, refused lines, verdicts about no event, decisions that are not enforced."""
        lines = (open_loop / "labels").read_bytes().splitlines(keepends=True)
        (tmp_path / "labels").write_bytes(b"".join(lines[7:]))
        (tmp_path / "events").write_bytes(b"nonsense\n" + (open_loop / "events").read_bytes())
        (tmp_path / "verdicts").write_bytes(b'{"event_id":"other","account":"a","ts":1,"action":"refuse"}\n')
        shadow = [decision | {"mode": "shadow"} for decision in rows(open_loop / "decisions")]
        (tmp_path / "decisions").write_text("".join(json.dumps(decision) + "\n" for decision in shadow))
        text = run("evaluate", *given(tmp_path, "verdicts")).stdout
        assert "left out: 7 events without a label" in text
        assert "refused: 1 events" in text
        assert "1 verdicts are about no event" in text
        assert f"none of the {len(shadow)} decisions is enforced" in text
