"""``crible bench``: the figures of the README, measured here and now, as JSON.

One module for each figure::

    ingest      Dovecot lines/s on one core, line to event, beside fail2ban and CrowdSec
    replay      events/s on one core, file to decisions
    live        events/s through Kafka and Faust on two cores, and a takeover
    ordinary    the same work by ordinary Faust agents, for comparison only
    memory      bytes per account and per address, and per profile in a gate
    gate        milliseconds until a log-in server has its answer

Two more: ``broker`` (the broker and the processes on it) and ``machine`` (what all figures depend on).
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import uuid4

import click
import msgspec

from streams import local_kafka
from streams.bench.broker import broker_of, fresh_topics
from streams.bench.gate import GateFigures, measure_gate
from streams.bench.ingest import IngestFigures, measure_ingest
from streams.bench.live import LiveFigures, OrdinaryFigures, TakeoverFigures, measure_live, measure_ordinary, measure_takeover
from streams.bench.machine import Machine, describe, on_cores
from streams.bench.memory import Key, MemoryFigures, measure_memory
from streams.bench.replay import ReplayFigures, measure_replay
from streams.cli import print_json, standard_options
from streams.settings import Kafka, Settings

__all__ = ["Figures", "command"]

_CORES: Final = 2


class _Sizes(msgspec.Struct, frozen=True):
    """How much is measured. Accounts are those of the demo scenario; keys are addresses and accounts.

    Live traffic is denser than replayed: a backlog of hours, thinly filled, would measure how workers wait for each other.
    """

    replay_accounts: int
    replay_hours: float
    replay_runs: int
    live_accounts: int
    ordinary_accounts: int
    live_hours: float
    takeover_keys: int
    memory_keys: int
    gate_seconds: float
    gate_profiles: int


_FULL: Final = _Sizes(16_000, 2.5, 3, 100_000, 2_000, 0.9, 1_000_000, 1_000_000, 10.0, 100_000)
_QUICK: Final = _Sizes(300, 0.9, 2, 300, 50, 0.9, 2_000, 5_000, 1.0, 2_000)


class Figures(msgspec.Struct, frozen=True):
    """Everything that was measured; what needs a broker is null where there is none, and ``no_broker`` says why."""

    machine: Machine
    ingest: IngestFigures
    replay: ReplayFigures
    memory: dict[Key, MemoryFigures]
    live: LiveFigures | None = None
    ordinary: OrdinaryFigures | None = None
    times_ordinary: float | None = None
    takeover: TakeoverFigures | None = None
    gate: GateFigures | None = None
    no_broker: str | None = None


@click.command()
@click.option("--quick", is_flag=True, help="Far too little of everything: shows that it works, not how fast.")
@standard_options
def command(quick: bool, settings: Settings, as_json: bool) -> None:
    """Measure speed and memory; prints JSON.

    Takes a quarter of an hour. Without kafka.bootstrap a broker is started for the time.
    """
    figures = _measure(settings, _QUICK if quick else _FULL)
    if as_json:
        print_json(figures)
    else:
        click.echo(msgspec.json.format(msgspec.json.encode(figures), indent=2))


def _measure(settings: Settings, sizes: _Sizes) -> Figures:
    given = settings.kafka.bootstrap != Kafka().bootstrap
    no_broker = None if given else local_kafka.unavailable()
    machine = describe(None if given or no_broker else local_kafka.version())
    _say(f"ingest, one core, {sizes.replay_accounts:,} accounts, {sizes.replay_runs} runs")
    ingested = measure_ingest(sizes.replay_accounts, sizes.replay_hours, sizes.replay_runs)
    _say(f"replay, one core, {sizes.replay_accounts:,} accounts, {sizes.replay_runs} runs")
    replayed = measure_replay(sizes.replay_accounts, sizes.replay_hours, sizes.replay_runs)
    _say(f"memory, {sizes.memory_keys:,} accounts, and as many addresses and profiles")
    grown = measure_memory(sizes.memory_keys)
    figures = Figures(machine, ingested, replayed, grown, no_broker=no_broker)
    return figures if no_broker else _with_broker(figures, settings, sizes)


def _with_broker(figures: Figures, settings: Settings, sizes: _Sizes) -> Figures:
    prefix = f"bench{uuid4().hex[:8]}."
    with TemporaryDirectory() as directory, on_cores(_CORES), broker_of(settings) as there:
        logs = Path(directory)
        with fresh_topics(there, f"{prefix}ordinary.") as ours:
            _say(f"ordinary Faust agents, two processes, {sizes.ordinary_accounts:,} accounts")
            ordinary = measure_ordinary(ours, sizes.ordinary_accounts, sizes.live_hours, logs)
        with fresh_topics(there, f"{prefix}live.") as ours:
            _say(f"live, two workers, {sizes.live_accounts:,} accounts")
            live = measure_live(ours, sizes.live_accounts, sizes.live_hours, logs)
            _say(f"takeover, {sizes.takeover_keys:,} keys more")
            takeover = measure_takeover(ours, sizes.takeover_keys, logs)
        with fresh_topics(there, f"{prefix}gate.") as ours:
            _say(f"gate, {sizes.gate_seconds:g} s at a steady rate, twice, {sizes.gate_profiles:,} profiles")
            gate = measure_gate(ours, sizes.gate_seconds, sizes.gate_profiles, logs)
    return msgspec.structs.replace(
        figures,
        live=live,
        ordinary=ordinary,
        times_ordinary=round(live.events_per_s / ordinary.events_per_s, 1),
        takeover=takeover,
        gate=gate,
    )


def _say(what: str) -> None:
    click.echo(what, err=True)
