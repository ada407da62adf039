"""nginx answers 403 to what is blocked, and serves it again after the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.errors import CribleError
from streams.enforcement.nginx import NginxPoint
from streams.settings import Nginx
from tests.block_service import wait_for
from tests.enforcing import (
    ATTACKER,
    ATTACKER_6,
    CUSTOMER,
    IN_RANGE,
    RANGE,
    RANGE_6,
    Namespace,
    decision,
    feeder_of,
    lifted,
    need,
    running,
)

PORT = 80
EXAMPLE = Path(__file__).resolve().parents[3] / "deploy/nginx/crible.conf"
SOURCES = (CUSTOMER, ATTACKER, IN_RANGE, ATTACKER_6)
REST = """
pid {folder}/pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    include {folder}/crible.conf;
}}
"""


def settings(folder: Path) -> Nginx:
    return Nginx(file=str(folder / "crible.geo"), reload=("nginx", "-p", str(folder), "-c", "nginx.conf", "-s", "reload"))


@contextmanager
def nginx(namespace: Namespace, folder: Path) -> Iterator[None]:
    """nginx with the project's example of a configuration."""
    text = EXAMPLE.read_text()
    assert "/etc/nginx/crible.geo" in text
    text = text.replace("/etc/nginx/crible.geo", settings(folder).file).replace("proxy_pass http://127.0.0.1:8000", "return 200")
    (folder / "crible.conf").write_text(text)
    (folder / "nginx.conf").write_text(REST.format(folder=folder))
    options = ("-p", str(folder), "-c", "nginx.conf", "-e", str(folder / "log"), "-g", "daemon off;")
    with running(namespace.command("nginx", *options), folder / "log"):
        wait_for(lambda: code(namespace, CUSTOMER) == 200, f"nginx; it said {(folder / 'log').read_text()}")
        yield


def code(namespace: Namespace, source: str) -> int | None:
    """The status that nginx answers with."""
    answer = namespace.said(source, PORT, b"GET / HTTP/1.0\r\n\r\n")
    return int(answer.split()[1]) if answer else None


def codes(namespace: Namespace) -> list[int | None]:
    return [code(namespace, source) for source in SOURCES]


def test_a_block_acts_and_ends(namespace: Namespace, tmp_path: Path) -> None:
    """After the reload addresses and ranges of both versions get 403, and 200 again after the next one."""
    need("nginx")
    feeder, store = feeder_of(NginxPoint(settings(tmp_path)))
    Path(settings(tmp_path).file).touch()
    with nginx(namespace, tmp_path):
        feeder.step()
        assert codes(namespace) == [200, 200, 200, 200]
        held = decision(ATTACKER)
        for each in (held, decision(RANGE), decision(RANGE_6)):
            store.put(each)
        feeder.step()
        wait_for(lambda: codes(namespace) == [200, 403, 403, 403], "the block")
        store.put(lifted(held, time.time()))
        feeder.step()
        wait_for(lambda: codes(namespace) == [200, 200, 403, 403], "the end")


def test_reloads_only_after_changes(tmp_path: Path) -> None:
    """What did not change is not read again; a failed reload is tried again."""
    calls = tmp_path / "calls"
    point = NginxPoint(Nginx(file=str(tmp_path / "geo"), reload=("sh", "-c", f"echo x >> {calls}; test -e {tmp_path}/up")))
    with pytest.raises(CribleError, match=r"^sh: ended with 1: "):
        point.apply([decision(ATTACKER, until=2e9)], time.time())
    (tmp_path / "up").touch()
    for _ in range(3):
        point.apply([decision(ATTACKER, until=2e9)], time.time())
    assert calls.read_text() == "x\nx\n"
    assert (tmp_path / "geo").read_text().splitlines()[1:] == ["# until 2000000000", f"{ATTACKER} 1;"]
