"""Alerts to a syslog server, as RFC 5424 and RFC 6587 write them."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.alerts import Subject
from models.errors import InputError
from streams.alerts import syslog
from streams.alerts.syslog import SyslogSender, message
from streams.settings import Syslog
from tests.block_service import LIMIT_S, spray

TS = 1_795_488_143.25
ALERT = spray("203.0.113.7", TS)
HEADER = re.compile(rb"<83>1 2026-11-24T02:42:23\.250Z [!-~]+ crible - password_spray - ")


def to(server: socket.socket, scheme: str) -> SyslogSender:
    return SyslogSender(Syslog(url=f"{scheme}://127.0.0.1:{server.getsockname()[1]}"), "cef")


def counted(stream: Any) -> bytes:
    """The next message of a stream with octet counting."""
    length = b""
    while not length.endswith(b" "):
        length += stream.read(1)
    return bytes(stream.read(int(length)))


def test_the_message() -> None:
    """Facility, severity, time, host, program and kind, then the alert; each severity has its number."""
    text = message(ALERT, "text é")
    assert HEADER.match(text)
    assert text.endswith(" - text é".encode())
    numbers = {
        severity: int(message(msgspec.structs.replace(ALERT, severity=severity), "")[1:3])
        for severity in ("low", "medium", "high", "critical")
    }
    assert {severity: number - 80 for severity, number in numbers.items()} == {"low": 5, "medium": 4, "high": 3, "critical": 2}


def test_over_udp() -> None:
    """One datagram an alert, in the asked format."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(LIMIT_S)
        sender = to(server, "udp")
        assert sender.send(ALERT, threading.Event())
        assert sender.send(ALERT, threading.Event())
        for _ in range(2):
            assert re.match(HEADER.pattern + rb"CEF:0\|Crible\|", server.recv(65536))
        sender.close()


def test_over_tcp_with_counted_octets() -> None:
    """Messages follow each other on one connection, each with its length before it, whatever is in it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = to(server, "tcp")
        nasty = msgspec.structs.replace(ALERT, subject=Subject(account="a\n<1>1 - - - é"))
        for each in (ALERT, nasty):
            assert sender.send(each, threading.Event())
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as stream:
            first, second = counted(stream), counted(stream)
        assert HEADER.match(first)
        assert b"\n" not in second
        assert "é".encode() in second
        sender.close()


def test_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over TLS the server's certificate is checked: it gets the alert if it is trusted, and nothing otherwise."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    monkeypatch.setattr(syslog, "_FIRST_PAUSE_S", 0.01)
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x"]
    subprocess.run(
        [*new, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    stop, received = threading.Event(), list[bytes]()

    def serve(server: socket.socket) -> None:
        while not received:
            connection, _ = server.accept()
            with (
                connection,
                suppress(OSError),
                context.wrap_socket(connection, server_side=True) as secure,
                secure.makefile("rb") as stream,
            ):
                received.append(counted(stream))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        sender = to(server, "tls")
        threading.Timer(0.3, stop.set).start()
        assert not sender.send(ALERT, stop)
        assert received == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert sender.send(ALERT, threading.Event())
        thread.join(LIMIT_S)
        sender.close()
    assert HEADER.match(received[0])


def test_a_server_that_hung_up_is_called_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a restart of the server the next alert arrives there, over a new connection."""
    monkeypatch.setattr(syslog, "_FIRST_PAUSE_S", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = to(server, "tcp")
        for _ in range(2):
            assert sender.send(ALERT, threading.Event())
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as stream:
                assert HEADER.match(counted(stream))
        sender.close()


def test_waits_for_a_server_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens: it is tried until the process ends."""
    monkeypatch.setattr(syslog, "_FIRST_PAUSE_S", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        sender = to(gone, "tcp")
    stop, done = threading.Event(), list[bool]()
    thread = threading.Thread(target=lambda: done.append(sender.send(ALERT, stop)))
    thread.start()
    stop.set()
    thread.join(LIMIT_S)
    assert done == [False]


@pytest.mark.parametrize("url", ["127.0.0.1:514", "http://127.0.0.1", "tls://", ""])
def test_a_bad_address_ends_the_start(url: str) -> None:
    """What is no address of a syslog server is refused with an example."""
    with pytest.raises(InputError, match="is no address of a syslog server; write tls://host:6514"):
        SyslogSender(Syslog(url=url), "cef")
