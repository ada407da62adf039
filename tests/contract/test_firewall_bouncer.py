"""A real firewall bouncer, Debian's crowdsec-firewall-bouncer, drops what our list says, in a namespace of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from models.policy import Policy
from streams.serve import create_app, server_of
from streams.settings import ApiKey
from streams.store import AddressStore, DecisionStore
from tests.block_service import KEY, LIMIT_S, wait_for
from tests.enforcing import (
    ATTACKER,
    ATTACKER_6,
    CUSTOMER,
    IN_RANGE,
    RANGE,
    RANGE_6,
    Namespace,
    decision,
    lifted,
    need,
    running,
)

pytestmark = pytest.mark.bouncer

PORT, LAPI_PORT = 143, 8080
DROPPED_S = 0.5
SOURCES = (CUSTOMER, ATTACKER, IN_RANGE, ATTACKER_6)
CONFIG = """
mode: nftables
piddir: {folder}
update_frequency: 1s
daemonize: false
log_mode: stdout
log_level: info
api_url: http://127.0.0.1:{port}/
api_key: {key}
disable_ipv6: false
deny_action: DROP
deny_log: false
supported_decisions_types: [ban]
blacklists_ipv4: crowdsec-blacklists
blacklists_ipv6: crowdsec6-blacklists
nftables:
  ipv4: {{enabled: true, set-only: false, table: crowdsec, chain: crowdsec-chain}}
  ipv6: {{enabled: true, set-only: false, table: crowdsec6, chain: crowdsec6-chain}}
prometheus:
  enabled: false
"""


class Served:
    """Our list over HTTP inside a namespace, for a key that gets addresses only."""

    def __init__(self) -> None:
        self._stores = (DecisionStore(Policy.default()), AddressStore(Policy.default()))

    def put(self, *decisions: object) -> None:
        for each in decisions:
            for store in self._stores:
                store.put(each)  # type: ignore[arg-type]  # all are decisions

    @contextmanager
    def on(self, listening: socket.socket) -> Iterator[None]:
        """Serve."""
        keys = [ApiKey(name="fw", sha256=sha256(KEY.encode()).hexdigest(), addresses_only=True)]
        server = server_of(create_app(self._stores[0], keys, time.time, lambda: True, self._stores[1]))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            wait_for(lambda: server.started, "the service to start")
            yield
        finally:
            server.should_exit = True
            thread.join(LIMIT_S)


@contextmanager
def bouncing(namespace: Namespace, folder: Path, served: Served) -> Iterator[None]:
    """A mail server behind the bouncer, and the bouncer behind our list."""
    (folder / "bouncer.yaml").write_text(CONFIG.format(folder=folder, port=LAPI_PORT, key=KEY))
    command = namespace.command("crowdsec-firewall-bouncer", "-c", str(folder / "bouncer.yaml"))
    with ExitStack() as stack:
        stack.enter_context(namespace.mail_server(PORT))
        stack.enter_context(served.on(stack.enter_context(namespace.listen(LAPI_PORT, "127.0.0.1"))))
        stack.enter_context(running(command, folder / "log"))
        yield


def seen(namespace: Namespace) -> list[bool]:
    return [namespace.accepts(source, PORT, DROPPED_S) for source in SOURCES]


def test_a_block_acts_and_ends(namespace: Namespace, tmp_path: Path) -> None:
    """Addresses, and every address of a range, are dropped; what is lifted is accepted again; IPv6 never comes to it."""
    need("crowdsec-firewall-bouncer")
    served, held = Served(), decision(ATTACKER)
    served.put(held, decision(RANGE), decision(RANGE_6), decision("203.0.113.99", mode="shadow"))
    with bouncing(namespace, tmp_path, served):
        wait_for(lambda: seen(namespace) == [True, False, False, True], f"the blocks; it said {said(tmp_path)}")
        served.put(lifted(held, time.time()))
        wait_for(lambda: seen(namespace) == [True, True, False, True], f"the end; it said {said(tmp_path)}")


def test_an_extended_block_outlives_its_first_end(namespace: Namespace, tmp_path: Path) -> None:
    """The bouncer, which ignores what it already has, goes on refusing an address after the end that it was told first."""
    need("crowdsec-firewall-bouncer")
    served = Served()
    until = time.time() + 6
    held = decision(ATTACKER, start=1.0, until=until)
    later = decision(ATTACKER, start=1.0, until=until + 3600, decision_id=held.decision_id)
    served.put(held, decision(IN_RANGE, until=until))
    with bouncing(namespace, tmp_path, served):
        wait_for(lambda: seen(namespace) == [True, False, False, True], f"the blocks; it said {said(tmp_path)}")
        served.put(later)
        wait_for(lambda: namespace.accepts(IN_RANGE, PORT, DROPPED_S), f"the end; it said {said(tmp_path)}")
        wait_for(lambda: time.time() > until + 2, "two seconds after it")
        assert seen(namespace) == [True, False, True, True]


def said(folder: Path) -> str:
    """What the bouncer logged."""
    return (folder / "log").read_text()
