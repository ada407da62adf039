"""crible ingest: every line is accounted for, and what goes to Kafka can be sent again."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka import KafkaConsumer

from models.addresses import locate
from models.events import AuthEvent, Refused, decode_event
from models.geo import Geo
from streams import cli, telemetry, topics
from streams.documents import DOCUMENTS
from streams.formats import FORMATS
from streams.ingest import FileSink, Ingest, Options, Origin, Summary
from streams.lines import Lines
from streams.settings import Kafka, Settings

NOW = 1_800_000_000.0
SSH = "Apr 12 06:00:01 gw sshd[501]: Failed password for root from 192.0.2.20 port 40100 ssh2\n"
DOVECOT = (
    "Apr 12 06:00:05 mx1 dovecot: imap-login: Disconnected (auth failed, 3 attempts in 9 secs): user=<bob>, method=PLAIN, "
    "rip=192.0.2.9, lip=198.51.100.1, TLS, session=<s1>\n"
)
NO_LOGIN = "Apr 12 06:00:09 gw cron[7]: (root) CMD (true)\n"
NO_ADDRESS = "Apr 12 06:00:10 gw sshd[502]: Failed password for root from evil.example port 40100 ssh2\n"
GOOD = {"ts": 1_649_743_200.0, "login": "bob", "remote": "192.0.2.7", "success": False}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Run ``crible ingest ARGUMENTS`` with ``text`` on standard input; exit code, stdout, stderr."""

    def run(*arguments: str | Path, text: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(telemetry, "configure", lambda _level: None)
        capsysbinary.readouterr()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        code = cli.main(["ingest", *map(str, arguments)])
        captured = capsysbinary.readouterr()
        return code, captured.out.decode(), captured.err.decode()

    return run


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A file of two log-in lines with four attempts, one refused line and one of another program."""
    path = tmp_path / "mail.log"
    path.write_text(SSH + DOVECOT + NO_LOGIN + NO_ADDRESS)
    return path


def objects(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_become_events(run: Run, log: Path, tmp_path: Path) -> None:
    """Log-ins are written with id and place, and the figures add up."""
    out, errors = tmp_path / "e.ndjson", tmp_path / "errors.ndjson"
    code, stdout, _ = run(log, "--year", 2022, "--out", out, "--errors", errors)
    assert code == 0
    assert stdout == "4 lines = 2 log-ins + 1 refused (bad_remote 1) + 1 not log-ins; 4 events\n"
    events = objects(out)
    assert [event["attrs"]["source"] for event in events] == [f"{log}:1"] + [f"{log}:2"] * 3
    assert len({event["event_id"] for event in events}) == 4
    assert events[0] == {
        "ts": 1_649_743_201.0, "login": "root", "remote": "192.0.2.20", "success": False, "protocol": "ssh", "mech": "password",
        "server": "gw", "event_id": events[0]["event_id"], "attrs": {"source": f"{log}:1"},
    }  # fmt: skip
    (error,) = objects(errors)
    assert (error["source"], error["reason"]) == (f"{log}:4", "bad_remote")
    assert base64.b64decode(error["raw_base64"]).decode() + "\n" == NO_ADDRESS


def test_json_summary(run: Run, log: Path, tmp_path: Path) -> None:
    """With --json the figures are the only thing on standard output."""
    code, stdout, stderr = run(log, "--year", 2022, "--out", tmp_path / "e.ndjson", "--json")
    assert (code, stderr) == (0, "")
    counts = {"lines": 4, "logins": 2, "joined": 0, "refused": {"bad_remote": 1}, "not_logins": 1, "events": 4}
    assert json.loads(stdout) == counts


def test_standard_output(run: Run) -> None:
    """Without --out events are on standard output and the figures beside it."""
    code, stdout, stderr = run("-", "--year", 2022, text=SSH)
    assert code == 0
    assert json.loads(stdout)["attrs"] == {"source": "-:1"}
    assert stderr == "1 lines = 1 log-ins + 0 refused + 0 not log-ins; 1 events\n"


def test_guessed_year_is_said(run: Run) -> None:
    """Times without a year get one, and the reader is told which."""
    _, stdout, stderr = run("-", text=SSH)
    year = time.gmtime(json.loads(stdout)["ts"]).tm_year
    assert f"times without a year were taken as of {year}; --year says otherwise" in stderr


def test_zone_and_time(run: Run) -> None:
    """--tz is the zone of times without one, --at the time of lines without one."""
    assert json.loads(run("-", "--year", 2022, "--tz", "Europe/Paris", text=SSH)[1])["ts"] == 1_649_743_201 - 7200
    bare = SSH.removeprefix("Apr 12 06:00:01 gw ")
    assert json.loads(run("-", "--at", "2022-04-12T06:00:00Z", text=bare)[1])["ts"] == 1_649_743_200
    assert json.loads(run("-", "--at", "7.5", text=bare)[1])["ts"] == 7.5
    assert "1 refused (no_ts 1)" in run("-", text=bare)[2]


def test_packed_files_have_the_same_ids(run: Run, log: Path, tmp_path: Path) -> None:
    """Ids depend on what is in a line, not on the file it is in."""
    packed = tmp_path / "other.log.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    run(log, "--year", 2022, "--out", tmp_path / "a")
    run(packed, "--year", 2022, "--out", tmp_path / "b")
    ids = [[event["event_id"] for event in objects(tmp_path / name)] for name in "ab"]
    assert ids[0] == ids[1]


def test_events_pass_unchanged(run: Run, log: Path, tmp_path: Path) -> None:
    """What ingest wrote it reads again to the same bytes."""
    run(log, "--year", 2022, "--out", tmp_path / "a")
    run(tmp_path / "a", "--out", tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"no json", "not_json"),
        (b"[1]", "not_an_object"),
        (json.dumps(GOOD | {"ts": None}).encode(), "no_ts"),
        (json.dumps(GOOD | {"ts": "soon"}).encode(), "bad_ts"),
        (json.dumps(GOOD | {"remote": None}).encode(), "no_remote"),
        (json.dumps(GOOD | {"remote": "x"}).encode(), "bad_remote"),
        (json.dumps(GOOD | {"success": "yes"}).encode(), "no_success"),
        (json.dumps(GOOD | {"attrs": {str(n): "x" * 250 for n in range(260)}}).encode(), "too_long"),
        (b"\xff" * 70_000, "too_long"),
    ],
)
def test_bad_json_is_refused(run: Run, tmp_path: Path, line: bytes, reason: str) -> None:
    """In a file of events each bad line is refused with its reason, and the rest is read."""
    source, out, errors = tmp_path / "in.ndjson", tmp_path / "out.ndjson", tmp_path / "errors.ndjson"
    source.write_bytes(json.dumps(GOOD).encode() + b"\n" + line + b"\n\n" + json.dumps(GOOD).encode() + b"\n")
    code, stdout, _ = run(source, "--out", out, "--errors", errors)
    assert code == 0
    assert stdout == f"4 lines = 2 log-ins + 1 refused ({reason} 1) + 1 not log-ins; 2 events\n"
    assert [(error["source"], error["reason"]) for error in objects(errors)] == [(f"{source}:2", reason)]
    assert len({event["event_id"] for event in objects(out)}) == 2


def test_what_ingest_wrote_is_never_too_long(run: Run, tmp_path: Path) -> None:
    """A line just short enough, which ingest makes longer, is refused now rather than by every later reader."""
    source = tmp_path / "in.ndjson"
    attrs = {str(n): "x" * 250 for n in range(252)}
    source.write_text(json.dumps(GOOD | {"attrs": attrs}, separators=(",", ":")).ljust(65_536))
    assert "1 refused" not in run(source, "--out", tmp_path / "out.ndjson")[1]
    attrs["fill"] = "x" * (65_530 - len(json.dumps(GOOD | {"attrs": attrs | {"fill": ""}}, separators=(",", ":"))))
    source.write_text(json.dumps(GOOD | {"attrs": attrs}, separators=(",", ":")))
    assert source.stat().st_size <= 65_536
    assert "1 refused (too_long 1)" in run(source, "--out", tmp_path / "out.ndjson")[1]


OKTA = {
    "published": "2022-04-12T06:00:00Z",
    "eventType": "user.session.start",
    "actor": {"alternateId": "anna@example.org"},
    "client": {"ipAddress": "192.0.2.10"},
    "outcome": {"result": "FAILURE", "reason": "INVALID_CREDENTIALS"},
}
JOURNAL = {
    "__REALTIME_TIMESTAMP": "1649743201000000",
    "_HOSTNAME": "gw",
    "SYSLOG_IDENTIFIER": "sshd",
    "_PID": "501",
    "MESSAGE": "Failed password for root from 192.0.2.20 port 40100 ssh2",
}


def test_every_kind_of_line_finds_its_reader(run: Run, tmp_path: Path) -> None:
    """AuthEvents, foreign records, journal entries and plain lines may stand in one file; what nobody knows is no log-in."""
    source, out = tmp_path / "mixed.log", tmp_path / "out.ndjson"
    known = [json.dumps(line) for line in (OKTA, GOOD, JOURNAL)]
    unknown = [json.dumps({"level": "info", "success": True}), "", json.dumps({"a": 1})]
    source.write_text("\n".join([*known, SSH.strip(), *unknown]))
    code, stdout, _ = run(source, "--year", 2022, "--out", out)
    assert code == 0
    assert stdout == "7 lines = 4 log-ins + 0 refused + 3 not log-ins; 4 events\n"
    assert [(event["login"], event.get("protocol"), event["ts"]) for event in objects(out)] == [
        ("anna@example.org", "http", 1_649_743_200.0),
        ("bob", None, 1_649_743_200.0),
        ("root", "ssh", 1_649_743_201.0),
        ("root", "ssh", 1_649_743_201.0),
    ]


def test_records_of_one_line_are_counted_each(run: Run, tmp_path: Path) -> None:
    """An envelope's records are lines: each gives events, is refused or is no log-in by itself."""
    source, out, errors = tmp_path / "hub.json", tmp_path / "out.ndjson", tmp_path / "errors.ndjson"
    records = [OKTA, OKTA | {"published": "soon"}, {"a": 1}, OKTA]
    source.write_text(json.dumps({"records": records}) + "\n" + json.dumps(OKTA))
    _, stdout, _ = run(source, "--out", out, "--errors", errors)
    assert stdout == "5 lines = 3 log-ins + 1 refused (bad_ts 1) + 1 not log-ins; 3 events\n"
    assert [event["attrs"]["source"].rpartition(":")[2] for event in objects(out)] == ["1", "1", "2"]
    (error,) = objects(errors)
    assert json.loads(base64.b64decode(error["raw_base64"])) == records[1]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"published": "2022-04-12T06:00:00Z", "eventTy', "not_json"),
        (json.dumps({"ts": 1.0, "login": "bob"}), "no_remote"),
        (json.dumps({"login": "bob", "remote": "192.0.2.7", "success": True}), "no_ts"),
        (json.dumps(OKTA | {"outcome": None}), "no_success"),
        (json.dumps(OKTA | {"client": None}), "no_remote"),
    ],
)
def test_json_that_was_meant_as_a_login_is_refused(run: Run, line: str, reason: str) -> None:
    """Broken JSON, an event or a record that lacks what an attempt needs: kept with its reason, wherever it stands."""
    assert f"1 refused ({reason} 1)" in run("-", text=f"{json.dumps(OKTA)}\n{line}\n")[2]


def test_chosen_source_reads_nothing_else(run: Run) -> None:
    """With --format only that source's records are log-ins; a text format is read from the journal too."""
    text = "\n".join(map(json.dumps, (OKTA, GOOD, JOURNAL)))
    assert "1 log-ins + 0 refused + 2 not" in run("-", "--format", "okta", text=text)[2]
    assert "0 log-ins + 0 refused + 3 not" in run("-", "--format", "entra", text=text)[2]
    assert "1 log-ins + 0 refused + 2 not" in run("-", "--format", "openssh", text=text)[2]
    assert "1 log-ins + 2 refused" in run("-", "--format", "authevent", text=text)[2]


def test_the_clients_address(run: Run, tmp_path: Path) -> None:
    """Behind trusted proxies the address is the client's, or marked as nobody's; whom the operator does not trust is himself."""
    config = tmp_path / "crible.toml"
    config.write_text('[ingest]\ntrusted_proxies = ["10.0.0.0/8"]\n')
    lines = [
        GOOD | {"remote": "10.0.0.1", "attrs": {"x-forwarded-for": "198.51.100.9, 192.0.2.7"}},
        GOOD | {"remote": "10.0.0.1"},
        GOOD | {"remote": "192.0.2.8", "attrs": {"x-forwarded-for": "198.51.100.9"}},
        OKTA | {"client": {"ipAddress": "10.0.0.1"}, "request": {"ipChain": [{"ip": "192.0.2.9"}, {"ip": "10.0.0.1"}]}},
    ]
    text = "\n".join(map(json.dumps, lines))
    events = [json.loads(line) for line in run("-", "--config", config, text=text)[1].splitlines()]
    assert [(event["remote"], event["attrs"].get("peer"), event["attrs"].get("address_unknown")) for event in events] == [
        ("192.0.2.7", "10.0.0.1", None),
        ("10.0.0.1", None, True),
        ("192.0.2.8", None, None),
        ("192.0.2.9", "10.0.0.1", None),
    ]
    trusting_nobody = [json.loads(line)["remote"] for line in run("-", text=text)[1].splitlines()]
    assert trusting_nobody == ["10.0.0.1", "10.0.0.1", "192.0.2.8", "10.0.0.1"]


def test_ids_do_not_depend_on_whom_we_trust(run: Run, tmp_path: Path) -> None:
    """The same input has the same ids, whatever is known about our proxies."""
    config = tmp_path / "crible.toml"
    config.write_text('[ingest]\ntrusted_proxies = ["10.0.0.0/8"]\n')
    text = json.dumps(GOOD | {"remote": "10.0.0.1", "attrs": {"x-forwarded-for": "192.0.2.7"}})
    one, other = (json.loads(run("-", *more, text=text)[1]) for more in ((), ("--config", config)))
    assert one["event_id"] == other["event_id"]
    assert one["remote"] != other["remote"]


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, int]] = []

    def event(self, event: AuthEvent, _encoded: bytes, origin: Origin) -> None:
        """Keep the address with producer and number."""
        self.taken.append((event.remote, origin.producer, origin.seq))

    def refused(self, raw: bytes, refusal: Refused, origin: Origin) -> None:
        """Nothing should be refused here."""
        raise AssertionError(raw)

    def flush(self) -> None:
        """Everything is safe."""


LINES = st.sampled_from([SSH, DOVECOT, NO_LOGIN, NO_ADDRESS, *map(json.dumps, (OKTA, GOOD, JOURNAL, {"records": [OKTA, GOOD, 7]}))])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A line in which some bytes are others."""
    line = bytearray(draw(LINES).encode().strip())
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(line) - 1))
        line[place : place + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return bytes(line)


@settings(max_examples=150, deadline=None)
@given(st.lists(damaged() | st.binary(max_size=80), max_size=30))
def test_any_lines_are_accounted_for(lines: list[bytes]) -> None:
    """Whatever stands in a file, nothing but the sink is told, and the figures add up."""
    out, errors = io.BytesIO(), io.BytesIO()
    job = Ingest(FileSink(out, errors), Options(year=2022), Geo(), "ingest", live=False)
    reading = job.reading("in.log", "p")
    for number, line in enumerate(lines, 1):
        reading.take(line, number)
    reading.close()
    summary = job.summary
    assert adds_up(summary)
    events = [decode_event(line) for line in out.getvalue().splitlines()]
    assert (len(events), len(errors.getvalue().splitlines())) == (summary.events, summary.refused.total())
    assert len({event.event_id for event in events}) == len(events)


def adds_up(summary: Summary) -> bool:
    """Whether every line is one of: a log-in, joined to one, refused, no log-in."""
    return summary.lines == summary.logins + summary.joined + summary.refused.total() + summary.not_logins


ECHO = "Apr 12 06:00:02 mx1 dovecot: auth-worker(7): pam(bob,192.0.2.9,<s1>): unknown user\n"
SAMPLES = [sample.line for form in FORMATS.values() for sample in form.samples]


@pytest.mark.parametrize("form", ["auto", "authevent", *FORMATS, *DOCUMENTS])
def test_every_format_accounts_for_every_line(form: str) -> None:
    """Whatever format is asked for, and whatever stands in the file, the figures add up and each refused line is kept."""
    chance = Random(form)
    lines = [
        *SAMPLES,
        SSH,
        DOVECOT,
        ECHO,
        NO_LOGIN,
        NO_ADDRESS,
        *map(json.dumps, (OKTA, GOOD, JOURNAL)),
        "",
        " ",
        "\0",
        "x" * 70_000,
    ]
    chance.shuffle(lines)
    lines += [line[: chance.randrange(len(line) + 1)] + line[chance.randrange(len(line) + 1) :] for line in lines]
    out, errors = io.BytesIO(), io.BytesIO()
    job = Ingest(FileSink(out, errors), Options(form, year=2022), Geo(), "ingest", live=False)
    reading = job.reading("in.log", "p")
    for number, line in enumerate(lines, 1):
        reading.take(line.strip("\n").encode(), number)
    reading.close()
    assert job.summary.lines == len(lines)
    assert adds_up(job.summary)
    assert out.getvalue().count(b"\n") == job.summary.events
    kept = [json.loads(line) for line in errors.getvalue().splitlines()]
    assert Counter(error["reason"] for error in kept) == job.summary.refused
    for error in kept:
        line = lines[int(error["source"].removeprefix("in.log:")) - 1]
        assert base64.b64decode(error["raw_base64"]) == line.strip("\n").encode()


def test_records_of_one_line_are_accounted_for_one_by_one() -> None:
    """Lines of text in one envelope that wait for a better one each count, and each refused one is kept as it came."""
    echoes = [
        JOURNAL | {"SYSLOG_IDENTIFIER": "dovecot", "MESSAGE": ECHO[29:].strip().replace("bob", login)} for login in ("a", "b")
    ]
    errors = io.BytesIO()
    job = Ingest(FileSink(io.BytesIO(), errors), Options(year=2022), Geo(), "ingest", live=False)
    reading = job.reading("in.log", "p")
    reading.take(json.dumps({"records": [*echoes, GOOD | {"remote": "x"}]}).encode(), 7)
    assert reading.waits_since == 7
    reading.close()
    assert (job.summary.lines, job.summary.logins, job.summary.refused.total()) == (3, 2, 1)
    (error,) = map(json.loads, errors.getvalue().splitlines())
    assert error["source"] == "in.log:7"
    assert json.loads(base64.b64decode(error["raw_base64"]))["remote"] == "x"


def test_what_was_counted_before_a_restart_is_not_counted_again() -> None:
    """A line read again for the sake of the next ones is neither a line nor joined."""
    job = Ingest(FileSink(io.BytesIO(), None), Options(year=2022), Geo(), "ingest", live=False)
    reading = job.reading("mail.log", "p", done=1)
    for number, line in enumerate((ECHO, DOVECOT), 1):
        reading.take(line.strip().encode(), number)
    reading.close()
    assert (job.summary.lines, job.summary.logins, job.summary.joined) == (1, 1, 0)


@pytest.mark.parametrize("suffix", [".log", ".gz", ".zst"])
def test_packed_or_not_the_figures_are_the_same(run: Run, tmp_path: Path, suffix: str) -> None:
    """Three lines are two attempts and a joined one, whatever the file is packed with."""
    path = tmp_path / f"mail{suffix}"
    pack = {".log": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[suffix]
    path.write_bytes(pack((ECHO + DOVECOT.replace("3 attempts", "1 attempts") + SSH + NO_LOGIN).encode()))
    said = run(path, "--year", 2022, "--out", tmp_path / "out")[1]
    assert said == "4 lines = 2 log-ins + 1 joined to them + 0 refused + 1 not log-ins; 2 events\n"


TEXT = (ECHO + DOVECOT + SSH + NO_LOGIN + NO_ADDRESS + "\n").splitlines()
RECORDS = [
    OKTA,
    GOOD,
    GOOD | {"remote": "x"},
    {"unknown": 1},
    JOURNAL,
    JOURNAL | {"MESSAGE": "Failed password for x from y port 1 ssh2"},
]
#: By kind of input: the file's name, and its lines.
KINDS = {
    "text": ("mail.log", TEXT),
    "gzip": ("mail.gz", TEXT),
    "zstd": ("mail.zst", TEXT),
    "standard input": ("-", TEXT),
    "journal": (
        "in.json",
        [json.dumps(JOURNAL | {"SYSLOG_IDENTIFIER": "x", "MESSAGE": line}) for line in TEXT] + [json.dumps(JOURNAL)],
    ),
    "JSON": ("in.json", [*map(json.dumps, RECORDS), '{"cut']),
    "AuthEvents": ("events.ndjson", [*map(json.dumps, (GOOD, GOOD, GOOD | {"ts": None}, {"unknown": 1})), SSH.strip()]),
    "envelope": ("in.json", [json.dumps({"records": RECORDS})]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_printed_adds_up_for_every_kind_of_input(run: Run, tmp_path: Path, kind: str) -> None:
    """In = log-ins + joined + refused + not log-ins, as printed, and each refused line is kept with reason and position."""
    name, lines = KINDS[kind]
    text = "\n".join(lines) + "\n"
    source, out, errors = tmp_path / name, tmp_path / "out", tmp_path / "errors"
    pack = {".gz": gzip.compress, ".zst": zstandard.compress}.get(source.suffix, bytes)
    source.write_bytes(pack(text.encode()))
    code, said, _ = run("-" if name == "-" else source, "--year", 2022, "--out", out, "--errors", errors, text=text)
    assert code == 0
    printed = re.fullmatch(
        r"([\d,]+) lines = ([\d,]+) log-ins(?: \+ (\d+) joined to them)? \+ (\d+) refused.* \+ (\d+) not log-ins; (\d+) events\n",
        said,
    )
    assert printed is not None, said
    total, *parts, events = (int(number or 0) for number in printed.groups())
    assert total == sum(parts) == (len(RECORDS) if kind == "envelope" else len(lines))
    assert out.read_bytes().count(b"\n") == events > 0
    kept = objects(errors)
    assert len(kept) == parts[2]
    assert all(error["reason"] and int(error["source"].rpartition(":")[2]) <= len(lines) for error in kept)


def test_lines_before_the_damage_are_accounted_for(run: Run, tmp_path: Path) -> None:
    """Where a file breaks off, what waited is given and the figures are printed, and then the error."""
    path, out = tmp_path / "mail.gz", tmp_path / "out"
    path.write_bytes(gzip.compress((ECHO + NO_LOGIN * 20_000).encode())[:-4])
    code, stdout, stderr = run(path, "--year", 2022, "--out", out, "--json")
    assert code == 2
    figures = json.loads(stdout)
    assert (figures["logins"], figures["lines"]) == (1, figures["not_logins"] + 1)
    assert figures["lines"] > 10_000
    assert "what is packed in the file is damaged" in stderr
    assert [event["login"] for event in objects(out)] == ["bob"]


def test_numbers_grow_within_each_producer(tmp_path: Path) -> None:
    """Events that waited have a producer of their own, because their lines are older than what was sent meanwhile."""
    source = tmp_path / "in.log"
    hidden = DOVECOT.replace("rip=192.0.2.9", "rip=127.0.0.1").replace("s1", "s0").replace("3 attempts", "2 attempts")
    envelope = json.dumps({"records": [OKTA, OKTA]}) + "\n"
    source.write_text(hidden + DOVECOT + envelope + "Apr 12 06:09:00" + SSH.removeprefix("Apr 12 06:00:01"))
    sink = Kept()
    Ingest(sink, Options(year=2022), Geo(), "ingest", live=False).read(Lines(str(source)))
    by_producer: dict[str, list[int]] = {}
    for _, producer, seq in sink.taken:
        by_producer.setdefault(producer, []).append(seq)
    assert sorted(map(len, by_producer.values())) == [2, 6]
    for seqs in by_producer.values():
        assert seqs == sorted(set(seqs))
    assert {producer for address, producer, _ in sink.taken if address == "127.0.0.1"} == {
        min(by_producer, key=lambda p: len(by_producer[p]))
    }


def test_a_line_of_too_many_attempts_takes_no_number_of_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Records in one envelope can tell of more attempts than a line has numbers; what is beyond them is kept as refused."""
    many = JOURNAL | {"SYSLOG_IDENTIFIER": "dovecot", "MESSAGE": DOVECOT[29:].strip().replace("3 attempts", "6000 attempts")}
    source = tmp_path / "in.log"
    source.write_text(json.dumps({"records": [many, many, GOOD]}) + "\n" + SSH)
    monkeypatch.setattr(Kept, "refused", lambda *_: None)
    sink = Kept()
    job = Ingest(sink, Options(year=2022), Geo(), "ingest", live=False)
    job.read(Lines(str(source)))
    assert (job.summary.lines, job.summary.logins, job.summary.events) == (4, 3, 6_002)
    assert dict(job.summary.refused) == {"too_many": 1}
    seqs = [seq for _, _, seq in sink.taken]
    assert seqs == sorted(set(seqs))


def test_chosen_format_reads_nothing_else(run: Run) -> None:
    """With --format only that program's lines are log-ins."""
    assert "1 log-ins" in run("-", "--format", "openssh", "--year", 2022, text=SSH + DOVECOT)[2]
    assert "1 log-ins" in run("-", "--format", "dovecot", "--year", 2022, text=SSH + DOVECOT)[2]
    assert "2 refused (not_json 2)" in run("-", "--format", "authevent", text=SSH + DOVECOT)[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument"),
        (["none.log"], "none.log"),
        (["-", "--format", "lotus"], "lotus"),
        (["-", "--tz", "Mars/Base"], "no time zone 'Mars/Base'"),
        (["-", "--at", "noon"], "neither UTC seconds nor RFC 3339"),
        (["-", "--json"], "--json needs --out or --to-kafka"),
        (["-", "--out", "x", "--to-kafka"], "not both"),
        (["-", "--year", "20"], "20"),
        (["-", "--out", "no/such/folder"], "no/such/folder: cannot be written: No such file or directory"),
        (["-", "--out", "x", "--errors", "x"], "two uses"),
        (["-", "--follow"], "--follow takes plain files"),
        (["-", "--checkpoint", "x"], "--checkpoint needs --follow"),
        (["/dev/null", "--follow", "--to-kafka"], "--follow --to-kafka needs --checkpoint"),
        (["/dev/null", "--follow", "--checkpoint", "x", "--out", "x"], "two uses"),
    ],
)
def test_wrong_calls(run: Run, arguments: list[str], message: str) -> None:
    """A wrong call ends with one line and exit code 2."""
    code, stdout, stderr = run(*arguments)
    assert (code, stdout) == (2, "")
    assert message in stderr
    assert stderr.count("\n") == 1


def test_input_is_never_overwritten(run: Run, log: Path) -> None:
    """Writing over what is read is refused before anything is opened."""
    before = log.read_bytes()
    assert run(log, "--out", log)[0] == 2
    assert log.read_bytes() == before


def test_strange_file_names(run: Run, tmp_path: Path) -> None:
    """A file's name may be long and need not be UTF-8."""
    folder = tmp_path / ("x" * 200)
    folder.mkdir()
    path = folder / "m\udcff.log"
    path.write_text(SSH)
    assert run(path, "--year", 2022, "--out", tmp_path / "out")[0] == 0
    (event,) = objects(tmp_path / "out")
    assert event["attrs"]["source"].endswith("x/m?.log:1")
    assert decode_event((tmp_path / "out").read_bytes()).attrs == event["attrs"]


def test_damaged_file_is_one_line(run: Run, tmp_path: Path) -> None:
    """A damaged file ends with exit code 2 and its place."""
    path = tmp_path / "a.gz"
    path.write_bytes(b"plain")
    code, _, stderr = run(path, "--out", tmp_path / "out")
    assert code == 2
    assert f"{path}: what is packed in the file is damaged" in stderr


class Terminal(io.BytesIO):
    """Standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_clients_text_is_escaped_on_a_terminal() -> None:
    """A terminal gets no control characters that a client typed."""
    out = Terminal()
    event = AuthEvent(ts=0.0, login="a\x1b\x9b[31m", remote="192.0.2.1", success=True)
    FileSink(out, None).event(event, b'{"login":"a\\u001b\xc2\x9b[31m"}', None)  # type: ignore[arg-type]
    assert out.getvalue() == b'{"login": "a\\u001b\\u009b[31m"}\n'


@pytest.mark.shared_data
def test_geography_is_stamped(shared_data: Path, tmp_path: Path) -> None:
    """Country, ASN and build of the file are stamped where absent; what an event brings stays."""
    geo = Geo.open([shared_data / "geo/geo-whois-asn-country.mmdb"])
    source = tmp_path / "in.ndjson"
    brought = GOOD | {"remote": "81.2.69.142", "country": "DE", "asn": 7, "geo_build": 5}
    source.write_text("\n".join(map(json.dumps, [GOOD | {"remote": "81.2.69.142"}, brought, GOOD])))
    out = io.BytesIO()
    Ingest(FileSink(out, None), Options(), geo, "ingest", live=False).read(Lines(str(source)))
    stamps = [(event.country, event.asn, event.geo_build) for event in map(decode_event, out.getvalue().splitlines())]
    assert stamps == [("GB", None, geo.build), ("DE", 7, 5), (None, None, geo.build)]


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("times", "alerts"),
    [((), 1), ((("14:14:", "14:59:"), ("14:15:", "15:00:"), ("14:16:", "15:01:")), 2)],
    ids=["within an hour", "over the full hour"],
)
def test_a_real_attack_gives_an_event_per_attempt_and_an_alert_per_hour(
    run: Run, shared_data: Path, tmp_path: Path, times: tuple[tuple[str, str], ...], alerts: int
) -> None:
    """Hydra against Horde, Dovecot and PAM: each attempt is the line that shows the client, whoever else wrote about it."""
    rows = (shared_data / "logs/ait_insect_mail_bruteforce.tsv").read_text().splitlines()[1:]
    text = "\n".join(row.split("\t")[4] for row in rows)
    for before, after in times:
        text = text.replace(before, after)
    log, events, raised = tmp_path / "mail.log", tmp_path / "events.ndjson", tmp_path / "alerts.ndjson"
    log.write_text(text)
    said = run(log, "--year", 2020, "--out", events, "--errors", tmp_path / "errors")[1]
    assert said == "333 lines = 69 log-ins + 264 joined to them + 0 refused + 0 not log-ins; 69 events\n"
    by_webmail = [f"{log}:{number}" for number, line in enumerate(text.splitlines(), 1) if "HORDE: [imp] FAILED LOGIN" in line]
    assert [event["attrs"]["source"] for event in objects(events)] == by_webmail
    assert {(event["login"], event["remote"], event["success"]) for event in objects(events)} == {
        ("violet", "192.168.10.18", False)
    }
    assert cli.main(["replay", str(events), "--alerts", str(raised), "--decisions", str(tmp_path / "decisions")]) == 0
    found = [(alert["kind"], alert["subject"], int(alert["ts"] // 3600)) for alert in objects(raised)]
    assert [(kind, subject) for kind, subject, _ in found] == [("brute_force", {"account": "violet"})] * alerts
    assert len({hour for *_, hour in found}) == alerts


# --- Kafka ----------------------------------------------------------------------------------------------------------


def settings_of(tmp_path: Path, broker: str, prefix: str, *, keep_all: bool) -> tuple[Path, Settings]:
    """A configuration file for topics that exist."""
    settings = Settings(kafka=Kafka(bootstrap=broker, prefix=prefix, partitions=2, connect_timeout_s=20))
    topics.create(settings, keep_all=keep_all)
    config = tmp_path / "crible.toml"
    config.write_text(f'[kafka]\nbootstrap = "{broker}"\nprefix = "{prefix}"\npartitions = 2\nconnect_timeout_s = 20\n')
    return config, settings


def records(settings: Settings, name: str, count: int) -> list[Any]:
    """The first ``count`` records of a topic."""
    consumer = KafkaConsumer(topics.topic(settings, name), auto_offset_reset="earliest", **settings.kafka.client_options())
    found: list[Any] = []
    deadline = time.monotonic() + 20
    try:
        while len(found) < count and time.monotonic() < deadline:
            for batch in consumer.poll(timeout_ms=500).values():
                found += batch
    finally:
        consumer.close()
    return found


@pytest.mark.kafka
def test_events_on_kafka(run: Run, log: Path, tmp_path: Path, kafka_broker: str, topic_prefix: str) -> None:
    """Records have network, time and origin; sent again they have the same origin; refused lines are dead letters."""
    config, set_up = settings_of(tmp_path, kafka_broker, topic_prefix, keep_all=True)
    for _ in range(2):
        code, stdout, _ = run(log, "--year", 2022, "--to-kafka", "--config", config)
        assert code == 0
        assert "1 refused (bad_remote 1)" in stdout
    found = records(set_up, "auth.events", 8)
    assert len(found) == 8
    origins = []
    for record in found:
        event, headers = decode_event(record.value), dict(record.headers)
        assert record.key == locate(event.remote).network.encode()
        assert record.timestamp == int(event.ts * 1000)
        assert headers["crible-schema"] == b"auth-event/1"
        origins.append((headers["crible-producer"], int(headers["crible-seq"])))
    assert len(set(origins)) == 4
    assert len({producer for producer, _ in origins}) == 1
    letters = records(set_up, "auth.dlq", 2)
    assert [letter.value.decode() + "\n" for letter in letters] == [NO_ADDRESS] * 2
    assert dict(letters[0].headers)["dlq.reason"] == b"bad_remote"
    assert dict(letters[0].headers)["dlq.source"].decode() == f"{log}:4"


@pytest.mark.kafka
def test_history_needs_topics_for_it(run: Run, log: Path, tmp_path: Path, kafka_broker: str, topic_prefix: str) -> None:
    """Events older than the topic keeps are not sent; the way out is named."""
    config, _ = settings_of(tmp_path, kafka_broker, topic_prefix, keep_all=False)
    code, _, stderr = run(log, "--year", 2022, "--to-kafka", "--config", config)
    assert code == 2
    assert f"{log}:1: event is older than the 7 days that {topic_prefix}auth.events keeps" in stderr
    assert "crible topics --prefix NAME --retention none" in stderr


@pytest.mark.kafka
def test_live_lines_in_the_future_are_refused(run: Run, tmp_path: Path, kafka_broker: str, topic_prefix: str) -> None:
    """Live input over five minutes ahead of the clock is refused, JSON and log lines alike."""
    config, _ = settings_of(tmp_path, kafka_broker, topic_prefix, keep_all=False)
    soon = time.time() + 3600
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(soon))
    events = [json.dumps(GOOD | {"ts": ts}) for ts in (soon, soon - 3600)]
    text = "\n".join([stamp + SSH.removeprefix("Apr 12 06:00:01").strip("\n"), *events])
    code, stdout, _ = run("-", "--to-kafka", "--config", config, text=text)
    assert code == 0
    assert stdout == "3 lines = 1 log-ins + 2 refused (future_ts 2) + 0 not log-ins; 1 events\n"
