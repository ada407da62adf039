"""Replay on one core: an NDJSON file through the code of ``crible replay``, up to the decisions."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Final

import msgspec

from models.accounts import AccountDirectory, Groups
from models.attempts import Resolver
from models.events import encode_event
from models.geo import Geo
from models.ledger import Ledger
from models.pipeline import Pipeline
from models.policy import Policy
from models.usage import UsageBook
from simulator import simulate
from streams.bench.machine import calibrate, on_cores
from streams.cli import uncollected
from streams.replay import Replay
from streams.settings import Settings
from streams.sources import Sources

__all__ = ["ReplayFigures", "measure_replay"]

_FLOOR: Final = 40_000


class ReplayFigures(msgspec.Struct, frozen=True):
    """Speed of the best run, and of the one in the middle; ``calibration_ns`` is that of the best."""

    events: int
    alerts: int
    decisions: int
    events_per_s: int
    median_events_per_s: int
    runs: list[int]
    calibration_ns: float
    floor_events_per_s: int = _FLOOR


def measure_replay(accounts: int, hours: float, runs: int) -> ReplayFigures:
    """Replay the demo scenario ``runs`` times."""
    with TemporaryDirectory() as directory, on_cores(1):
        path = Path(directory, "events.ndjson")
        with path.open("wb") as file:
            file.writelines(encode_event(event) + b"\n" for event, _ in simulate("demo", 1, accounts, hours))
        figures = [_run(path) for _ in range(runs)]
    speeds = [each.events_per_s for each in figures]
    best = max(figures, key=lambda each: each.events_per_s)
    return msgspec.structs.replace(best, median_events_per_s=round(median(speeds)), runs=speeds)


def _run(path: Path) -> ReplayFigures:
    calibration_ns = calibrate()
    usage = UsageBook(Groups())
    pipeline = Pipeline(Resolver(AccountDirectory(), Geo()), usage=usage)
    replay = Replay(pipeline, Ledger(Policy.enforcing(), Groups(), profiles=pipeline.profile, usage=usage.users))
    events = Sources((str(path),), Settings())
    started = monotonic()
    with uncollected():
        alerts = sum(1 for _ in replay.run(events))
    speed = round(events.read / (monotonic() - started))
    return ReplayFigures(events.read, alerts, len(replay.decisions), speed, speed, [speed], calibration_ns)
