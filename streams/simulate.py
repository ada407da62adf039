"""``crible simulate``: labelled traffic of a made-up mail provider, written to files (contract section 5)."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from models.errors import InputError
from models.events import encode_event
from simulator import SCENARIOS, encode_label, groups, simulate
from simulator.timeline import Step
from streams.cli import print_json, standard_options
from streams.settings import Settings

__all__ = ["command"]

_HOUR_S: Final = 3600.0
_PROGRESS_STEPS: Final = 200
_FILE: Final = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("scenario", type=click.Choice(list(SCENARIOS)))
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="The same seed gives the same bytes.")
@click.option("--accounts", type=click.IntRange(min=1), help="Mailboxes of the provider.  [default: the scenario's]")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), help="Event time to cover.  [default: the scenario's]")
@click.option("--out", type=_FILE, required=True, help="Events, NDJSON.")
@click.option("--labels", type=_FILE, help="Who really made each event, NDJSON.")
@click.option("--groups", "groups_file", type=_FILE, help="Accounts in protected groups, CSV.")
@standard_options
def command(
    scenario: str,
    seed: int,
    accounts: int | None,
    hours: float | None,
    out: Path,
    labels: Path | None,
    groups_file: Path | None,
    settings: Settings,
    as_json: bool,
) -> None:
    """Write labelled log-in attempts of a made-up mail provider under attack."""
    plan = SCENARIOS[scenario]
    accounts, hours = accounts or plan.accounts, hours or plan.hours
    if groups_file:
        _write_groups(groups_file, accounts)
    steps = simulate(scenario, seed, accounts, hours)
    counts = _write_steps(_with_progress(steps, plan.start_ts, hours), out, labels)
    if as_json:
        print_json({"events": counts.total(), "accounts": accounts, "hours": hours, "labels": dict(counts)})
        return
    start = datetime.fromtimestamp(plan.start_ts, UTC)
    click.echo(f"{counts.total():,} attempts on {accounts:,} accounts in {hours:g} h from {start:%Y-%m-%d %H:%M} UTC")
    for label, count in counts.most_common():
        click.echo(f"  {label:<20} {count:>12,}")


def _with_progress(steps: Iterator[Step], start_ts: float, hours: float) -> Iterator[Step]:
    """The same steps, with a bar of the event time covered while they pass, if a person is looking."""
    length = int(hours * _HOUR_S)
    with click.progressbar(length=length, label="simulate", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        for event, label in steps:
            yield event, label
            if event.ts - start_ts >= bar.pos + length / _PROGRESS_STEPS:
                bar.update(int(event.ts - start_ts) - bar.pos)
        bar.update(length - bar.pos)


def _write_steps(steps: Iterator[Step], out: Path, labels: Path | None) -> Counter[str]:
    """Write events and labels side by side; how many events have which label."""
    counts: Counter[str] = Counter()
    with _said_in_one_line(), out.open("wb") as events_file, labels.open("wb") if labels else nullcontext() as labels_file:
        for event, label in steps:
            events_file.write(encode_event(event) + b"\n")
            if labels_file:
                labels_file.write(encode_label(label) + b"\n")
            counts[label.label] += 1
    return counts


def _write_groups(path: Path, accounts: int) -> None:
    with _said_in_one_line(), path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("login", "group"))
        writer.writerows(groups(accounts))


@contextmanager
def _said_in_one_line() -> Iterator[None]:
    """Turn a failure to write into an error for people."""
    try:
        yield
    except OSError as error:
        hint = "name a file in a folder that exists and has room"
        raise InputError(error.strerror or "cannot write", where=error.filename, hint=hint) from error
