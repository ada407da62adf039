"""Connections that say nothing, or too much, are closed; a service answers others meanwhile."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from models.errors import InputError
from streams import connections
from streams.serve import bounded_body, listen, server_of
from streams.settings import Tls
from tests.certificates import certificate

LIMIT_S = 20.0


async def _length(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await bounded_body(request))))


@contextmanager
def serving(max_connections: int = 100, tls: Tls | None = None) -> Iterator[int]:
    """A service on the loopback that says how long a body is; its port."""
    server = server_of(Starlette(routes=[Route("/", _length, methods=["GET", "POST"])]), max_connections, tls)
    with listen("127.0.0.1", 0) as listening, ThreadPoolExecutor(1) as threads:
        running = threads.submit(server.run, [listening])
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            running.result(LIMIT_S)


def is_closed(client: socket.socket) -> bool:
    """Whether the service hangs up within the limit, without an answer."""
    client.settimeout(LIMIT_S)
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nX: ", b"\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"])
def test_a_request_has_to_come_in_time(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that says nothing, or half of something, is closed."""
    monkeypatch.setattr(connections, "_REQUEST_LIMIT_S", 0.2)
    with serving() as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(said)
        assert is_closed(client)


def test_a_connection_that_was_used_is_closed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an answer, empty lines do not keep it open."""
    monkeypatch.setattr(connections, "_REQUEST_LIMIT_S", 0.2)
    with serving() as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        client.settimeout(LIMIT_S)
        answer = b""
        while not answer.endswith(b"\r\n\r\n0"):
            answer += client.recv(1000)
        client.sendall(b"\r\n")
        assert is_closed(client)


@pytest.mark.parametrize(
    ("begins", "endless"),
    [
        (b"GET /", b"x" * 1000),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n" * 200),
        (b"GET / HTTP/1.1\r\nX: ", b"y" * 1000),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 20_000),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"z" * 100_000),
    ],
)
def test_a_request_without_end_is_cut_off(begins: bytes, endless: bytes) -> None:
    """In its address, its headers, the headers after its body, or the body: the service keeps a few megabytes at most."""
    sent, deadline = 0, monotonic() + LIMIT_S
    with serving() as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(begins)
        with suppress(ConnectionError):
            while monotonic() < deadline:
                client.sendall(endless)
                sent += len(endless)
    assert monotonic() < deadline, f"{sent} bytes were taken"
    assert sent < 20 << 20  # beyond what is kept, some was on its way


def test_a_long_body_is_taken() -> None:
    """A mebibyte, in pieces, and a head of some kilobytes; then another on the same connection."""
    with serving() as port, httpx.Client(headers={"X": "y" * 8000}) as client:
        for _ in range(2):
            assert client.post(f"http://127.0.0.1:{port}/", content=b"x" * (1 << 20)).text == str(1 << 20)


def test_connections_beyond_the_limit_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """They would use up the files that the process may open."""
    monkeypatch.setattr(connections, "_TOLD", 0)
    with serving(max_connections=2) as port:
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        assert is_closed(clients[-1])
        for client in clients:
            client.close()


# -- TLS ---------------------------------------------------------------------------------------------------------------


def test_a_service_with_a_certificate_speaks_https_alone(tmp_path: Path) -> None:
    """To who trusts the certificate, from TLS 1.2 on, and to nobody in the clear."""
    tls = certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=tls.certificate)
    with serving(tls=tls) as port:
        assert httpx.get(f"https://127.0.0.1:{port}/", verify=trusting).text == "0"
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"https://127.0.0.1:{port}/")
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"http://127.0.0.1:{port}/")
    assert tls.context().minimum_version >= ssl.TLSVersion.TLSv1_2


def test_files_that_are_no_certificate_are_named(tmp_path: Path) -> None:
    """Missing, of another pair, or with a pass phrase, for which nobody is asked."""
    one, other = certificate(tmp_path, "one"), certificate(tmp_path, "other")
    for wrong in (Tls(certificate=one.certificate, key=other.key), Tls(certificate=str(tmp_path / "none"), key=one.key)):
        with pytest.raises(InputError, match=r"cannot be used for TLS: .*; give a certificate and its key"):
            wrong.context()
