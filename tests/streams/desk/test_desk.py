"""The operator's commands, against real services: the kill switch with and without Kafka, and orders to the leader."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from models.alerts import Alert, Evidence, Subject, alert_id
from models.orders import ORDER_PREFIX
from models.triage import NEEDED
from streams.local_kafka import free_port
from streams.settings import Kafka, Settings
from tests.block_service import KEY, LIMIT_S, BlockService, Topics, block_service, spray, wait_for
from tests.certificates import certificate
from tests.gate_service import gate_service

ENFORCE = 'version = "1"\nenforce_delay_s = 0\n[enforce]\nkinds = ["password_spray"]\nscopes = ["ip"]\n'
ADDRESSES = [f"203.0.113.{n}" for n in range(1, 5)]
ROOT = Path(__file__).resolve().parents[3]


class Desk:
    """Runs ``crible`` as an operator of some services."""

    def __init__(self, folder: Path, ports: Sequence[int], key: str = KEY, settings: Settings | None = None) -> None:
        (folder / "key").write_text(f"{key}\n")
        kafka = Settings().kafka if settings is None else settings.kafka
        self._environment = {
            "PATH": os.environ["PATH"],
            "CRIBLE_DESK_SERVICES": json.dumps([f"http://127.0.0.1:{port}" for port in ports]),
            "CRIBLE_DESK_KEY_FILE": str(folder / "key"),
            "CRIBLE_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "CRIBLE_KAFKA_PREFIX": kafka.prefix,
            "CRIBLE_KAFKA_PARTITIONS": str(kafka.partitions),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "streams", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self._environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )

    def told(self, *arguments: str) -> Any:
        """The result of a command that succeeds."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def channel(kafka_broker: str, topic_prefix: str) -> Iterator[Topics]:
    """The topics of this test."""
    opened = Topics(kafka_broker, topic_prefix)
    yield opened
    opened.close()


def streamed(service: BlockService, *, startup: bool = False) -> tuple[set[str], set[str]]:
    """What a bouncer adds and what it ends up without."""
    response = service.get(f"/v1/decisions/stream?startup={json.dumps(startup)}")
    assert response is not None
    new, deleted = ({each["value"] for each in response.json()[name]} for name in ("new", "deleted"))
    return new, deleted - new


def orders_waiting(channel: Topics, prefix: str) -> list[str]:
    """The keys of orders that nobody has carried out."""
    newest = {record.key.decode(): record.value for record in channel.read("auth.control")}
    return [key for key, value in newest.items() if key.startswith(prefix) and value is not None]


@pytest.mark.kafka
def test_stop_resume_and_lift(channel: Topics, tmp_path: Path) -> None:
    """Within 15 s two services, a bouncer and a file let everybody in, also after a restart; then all of it holds again.

    An order is carried out by whoever leads, once, with who gave it and why.
    """
    listed, ports = tmp_path / "list", [free_port(), free_port()]
    points = json.dumps([{"kind": "list", "file": str(listed)}])
    channel.send_alerts(msgspec.structs.replace(spray(ip, time.time()), campaign_id="c") for ip in ADDRESSES[:3])
    channel.send_alerts([spray(ADDRESSES[3], time.time())])
    desk = Desk(tmp_path, ports)

    def in_file() -> set[str]:
        return {line for line in listed.read_text().splitlines() if not line.startswith("#")} if listed.exists() else set()

    with block_service(channel.settings, tmp_path, ports[0], ENFORCE) as other:
        with block_service(channel.settings, tmp_path, ports[1], ENFORCE, CRIBLE_BLOCK_POINTS=points) as service:
            for each in (other, service):
                wait_for(each.is_ready, f"readiness; it said {each.said()}")
                wait_for(lambda each=each: each.served() == set(ADDRESSES), f"the list; it said {each.said()}")
            wait_for(lambda: in_file() == set(ADDRESSES), f"the file; it said {service.said()}")
            assert streamed(service, startup=True) == (set(ADDRESSES), set())

            began = time.monotonic()
            answers = desk.told("stop", "--reason", "a drill")
            assert list(answers.values()) == [{"stopped": ["all"], "kept": True}] * 2
            assert (service.served(), other.served()) == (set(), set())
            assert streamed(service) == (set(), set(ADDRESSES))
            wait_for(lambda: in_file() == set(), "an empty file")
            assert time.monotonic() - began < 15
            listing = desk.told("decisions", "list")
            assert {each["lifted"] for each in listing["decisions"]} == {None}
            assert len(listing["suspended"]) == len(ADDRESSES)
            service.signal(signal.SIGKILL)
            service.process.wait(LIMIT_S)
        with block_service(channel.settings, tmp_path, ports[1], ENFORCE, CRIBLE_BLOCK_POINTS=points) as service:
            wait_for(service.is_ready, f"readiness; it said {service.said()}")
            assert service.served() == set()
            desk.told("resume")
            assert (service.served(), other.served()) == (set(ADDRESSES), set(ADDRESSES))
            wait_for(lambda: in_file() == set(ADDRESSES), f"the file; it said {service.said()}")

            (alone,) = desk.told("decisions", "list", "--value", ADDRESSES[3])["decisions"]
            assert desk.told("decisions", "lift", alone["decision_id"], "--reason", "our own office") == {"lifted": 1}
            assert desk.told("decisions", "undo-campaign", "c", "--reason", "no attack") == {"lifted": 3}
            wait_for(lambda: (service.served(), other.served()) == (set(), set()), "nothing served")
            again = desk.run("decisions", "lift", alone["decision_id"], "--reason", "twice")
            assert (again.returncode, "no such decision holds" in again.stderr) == (2, True)

    lifted = [decision for decision in channel.decisions() if decision.lifted is not None]
    assert sorted(decision.value for decision in lifted) == ADDRESSES
    assert {decision.lifted_by for decision in lifted} == {"test"}
    notes = channel.notes()
    assert sorted((note["action"], note["by"], note["reason"]) for note in notes) == [
        *[("lift", "test", "no attack")] * 3,
        ("lift", "test", "our own office"),
        *[("resume", "test", "stopped was all")] * 2,
        *[("stop", "test", "a drill")] * 2,
    ]
    orders = [record for record in channel.read("auth.control") if record.key.decode().startswith(ORDER_PREFIX)]
    assert sorted(record.value is None for record in orders) == [False, False, True, True]


@pytest.mark.kafka
def test_breaker_opens_and_a_person_closes_it(channel: Topics, tmp_path: Path) -> None:
    """Two customers are too many: what was enforced goes to shadow, a restarted service knows, and it is all in auth.audit."""
    policy, port = f"{ENFORCE}[budget]\nhour = 1\nday = 9\n", free_port()
    desk = Desk(tmp_path, [port])

    def one_customer_behind(ip: str) -> Alert:
        alert = spray(ip, time.time())
        return msgspec.structs.replace(
            alert, evidence=Evidence(counts={"failures": 40}, distinct={"accounts": 9, "ok_accounts": 1})
        )

    channel.send_alerts(map(one_customer_behind, ADDRESSES[:2]))
    with block_service(channel.settings, tmp_path, port, policy) as service:
        wait_for(service.is_ready, f"readiness; it said {service.said()}")
        wait_for(lambda: desk.told("decisions", "list")["breaker"], f"the breaker; it said {service.said()}")
        modes = {each["value"]: each["mode"] for each in desk.told("decisions", "list")["decisions"]}
        assert modes == dict.fromkeys(ADDRESSES[:2], "shadow")
    with block_service(channel.settings, tmp_path, port, policy) as service:
        wait_for(service.is_ready, f"readiness; it said {service.said()}")
        assert "the breaker is open since" in desk.run("decisions", "list").stdout
        assert service.served() == set()
        channel.send_alerts([spray(ADDRESSES[2], time.time())])
        wait_for(lambda: len(desk.told("decisions", "list")["decisions"]) == 3, "one more decision")
        assert service.served() == set()
        assert desk.told("decisions", "close-breaker", "--reason", "looked at") == {"breaker": "closed"}
        channel.send_alerts([spray(ADDRESSES[3], time.time())])
        wait_for(lambda: service.served() == {ADDRESSES[3]}, f"enforcement; it said {service.said()}")
        again = desk.run("decisions", "close-breaker", "--reason", "twice")
        assert (again.returncode, "the breaker is closed" in again.stderr) == (2, True)

    notes = channel.notes()
    assert [(note["action"], note["by"], note["reason"]) for note in notes] == [
        ("open_breaker", "breaker", "2 accounts within an hour, 1 allowed"),
        ("close_breaker", "test", "looked at"),
    ]
    assert len({note["decision_id"] for note in notes}) == 1


@pytest.mark.kafka
def test_why_and_appeal(channel: Topics, tmp_path: Path) -> None:
    """Support reads who is refused and lets him in: what refused is lifted, and the next alert only proposes."""
    port = free_port()
    channel.send_alerts([spray(ADDRESSES[0], time.time())])
    desk = Desk(tmp_path, [port])
    with block_service(channel.settings, tmp_path, port, ENFORCE) as service:
        wait_for(service.is_ready, f"readiness; it said {service.said()}")
        wait_for(lambda: service.served() == {ADDRESSES[0]}, f"the list; it said {service.said()}")
        (answer,) = desk.told("why", "--ip", ADDRESSES[0])["answers"]
        assert (answer["state"], ADDRESSES[0] in answer["support"]["fr"]) == ("enforced", True)
        entry = desk.told("appeal", answer["reference"], "--grant", "24h", "--reason", "our own office")
        assert (entry["list"], entry["address"]) == ("allow", ADDRESSES[0])
        wait_for(lambda: service.served() == set(), f"an empty list; it said {service.said()}")
        assert desk.told("why", "--ip", ADDRESSES[0])["answers"] == []
        channel.send_alerts([spray(ADDRESSES[0], time.time(), hour=1)])
        wait_for(lambda: desk.told("decisions", "list")["total"] == 1, f"a proposal; it said {service.said()}")
        (proposed,) = desk.told("why", "--ip", ADDRESSES[0])["answers"]
        assert (proposed["state"], service.served()) == ("not enforced", set())
        spoken = desk.run("why", "--ref", proposed["reference"])
        assert (spoken.returncode, "support" in spoken.stdout, "customer" in spoken.stdout) == (0, True, True)
    notes = channel.notes()
    assert [(note["action"], note["by"], note["reason"]) for note in notes] == [("lift", "test", "our own office")]


@pytest.mark.kafka
def test_feedback_orders_the_analysts_list(channel: Topics, tmp_path: Path) -> None:
    """From the command over HTTP and Kafka to the list: what is judged is gone from it, the rest follows; decisions hold."""
    port, many = free_port(), NEEDED + 4
    alerts = [spray(f"203.0.113.{n}", time.time() + n) for n in range(many)]
    quiet = [msgspec.structs.replace(alert, severity="low") for alert in alerts[: many // 2]]
    channel.send_alerts([*quiet, *alerts[many // 2 :]])
    desk = Desk(tmp_path, [port], settings=channel.settings)
    with block_service(channel.settings, tmp_path, port, ENFORCE) as service:
        wait_for(service.is_ready, f"readiness; it said {service.said()}")
        wait_for(lambda: desk.told("decisions", "list")["total"] == many, f"the decisions; it said {service.said()}")
        before = channel.decisions()
        found = desk.told("alerts", "--order")
        assert (found["judgements"], found["alerts"][0]["probability"]) == (0, None)
        assert [each["alert"]["severity"] for each in found["alerts"]] == ["high"] * (many // 2) + ["low"] * (many // 2)
        assert desk.run("feedback", alerts[0].alert_id, "false").stdout == f"{alerts[0].alert_id} is a false positive\n"
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"X-Api-Key": KEY}) as client:
            # Here the quiet ones are the attacks.
            for alert in chain.from_iterable(zip(quiet[:-2], alerts[many // 2 : -2], strict=True)):
                judgement = "true_positive" if alert.severity == "low" else "false_positive"
                body = {"alert_id": alert.alert_id, "judgement": judgement, "reason": "looked at"}
                assert client.post("/v1/desk/feedback", json=body).status_code == 201
        found = desk.told("alerts", "--order")
        assert found["judgements"] == NEEDED
        assert [each["alert"]["severity"] for each in found["alerts"]] == ["low", "low", "high", "high"]
        assert found["alerts"][0]["probability"] > found["alerts"][-1]["probability"] > 0
        assert f"4 of 4 alerts, learnt from {NEEDED} judgements" in desk.run("alerts", "--order").stdout
        assert channel.decisions() == before
        unknown = desk.run("feedback", "a562f1", "true")
        assert (unknown.returncode, "alert_id" in unknown.stderr) == (2, True)
    notes = channel.notes()
    assert len(notes) == NEEDED + 1
    assert {note["by"] for note in notes} == {"test"}
    assert [note["action"] for note in notes if note["decision_id"] == alerts[0].alert_id] == ["false_positive", "true_positive"]


@pytest.mark.kafka
def test_forget(channel: Topics, tmp_path: Path) -> None:
    """Everything that can be rewritten and names the account is gone, the order too, and others' decisions hold."""
    port, alice = free_port(), "alice@example.org"
    subject = Subject(account=alice)
    guessing = msgspec.structs.replace(
        spray(ADDRESSES[0], time.time()),
        alert_id=alert_id("brute_force", subject, 0),
        kind="brute_force",
        subject=subject,
        evidence=Evidence(counts={"failures": 40, "failures_from_listed": 40}, addresses=ADDRESSES[1:3]),
    )
    channel.send_alerts([spray(ADDRESSES[0], time.time()), guessing])
    desk = Desk(tmp_path, [port])
    with block_service(channel.settings, tmp_path, port, ENFORCE) as service:
        wait_for(service.is_ready, f"readiness; it said {service.said()}")
        wait_for(lambda: desk.told("decisions", "list")["total"] == 3, f"the decisions; it said {service.said()}")
        pair, other = (desk.told("decisions", "list", "--scope", "account_ip")["decisions"][n] for n in (0, 1))
        desk.told("decisions", "lift", other["decision_id"], "--reason", "ended before")
        desk.told("appeal", pair["decision_id"][:12], "--grant", "1h", "--reason", "a customer")
        told = desk.told("forget", "Alice@Example.org")
        assert (told["account"], sorted(told["stays_until"])) == (
            alice,
            [
                "auth.account-changes",
                "auth.alerts",
                "auth.by-account",
                "auth.dlq",
                "auth.events",
                "auth.notices",
                "auth.pulse",
                "auth.raw",
            ],
        )
        assert [each["value"] for each in desk.told("decisions", "list")["decisions"]] == [ADDRESSES[0]]
        assert service.served() == {ADDRESSES[0]}
        assert desk.run("forget", alice).returncode == 0
        wait_for(lambda: not orders_waiting(channel, "forget/"), f"the second order; it said {service.said()}")
        assert alice not in service.said()
    for name in ("auth.decisions", "auth.control", "auth.profiles"):
        newest = {record.key: record.value for record in channel.read(name)}
        assert not [key for key, value in newest.items() if value is not None and alice.encode() in key + value], name
    assert list(newest.items()) == [(alice.encode(), None)]
    assert alice.encode() not in b"".join(record.value for record in channel.read("auth.audit"))


def test_stop_works_without_kafka(tmp_path: Path) -> None:
    """A service that waits for its broker takes the order, and empties its file, though it knows no decision."""
    listed, port = tmp_path / "list", free_port()
    listed.write_text("203.0.113.1\n")
    settings, points = Settings(kafka=Kafka(bootstrap=f"127.0.0.1:{free_port()}")), [{"kind": "list", "file": str(listed)}]
    with block_service(settings, tmp_path, port, CRIBLE_BLOCK_POINTS=json.dumps(points)) as service:
        wait_for(lambda: service.get("/health"), f"an answer; it said {service.said()}")
        began = time.monotonic()
        done = Desk(tmp_path, [port]).run("stop", "--all", "--reason", "a drill")
        assert (done.returncode, done.stdout) == (0, f"http://127.0.0.1:{port}: stopped: all\n")
        wait_for(lambda: "203.0.113.1" not in listed.read_text(), f"an empty file; it said {service.said()}")
        assert time.monotonic() - began < 15
        assert '"enforcement.stopped"' in service.said()
    assert "a drill" in (tmp_path / f"stops-{port}.json").read_text()


def test_stop_over_tls(tmp_path: Path) -> None:
    """A service and a gate with a certificate; who does not trust it sends no key, and neither is spoken to in the clear."""
    settings, tls = Settings(kafka=Kafka(bootstrap=f"127.0.0.1:{free_port()}")), certificate(tmp_path)
    given, ports = json.dumps({"certificate": tls.certificate, "key": tls.key}), [free_port(), free_port()]
    desk, urls = Desk(tmp_path, ports[:1]), [f"https://127.0.0.1:{port}" for port in ports]
    keys = json.dumps([{"name": "ops", "sha256": sha256(KEY.encode()).hexdigest(), "operator": True}])
    with (
        block_service(settings, tmp_path, ports[0], CRIBLE_BLOCK_TLS=given) as block,
        gate_service(settings, tmp_path, ports[1], CRIBLE_GATE_TLS=given, CRIBLE_GATE_API_KEYS=keys) as gate,
    ):
        desk._environment |= {"CRIBLE_DESK_SERVICES": json.dumps(urls[:1]), "CRIBLE_DESK_GATES": json.dumps(urls[1:])}
        desk._environment |= {"CRIBLE_DESK_CA_FILE": tls.certificate}
        wait_for(lambda: desk.run("resume").returncode == 0, f"answers; they said {block.said()} {gate.said()}")
        assert desk.told("stop", "--reason", "a drill") == {url: {"stopped": ["all"], "kept": True} for url in urls}
        del desk._environment["CRIBLE_DESK_CA_FILE"]
        untrusted = desk.run("stop", "--reason", "a drill")
        assert (untrusted.returncode, "no answer (ConnectError)" in untrusted.stderr) == (1, True)
        assert (block.get("/health"), gate.probe("/health")) == (None, None)


def test_a_service_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """The others stop all the same; the exit code says that not all have."""
    port, nobody = free_port(), free_port()
    settings = Settings(kafka=Kafka(bootstrap=f"127.0.0.1:{free_port()}"))
    with block_service(settings, tmp_path, port) as service:
        wait_for(lambda: service.get("/health"), f"an answer; it said {service.said()}")
        began = time.monotonic()
        done = Desk(tmp_path, [nobody, port]).run("stop", "--scope", "ip", "--reason", "a drill")
        assert time.monotonic() - began < 15
        assert (done.returncode, done.stdout) == (1, f"http://127.0.0.1:{port}: stopped: scope ip\n")
        assert f"http://127.0.0.1:{nobody}: no answer (ConnectError)" in done.stderr
        refused = Desk(tmp_path, [port], key="wrong").run("resume")
        assert (refused.returncode, "403 access forbidden" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("stop",), "Missing option '--reason'"),
        (("stop", "--reason", ""), "--reason: 1 to 300 characters"),
        (("stop", "--reason", "r", "--all", "--scope", "ip"), "one of --all, --kind and --scope"),
        (("stop", "--reason", "r", "--kind", "x"), "'x' is not one of"),
        (("decisions", "lift", "d"), "Missing option '--reason'"),
        (("why",), "one of --login, --ip and --ref is needed"),
        (("appeal", "r", "--reason", "x", "--grant", "1w"), "a number with m, h or d"),
    ],
)
def test_a_wrong_call_is_exit_2(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    """One line says what is wrong, and nobody is asked."""
    done = Desk(tmp_path, [free_port()]).run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_no_key_is_exit_2(tmp_path: Path) -> None:
    """The setting is named."""
    desk = Desk(tmp_path, [free_port()])
    (tmp_path / "key").unlink()
    done = desk.run("resume")
    assert (done.returncode, "set desk.key_file" in done.stderr) == (2, True)
