"""HAProxy refuses what is blocked, by its socket and by its file, and lets it through again when the block ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.errors import CribleError
from streams.enforcement.haproxy import HaProxyPoint
from streams.settings import HaProxy
from tests.block_service import wait_for
from tests.enforcing import (
    ATTACKER,
    ATTACKER_6,
    CUSTOMER,
    IN_RANGE,
    RANGE,
    RANGE_6,
    SERVER,
    Namespace,
    decision,
    feeder_of,
    lifted,
    need,
    running,
)

PORT, BACKEND = 143, 1143
EXAMPLE = Path(__file__).resolve().parents[3] / "deploy/haproxy/haproxy.cfg"


def settings(folder: Path) -> HaProxy:
    return HaProxy(file=str(folder / "crible.map"), socket=str(folder / "admin.sock"))


@contextmanager
def haproxy(namespace: Namespace, folder: Path) -> Iterator[None]:
    """HAProxy in front of a mail server, with the project's example of a configuration."""
    text = EXAMPLE.read_text()
    for example, here in {
        "/etc/haproxy/crible.map": settings(folder).file,
        "/run/haproxy/admin.sock": settings(folder).socket,
        "group haproxy ": "",
        "127.0.0.1:10143 send-proxy-v2": f"{SERVER}:{BACKEND}",
    }.items():
        assert example in text
        text = text.replace(example, here)
    (folder / "haproxy.cfg").write_text(text)
    command = namespace.command("haproxy", "-db", "-f", str(folder / "haproxy.cfg"))
    with namespace.mail_server(BACKEND), running(command, folder / "log"):
        wait_for(lambda: namespace.accepts(CUSTOMER, PORT), f"HAProxy; it said {(folder / 'log').read_text()}")
        yield


def test_a_block_acts_and_ends_over_the_socket(namespace: Namespace, tmp_path: Path) -> None:
    """Addresses and ranges of both versions are refused from one connection to the next, and accepted again once lifted."""
    need("haproxy")
    feeder, store = feeder_of(HaProxyPoint(settings(tmp_path)))
    Path(settings(tmp_path).file).touch()
    with haproxy(namespace, tmp_path):
        feeder.step()
        assert namespace.accepts(ATTACKER, PORT)
        held = decision(ATTACKER)
        for each in (held, decision(RANGE), decision(RANGE_6)):
            store.put(each)
        feeder.step()
        sources = (CUSTOMER, ATTACKER, IN_RANGE, ATTACKER_6)
        assert [namespace.accepts(source, PORT) for source in sources] == [True, False, False, False]
        store.put(lifted(held, time.time()))
        feeder.step()
        assert [namespace.accepts(source, PORT) for source in sources] == [True, True, False, False]


def test_the_file_lapses_by_itself(namespace: Namespace, tmp_path: Path) -> None:
    """HAProxy that starts from the file refuses too, and lets an address through at its end though the writer is dead."""
    need("haproxy")
    feeder, store = feeder_of(HaProxyPoint(settings(tmp_path)))
    until = time.time() + 5
    store.put(decision(ATTACKER, until=until))
    store.put(decision(RANGE))
    feeder.step()  # fails at the socket: HAProxy does not run yet, but the file is there
    with haproxy(namespace, tmp_path):
        assert [namespace.accepts(source, PORT) for source in (ATTACKER, IN_RANGE)] == [False, False]
        wait_for(lambda: namespace.accepts(ATTACKER, PORT), "the end")
        assert until - 2 < time.time()
        assert not namespace.accepts(IN_RANGE, PORT)


def test_a_large_map_goes_in_pieces(namespace: Namespace, tmp_path: Path) -> None:
    """Three thousand addresses, many times HAProxy's buffer, are taken as one version."""
    need("haproxy")
    feeder, store = feeder_of(HaProxyPoint(settings(tmp_path)))
    Path(settings(tmp_path).file).touch()
    with haproxy(namespace, tmp_path):
        for number in range(3000):
            store.put(decision(f"11.{number // 256}.{number % 256}.1"))
        store.put(decision(ATTACKER))
        feeder.step()
        assert not namespace.accepts(ATTACKER, PORT)
        assert namespace.accepts(CUSTOMER, PORT)
    assert len(Path(settings(tmp_path).file).read_text().splitlines()) == 3001


def test_an_absent_haproxy_is_told_later(tmp_path: Path) -> None:
    """Without HAProxy the file is written all the same, and the error names the socket."""
    point = HaProxyPoint(settings(tmp_path))
    for _ in range(2):
        with pytest.raises(CribleError, match=r"admin\.sock: HAProxy does not answer"):
            point.apply([decision(ATTACKER, until=2e9)], time.time())
    assert Path(settings(tmp_path).file).read_text() == f"{ATTACKER} 2000000000\n"


def test_a_longer_range_hides_the_shorter_block_inside(tmp_path: Path) -> None:
    """HAProxy goes by the longest match: an address that ends before its range must not open the range."""
    point = HaProxyPoint(settings(tmp_path))
    with pytest.raises(CribleError):
        point.apply([decision(RANGE, until=3e9), decision(IN_RANGE, until=2e9), decision(ATTACKER, until=2e9)], time.time())
    assert Path(settings(tmp_path).file).read_text() == f"{RANGE} 3000000000\n{ATTACKER} 2000000000\n"
