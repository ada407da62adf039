"""Account changes: what is taken, from whom, and that it is kept before the answer."""

from __future__ import annotations

import asyncio
import json
import time
from hashlib import sha256
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaConsumer

from models.accounts import AccountDirectory
from models.changes import AccountChange
from models.errors import CribleError, InputError
from models.policy import Policy
from streams import topics, writing
from streams.changes import ChangeTopic, read_changes
from streams.serve import create_app
from streams.settings import ApiKey, Kafka, Settings
from streams.store import DecisionStore

NOW = 1_700_000_000.0
ACCOUNTS = AccountDirectory("example.org")
GOOD = {"ts": NOW, "account": "bob@example.org", "change": "password_changed", "by": "owner"}


def read(*changes: dict[str, Any]) -> list[AccountChange]:
    """The changes of a body with one a line."""
    return read_changes("\n".join(map(json.dumps, changes)).encode(), ACCOUNTS, NOW)


def test_a_change_is_read() -> None:
    """Time and address are brought into their one form."""
    assert read(GOOD) == [AccountChange(ts=NOW, account="bob@example.org", change="password_changed", by="owner")]
    (change,) = read(GOOD | {"ts": "2023-11-14T22:13:20Z", "remote": "::ffff:192.0.2.7", "more": 1})
    assert (change.ts, change.remote) == (NOW, "192.0.2.7")


def test_a_file_of_changes_is_read() -> None:
    """One a line, blank lines left out."""
    body = f"{json.dumps(GOOD)}\r\n\n{json.dumps(GOOD | {'change': 'closed'})}\n".encode()
    assert [change.change for change in read_changes(body, ACCOUNTS, NOW)] == ["password_changed", "closed"]


def test_whose_account() -> None:
    """An account key is taken as it is; a log-in name is resolved as events' are."""
    assert read(GOOD | {"account": "Mailbox 7"})[0].account == "Mailbox 7"
    login = {name: value for name, value in GOOD.items() if name != "account"} | {"login": " Bob"}
    assert read(login)[0].account == "bob@example.org"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ts": None}, "line 2: "),
        ({"ts": "soon"}, "line 2: 'ts' is not a time"),
        ({"ts": NOW + 301}, "ahead of this host's clock"),
        ({"account": None}, "one of account and login is needed"),
        ({"login": "bob"}, "one of account and login is needed"),
        ({"account": ""}, "line 2: "),
        ({"account": "x" * 257}, "line 2: "),
        ({"change": "renamed"}, "line 2: Invalid enum value 'renamed'"),
        ({"by": "nobody"}, "line 2: Invalid enum value 'nobody'"),
        ({"remote": "here"}, "not an IP address"),
    ],
)
def test_what_is_no_change_is_refused(changes: dict[str, Any], said: str) -> None:
    """The whole body is refused; the line and what is wrong with it are named."""
    with pytest.raises(InputError, match=said):
        read(GOOD, GOOD | changes)


@given(st.binary(max_size=200))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    """No body does more than be refused."""
    with pytest.raises(InputError):
        read_changes(body, ACCOUNTS, NOW)


class Service:
    """The HTTP side with three keys: one that may send changes, one that may not, and a wrong one."""

    def __init__(self, failure: CribleError | None = None) -> None:
        self.taken: list[AccountChange] = []
        self._failure = failure
        keys = [
            ApiKey(name="idm", sha256=sha256(b"idm").hexdigest(), account_changes=True),
            ApiKey(name="bouncer", sha256=sha256(b"bouncer").hexdigest()),
        ]
        self.app = create_app(DecisionStore(Policy.default()), keys, lambda: NOW, lambda: True, None, self._take)

    def _take(self, body: bytes) -> None:
        changes = read_changes(body, ACCOUNTS, NOW)
        if self._failure is not None:
            raise self._failure
        self.taken += changes

    def post(self, key: str, body: str | bytes) -> httpx.Response:
        """POST a body with a key."""

        async def post() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://block") as client:
                return await client.post("/v1/account-changes", content=body, headers={"X-Api-Key": key})

        return asyncio.run(post())


def test_who_may_say_so() -> None:
    """A key that may read the block list may not reset what is known about accounts."""
    service = Service()
    assert [service.post(key, json.dumps(GOOD)).status_code for key in ("idm", "bouncer", "wrong", "")] == [201, 403, 403, 403]
    assert len(service.taken) == 1


def test_a_wrong_body_is_a_client_error() -> None:
    """400 says what is wrong, 413 that it is too much."""
    service = Service()
    answer = service.post("idm", json.dumps(GOOD | {"by": "me"}))
    assert answer.status_code == 400
    assert "line 1: Invalid enum value 'me'" in answer.json()["message"]
    assert service.post("idm", b"x" * (2 << 20)).status_code == 413
    assert service.taken == []


def test_a_broker_that_is_away_is_said() -> None:
    """503 tells the client to send it again."""
    assert Service(CribleError("no answer", where="127.0.0.1:9092")).post("idm", json.dumps(GOOD)).status_code == 503


@pytest.mark.kafka
def test_changes_on_kafka(kafka_broker: str, topic_prefix: str) -> None:
    """Keyed by account, at their own time, with their schema."""
    settings = Settings(kafka=Kafka(bootstrap=kafka_broker, prefix=topic_prefix, partitions=2, connect_timeout_s=20))
    topics.create(settings)
    now = float(int(time.time()))
    topic = ChangeTopic(settings)
    try:
        topic.send([AccountChange(ts=now, account="bob@example.org", change="closed", by="support")] * 2)
    finally:
        topic.close()
    consumer = KafkaConsumer(
        topics.topic(settings, "auth.account-changes"), auto_offset_reset="earliest", **settings.kafka.client_options()
    )
    found: list[Any] = []
    deadline = time.monotonic() + 20
    try:
        while len(found) < 2 and time.monotonic() < deadline:
            for batch in consumer.poll(timeout_ms=500).values():
                found += batch
    finally:
        consumer.close()
    assert [record.key for record in found] == [b"bob@example.org"] * 2
    assert json.loads(found[0].value) == {"ts": now, "account": "bob@example.org", "change": "closed", "by": "support"}
    assert (found[0].timestamp, dict(found[0].headers)) == (now * 1000, {"crible-schema": b"account-change/1"})


def test_no_broker_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever, and the place is named."""
    monkeypatch.setattr(writing, "_TIMEOUT_MS", 100)
    topic = ChangeTopic(Settings(kafka=Kafka(bootstrap="127.0.0.1:1")))
    with pytest.raises(CribleError, match=r"127\.0\.0\.1:1: no Kafka broker answered within 0\.1 s"):
        topic.send([AccountChange(ts=NOW, account="a", change="closed", by="owner")])
    topic.close()
