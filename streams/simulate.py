"""``crible simulate``: labelled traffic of a made-up mail provider, written to files (contract section 5).

With ``--closed-loop`` the stages and the ledger of the live service answer each attempt, and whoever is refused acts accordingly.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.console import Console

from models.accounts import AccountDirectory, Groups
from models.alerts import Alert
from models.attempts import Resolver
from models.closed_loop import ClosedLoop
from models.errors import InputError
from models.events import encode_event
from models.geo import Geo
from models.pipeline import Pipeline
from models.policy import Policy
from models.verdicts import Verdicts
from simulator import SCENARIOS, Marginals, encode_label, groups, simulate
from simulator.timeline import Step
from streams.cli import print_json, standard_options, uncollected
from streams.settings import Settings
from streams.tables import table

__all__ = ["command"]

_HOUR_S: Final = 3600.0
_PROGRESS_STEPS: Final = 200
_BUFFER_BYTES: Final = 1 << 20
_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_INPUT: Final = click.Path(exists=True, dir_okay=False, path_type=Path)

_encode: Final = msgspec.json.Encoder().encode


@click.command()
@click.argument("scenario", type=click.Choice(list(SCENARIOS)))
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="The same seed gives the same bytes.")
@click.option("--accounts", type=click.IntRange(min=1), help="Mailboxes of the provider.  [default: the scenario's]")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), help="Event time to cover.  [default: the scenario's]")
@click.option("--out", type=_FILE, required=True, help="Events, NDJSON.")
@click.option("--labels", type=_FILE, help="Who really made each event, NDJSON.")
@click.option("--groups", "groups_file", type=_FILE, help="Accounts in protected groups, CSV.")
@click.option("--closed-loop", is_flag=True, help="Detect and refuse while it plays: attackers and customers react.")
@click.option("--policy", type=_INPUT, help="Its policy (TOML); else the enforcing one.")
@click.option("--alerts", type=_FILE, help="Alerts of the closed loop, NDJSON.")
@click.option("--decisions", type=_FILE, help="Decisions of the closed loop, NDJSON.")
@click.option("--verdicts", type=_FILE, help="Verdicts of the closed loop, NDJSON.")
@standard_options
def command(
    scenario: str,
    seed: int,
    accounts: int | None,
    hours: float | None,
    out: Path,
    labels: Path | None,
    groups_file: Path | None,
    closed_loop: bool,
    policy: Path | None,
    alerts: Path | None,
    decisions: Path | None,
    verdicts: Path | None,
    settings: Settings,
    as_json: bool,
) -> None:
    """Write labelled log-in attempts of a made-up mail provider under attack."""
    if not closed_loop and (policy or alerts or decisions or verdicts):
        raise InputError("--policy, --alerts, --decisions and --verdicts are about the closed loop", hint="add --closed-loop")
    plan = SCENARIOS[scenario] if hours is None else SCENARIOS[scenario].over(hours)
    accounts, hours = accounts or plan.accounts, plan.hours
    marginals = Marginals(accounts, hours)
    with _said_in_one_line(), uncollected(), ExitStack() as opened:
        if groups_file:
            _write_groups(groups_file, accounts)
        write_event, write_label, write_alert, write_decision, write_verdict = (
            opened.enter_context(_ndjson(path)) for path in (out, labels, alerts, decisions, verdicts)
        )
        loop = _loop(accounts, policy, settings.kafka.partitions, write_alert) if closed_loop else None
        steps = simulate(scenario, seed, accounts, hours, refused=loop.refuses if loop else None)
        kinds: Counter[str] = Counter()
        refused: Counter[str] = Counter()
        for event, label in _with_progress(steps, plan.start_ts, hours):
            if loop:
                loop.saw(event)
                for verdict in loop.take_verdicts():
                    write_verdict(_encode(verdict))
            write_event(encode_event(event))
            write_label(encode_label(label))
            marginals.add(event, label)
            kinds[label.label] += 1
            refused[label.label] += event.policy_reject
        if loop:
            loop.finish()
            for decision in sorted(loop.ledger, key=lambda each: (each.start, each.decision_id)):
                write_decision(_encode(decision))
    if as_json:
        print_json(
            {
                "events": kinds.total(),
                "accounts": accounts,
                "hours": hours,
                "start": plan.start_ts,
                "judged_from": plan.judged_ts,
                "labels": kinds,
                "refused": refused,
                "marginals": list(marginals.rows()),
            }
        )
        return
    click.echo(f"{kinds.total():,} attempts on {accounts:,} accounts in {hours:g} h from {_date(plan.start_ts)}")
    if plan.start_ts < plan.judged_ts:
        click.echo(f"history until {_date(plan.judged_ts)}, judged from there")
    for kind, count in kinds.most_common():
        click.echo(f"  {kind:<20} {count:>12,}" + (f"  refused {refused[kind]:>12,}" if loop else ""))
    _show(marginals)


def _date(ts: float) -> str:
    return f"{datetime.fromtimestamp(ts, UTC):%Y-%m-%d %H:%M} UTC"


def _show(marginals: Marginals) -> None:
    """The figures beside published ones, for a person: not part of the result, so on stderr."""
    shown = table("Beside what is published about real log-ins")
    shown.add_column("")
    shown.add_column("here", justify="right", no_wrap=True)
    shown.add_column("published")
    for name, here, published in marginals.rows():
        shown.add_row(name, here, published or "")
    console = Console(stderr=True)
    console.print()
    console.print(shown)


def _loop(accounts: int, policy: Path | None, partitions: int, write_alert: Callable[[bytes], object]) -> ClosedLoop:
    """The detection and the decisions that answer the attempts."""
    resolver = Resolver(AccountDirectory(), Geo())
    members = Groups({resolver.accounts.resolve(login): [group] for login, group in groups(accounts)})
    rules = Policy.load(policy) if policy else Policy.enforcing()

    def write(alert: Alert) -> None:
        write_alert(_encode(alert))

    return ClosedLoop(Pipeline(resolver, members, partitions, Verdicts(rules, members)), rules, members, write)


def _with_progress(steps: Iterator[Step], start_ts: float, hours: float) -> Iterator[Step]:
    """The same steps, with a bar of the event time covered while they pass, if a person is looking."""
    length = int(hours * _HOUR_S)
    with click.progressbar(length=length, label="simulate", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        for event, label in steps:
            yield event, label
            if event.ts - start_ts >= bar.pos + length / _PROGRESS_STEPS:
                bar.update(int(event.ts - start_ts) - bar.pos)
        bar.update(length - bar.pos)


@contextmanager
def _ndjson(path: Path | None) -> Iterator[Callable[[bytes], object]]:
    """Writes one line at a time to ``path``, or nowhere."""
    if path is None:
        yield lambda _line: None
        return
    with path.open("wb", _BUFFER_BYTES) as file:
        yield lambda line: file.write(line + b"\n")


def _write_groups(path: Path, accounts: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
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
