"""The machine under the figures, and how fast it is at the moment.

A figure is worth little without the machine, and on a shared one little without its load: each figure comes with the time of a
fixed loop, measured just before. Two figures compare as events/s times nanoseconds of the loop.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import process_time

import msgspec

__all__ = ["Machine", "calibrate", "describe", "on_cores"]

_TURNS = 1_000_000
_RUNS = 5
_NS_PER_S = 1e9


class Machine(msgspec.Struct, frozen=True):
    """``load`` is the load average of the last minute when the bench began."""

    cpu: str
    cores: int
    memory_bytes: int
    system: str
    python: str
    kafka: str | None
    load: float


def describe(kafka: str | None) -> Machine:
    """This machine; ``kafka`` is the broker's version."""
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        system=platform.platform(),
        python=platform.python_version(),
        kafka=kafka,
        load=round(os.getloadavg()[0], 2),
    )


def calibrate() -> float:
    """Nanoseconds of processor time for one turn of a fixed loop, the best of some runs."""
    best_s = float("inf")
    for _ in range(_RUNS):
        started, total = process_time(), 0
        for turn in range(_TURNS):
            total += turn & 7
        best_s = min(best_s, process_time() - started)
    return round(best_s / _TURNS * _NS_PER_S, 1)


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Keep this process, and those that it starts, on the first ``count`` cores; not everywhere can that be asked for."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _cpu() -> str:
    with suppress(OSError):
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
        if found:
            return found[1]
    return platform.processor() or platform.machine()
