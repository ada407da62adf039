"""What tests of enforcement share: made-up decisions, and a network namespace in which real programs refuse real connections.

The namespace has nothing but its own loopback, which carries the documentation addresses below, so nothing that a program
or a rule does there reaches the machine's own network, firewall or services.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import uuid4

import msgspec
import pytest

from models.decisions import Decision
from models.policy import Policy
from streams.enforcement.feeder import Feeder
from streams.store import DecisionStore
from tests.block_service import LIMIT_S
from tests.factories import ban

__all__ = [
    "ATTACKER",
    "ATTACKER_6",
    "CUSTOMER",
    "IN_RANGE",
    "RANGE",
    "RANGE_6",
    "SERVER",
    "SERVER_6",
    "Namespace",
    "decision",
    "feeder_of",
    "lifted",
    "need",
    "running",
]

SERVER, SERVER_6 = "192.0.2.1", "2001:db8::1"
CUSTOMER: Final = "192.0.2.10"
ATTACKER: Final = "203.0.113.7"
RANGE, IN_RANGE = "198.51.100.0/24", "198.51.100.9"
RANGE_6, ATTACKER_6 = "2001:db8:1:2::/64", "2001:db8:1:2::5"
BANNER: Final = b"* OK ready\r\n"
_CLONE_NEWNET: Final = 0x40000000

Result = TypeVar("Result")


def decision(value: str = ATTACKER, start: float = 0.0, until: float | None = None, **changes: Any) -> Decision:
    """An enforced ban on an address or range, from ``start`` for an hour unless ``until`` says otherwise."""
    until = until if until is not None else (start or time.time()) + 3600
    return ban(value, start, until, **changes)


def lifted(held: Decision, at: float) -> Decision:
    """``held`` as it is after a person lifted it."""
    return msgspec.structs.replace(held, lifted=at, lifted_by="person")


def feeder_of(point: Any) -> tuple[Feeder, DecisionStore]:
    """A feeder that a test steps by itself, and what it reads."""
    store, ready = DecisionStore(Policy.default()), threading.Event()
    ready.set()
    return Feeder(point, store, time.time, ready), store


def need(*programs: str) -> None:
    """Skip the test where a program is missing or this is not root; fail instead where CI says that all is there."""
    missing = [program for program in programs if shutil.which(program) is None]
    reason = f"{', '.join(missing)} not installed" if missing else "a network namespace needs root" if os.geteuid() else ""
    if reason and os.environ.get("CRIBLE_REQUIRE_KAFKA") == "1":
        pytest.fail(f"CRIBLE_REQUIRE_KAFKA=1, and {reason}", pytrace=False)
    if reason:
        pytest.skip(reason)


@contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program with its output in ``log``; it is ended, by force if it must be, on leaving."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Namespace:
    """A network of its own on this machine."""

    name: str

    @classmethod
    @contextmanager
    def made(cls) -> Iterator[Namespace]:
        """A namespace with the addresses of this module, gone on leaving."""
        name = f"crible-{uuid4().hex[:8]}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        try:
            made = cls(name)
            made.run("ip", "link", "set", "lo", "up")
            for address in (SERVER, CUSTOMER, ATTACKER, IN_RANGE):
                made.run("ip", "address", "add", f"{address}/32", "dev", "lo")
            for address in (SERVER_6, ATTACKER_6):
                made.run("ip", "address", "add", f"{address}/128", "dev", "lo", "nodad")
            yield made
        finally:
            subprocess.run(["ip", "netns", "delete", name], check=True)

    def command(self, *command: str) -> list[str]:
        """``command`` as it is run inside; it keeps its own process id."""
        return ["ip", "netns", "exec", self.name, *command]

    def run(self, *command: str) -> str:
        """What a command that ends says inside."""
        return subprocess.run(self.command(*command), check=True, capture_output=True, text=True).stdout

    def inside(self, work: Callable[[], Result]) -> Result:
        """What ``work`` returns in a thread inside; sockets that it makes stay there."""

        def entered() -> Result:
            descriptor = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
            try:
                libc = ctypes.CDLL(None, use_errno=True)
                assert libc.setns(descriptor, _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            finally:
                os.close(descriptor)
            return work()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(entered).result()

    def listen(self, port: int, host: str = SERVER) -> socket.socket:
        """A listening socket inside."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return self.inside(lambda: socket.create_server((host, port), family=family))

    def said(self, source: str, port: int, send: bytes = b"", limit_s: float = 5.0) -> bytes | None:
        """What the server at ``port`` says first to a client at ``source``; ``None`` where it refuses or says nothing in time."""
        host = SERVER_6 if ":" in source else SERVER

        def ask() -> bytes | None:
            try:
                with socket.create_connection((host, port), timeout=limit_s, source_address=(source, 0)) as connection:
                    connection.sendall(send)
                    return connection.recv(4096) or None
            except OSError:
                return None

        return self.inside(ask)

    def accepts(self, source: str, port: int, limit_s: float = 5.0) -> bool:
        """Whether a mail server at ``port`` greets a client at ``source``."""
        return self.said(source, port, limit_s=limit_s) == BANNER

    @contextmanager
    def mail_server(self, port: int) -> Iterator[None]:
        """Something that greets whoever comes to ``port``, over IPv4 and IPv6."""
        with closing(self.listen(port)) as over_4, closing(self.listen(port, SERVER_6)) as over_6:
            for listening in (over_4, over_6):
                threading.Thread(target=_greet, args=(listening,), daemon=True).start()
            yield
            for listening in (over_4, over_6):
                listening.shutdown(socket.SHUT_RDWR)


def _greet(listening: socket.socket) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection:
            connection.sendall(BANNER)
