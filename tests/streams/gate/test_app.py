"""streams.gate.app: who may ask what over HTTP, and that allow is answered whatever happens."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from models.accounts import AccountDirectory
from models.addresses import Proxies
from models.attempts import Resolver
from models.geo import Geo
from models.orders import Audit
from models.policy import Policy
from streams.desk.kill_switch import KillSwitch, Stopped
from streams.gate import app as app_module
from streams.gate.answers import Answers
from streams.gate.app import App, Stopping, keep_note
from streams.gate.spool import NotSpooled, Spooled
from streams.gate.standing import Standing
from streams.keys import LimitWrongKeys
from streams.settings import GateKey
from tests.factories import T0, ban

KEYS = [GateKey(name="mx", sha256=sha256(b"secret-1").hexdigest()), GateKey(name="web", sha256=sha256(b"s:2").hexdigest())]
ASKED = {"login": "bob", "remote": "203.0.113.7", "protocol": "imap", "session_id": "s"}
ACCEPTED = {"status": 0, "msg": "", "r_attrs": {}}


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


class Service:
    """The application in memory."""

    def __init__(self, keys: list[GateKey] | None = None) -> None:
        policy = Policy.default()
        self.standing = Standing(policy)
        decision = ban("203.0.113.7")
        self.standing.put_decision(decision.decision_id, decision, T0)
        self.standing.complete()
        self.spooled: list[Spooled] = []
        self.scrapes = 0
        self.answers = Answers(Resolver(AccountDirectory("example.org"), Geo()), Proxies(), self.standing, self.put, lambda: T0)
        self.app = App(self.answers, KEYS if keys is None else keys, lambda: self.standing.is_ready, self.scraped)

    async def put(self, record: Spooled) -> None:
        self.spooled.append(record)

    def scraped(self) -> None:
        self.scrapes += 1

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://crible") as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def post(self, path: str, key: str = "secret-1", **options: Any) -> httpx.Response:
        return self.ask("POST", path, headers={"X-API-Key": key}, **options)


@pytest.fixture
def service() -> Service:
    return Service()


# -- which command -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/?command=allow", "/command/allow", "/?x=1&command=allow", "/?command=allow&x=1"])
def test_a_command_is_asked_for_in_either_form(service: Service, path: str) -> None:
    """As Dovecot does, whose URL may end in ``&``, and as weakforced's newer clients do."""
    response = service.post(path, json=ASKED)
    assert (response.status_code, response.json()["status"]) == (200, -1)
    assert response.headers["content-type"] == "application/json"
    assert int(response.headers["content-length"]) == len(response.content)


@pytest.mark.parametrize("name", ["report", "allow", "reset", "addBLEntry", "delBLEntry", "addWLEntry", "delWLEntry"])
def test_what_changes_something_is_posted(service: Service, name: str) -> None:
    """weakforced's methods."""
    assert service.ask("GET", f"/?command={name}", headers={"X-API-Key": "secret-1"}).status_code == 405
    assert service.post(f"/?command={name}", json={}).status_code in {200, 400}


@pytest.mark.parametrize("name", ["ping", "stats", "getBL", "getWL"])
def test_what_only_asks_is_got(service: Service, name: str) -> None:
    """The rest of weakforced's."""
    assert service.ask("GET", f"/command/{name}", headers={"X-API-Key": "secret-1"}).status_code == 200
    assert service.post(f"/command/{name}").status_code == 405


@pytest.mark.parametrize("path", ["/?command=syncDBs", "/command/", "/?command=", "/", "/?commands=allow", "/allow", "/metrics/x"])
def test_there_are_no_other_commands(service: Service, path: str) -> None:
    """Replication between servers, for instance, is Kafka's."""
    response = service.post(path, json=ASKED)
    assert (response.status_code, response.json()) == (404, {"status": "failure", "reason": "no such command"})


# -- who may ask ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [{"X-API-Key": "secret-1"}, {"x-api-key": "s:2"}, basic("wforce", "secret-1"), basic("", "secret-1"), basic("x", "s:2")],
)
def test_a_key_opens(service: Service, headers: dict[str, str]) -> None:
    """As header, or as the password of HTTP Basic; the user name does not matter."""
    assert service.ask("GET", "/?command=ping", headers=headers).json() == {"status": "ok"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "wrong"},
        {"X-API-Key": KEYS[0].sha256},
        {"Authorization": "secret-1"},
        {"Authorization": "Bearer secret-1"},
        {"Authorization": "Basic secret-1"},
        {"Authorization": "Basic ü"},
        basic("secret-1", ""),
        basic("mx", "wrong"),
    ],
)
@pytest.mark.parametrize("name", ["ping", "allow", "report"])
def test_without_a_key_nothing_is_told(service: Service, headers: dict[str, str], name: str) -> None:
    """Nor is the body looked at: 401, which Dovecot takes for no answer."""
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    response = service.ask("GET" if name == "ping" else "POST", f"/?command={name}", headers=encoded, content=b"nonsense")
    assert (response.status_code, response.json()) == (401, {"status": "failure", "reason": "Unauthorized"})
    assert response.headers["www-authenticate"] == 'Basic realm="crible"'
    assert service.spooled == []


def test_no_configured_key_refuses_everybody() -> None:
    """An empty list of keys is no open door."""
    assert Service(keys=[]).post("/?command=ping", key="").status_code == 405
    assert Service(keys=[]).ask("GET", "/?command=ping").status_code == 401


@pytest.mark.parametrize("name", ["reset", "addBLEntry", "delBLEntry", "addWLEntry", "delWLEntry", "getBL", "getWL", "stats"])
def test_a_key_of_a_log_in_server_gives_no_orders(name: str) -> None:
    """It asks and reports, and that is all: whoever takes a mail server over cannot let himself in everywhere."""
    service = Service([GateKey(name="mx", sha256=KEYS[0].sha256, log_ins_only=True)])
    method = "GET" if name in {"getBL", "getWL", "stats"} else "POST"
    response = service.ask(method, f"/?command={name}", headers={"X-API-Key": "secret-1"}, content=b"{}")
    assert (response.status_code, response.json()["reason"]) == (403, "this key is for log-in servers")
    assert service.post("/?command=allow", json=ASKED).json()["status"] == -1
    assert service.post("/?command=report", json=ASKED | {"success": True}).status_code == 200


def test_guessing_keys_ends_soon(service: Service) -> None:
    """Dovecot takes 429 for no answer, as it does 401, and lets in; whose key has worked is answered as ever."""
    service.app = LimitWrongKeys(service.app, "gate")  # type: ignore[assignment]
    assert service.post("/?command=allow", json=ASKED).json()["status"] == -1
    guesses = [service.post("/?command=allow", f"guess-{number}", json=ASKED).status_code for number in range(12)]
    assert guesses == [401] * 10 + [429] * 2
    assert service.post("/?command=allow", json=ASKED).json()["status"] == -1


def test_orders_bear_the_name_of_the_key(service: Service) -> None:
    """Who has listed an address can be read afterwards."""
    service.post("/?command=addBLEntry", key="s:2", json={"ip": "203.0.113.9", "expire_secs": 60, "reason": "x"})
    assert json.loads(service.spooled[0].value or b"")["by"] == "web"


# -- whatever happens ----------------------------------------------------------------------------------------------------


def test_a_failure_of_our_own_lets_in(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """allow says 0; other commands say that it was our fault, and no more."""
    monkeypatch.setattr(service.standing, "refusal", lambda _attempt: 1 / 0)
    response = service.post("/?command=allow", json=ASKED)
    assert (response.status_code, response.json()) == (200, ACCEPTED)
    monkeypatch.setattr(service.standing, "entries", lambda *_: 1 / 0)
    response = service.ask("GET", "/?command=getBL", headers={"X-API-Key": "secret-1"})
    assert (response.status_code, response.json()) == (500, {"status": "failure", "reason": "internal error"})


def test_a_body_that_is_too_large(service: Service) -> None:
    """64 KiB are enough for any attempt."""
    body = json.dumps(ASKED | {"user_agent": "x" * 70_000}).encode()
    assert service.post("/?command=report", content=body).status_code == 413
    assert service.post("/?command=allow", content=body).json() == ACCEPTED


def test_a_body_in_parts(service: Service) -> None:
    """What comes in several pieces is put together."""

    async def parts() -> AsyncIterator[bytes]:
        for byte in json.dumps(ASKED).encode():
            yield bytes([byte])

    assert service.post("/?command=allow", content=parts()).json()["status"] == -1


def test_a_body_that_does_not_come(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """After two seconds Dovecot has let the client in; so do we, and go on to the next."""
    monkeypatch.setattr(app_module, "_BODY_LIMIT_S", 0.05)

    async def never() -> dict[str, Any]:
        await asyncio.sleep(3600)
        return {}

    async def ask(name: str) -> tuple[int, bytes]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "query_string": f"command={name}".encode(),
            "headers": [(b"x-api-key", b"secret-1")],
        }
        await service.app(scope, never, send)
        return sent[0]["status"], sent[1]["body"]

    assert asyncio.run(ask("allow")) == (200, json.dumps(ACCEPTED, separators=(",", ":")).encode())
    assert asyncio.run(ask("report"))[0] == 408


def test_a_full_spool_is_503(service: Service) -> None:
    """weakforced's form, and no Retry-After: Dovecot would send again what was counted as lost."""

    async def refuse(_record: Spooled) -> None:
        raise NotSpooled("full")

    service.put = refuse  # type: ignore[method-assign]
    fresh = Answers(Resolver(AccountDirectory(), Geo()), Proxies(), service.standing, refuse, lambda: T0)
    service.app = App(fresh, KEYS, lambda: True, lambda: None)
    response = service.post("/?command=report", json=ASKED | {"success": True})
    assert response.status_code == 503
    assert "retry-after" not in response.headers


# -- probes --------------------------------------------------------------------------------------------------------------


def test_probes_need_no_key(service: Service) -> None:
    """Alive at once, ready when it is known whom to refuse; until then everybody is let in."""
    service.standing.clear()
    assert service.ask("GET", "/health").json() == {"status": "up", "stopped": []}
    assert service.ask("GET", "/ready").status_code == 503
    assert service.post("/?command=allow", json=ASKED).json() == ACCEPTED
    service.standing.complete()
    assert service.ask("GET", "/ready").json() == {"status": "ready"}


def test_metrics_count_answers_and_hold_nothing_of_clients(service: Service) -> None:
    """By command and code; unknown commands share one label."""
    service.post("/?command=allow", json=ASKED)
    service.post("/?command=allow", key="wrong")
    service.post("/?command=secret-command")
    service.ask("GET", "/secret/path")
    response = service.ask("GET", "/metrics")
    assert service.scrapes == 1
    assert response.headers["content-type"].startswith("text/plain")
    assert 'crible_http_requests_total{code="200",route="allow"}' in response.text
    assert 'crible_http_requests_total{code="401",route="allow"}' in response.text
    assert 'crible_http_requests_total{code="404",route="other"}' in response.text
    assert 'crible_verdicts_total{action="refuse"}' in response.text
    assert "secret" not in response.text
    assert "203.0.113" not in response.text


# -- the kill switch -----------------------------------------------------------------------------------------------------


def test_an_operator_stops_and_resumes(tmp_path: Path) -> None:
    """As at the blocking service: nobody is refused, /health says so; other keys may not, and a wrong body changes nothing."""
    service = Service()
    keys = [*KEYS, GateKey(name="ops", sha256=sha256(b"ops").hexdigest(), operator=True)]
    kept: list[Spooled] = []
    switch = KillSwitch(tmp_path / "stops.json", [service.standing.stop], lambda note: keep_note(note, kept.append))
    service.app = App(service.answers, keys, lambda: True, lambda: None, Stopping(switch, lambda: T0))

    def asked() -> int:
        status: int = service.post("/?command=allow", json=ASKED).json()["status"]
        return status

    assert asked() < 0
    for key, status in (("wrong", 403), ("secret-1", 403), ("ops", 200)):
        assert service.post("/v1/stops", key, json={"reason": "a drill"}).status_code == status
    assert (asked(), service.ask("GET", "/health").json()["stopped"]) == (0, ["all"])
    assert service.ask("DELETE", "/v1/stops", headers={"X-API-Key": "ops"}).json() == {"stopped": [], "kept": True}
    assert asked() < 0
    wrong = service.post("/v1/stops", "ops", json={"reason": "a drill", "kind": "none"})
    assert (wrong.status_code, "Invalid enum value 'none'" in wrong.json()["message"]) == (400, True)
    assert service.ask("GET", "/v1/stops", headers={"X-API-Key": "ops"}).status_code == 405
    notes = [msgspec.json.decode(record.value or b"", type=Audit) for record in kept]
    assert [(note.ts, note.decision_id, note.action, note.by, note.reason) for note in notes] == [
        (T0, "stop/all", "stop", "ops", "a drill"),
        (T0, "stop", "resume", "ops", "stopped was all"),
    ]
    assert {(record.topic, record.schema, record.ts) for record in kept} == {("auth.audit", "audit/1", T0)}


def test_a_full_spool_does_not_keep_the_kill_switch_from_working(tmp_path: Path) -> None:
    """The note is lost, which the log says; what was ordered holds."""

    def full(_record: Spooled) -> None:
        raise NotSpooled("full")

    switch = KillSwitch(tmp_path / "stops.json", [], lambda note: keep_note(note, full))
    assert switch.stop(b'{"reason": "a drill"}', "ops", T0) == Stopped(["all"], True)
