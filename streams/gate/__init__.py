"""``crible gate``: the service that log-in servers talk to; what it is told becomes events, and it says whom to let in.

    Dovecot, weakforced's clients -> app -> answers -> spool -> drain -> auth.events, auth.account-changes, auth.control
                                              ^ standing <- auth.decisions, auth.control, auth.profiles
                                                  \\-> reports -> auth.control

One module for each step: ``app`` (HTTP), ``answers`` (the commands), ``spool`` (on disk until Kafka has it), ``drain`` (to Kafka),
``standing`` (whom to refuse), ``reports`` (whom verdicts refused). Nothing is kept but the spool, so several gates may run, each
with its own.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from models.addresses import Proxies
from models.policy import Policy
from streams import telemetry
from streams.cli import standard_options
from streams.desk.kill_switch import KillSwitch
from streams.gate.answers import Answers
from streams.gate.app import App, Stopping, keep_note
from streams.gate.drain import Drain
from streams.gate.reports import Reports
from streams.gate.spool import Spool, Writer
from streams.gate.standing import Follower, Standing
from streams.keys import LimitWrongKeys
from streams.knowledge import load_groups, load_resolver
from streams.serve import UNENCRYPTED, is_loopback, listen, server_of
from streams.settings import Settings

__all__ = ["command", "run"]

#: Below the 1,024 open files that a process usually may have; Dovecot opens up to 100.
_MAX_CONNECTIONS: Final = 900
_JOIN_LIMIT_S: Final = 10
#: Longest that a log-in waits while another thread computes: reading Kafka takes milliseconds at a time.
_SWITCH_S: Final = 0.0005
#: What ``crible stop`` stopped here; in the folder of the spool.
_STOPS: Final = "stops.json"


def run(settings: Settings, policy: Policy, clock: Callable[[], float] = time.time) -> None:
    """Serve until a signal comes; call from the main thread. Needs no broker to start.

    Raises:
        InputError: The spool, the certificate or the groups file cannot be used.
        CribleError: The port is taken.
    """
    gate, stop = settings.gate, threading.Event()
    with listen(gate.host, gate.port, "gate") as listening, Spool(Path(gate.spool), gate.spool_bytes) as spool:
        resolver = load_resolver(settings)
        standing = Standing(policy, load_groups(settings, resolver))
        proxies = Proxies(settings.ingest.trusted_proxies)
        writer = Writer(spool)
        answers = Answers(resolver, proxies, standing, writer.append, clock)
        follower = Follower(settings, standing, clock)
        switch = KillSwitch(Path(gate.spool) / _STOPS, [standing.stop], lambda note: keep_note(note, writer.append_from_thread))
        app = App(
            answers,
            gate.api_keys,
            lambda: standing.is_ready,
            lambda: telemetry.SPOOL_BYTES.set(spool.waiting_bytes),
            Stopping(switch, clock),
            lambda: follower.policy.described,
        )
        server = server_of(LimitWrongKeys(app, "gate"), _MAX_CONNECTIONS, gate.tls)
        following = threading.Thread(target=follower.run, args=(stop,), name="standing", daemon=True)
        reporting = threading.Thread(target=Reports(settings, standing).run, args=(stop,), name="reports", daemon=True)
        draining = threading.Thread(target=Drain(settings, spool).run, args=(stop,), name="drain", daemon=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())  # uvicorn takes the signal and raises it again at its end
        sys.setswitchinterval(_SWITCH_S)
        for thread in (following, reporting, draining):
            thread.start()
        server.run(sockets=[listening])
        stop.set()
        draining.join(_JOIN_LIMIT_S)
        reporting.join(_JOIN_LIMIT_S)
    telemetry.info("service.stopped", service="gate")


@click.command()
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Whose never-block set holds, and whether there are verdicts (TOML); block.policy if not said.",
)
@standard_options
def command(policy_file: Path | None, settings: Settings, as_json: bool) -> None:
    """Answer log-in servers (Dovecot, clients of weakforced) and turn what they report into events."""
    file = policy_file or (Path(settings.block.policy) if settings.block.policy else None)
    policy = Policy.load(file) if file else Policy.default()
    telemetry.info("config.loaded", name="policy", version=policy.version)
    if not settings.gate.api_keys:
        telemetry.warning("config.loaded", name="gate.api_keys", reason="no key is set: every request will be refused")
    if settings.gate.tls is None and not is_loopback(settings.gate.host):
        telemetry.warning("config.loaded", name="gate.tls", reason=UNENCRYPTED)
    run(settings, policy)
