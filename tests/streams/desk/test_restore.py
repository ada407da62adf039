"""``crible decisions add`` and ``crible restore`` against real services: a country is cut, and opened again wave by wave."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models import profiles
from models.alerts import Alert, Evidence, Subject, alert_id
from models.changes import AccountChange
from models.ids import hash32
from models.profiles import Profile, encode_profile
from models.reopening import Facts, Reopening
from models.sketches import SCOPE_USE_SCHEMA, ProtocolUse, ScopeUse, Sketch
from streams.changes import ChangeTopic
from streams.local_kafka import free_port
from streams.writing import TopicWriter, Written
from tests.block_service import LIMIT_S, Topics, block_service, wait_for
from tests.gate_service import GateService, asked, gate_service
from tests.streams.desk.test_desk import Desk

POLICY = """
version = "1"
enforce_delay_s = 0
protected_groups = ["health"]
[reopening]
shares_percent = [50, 100]
wait_s = 8
max_entered = 0
"""
GROUPS = "login,group\ndoctor@example.org,health\n"
#: Whose passwords change, and others.
NEW_PASSWORDS, OTHERS = ["user1", "user2"], [f"user{number}" for number in range(3, 30)]


#: What auth.audit tells afterwards.
MOVES = [
    ("add", "test", "a botnet"),
    ("reopen", "test", "wave 2 (stable) 0 % -> 100 %"),
    ("reopen", "test", "wave 3 (password_changed) 0 % -> 100 %"),
    ("reopen", "test", "goes on by itself"),
    ("reopen", "crible", "wave 4 (rest) 0 % -> 50 %"),
    ("reopen", "test", "goes on by order only"),
    ("roll_back", "crible", "wave 4 (rest) 50 % -> 0 %"),
    ("reopen", "test", "goes on by itself"),
    ("reopen", "crible", "wave 4 (rest) 0 % -> 50 %"),
    ("reopen", "crible", "wave 4 (rest) 50 % -> 100 %"),
    ("reopened", "crible", "everybody is let in"),
]


@pytest.fixture
def channel(kafka_broker: str, topic_prefix: str) -> Iterator[Topics]:
    """The topics of this test."""
    opened = Topics(kafka_broker, topic_prefix)
    yield opened
    opened.close()


def entered(account: str, ts: float) -> Alert:
    """An alert that ``account`` was taken over."""
    subject = Subject(account=account)
    return Alert(
        alert_id=alert_id("account_takeover", subject, int(ts)),
        kind="account_takeover",
        severity="critical",
        score=1.0,
        ts=ts,
        first_ts=ts,
        last_ts=ts,
        subject=subject,
        evidence=Evidence(),
    )


def let_in(gate: GateService, logins: list[str], **fields: Any) -> set[str]:
    """Whom the gate lets in from Brazil, unless ``fields`` say otherwise."""
    bodies = {login: asked(login=f"{login}@example.org", **({"country": "BR"} | fields)) for login in logins}
    return {login for login, body in bodies.items() if gate.ask("allow", body).json()["status"] == 0}


def cut_brazil(desk: Desk) -> str:
    """Cut it by hand, after thinking twice; returns the decision's id. It has a plan, and the plan an order."""
    cut = ("decisions", "add", "--scope", "country", "--value", "br", "--for", "1h", "--reason", "a botnet")
    unsure = desk.run(*cut)  # nobody answers
    assert (unsure.returncode, unsure.stdout, desk.told("decisions", "list")["total"]) == (130, "", 0)
    for words in (
        "customers refused: 3 accounts (3 to 3)\n",
        "  of group health: 1\n",
        "  over imap: 2\n  over pop3: 1\n",
        "attack stopped: 18 attempts on 9 accounts in an hour or two\n",
        "s ago; log-ins of about a day, counted only since ",
        "carried out by: crible gate\n",
        "protected groups (health)",
        "Make this decision?",
    ):
        assert words in unsure.stderr
    made = desk.told(*cut, "--yes")
    identifier: str = made["decision"]["decision_id"]
    plan = desk.told("restore", "plan", identifier)
    assert (plan["opened"]["accounts"], plan["steps"][0]) == ([1, 1, 0, None], "wave 2 (stable) 0 % -> 50 %")
    early = desk.run("restore", "apply", identifier, "--wave", "3")
    assert (early.returncode, "one before wave 3 is not open yet" in early.stderr) == (2, True)
    return identifier


def know_accounts(channel: Topics) -> None:
    """Tell of one account with stable habits and one without, and who comes from Brazil, counted a minute ago."""
    today, now = int(time.time()) // 86_400, time.time()
    writer = TopicWriter(channel.settings, "auth.profiles", profiles.SCHEMA)
    for account, day in (("settled@example.org", today - 8), ("new@example.org", today - 1)):
        writer.send([Written(account, encode_profile(Profile({0xC00002: day}, {}, {"FR": day}, {})), now)])
    writer.close()
    nobody, tried = Sketch.of(()).dump(), Sketch.of(range(9)).dump()
    people = {"imap": ["doctor@example.org", "anne"], "pop3": ["bob"]}
    by_protocol = {name: ProtocolUse(9, tried, nobody, Sketch.of(map(hash32, each)).dump()) for name, each in people.items()}
    use = ScopeUse.of("country", "BR", now - 60, by_protocol, now - 3600)
    writer = TopicWriter(channel.settings, "auth.scopes", SCOPE_USE_SCHEMA)
    writer.send([Written("country:BR", msgspec.msgpack.encode(use), now)])
    writer.close()


def change_passwords(channel: Topics, logins: list[str]) -> None:
    """Say that accounts have new passwords."""
    changes = ChangeTopic(channel.settings)
    accounts = [f"{login}@example.org" for login in logins]
    changes.send([AccountChange(ts=time.time(), account=each, change="password_changed", by="owner") for each in accounts])
    changes.close()


def beat(channel: Topics) -> None:
    """Say that every partition of ``auth.events`` has a worker, as workers do; it counts for a minute."""
    writer = TopicWriter(channel.settings, "auth.control", "watermark/1")
    writer.send([Written(f"watermark/{partition}", b"[0,null]", time.time()) for partition in range(3)])
    writer.close()


@pytest.mark.kafka
def test_a_country_is_cut_and_opened_again(channel: Topics, tmp_path: Path) -> None:
    """The protected group is let in all the time; then changed passwords, then a share of the rest, which a takeover takes back.

    It goes on by itself under another leader, until everybody is let in and the decision is lifted.
    """
    (tmp_path / "groups.csv").write_text(GROUPS)
    told = {"CRIBLE_GROUPS_FILE": str(tmp_path / "groups.csv"), "CRIBLE_ACCOUNTS_DEFAULT_DOMAIN": "example.org"}
    ports = [free_port(), free_port()]
    desk = Desk(tmp_path, ports)
    know_accounts(channel)
    everybody = ["doctor", *NEW_PASSWORDS, *OTHERS]
    with (
        block_service(channel.settings, tmp_path, ports[0], POLICY, **told) as leader,
        gate_service(channel.settings, tmp_path, free_port(), **told) as gate,
    ):
        wait_for(leader.leads, f"a leader; it said {leader.said()}")
        with block_service(channel.settings, tmp_path, ports[1], POLICY, **told) as other:
            wait_for(lambda: other.is_ready() and gate.is_ready(), f"readiness; it said {other.said()} {gate.said()}")
            identifier = cut_brazil(desk)
            wait_for(lambda: let_in(gate, everybody) == {"doctor"}, f"a cut; it said {gate.said()}")
            assert let_in(gate, OTHERS, country="FR") == set(OTHERS)
            assert leader.served() == set()

            desk.told("restore", "apply", identifier, "--wave", "2")
            assert desk.told("restore", "apply", identifier, "--wave", "3")["reopening"]["shares"] == [100, 100, 100, 0]
            change_passwords(channel, NEW_PASSWORDS)
            wait_for(lambda: let_in(gate, everybody) == {"doctor", *NEW_PASSWORDS}, f"a wave; it said {gate.said()}")

            desk.told("restore", "apply", identifier, "--auto")
            (waiting,) = desk.told("restore", "status")["reopenings"]
            assert waiting["accounts"] == [1, 1, 2, None]
            wait_for(lambda: "workers" in status(desk, identifier)["waits_for"], "waiting for workers", LIMIT_S)
            beat(channel)
            wait_for(lambda: shares(desk, identifier) == [100, 100, 100, 50], f"a share; it said {leader.said()}")
            desk.told("restore", "apply", identifier, "--hold")
            state = msgspec.convert(status(desk, identifier)["reopening"], Reopening)
            half = {login for login in OTHERS if state.admits(f"{login}@example.org", Facts())}
            assert 0 < len(half) < len(OTHERS)
            wait_for(lambda: let_in(gate, everybody) == {"doctor", *NEW_PASSWORDS, *half}, f"half; it said {gate.said()}")

            channel.send_alerts([entered("user9@example.org", time.time())])
            wait_for(lambda: shares(desk, identifier) == [100, 100, 100, 0], f"a step back; it said {leader.said()}")
            assert "1 accounts newly entered" in status(desk, identifier)["reopening"]["held"]
            wait_for(lambda: let_in(gate, everybody) == {"doctor", *NEW_PASSWORDS}, f"a wave less; it said {gate.said()}")

            desk.told("restore", "apply", identifier, "--auto", "--reason", "his own new phone")
            wait_for(lambda: shares(desk, identifier) == [100, 100, 100, 50], f"a share; it said {leader.said()}")
            leader.signal(signal.SIGKILL)
            leader.process.wait(LIMIT_S)
            wait_for(other.leads, f"another leader; it said {other.said()}")
            beat(channel)
            assert let_in(gate, ["doctor", *NEW_PASSWORDS]) == {"doctor", *NEW_PASSWORDS}
            wait_for(lambda: desk.told("decisions", "list")["total"] == 0, f"the end; it said {other.said()}")
            wait_for(lambda: let_in(gate, everybody) == set(everybody), f"everybody; it said {gate.said()}")
            assert desk.told("restore", "status") == {"reopenings": []}
    last = channel.decisions()[-1]
    assert (last.origin, last.lifted_by, last.lifted is not None) == ("operator", "reopening", True)
    notes = channel.notes()
    assert {note["decision_id"] for note in notes} == {identifier}
    assert [(note["action"], note["by"], note["reason"].partition(":")[0]) for note in notes] == MOVES
    assert_on_record(notes)


def assert_on_record(notes: list[dict[str, Any]]) -> None:
    """How far it went each time is in ``auth.audit``, for those who judge it later."""
    went = [note["reopening"].get("shares", [100, 0, 0, 0]) for note in notes if "reopening" in note]
    assert (went[0], went[2], [100, 100, 100, 50] in went) == ([100, 0, 0, 0], [100, 100, 100, 0], True)


def status(desk: Desk, identifier: str) -> Any:
    """How far the re-opening is."""
    (opened,) = desk.told("restore", "status", identifier)["reopenings"]
    return opened


def shares(desk: Desk, identifier: str) -> list[int]:
    """What is let in of each wave; nothing of all where it is over."""
    found = desk.told("restore", "status", identifier)["reopenings"]
    return found[0]["reopening"]["shares"] if found else []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("decisions", "add", "--scope", "device", "--value", "x", "--for", "1h", "--reason", "r"), "'device' is not one of"),
        (("decisions", "add", "--scope", "ip", "--value", "x", "--for", "1w", "--reason", "r"), "a number with m, h or d"),
        (("restore", "apply", "d"), "one of --wave, --auto and --hold"),
        (("restore", "apply", "d", "--auto", "--share", "10"), "--share goes with --wave"),
        (("restore", "apply", "d", "--wave", "5"), "5 is not in the range"),
        (("restore", "latency", "fast"), "not a valid integer"),
    ],
)
def test_a_wrong_call_is_exit_2(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    """One line says what is wrong, and nobody is asked."""
    done = Desk(tmp_path, [free_port()]).run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
