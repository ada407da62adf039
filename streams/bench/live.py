"""Kafka and Faust on two cores: how fast two workers drain ``auth.events``, and how soon one takes over from a dead one.

Broker and workers share the two cores. The counters are durable: each worker checkpoints as it does in production.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from time import time
from typing import Any, Final

import msgspec

from models.events import AuthEvent
from simulator import SCENARIOS, simulate
from streams import topics
from streams.bench.broker import Drained, Process, Processes, drain, load, wait_for
from streams.bench.machine import calibrate
from streams.local_kafka import free_port
from streams.settings import Settings

__all__ = ["LiveFigures", "TakeoverFigures", "measure", "recent_demo"]

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


class TakeoverFigures(msgspec.Struct, frozen=True):
    """One worker was killed: how long the group took to notice, then the other one to load ``keys`` addresses and accounts."""

    keys: int
    seconds: float
    detection_s: float
    calibration_ns: float
    target_s: float = _TARGET_S


def recent_demo(accounts: int) -> Iterator[AuthEvent]:
    """The demo scenario with so many accounts, moved by whole hours so that it ends in the last one."""
    plan = SCENARIOS["demo"]
    moved_s = (time() - plan.start_ts - plan.hours * _HOUR_S) // _HOUR_S * _HOUR_S
    for event, _ in simulate("demo", 1, accounts):
        event.ts += moved_s
        yield event


def measure(settings: Settings, events: Iterable[AuthEvent], keys: int, directory: Path) -> tuple[LiveFigures, TakeoverFigures]:
    """Drain ``events``, then make ``keys`` rows and kill one of the workers.

    Args:
        settings: The broker, and a prefix with topics.
        events: The load.
        keys: Rows for the takeover, over all partitions.
        directory: For log files.
    """
    load(settings, events)
    calibration_ns = calibrate()
    with Processes() as workers:
        workers += [_start(settings, directory / f"worker-{number}.log") for number in range(_WORKERS)]
        drained = _drain(settings, workers)
        live = LiveFigures(drained.events, drained.seconds, drained.events_per_s, drained.start_up_s, calibration_ns)
        load(settings, _strangers(keys // 2))
        _drain(settings, workers)
        return live, _take_over(workers)


def _drain(settings: Settings, workers: Iterable[Process]) -> Drained:
    names = [topics.topic(settings, name) for name in _INPUTS]
    return drain(settings, settings.kafka.prefix + settings.kafka.group, names, workers)


def _start(settings: Settings, log: Path) -> Process:
    own_port = msgspec.structs.replace(settings.worker, port=free_port())
    return Process(["streams", "worker"], msgspec.structs.replace(settings, worker=own_port), log)


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


def _take_over(workers: list[Process]) -> TakeoverFigures:
    dead, heir = workers
    known = len(heir.logged("partition.assigned")), len(heir.logged("state.loaded"))
    calibration_ns = calibrate()
    killed_ts = time()
    dead.kill()

    def new() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        return heir.logged("partition.assigned")[known[0] :], heir.logged("state.loaded")[known[1] :]

    def is_complete() -> bool:
        heir.check()
        assigned, loaded = new()
        return bool(assigned) and len(loaded) == len(assigned)

    wait_for(is_complete, "the other worker has taken over")
    assigned, loaded = new()
    assigned_ts = min(map(_ts, assigned))
    return TakeoverFigures(
        keys=sum(line["keys"] for line in loaded),
        seconds=round(max(map(_ts, loaded)) - assigned_ts, 2),
        detection_s=round(assigned_ts - killed_ts, 2),
        calibration_ns=calibration_ns,
    )


def _ts(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()
