"""``crible replay``: past events through the code that runs live, alerts and decisions into files.

This is how a team tries a change or a policy on last week's traffic. Nothing here depends on the clock: repeated, the files are
byte-identical.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import IO, Final

import click
import msgspec
from rich.console import Console

from models.accounts import Groups
from models.alerts import KINDS, Alert
from models.changes import AccountChange
from models.decisions import Decision
from models.events import AuthEvent
from models.ledger import Ledger
from models.pipeline import Pipeline
from models.policy import Policy
from models.usage import UsageBook
from models.verdict_budget import VerdictBudget
from models.verdicts import Verdict, Verdicts
from streams.changes import past_changes
from streams.cli import Time, print_json, standard_options, uncollected
from streams.knowledge import load_groups, load_resolver
from streams.lines import create
from streams.progress import progress
from streams.settings import Geo, Settings
from streams.sources import Sources
from streams.tables import number_column, printable, table

__all__ = ["Replay", "command"]

_encode: Final = msgspec.json.Encoder().encode


class Replay:
    """Alerts, decisions and verdicts of past events.

    Args:
        pipeline: All stages.
        ledger: Turns alerts into decisions; what it does is timed by the alerts themselves.
    """

    def __init__(self, pipeline: Pipeline, ledger: Ledger) -> None:
        self.pipeline, self.ledger = pipeline, ledger
        self.decisions: dict[str, Decision] = {}
        self._budget, self._verdicts = VerdictBudget(ledger), list[Verdict]()

    def run(self, events: Iterable[AuthEvent], changes: Iterable[AccountChange] = ()) -> Iterator[Alert]:
        """Yields each alert once its decisions are in ``decisions``; ``changes`` of accounts are in order of time."""
        for alert in self.pipeline.run(events, changes):
            self._count_verdicts(alert.ts)
            self._take(self.ledger.apply(alert, alert.ts))
            yield alert
        self._count_verdicts(inf)

    def take_verdicts(self) -> list[Verdict]:
        """The verdicts since the last call, those that the breaker let stand."""
        taken, self._verdicts = self._verdicts, []
        return taken

    def _count_verdicts(self, until: float) -> None:
        """Let verdicts stand, or not, in order of time with the alerts."""
        judged = self.pipeline.verdicts
        number = next((number for number, verdict in enumerate(judged) if verdict.ts > until), len(judged))
        for verdict in judged[:number]:
            if self._budget.stands(verdict.ts):
                self._verdicts.append(verdict)
                self._take(self._budget.count(verdict))
        del judged[:number]

    def _take(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            self.decisions[decision.decision_id] = decision


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE…")
@click.option("--alerts", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Write the alerts here (NDJSON).")
@click.option(
    "--decisions", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Write the decisions here (NDJSON)."
)
@click.option("--verdicts", type=click.Path(dir_okay=False, path_type=Path), help="Write the verdicts here (NDJSON).")
@click.option(
    "--account-changes",
    "changes_source",
    metavar="SOURCE",
    help="What happened to accounts: NDJSON as POST /v1/account-changes takes it, or kafka:TOPIC.",
)
@click.option("--groups", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Groups of accounts (login,group).")
@click.option(
    "--policy", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Policy (TOML); else the enforcing one."
)
@click.option("--geo", type=click.Path(dir_okay=False, path_type=Path), multiple=True, help="MaxMind DB file; may be repeated.")
@click.option("--since", type=Time(), help="Leave out events before this time.")
@click.option("--until", type=Time(), help="Leave out events from this time on.")
@click.option("--partitions", type=click.IntRange(1, 1024), help="Emulated partitions; else kafka.partitions.")
@standard_options
def command(
    sources: tuple[str, ...],
    alerts: Path,
    decisions: Path,
    verdicts: Path | None,
    changes_source: str | None,
    groups: Path | None,
    policy: Path | None,
    geo: tuple[Path, ...],
    since: float | None,
    until: float | None,
    partitions: int | None,
    settings: Settings,
    as_json: bool,
) -> None:
    """Run past events through the detection.

    SOURCE is an NDJSON file, - for standard input, or kafka:TOPIC.
    """
    if geo:
        settings = msgspec.structs.replace(settings, geo=Geo(database=[str(path) for path in geo]))
    resolver = load_resolver(settings)
    known_groups = Groups.load(groups, resolver.accounts) if groups else load_groups(settings, resolver)
    rules = Policy.load(policy) if policy else Policy.enforcing()
    judge = Verdicts(rules, known_groups)
    usage = UsageBook(known_groups)
    pipeline = Pipeline(resolver, known_groups, partitions or settings.kafka.partitions, judge, usage)
    replay = Replay(pipeline, Ledger(rules, known_groups, profiles=pipeline.profile, usage=usage.users))
    events = Sources(sources, settings, since, until)
    changes = past_changes(changes_source, settings, resolver.accounts) if changes_source else []
    changes = [change for change in changes if (since or 0.0) <= change.ts < (until or inf)]
    kinds: Counter[str] = Counter()
    cold: Counter[str] = Counter()
    refused = 0
    with ExitStack() as files:
        alerts_file, decisions_file = (files.enter_context(create(path, sources)) for path in (alerts, decisions))
        if not events.from_topics:
            files.enter_context(uncollected())
        verdicts_file = files.enter_context(create(verdicts, sources)) if verdicts else None
        for alert in replay.run(progress("replaying", iter(events), unit="events"), changes):
            kinds[alert.kind] += 1
            cold[alert.kind] += alert.cold
            alerts_file.write(_encode(alert) + b"\n")
            refused += _write_verdicts(verdicts_file, replay.take_verdicts())
        refused += _write_verdicts(verdicts_file, replay.take_verdicts())
        _write_decisions(decisions_file, replay.decisions)
    _report(events, kinds, cold, replay, refused, as_json=as_json)


def _write_decisions(file: IO[bytes], decisions: dict[str, Decision]) -> None:
    for decision in sorted(decisions.values(), key=lambda each: (each.start, each.decision_id)):
        file.write(_encode(decision) + b"\n")


def _write_verdicts(file: IO[bytes] | None, verdicts: list[Verdict]) -> int:
    if file is not None:
        file.writelines(_encode(verdict) + b"\n" for verdict in verdicts)
    return len(verdicts)


def _report(events: Sources, kinds: Counter[str], cold: Counter[str], replay: Replay, refused: int, *, as_json: bool) -> None:
    modes = Counter(decision.mode for decision in replay.decisions.values())
    breaker = replay.ledger.breaker
    if as_json:
        print_json(
            {
                "events": events.read,
                "refused": events.refused,
                "alerts": kinds,
                "cold": cold,
                "decisions": modes,
                "verdicts": refused,
                "breaker": None if breaker.opened is None else breaker,
            }
        )
        return
    console = Console()
    alerts = table(f"{events.read:,} events")
    alerts.add_column("alert")
    alerts.add_column("what it is")
    number_column(alerts, "alerts")
    number_column(alerts, "of them cold")
    for kind, known in KINDS.items():
        if kinds[kind]:
            alerts.add_row(kind, known.title, f"{kinds[kind]:,}", f"{cold[kind]:,}" if cold[kind] else "")
    console.print(alerts)
    console.print("decisions: " + (", ".join(f"{count:,} {mode}" for mode, count in sorted(modes.items())) or "none"))
    console.print(f"attempts refused by a verdict: {refused:,}")
    if breaker.opened is not None:
        since = f"{datetime.fromtimestamp(breaker.opened, UTC):%Y-%m-%d %H:%M:%S} UTC"
        console.print(f"the breaker opened at {since}, nothing new was enforced after it: {breaker.reason}")
    if events.refused:
        first = printable(f"refused: {sum(events.refused.values()):,} events; the first: {events.first_refused}")
        console.print(first)
