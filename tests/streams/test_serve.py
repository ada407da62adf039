"""The LAPI side: what bouncers may see, in the form they read, and each change once."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any

import httpx
import msgspec
import pytest

from models.decisions import Decision, Except, Impact, Interval, go_duration, uuid_of
from models.errors import CribleError
from models.ids import stable_id
from models.policy import Policy
from streams import serve
from streams.serve import DecisionStore, create_app, lapi_id
from streams.settings import ApiKey

NOW = 1_700_000_000.0
KEYS = [ApiKey(name="fw", sha256=sha256(b"secret-1").hexdigest()), ApiKey(name="web", sha256=sha256(b"secret-2").hexdigest())]


def decision(value: str = "203.0.113.7", until: float = NOW + 3600, **changes: Any) -> Decision:
    identifier = stable_id(value, until, msgspec.to_builtins(changes))
    fields: dict[str, Any] = {
        "decision_id": identifier,
        "uuid": uuid_of(identifier),
        "origin": "crible",
        "type": "ban",
        "scope": "range" if "/" in value else "ip",
        "value": value,
        "start": NOW,
        "until": until,
        "duration": go_duration(until - NOW),
        "scenario": "password_spray",
        "mode": "enforce",
        "alert_ids": ("a",),
        "reason": "",
        "policy_version": "1",
        "impact": Impact(attack_attempts=1, attack_accounts=1, legit_accounts=Interval(0, 0, 0)),
    }
    return Decision(**(fields | changes))


def lifted(held: Decision, at: float) -> Decision:
    return msgspec.structs.replace(held, lifted=at, lifted_by="person")


class Lapi:
    """The service in memory, with a clock that a test turns."""

    def __init__(self, keys: list[ApiKey] | None = KEYS, policy: Policy | None = None) -> None:
        self.now, self.is_ready = NOW, True
        self.store = DecisionStore(policy or Policy.default())
        self.app = create_app(self.store, keys, lambda: self.now, lambda: self.is_ready)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://crible") as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def get(self, path: str, key: str | None = "secret-1") -> Any:
        response = self.ask("GET", path, headers={"X-Api-Key": key} if key else {})
        assert response.status_code == 200, response.text
        return response.json()

    def stream(self, query: str = "", key: str = "secret-1") -> tuple[list[str], list[str]]:
        body = self.get(f"/v1/decisions/stream?{query}", key)
        return [d["value"] for d in body["new"]], [d["value"] for d in body["deleted"]]

    def values(self, query: str = "") -> list[str]:
        return [d["value"] for d in self.get(f"/v1/decisions?{query}") or []]


@pytest.fixture
def lapi() -> Lapi:
    return Lapi()


# -- who may read ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/decisions/stream?startup=true"])
@pytest.mark.parametrize("headers", [{}, {"X-Api-Key": "wrong"}, {"X-Api-Key": ""}, {"Authorization": "secret-1"}])
def test_a_missing_or_wrong_key_is_refused(lapi: Lapi, path: str, headers: dict[str, str]) -> None:
    """Without a known key nothing is told, in LAPI's words."""
    response = lapi.ask("GET", path, headers=headers)
    assert (response.status_code, response.json()) == (403, {"message": "access forbidden"})
    assert lapi.ask("POST", "/v1/usage-metrics", headers=headers, json={}).status_code == 403


def test_no_configured_key_refuses_everybody() -> None:
    """An empty list of keys is no open door."""
    assert Lapi(keys=[]).ask("GET", "/v1/decisions", headers={"X-Api-Key": "secret-1"}).status_code == 403


def test_demo_asks_for_no_key() -> None:
    """With ``None`` for the keys, as in the demo, anybody may read."""
    assert Lapi(keys=None).get("/v1/decisions", key=None) is None


def test_health_and_ready_need_no_key(lapi: Lapi) -> None:
    """Probes ask without a key; readiness follows the store."""
    lapi.is_ready = False
    assert lapi.ask("GET", "/health").status_code == 200
    assert lapi.ask("GET", "/ready").status_code == 503
    lapi.is_ready = True
    assert lapi.ask("GET", "/ready").status_code == 200


def test_a_starting_service_refuses_after_a_wait(lapi: Lapi, monkeypatch: pytest.MonkeyPatch) -> None:
    """An incomplete list is never served: the request waits, then is told so."""
    monkeypatch.setattr(serve, "_READY_WAIT_S", 0.1)
    lapi.is_ready = False
    assert lapi.ask("GET", "/v1/decisions", headers={"X-Api-Key": "secret-1"}).status_code == 503


def test_unknown_paths_and_methods(lapi: Lapi) -> None:
    """An unknown path is 404 and a wrong method 405, with a message as LAPI has it."""
    assert lapi.ask("GET", "/v1/watchers").json() == {"message": "Not Found"}
    assert lapi.ask("DELETE", "/v1/decisions").status_code == 405


# -- what is served ----------------------------------------------------------------------------------------------------


def test_a_decision_in_lapi_form(lapi: Lapi) -> None:
    """A ban has CrowdSec's fields, its remaining time in Go's form, and a stable integer id."""
    held = decision()
    lapi.store.put(held)
    lapi.now += 3
    assert lapi.get("/v1/decisions") == [
        {
            "id": lapi_id(held),
            "uuid": held.uuid,
            "origin": "crible",
            "type": "ban",
            "scope": "Ip",
            "value": "203.0.113.7",
            "duration": "59m57s",
            "until": "2023-11-14T23:13:20Z",
            "scenario": "password_spray",
        }
    ]
    assert 0 < lapi_id(held) < 1 << 53


def test_nothing_is_null_here_and_empty_lists_there(lapi: Lapi) -> None:
    """LAPI answers ``null`` for no decisions and empty lists for no changes."""
    headers = {"X-Api-Key": "secret-1"}
    assert lapi.ask("GET", "/v1/decisions", headers=headers).text == "null"
    assert lapi.ask("GET", "/v1/decisions/stream", headers=headers).text == '{"new":[],"deleted":[]}'


@pytest.mark.parametrize(
    "hidden",
    [
        {"mode": "shadow"},
        {"mode": "proposed"},
        {"type": "guard"},
        {"type": "notify"},
        {"protocols": ("imap",)},
        {"except_": (Except(asns=(1,)),)},
        {"value": "10.0.0.7"},
        {"value": "198.51.100.9"},
        {"lifted": NOW - 1},
        {"until": NOW},
    ],
)
def test_only_enforced_plain_bans_are_served(hidden: dict[str, Any]) -> None:
    """Shadow, proposals, other types, exceptions, protocols, the never-block set and what has ended stay here."""
    lapi = Lapi(policy=Policy(version="1", never_block=("198.51.100.0/24",)))
    lapi.store.put(decision(**hidden))
    assert lapi.values("scopes=ip,range,account") == []
    assert lapi.stream("startup=true")[0] == []


def test_other_scopes_only_for_those_who_ask(lapi: Lapi) -> None:
    """An address bouncer never sees an account; one that names the scope does."""
    lapi.store.put(decision())
    lapi.store.put(decision("198.51.100.0/24"))
    lapi.store.put(decision("203.0.113.9|alice@example.org", scope="account_ip"))
    assert lapi.values() == ["203.0.113.7", "198.51.100.0/24"]
    assert lapi.values("scopes=Ip") == ["203.0.113.7"]
    assert lapi.values("scope=account_ip") == ["203.0.113.9|alice@example.org"]
    assert lapi.stream("startup=true&scopes=ip,account_ip")[0] == ["203.0.113.7", "203.0.113.9|alice@example.org"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("ip=203.0.113.7", ["203.0.113.7", "203.0.113.0/24"]),
        ("ip=203.0.113.8", ["203.0.113.0/24"]),
        ("ip=2001:db8:1:2::5", ["2001:db8:1:2::/64"]),
        ("ip=192.0.2.1", []),
        ("range=203.0.113.128/25", ["203.0.113.0/24"]),
        ("range=203.0.0.0/16&contains=false", ["203.0.113.7", "203.0.113.0/24"]),
        ("value=203.0.113.7", ["203.0.113.7"]),
        ("type=captcha", []),
        ("origins=cscli,crible&scopes=ip", ["203.0.113.7"]),
        ("origins=cscli", []),
        ("scenarios_containing=flood", ["203.0.113.0/24"]),
        ("scenarios_not_containing=flood,none&scopes=range", ["2001:db8:1:2::/64"]),
        ("limit=1", ["203.0.113.7"]),
        ("limit=1&offset=1", ["203.0.113.0/24"]),
        (f"id_gt={(1 << 53) - 1}", []),
        ("unknown=1&limit=1", ["203.0.113.7"]),
    ],
)
def test_filters(lapi: Lapi, query: str, expected: list[str]) -> None:
    """Every filter narrows the list; unknown ones are ignored."""
    lapi.store.put(decision())
    lapi.store.put(decision("203.0.113.0/24", scenario="login_flood"))
    lapi.store.put(decision("2001:db8:1:2::/64"))
    assert lapi.values(query) == expected


@pytest.mark.parametrize("query", ["ip=1.2.3", "ip=%3Cscript%3E", "range=x/y", "limit=-1", "limit=ten", "offset=9" + "9" * 30])
def test_bad_filters_are_client_errors(lapi: Lapi, query: str) -> None:
    """A bad address or number is 400 with a message, and is not echoed."""
    response = lapi.ask("GET", f"/v1/decisions?{query}", headers={"X-Api-Key": "secret-1"})
    assert response.status_code == 400
    assert "script" not in response.text


def test_head_checks_the_key_only(lapi: Lapi) -> None:
    """HEAD has no body and moves no cursor."""
    lapi.store.put(decision())
    response = lapi.ask("HEAD", "/v1/decisions/stream", headers={"X-Api-Key": "secret-1"})
    assert (response.status_code, response.content) == (200, b"")
    assert lapi.stream() == (["203.0.113.7"], [])


# -- the stream --------------------------------------------------------------------------------------------------------


def test_stream_tells_each_change_once(lapi: Lapi) -> None:
    """First everything, then what came, then what was lifted, then nothing; each reader for itself."""
    first, second = decision(), decision("203.0.113.8")
    lapi.store.put(first)
    assert lapi.stream("startup=true") == (["203.0.113.7"], [])
    assert lapi.stream() == ([], [])
    lapi.store.put(second)
    assert lapi.stream() == (["203.0.113.8"], [])
    lapi.store.put(lifted(first, NOW + 5))
    assert lapi.stream() == ([], ["203.0.113.7"])
    assert lapi.stream() == ([], [])
    assert lapi.stream(key="secret-2") == (["203.0.113.8"], ["203.0.113.7"])
    assert lapi.stream("startup=true") == (["203.0.113.8"], ["203.0.113.7"])


def test_ends_by_itself(lapi: Lapi) -> None:
    """An end that comes by itself is told with a negative duration."""
    lapi.store.put(decision(until=NOW + 60))
    lapi.stream("startup=true")
    lapi.now += 90
    body = lapi.get("/v1/decisions/stream")
    assert [(d["value"], d["duration"]) for d in body["deleted"]] == [("203.0.113.7", "-30s")]
    assert lapi.stream() == ([], [])


def test_extension_is_told_again(lapi: Lapi) -> None:
    """A later end of the same decision comes as new, so that the bouncer keeps it longer, and the old end is no end."""
    held = decision(until=NOW + 60)
    lapi.store.put(held)
    lapi.stream("startup=true")
    lapi.store.put(msgspec.structs.replace(held, until=NOW + 600))
    body = lapi.get("/v1/decisions/stream")
    assert [(d["id"], d["duration"]) for d in body["new"]] == [(lapi_id(held), "10m0s")]
    lapi.now += 61
    assert lapi.stream() == ([], [])
    lapi.now += 540
    assert lapi.stream() == ([], ["203.0.113.7"])


def test_longest_decision_stands_for_its_value(lapi: Lapi) -> None:
    """Of several on one value the longest is told; the value is not deleted while another holds."""
    short, long = decision(until=NOW + 100), decision(until=NOW + 900, scenario="credential_stuffing")
    lapi.store.put(short)
    lapi.store.put(long)
    body = lapi.get("/v1/decisions/stream?startup=true")
    assert [d["id"] for d in body["new"]] == [lapi_id(long)]
    assert len(lapi.get("/v1/decisions/stream?startup=true&dedup=false")["new"]) == 2
    lapi.now += 101
    assert lapi.stream() == ([], [])
    lapi.now += 800
    assert lapi.stream() == ([], ["203.0.113.7"])


def test_shorter_decision_takes_over_when_the_longest_is_lifted(lapi: Lapi) -> None:
    """The bouncer is told to drop the long one and to keep the short one."""
    short, long = decision(until=NOW + 100), decision(until=NOW + 900, scenario="credential_stuffing")
    lapi.store.put(short)
    lapi.store.put(long)
    lapi.stream("startup=true")
    lapi.store.put(lifted(long, NOW + 1))
    body = lapi.get("/v1/decisions/stream")
    assert [d["id"] for d in body["deleted"]] == [lapi_id(long)]
    assert [d["id"] for d in body["new"]] == [lapi_id(short)]


def test_tombstone_of_a_held_decision_ends_it(lapi: Lapi) -> None:
    """A tombstone of something that still holds is an end for readers."""
    held = decision()
    lapi.store.put(held)
    lapi.stream("startup=true")
    lapi.store.remove(held.decision_id)
    assert lapi.stream() == ([], ["203.0.113.7"])
    assert lapi.values() == []


def test_what_ended_long_ago_is_forgotten(lapi: Lapi) -> None:
    """The store keeps an ended decision for an hour for slow readers, then not at all."""
    lapi.store.put(decision(until=NOW + 60))
    lapi.store.put(decision("203.0.113.8", until=NOW - 86400))
    lapi.now += 60 + 3600
    assert lapi.stream("startup=true") == ([], [])
    assert lapi.store.count(lapi.now).total() == 0
    assert not lapi.store._entries
    assert not lapi.store._by_target


def test_failed_transfer_moves_no_cursor() -> None:
    """A client that went away during the answer is told the same again."""
    lapi = Lapi(keys=None)
    lapi.store.put(decision())

    def call(gone: bool) -> bytes:
        messages = [{"type": "http.request", "body": b""}]
        sent = bytearray()

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            if not gone:
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.extend(message.get("body", b""))

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/v1/decisions/stream",
            "query_string": b"",
            "headers": [],
            "client": ("127.0.0.1", 1),
        }
        asyncio.run(lapi.app(scope, receive, send))  # type: ignore[arg-type]  # an ASGI coroutine
        return bytes(sent)

    assert b"203.0.113.7" in call(gone=True)
    assert b"203.0.113.7" in call(gone=False)
    assert call(gone=False) == b'{"new":[],"deleted":[]}'


def test_cursors_are_bounded(lapi: Lapi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many readers the one that was away longest begins anew."""
    monkeypatch.setattr(serve, "_MAX_CURSORS", 1)
    lapi.store.put(decision())
    assert lapi.stream() == (["203.0.113.7"], [])
    assert lapi.stream(key="secret-2") == (["203.0.113.7"], [])
    assert lapi.stream() == (["203.0.113.7"], [])


# -- usage metrics, Prometheus -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"remediation_components":[{"type":"fw","version":"1"}]}', 201),
        (b"{}", 400),
        (b"not json", 400),
        (b'{"remediation_components":[{}],"x":"' + b"x" * (1 << 20) + b'"}', 413),
    ],
)
def test_usage_metrics(lapi: Lapi, body: bytes, code: int) -> None:
    """Bouncers' figures are taken; what is not such a body, or too large, is refused."""
    assert lapi.ask("POST", "/v1/usage-metrics", headers={"X-Api-Key": "secret-1"}, content=body).status_code == code


def test_metrics_count_decisions_and_requests(lapi: Lapi) -> None:
    """Prometheus sees active decisions by scope, type and mode, and no address."""
    lapi.store.put(decision())
    lapi.store.put(decision("203.0.113.8", mode="shadow"))
    lapi.get("/v1/decisions")
    lapi.ask("GET", "/secret/path")
    text = lapi.ask("GET", "/metrics").text
    assert 'crible_decisions_active{mode="shadow",scope="ip",type="ban"} 1.0' in text
    assert 'crible_http_requests_total{code="200",route="/v1/decisions"}' in text
    assert 'route="other"' in text
    assert "203.0.113" not in text
    assert "secret" not in text


def test_port_in_use_is_one_clear_error() -> None:
    """A taken port is named with the setting to change."""
    with serve.listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CribleError, match=f"127.0.0.1:{port}: cannot listen"):
            serve.listen("127.0.0.1", port)


def test_values_of_attackers_stay_json(lapi: Lapi) -> None:
    """Text that an attacker chose comes back as JSON text and nothing else."""
    nasty = '203.0.113.9|"],<script>\n'
    lapi.store.put(decision(nasty, scope="account_ip"))
    assert lapi.values("scopes=account_ip") == [nasty]
