"""Kafka and Faust on two cores: how fast two workers drain ``auth.events``, and how soon one takes over from a dead one.

Broker and workers share the two cores. The counters are durable: each worker checkpoints as it does in production.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from time import time
from typing import Any, Final

import msgspec

from models.events import AuthEvent
from simulator import SCENARIOS, simulate
from streams import topics
from streams.bench.broker import Process, Processes, drain, load, wait_for
from streams.bench.machine import calibrate
from streams.bench.ordinary import APP
from streams.local_kafka import free_port
from streams.settings import Settings

__all__ = ["LiveFigures", "OrdinaryFigures", "TakeoverFigures", "measure_live", "measure_ordinary", "measure_takeover"]

_WORKERS: Final = 2
_FLOOR: Final = 20_000
_TARGET_S: Final = 20.0
_HOUR_S: Final = 3600.0
_INPUTS: Final = ("auth.events", "auth.by-account", "auth.pulse")


class LiveFigures(msgspec.Struct, frozen=True):
    """Events drained by two workers, durable and with their alerts written; ``start_up_s`` is not in the speed."""

    events: int
    seconds: float
    events_per_s: int
    start_up_s: float
    calibration_ns: float
    floor_events_per_s: int = _FLOOR


class OrdinaryFigures(msgspec.Struct, frozen=True):
    """The same by two processes of ordinary Faust agents: a table per stage, one record at a time."""

    events: int
    seconds: float
    events_per_s: int
    start_up_s: float
    calibration_ns: float


class TakeoverFigures(msgspec.Struct, frozen=True):
    """A worker was killed and another one started.

    ``detection_s``: until the group had noticed and the other one had its partitions. ``seconds``: from then until it had loaded
    all ``keys`` addresses and accounts.
    """

    keys: int
    seconds: float
    detection_s: float
    calibration_ns: float
    target_s: float = _TARGET_S


def measure_live(settings: Settings, accounts: int, hours: float, directory: Path) -> LiveFigures:
    """Drain the demo scenario with two workers.

    Args:
        settings: The broker, and a prefix with topics.
        accounts: Of the scenario.
        hours: Of the scenario.
        directory: For log files.
    """
    load(settings, _recent_demo(accounts, hours))
    calibration_ns = calibrate()
    with Processes() as workers:
        workers += [_worker(settings, directory) for _ in range(_WORKERS)]
        drained = drain(settings, _group(settings), _inputs(settings), workers)
    return LiveFigures(drained.events, drained.seconds, drained.events_per_s, drained.start_up_s, calibration_ns)


def measure_ordinary(settings: Settings, accounts: int, hours: float, directory: Path) -> OrdinaryFigures:
    """Drain the demo scenario with two processes of :mod:`streams.bench.ordinary`; arguments as :func:`measure_live`."""
    load(settings, _recent_demo(accounts, hours))
    calibration_ns = calibrate()
    with Processes() as agents:
        agents += [Process("from streams.bench.ordinary import main; main()", settings, directory) for _ in range(_WORKERS)]
        drained = drain(settings, settings.kafka.prefix + APP, _inputs(settings), agents)
    return OrdinaryFigures(drained.events, drained.seconds, drained.events_per_s, drained.start_up_s, calibration_ns)


def measure_takeover(settings: Settings, keys: int, directory: Path) -> TakeoverFigures:
    """Let one worker learn ``keys`` addresses and accounts, kill it, and start another one; arguments as :func:`measure_live`."""
    load(settings, _strangers(keys // 2))
    with Processes() as workers:
        first = _worker(settings, directory)
        workers.append(first)
        drain(settings, _group(settings), _inputs(settings), workers)
        calibration_ns = calibrate()
        killed_ts = time()
        first.kill()
        workers[:] = [_worker(settings, directory)]
        assigned, loaded = _recovery(workers[0])
    assigned_ts = min(map(_ts, assigned))
    return TakeoverFigures(
        keys=sum(line["keys"] for line in loaded),
        seconds=round(max(map(_ts, loaded)) - assigned_ts, 2),
        detection_s=round(assigned_ts - killed_ts, 2),
        calibration_ns=calibration_ns,
    )


def _recovery(heir: Process) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The lines in which a worker says that it got partitions, and that it has loaded them."""
    found: list[list[dict[str, Any]]] = [[], []]

    def is_complete() -> bool:
        heir.check()
        found[:] = heir.logged("partition.assigned"), heir.logged("state.loaded")
        return bool(found[0]) and len(found[0]) == len(found[1])

    wait_for(is_complete, "another worker has taken over")
    return found[0], found[1]


def _worker(settings: Settings, directory: Path) -> Process:
    own_port = msgspec.structs.replace(settings.worker, port=free_port())
    return Process("from streams.cli import main; main(['worker'])", msgspec.structs.replace(settings, worker=own_port), directory)


def _recent_demo(accounts: int, hours: float) -> Iterator[AuthEvent]:
    """The demo scenario, moved by whole hours so that it ends in the last one."""
    moved_s = (time() - SCENARIOS["demo"].start_ts - hours * _HOUR_S) // _HOUR_S * _HOUR_S
    for event, _ in simulate("demo", 1, accounts, hours):
        event.ts += moved_s
        yield event


def _strangers(count: int) -> Iterator[AuthEvent]:
    """As many accounts, each from an address of its own: two rows an event."""
    now = time()
    for number in range(count):
        yield AuthEvent(
            ts=now - 60.0 + 60.0 * number / count,
            login=f"stranger{number:07}@mail.example",
            remote=f"{11 + (number >> 24)}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
            success=True,
            protocol="imap",
            mech="PLAIN",
            device_id=f"mail program {number % 50}",
            country="FR",
            asn=64_512 + number % 30,
            event_id=f"stranger{number:07}",
        )


def _group(settings: Settings) -> str:
    return settings.kafka.prefix + settings.kafka.group


def _inputs(settings: Settings) -> list[str]:
    return [topics.topic(settings, name) for name in _INPUTS]


def _ts(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()
