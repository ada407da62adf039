"""Guessing a key ends soon, and shuts out nobody whose key is right."""

from __future__ import annotations

import asyncio
from base64 import b64encode

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from streams import keys
from streams.keys import LimitWrongKeys, presented_key

RIGHT, OTHER = "right", "other"


class Service:
    """An application that knows two keys, behind the limit, with a clock that a test turns."""

    def __init__(self) -> None:
        self.now, self.reached = 0.0, 0
        self.limit = LimitWrongKeys(self._app, "test", lambda: self.now)

    async def _app(self, scope: Scope, _receive: Receive, send: Send) -> None:
        self.reached += 1
        key = presented_key(scope["headers"])
        status = 200 if key in {RIGHT.encode(), OTHER.encode()} or not key else 403
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def ask(self, key: str = "", host: str = "192.0.2.1") -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.limit, client=(host, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://crible") as client:
                return await client.get("/", headers={"X-Api-Key": key} if key else {})

        return asyncio.run(send())

    def guess(self, number: int, host: str = "192.0.2.1") -> list[int]:
        return [self.ask(f"guess-{guess}", host).status_code for guess in range(number)]


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ([(b"x-api-key", b"k")], b"k"),
        ([(b"authorization", b"Basic " + b64encode(b"user:a:b"))], b"a:b"),
        ([(b"authorization", b"Basic nonsense")], b""),
        ([(b"authorization", b"Bearer k")], b""),
        ([], b""),
    ],
)
def test_a_key_is_a_header_or_a_password(headers: list[tuple[bytes, bytes]], key: bytes) -> None:
    """As bouncers and as Dovecot present it."""
    assert presented_key(headers) == key


def test_after_ten_wrong_keys_no_key_is_looked_at(service: Service) -> None:
    """Not even the right one, so that a guess tells nothing; the answer says when to come back."""
    assert service.guess(10) == [403] * 10
    refused = service.ask(RIGHT)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert service.reached == 10


def test_after_a_minute_keys_are_looked_at_again(service: Service) -> None:
    """Counted from the first wrong one."""
    service.guess(5)
    service.now = 59.0
    assert service.guess(6)[-1] == 429
    service.now = 60.0
    assert service.ask(RIGHT).status_code == 200


def test_a_slow_mistake_is_never_shut_out(service: Service) -> None:
    """A program with an old key that asks every ten seconds is told so each time."""
    for _ in range(50):
        assert service.guess(1) == [403]
        service.now += 10


def test_a_key_that_worked_from_there_goes_on_working(service: Service) -> None:
    """Behind one proxy nobody's wrong key shuts out another's right one; a key that was never seen there is shut out."""
    assert service.ask(RIGHT).status_code == 200
    service.guess(10)
    assert service.ask(RIGHT).status_code == 200
    assert service.ask(OTHER).status_code == 429


def test_other_addresses_and_probes_are_answered(service: Service) -> None:
    """Who asks without a key, such as a probe, is none who guesses."""
    service.guess(11)
    assert service.ask(OTHER, "192.0.2.2").status_code == 200
    assert service.ask().status_code == 200


def test_a_network_of_ipv6_is_one_address(service: Service) -> None:
    """Whoever has a /64 has 2^64 addresses to guess from."""
    for number in range(10):
        service.guess(1, f"2001:db8::{number:x}")
    assert service.ask(RIGHT, "2001:db8::ffff").status_code == 429
    assert service.ask(RIGHT, "2001:db8:0:1::1").status_code == 200


def test_what_is_remembered_is_bounded(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many addresses ask, and with however many keys."""
    monkeypatch.setattr(keys, "_MAX_REMEMBERED", 3)
    for number in range(9):
        service.guess(2, f"192.0.2.{number}")
        service.ask(RIGHT, f"192.0.2.{number}")
    assert (len(service.limit._wrong), len(service.limit._worked)) == (3, 3)
