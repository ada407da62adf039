"""The LAPI side: what bouncers may see, in the form they read, and each change once."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from time import monotonic
from typing import Any

import httpx
import msgspec
import pytest

from models.decisions import Decision, Except
from models.errors import CribleError
from models.policy import Policy
from streams import serve, store
from streams.serve import create_app
from streams.settings import ApiKey
from streams.store import AddressStore, DecisionStore, lapi_id
from tests import enforcing
from tests.enforcing import lifted

NOW = 1_700_000_000.0
KEYS = [
    ApiKey(name="fw", sha256=sha256(b"secret-1").hexdigest()),
    ApiKey(name="web", sha256=sha256(b"secret-2").hexdigest()),
    ApiKey(name="old", sha256=sha256(b"secret-3").hexdigest(), addresses_only=True),
]


def decision(value: str = "203.0.113.7", until: float = NOW + 3600, **changes: Any) -> Decision:
    return enforcing.decision(value, NOW, until, **changes)


class Lapi:
    """The service in memory, with a clock that a test turns."""

    def __init__(self, keys: list[ApiKey] | None = KEYS, policy: Policy | None = None) -> None:
        self.now, self.is_ready = NOW, True
        self.store = DecisionStore(policy or Policy.default())
        self.addresses = AddressStore(policy or Policy.default())
        self.app = create_app(self.store, keys, lambda: self.now, lambda: self.is_ready, self.addresses)

    def put(self, *decisions: Decision) -> None:
        """Give both lists the decisions."""
        for each in decisions:
            self.store.put(each)
            self.addresses.put(each)

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


@pytest.mark.parametrize(
    ("role", "status"), [({}, 200), ({"operator": True}, 200), ({"support": True}, 403), ({"account_changes": True}, 403)]
)
@pytest.mark.parametrize("path", ["/v1/decisions?scopes=account_ip", "/v1/decisions/stream?startup=true"])
def test_the_list_is_for_those_who_read_it(role: dict[str, bool], status: int, path: str) -> None:
    """A key of support, or of who tells what happened to accounts, is for that alone."""
    keys = [ApiKey(name="x", sha256=sha256(b"secret-1").hexdigest(), **role)]
    assert Lapi(keys).ask("GET", path, headers={"X-Api-Key": "secret-1"}).status_code == status


def test_guessing_keys_ends_soon(lapi: Lapi) -> None:
    """After ten wrong ones; the list of the demo, which asks for no key, is nothing to guess at."""
    wrong = [lapi.ask("GET", "/v1/decisions", headers={"X-Api-Key": f"guess-{number}"}).status_code for number in range(12)]
    assert wrong == [403] * 10 + [429] * 2
    assert lapi.ask("GET", "/v1/decisions", headers={"X-Api-Key": "secret-1"}).status_code == 429
    assert lapi.ask("GET", "/ready").status_code == 200


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
        {"value": "nonsense"},
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
    """A later end of the same decision comes as deleted and new: a firewall bouncer ignores what it already has."""
    held = decision(until=NOW + 60)
    lapi.store.put(held)
    lapi.stream("startup=true")
    lapi.store.put(msgspec.structs.replace(held, until=NOW + 600))
    body = lapi.get("/v1/decisions/stream")
    assert [(d["id"], d["duration"]) for d in body["deleted"]] == [(lapi_id(held), "-1s")]
    assert [(d["id"], d["duration"]) for d in body["new"]] == [(lapi_id(held), "10m0s")]
    lapi.now += 61
    assert lapi.stream() == ([], [])
    lapi.now += 540
    assert lapi.stream() == ([], ["203.0.113.7"])


def test_another_policy_spares_and_refuses_again(lapi: Lapi) -> None:
    """What its never-block set spares is told as ended, and as new once that does not; a decision made meanwhile too."""
    near, far = decision(), decision("198.51.100.7")
    lapi.put(near, far)
    lapi.stream("startup=true")
    lapi.store.go_by(Policy(version="2", never_block=("203.0.113.0/24",)))
    assert (lapi.stream(), lapi.values()) == (([], ["203.0.113.7"]), ["198.51.100.7"])
    lapi.store.go_by(Policy(version="3", never_block=("203.0.113.0/24", "192.0.2.0/24")))
    lapi.put(decision("203.0.113.8"), msgspec.structs.replace(near, until=near.until + 60))
    assert (lapi.stream(), lapi.values()) == (([], ["203.0.113.7"]), ["198.51.100.7"])  # deleting twice harms nobody
    assert lapi.stream("startup=true", "secret-2")[0] == ["198.51.100.7"]
    assert "crible_decisions_suspended 0.0" in lapi.ask("GET", "/metrics").text
    lapi.store.go_by(Policy(version="4"))
    assert sorted(lapi.stream()[0]) == ["203.0.113.7", "203.0.113.8"]
    assert len(lapi.values()) == 3


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


def test_longer_decision_takes_over(lapi: Lapi) -> None:
    """A longer decision on the same value replaces the one that the reader has; a shorter one is not told."""
    first, longer, shorter = decision(), decision(until=NOW + 7200), decision(until=NOW + 60)
    lapi.store.put(first)
    lapi.stream("startup=true")
    lapi.store.put(longer)
    body = lapi.get("/v1/decisions/stream")
    assert [d["id"] for d in body["deleted"]] == [lapi_id(first)]
    assert [d["id"] for d in body["new"]] == [lapi_id(longer)]
    lapi.store.put(shorter)
    assert lapi.stream() == ([], [])
    assert lapi.stream("startup=true") == (["203.0.113.7"], [])


def test_a_change_that_no_reader_sees_is_not_told(lapi: Lapi) -> None:
    """A decision with another impact and the same end is the same to a bouncer."""
    held = decision()
    lapi.store.put(held)
    lapi.stream("startup=true")
    lapi.store.put(msgspec.structs.replace(held, alert_ids=("a", "b")))
    assert lapi.stream() == ([], [])


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


def test_what_is_held_is_bounded(lapi: Lapi, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ended longest ago makes room; where all hold, a new one is left out, and those that are there can change."""
    monkeypatch.setattr(store, "_MAX_DECISIONS", 3)
    first, second, third = (decision(f"203.0.113.{number}") for number in (1, 2, 3))
    for each in (first, second, third, decision("203.0.113.4")):
        lapi.store.put(each)
    assert lapi.values() == ["203.0.113.1", "203.0.113.2", "203.0.113.3"]
    lapi.store.put(lifted(first, NOW + 5))
    lapi.store.put(decision("203.0.113.5"))
    lapi.store.put(msgspec.structs.replace(second, until=NOW + 7200))
    assert lapi.values() == ["203.0.113.3", "203.0.113.5", "203.0.113.2"]
    lapi.now += 5 * 3600
    assert lapi.values() == []
    assert not lapi.store._entries


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


# -- bouncers that ignore the mask of a range --------------------------------------------------------------------------


def test_ranges_become_addresses(lapi: Lapi) -> None:
    """A key for addresses gets every address of an IPv4 range down to /24, as decisions of scope Ip with ids of their own."""
    held = decision("198.51.100.0/30")
    lapi.put(held, decision("198.51.0.0/16"), decision("2001:db8:1:2::/64"), decision())
    body = lapi.get("/v1/decisions/stream?startup=true", "secret-3")
    assert [d["value"] for d in body["new"]] == [*(f"198.51.100.{n}" for n in range(4)), "203.0.113.7"]
    assert {d["scope"] for d in body["new"]} == {"Ip"}
    assert len({d["id"] for d in body["new"]}) == len({d["uuid"] for d in body["new"]}) == 5
    lapi.put(lifted(held, NOW + 1))
    assert lapi.stream(key="secret-3") == ([], [f"198.51.100.{n}" for n in range(4)])
    assert lapi.stream("startup=true")[0] == ["198.51.0.0/16", "2001:db8:1:2::/64", "203.0.113.7"]


def test_an_address_is_kept_while_anything_holds_it(lapi: Lapi) -> None:
    """The end of a range does not delete an address in it that is blocked by itself."""
    held = decision("203.0.113.4/30")
    lapi.put(held, decision("203.0.113.7", until=NOW + 60))
    assert lapi.stream("startup=true", "secret-3")[0] == [f"203.0.113.{n}" for n in (4, 5, 6, 7)]
    lapi.put(lifted(held, NOW + 1))
    new, deleted = lapi.stream(key="secret-3")
    assert (new, sorted(deleted)) == (["203.0.113.7"], [f"203.0.113.{n}" for n in (4, 5, 6, 7)])


def test_what_such_a_key_does_not_get_is_counted(lapi: Lapi, monkeypatch: pytest.MonkeyPatch) -> None:
    """IPv6, wide ranges and what there is no room for are counted by reason."""
    monkeypatch.setattr(store, "_MAX_ADDRESSES", 5)
    lapi.put(decision("198.51.100.0/30"), decision("192.0.2.0/30"), decision("198.51.0.0/16"))
    lapi.put(decision("2001:db8:1:2::/64"), decision("2001:db8:9:9::/64"), decision())
    assert len(lapi.stream("startup=true", "secret-3")[0]) == 5
    text = lapi.ask("GET", "/metrics").text
    for reason, number in {"ipv6": 2, "wide": 1, "full": 1, "scope": 0}.items():
        assert f'crible_decisions_withheld{{point="lapi_addresses",reason="{reason}"}} {number}.0' in text


def test_room_comes_back(lapi: Lapi) -> None:
    """What was expanded is forgotten with its decision, and a tombstone ends all of it."""
    held = decision("198.51.100.0/30", until=NOW + 60)
    lapi.put(held)
    lapi.stream("startup=true", "secret-3")
    lapi.addresses.remove(held.decision_id)
    assert len(lapi.stream(key="secret-3")[1]) == 4
    lapi.now += 60 + 3600
    assert lapi.stream("startup=true", "secret-3") == ([], [])
    assert not lapi.addresses._entries
    assert not lapi.addresses._parts


def test_such_a_key_needs_its_list() -> None:
    """A service that could not honour the key does not start."""
    with pytest.raises(ValueError, match="addresses_only"):
        create_app(DecisionStore(Policy.default()), KEYS, lambda: NOW, lambda: True)


# -- caches, and many decisions ----------------------------------------------------------------------------------------


def test_an_unchanged_list_is_not_sent_again(lapi: Lapi) -> None:
    """A reader that shows the list's ETag gets 304 until something changes; an end by itself is a change."""
    lapi.store.put(decision(until=NOW + 60))
    headers = {"X-Api-Key": "secret-1"}
    first = lapi.ask("GET", "/v1/decisions", headers=headers)
    known = headers | {"If-None-Match": first.headers["etag"]}
    again = lapi.ask("GET", "/v1/decisions", headers=known)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    lapi.now += 61
    assert lapi.ask("GET", "/v1/decisions", headers=known).text == "null"
    assert Lapi().ask("GET", "/v1/decisions", headers=known).status_code == 200


def test_a_large_list_makes_nobody_wait() -> None:
    """While a bouncer that starts is given 50,000 decisions, others are answered."""
    lapi = Lapi()
    for number in range(50_000):
        lapi.store.put(decision(f"11.{number >> 16}.{number >> 8 & 255}.{number & 255}"))

    server = serve.server_of(lapi.app)
    with serve.listen("127.0.0.1", 0) as listening, ThreadPoolExecutor(2) as threads, httpx.Client() as client:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        serving = threads.submit(server.run, [listening])
        try:
            client.get(f"{url}/health")
            options = {"headers": {"X-Api-Key": "secret-1"}, "timeout": 60}
            large = threads.submit(httpx.get, f"{url}/v1/decisions/stream?startup=true", **options)
            waits_s = []
            while not large.done():
                asked_at = monotonic()
                client.get(f"{url}/health")
                waits_s.append(monotonic() - asked_at)
            assert len(large.result().json()["new"]) == 50_000
        finally:
            server.should_exit = True
            serving.result()
    assert len(waits_s) >= 3
    assert max(waits_s) < 0.5, waits_s


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


def test_answers_do_not_wait_for_acknowledgements() -> None:
    """An answer leaves in two parts; with Nagle's algorithm the second would wait for the client's delayed ACK, 40 ms."""
    with serve.listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()) as client:
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert client


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
