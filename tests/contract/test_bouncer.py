"""A real CrowdSec bouncer, Debian's crowdsec-custom-bouncer, reads our block list."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from models.accounts import Groups
from models.ledger import Ledger
from models.policy import Policy
from streams.local_kafka import free_port
from streams.serve import create_app, listen, server_of
from streams.settings import ApiKey
from streams.store import DecisionStore
from tests.block_service import KEY, LIMIT_S, Topics, block_service, spray, wait_for

BOUNCER = shutil.which("crowdsec-custom-bouncer")

pytestmark = [
    pytest.mark.bouncer,
    pytest.mark.skipif(BOUNCER is None, reason="crowdsec-custom-bouncer is not installed"),
]

#: Writes its arguments as one line, fields apart by tabs: add|del, value, seconds, scenario, decision as JSON.
HOOK = """#!/bin/sh
printf '%s\\t%s\\t%s\\t%s\\t%s\\n' "$@" >> "{calls}"
"""
CONFIG = """
bin_path: {hook}
feed_via_stdin: false
total_retries: 0
piddir: {folder}
update_frequency: 1s
cache_retention_duration: 1s
daemonize: false
log_mode: stdout
log_level: info
api_url: http://127.0.0.1:{port}/
api_key: {key}
scenarios_containing: []
scenarios_not_containing: []
origins: []
prometheus:
  enabled: false
"""


@contextmanager
def service(store: DecisionStore) -> Iterator[int]:
    """Our service on a free loopback port."""
    keys = [ApiKey(name="bouncer", sha256=sha256(KEY.encode()).hexdigest())]
    server = server_of(create_app(store, keys, time.time, lambda: True))
    with listen("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            wait_for(lambda: server.started, "the service to start")
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(LIMIT_S)


@contextmanager
def bouncer(folder: Path, port: int) -> Iterator[Callable[[], list[list[str]]]]:
    """The real bouncer; gives what its hook was called with so far."""
    calls, hook, config = folder / "calls", folder / "hook.sh", folder / "bouncer.yaml"
    hook.write_text(HOOK.format(calls=calls))
    hook.chmod(0o700)
    config.write_text(CONFIG.format(hook=hook, folder=folder, port=port, key=KEY))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(BOUNCER), "-c", str(config)], stdout=log, stderr=log, env={"PATH": os.environ["PATH"]})
        try:
            yield lambda: [line.split("\t") for line in calls.read_text().splitlines()] if calls.exists() else []
        finally:
            process.terminate()
            try:
                process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def test_bouncer_adds_and_removes(tmp_path: Path) -> None:
    """The bouncer adds an address and an IPv6 range, sees a later one, and removes the one that is lifted; a shadow one never."""
    ledger, now = Ledger(Policy.enforcing(), Groups()), time.time()
    store = DecisionStore(ledger.policy)

    def decide(book: Ledger, ip: str) -> str:
        (made,) = book.apply(spray(ip, now), now)
        store.put(made)
        return made.decision_id

    lifted_later = decide(ledger, "203.0.113.7")
    decide(ledger, "2001:db8:1:2::/64")
    decide(Ledger(Policy.default(), Groups()), "203.0.113.66")
    with service(store) as port, bouncer(tmp_path, port) as calls:
        wait_for(lambda: len(calls()) >= 2, f"two first decisions; the bouncer says {(tmp_path / 'log').read_text()}")
        decide(ledger, "203.0.113.8")
        wait_for(lambda: len(calls()) >= 3, "the later decision")
        for lifted in ledger.lift(lifted_later, time.time(), "test"):
            store.put(lifted)
        wait_for(lambda: len(calls()) >= 4, "the removal")

    seen = [(action, value, scenario) for action, value, _, scenario, _ in calls()]
    assert sorted(seen[:2]) == [("add", "2001:db8:1:2::/64", "password_spray"), ("add", "203.0.113.7", "password_spray")]
    assert seen[2:] == [("add", "203.0.113.8", "password_spray"), ("del", "203.0.113.7", "password_spray")]
    policy_s = ledger.policy.duration("password_spray", "ip")
    assert all(
        0.8 * policy_s - 60 <= int(seconds) <= 1.2 * policy_s + 60 for action, _, seconds, _, _ in calls() if action == "add"
    )
    first = msgspec.json.decode(calls()[0][4])
    assert first["origin"] == "crible"
    assert first["scope"] in {"Ip", "Range"}


@pytest.mark.kafka
def test_bouncer_follows_the_running_service(kafka_broker: str, topic_prefix: str, tmp_path: Path) -> None:
    """An alert on Kafka reaches the bouncer as an address to add, and its end as one to remove."""
    policy = """
version = "test-1"
[enforce]
kinds = ["password_spray"]
scopes = ["ip"]
[duration_s.password_spray]
ip = 5
"""
    channel = Topics(kafka_broker, topic_prefix)
    port = free_port()
    with block_service(channel.settings, tmp_path, port, policy) as running:
        wait_for(running.is_ready, f"readiness; it said {running.said()}")
        with bouncer(tmp_path, port) as calls:
            channel.send_alerts([spray("203.0.113.7", time.time())])
            wait_for(lambda: len(calls()) >= 2, f"an addition and a removal; the bouncer says {(tmp_path / 'log').read_text()}")
    channel.close()
    assert [call[:2] for call in calls()] == [["add", "203.0.113.7"], ["del", "203.0.113.7"]]
