"""``make judge``: ingest and gate against all that they are judged by: log lines of others, and speed; 1 if anything is missed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple
from uuid import uuid4

import click

from streams import local_kafka
from streams.bench.broker import broker_of, fresh_topics
from streams.bench.gate import measure_gate
from streams.bench.ingest import measure_ingest
from streams.bench.machine import on_cores
from streams.settings import Settings
from tests import truth

#: As ``make bench`` measures.
_ACCOUNTS: Final = 16_000
_HOURS: Final = 2.5
_RUNS: Final = 3
_GATE_S: Final = 10.0
_PROFILES: Final = 100_000
_CORES: Final = 2


class Figure(NamedTuple):
    """One line of the table; ``wanted`` is None where it is for comparison only."""

    what: str
    measured: str
    wanted: str = ""
    is_met: bool | None = None


def ingest() -> Iterator[Figure]:
    """Lines of Dovecot per second and core, beside what others do with the same file."""
    found = measure_ingest(_ACCOUNTS, _HOURS, _RUNS)
    floor = found.floor_lines_per_s
    yield Figure("Dovecot's lines to AuthEvents", f"{found.lines_per_s:,}/s", f">= {floor:,}/s", found.lines_per_s >= floor)
    yield Figure("the same log-ins as JSON", f"{found.json_lines_per_s:,}/s")
    for name, speed in (("fail2ban-regex", found.fail2ban_lines_per_s), ("CrowdSec", found.crowdsec_lines_per_s)):
        yield Figure(f"{name}, the same lines", "not installed" if speed is None else f"{speed:,}/s")


def gate() -> Iterator[Figure]:
    """Milliseconds until a log-in server has its answer."""
    if reason := local_kafka.unavailable():
        yield Figure("gate: allow, p99", f"not measured: {reason}", is_met=False)
        return
    with (
        TemporaryDirectory() as directory,
        on_cores(_CORES),
        broker_of(Settings()) as there,
        fresh_topics(there, f"judge{uuid4().hex[:8]}.") as ours,
    ):
        found = measure_gate(ours, _GATE_S, _PROFILES, Path(directory))
    allow, beside, target_ms = found.allow, found.with_reports, found.target_p99_ms
    yield Figure(f"gate: allow, p99 at {allow.per_s:,}/s", f"{allow.p99_ms} ms", f"<= {target_ms} ms", allow.p99_ms <= target_ms)
    yield Figure(f"the same beside {found.reports_per_s:,} reports/s", f"{beside.p99_ms} ms")


def main() -> int:
    """Print the tables of :mod:`tests.truth`, then speed."""
    failed = truth.main()
    is_missed = False
    for title, figures in (("one core", ingest), ("two cores, with the broker", gate)):
        click.secho(f"\nspeed, {title}", bold=True)
        for what, measured, wanted, is_met in figures():
            verdict = {True: "met", False: "MISSED", None: ""}[is_met]
            click.secho(f"  {what:42}{measured:>14}  {wanted:14}{verdict}", fg="red" if is_met is False else None)
            is_missed |= is_met is False
    return failed or int(is_missed)


if __name__ == "__main__":
    sys.exit(main())
