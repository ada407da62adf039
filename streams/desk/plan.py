"""``crible decisions plan``: what could be done about a campaign, and what each choice would cost, from past events."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from models.accounts import Groups
from models.errors import InputError
from models.evidence import Evidence
from models.pipeline import Pipeline
from models.plan import Plan, Point
from models.plan import plan as plan_of
from models.policy import Policy
from models.verdicts import Verdicts
from streams.cli import print_json, printable, standard_options
from streams.knowledge import load_groups, load_resolver
from streams.progress import progress
from streams.settings import Settings
from streams.sources import Sources
from streams.tables import number_column, table

__all__ = ["plan"]

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
#: Points of the curve that are printed, beside the one within the budget; all are in the JSON.
_SHOWN: Final = 6
#: Scopes of the plan that are printed, those that stop most.
_LISTED: Final = 10
_BAR: Final = 20


@click.command()
@click.argument("campaign_id", metavar="CAMPAIGN")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE…")
@click.option("--budget", type=click.IntRange(0), help="Customers that may be hit.  [default: the policy's, of a day]")
@click.option("--groups", type=_FILE, help="Groups of accounts (login,group).")
@click.option("--policy", type=_FILE, help="Policy (TOML); else the enforcing one.")
@standard_options
def plan(
    campaign_id: str,
    sources: tuple[str, ...],
    budget: int | None,
    groups: Path | None,
    policy: Path | None,
    settings: Settings,
    as_json: bool,
) -> None:
    """The narrowest blocks that stop CAMPAIGN (an id of an alert), and what more or less would cost.

    SOURCE is an NDJSON file, - for standard input, or kafka:TOPIC: events of the campaign and of some days before.
    """
    resolver = load_resolver(settings)
    members = Groups.load(groups, resolver.accounts) if groups else load_groups(settings, resolver)
    rules = Policy.load(policy) if policy else Policy.enforcing()
    evidence = Evidence()
    pipeline = Pipeline(resolver, members, settings.kafka.partitions, Verdicts(rules, members), evidence=evidence)
    for alert in pipeline.run(progress("replaying", iter(Sources(sources, settings)), unit="events")):
        evidence.note(alert)
    evidence.refused.update(verdict.event_id for verdict in pipeline.verdicts if verdict.event_id)
    if campaign_id not in evidence.campaigns:
        known = ", ".join(evidence.campaigns) or "none at all"
        raise InputError("no such campaign in these events", where=campaign_id, hint=f"there is {known}")
    attacks, log_ins = evidence.of(campaign_id)
    made = plan_of(attacks, log_ins, rules, members, rules.budget.day if budget is None else budget)
    if as_json:
        print_json(made)
    else:
        _show(made, Console())


def _show(made: Plan, console: Console) -> None:
    attack = f"{made.attempts:,} attempts on {made.accounts:,} accounts, {made.customers:,} customers"
    shown = table(f"{attack}. What each choice would have done:")
    number_column(shown, "customers hit")
    number_column(shown, "blocks")
    shown.add_column("attempts stopped")
    number_column(shown, "accounts protected")
    shown.add_column("")
    marked = [(point, "" if point.customers else "hits nobody") for point in _some(made.curve) if point != made.within_budget]
    marked.append((made.within_budget, f"the plan, within {made.budget:,} customers"))
    marked += [(made.cut_foreign, "cut foreign"), (made.cut_pop_imap, "cut POP+IMAP")]
    for point, mark in sorted(marked, key=lambda each: (each[0].customers, each[0].stopped)):
        _add(shown, point, mark, made)
    console.print(shown)
    scopes = Counter(cut.scope for cut in made.chosen)
    if scopes:
        console.print("the plan: " + ", ".join(f"{count:,} {scope}" for scope, count in scopes.most_common()))
    for cut in made.chosen[:_LISTED]:
        console.print(printable(f"  {cut.scope} {cut.value}: {cut.stopped:,} attempts, {cut.customers:,} customers"), markup=False)
    if len(made.chosen) > _LISTED:
        console.print(f"  and {len(made.chosen) - _LISTED:,} more, with --json")


def _add(shown: Table, point: Point, mark: str, made: Plan) -> None:
    share = point.stopped / made.attempts if made.attempts else 0.0
    groups = ", ".join(f"{count:,} of {group}" for group, count in point.by_group.items())
    note = "; ".join(filter(None, (mark, groups)))
    shown.add_row(
        f"{point.customers:,}",
        f"{point.scopes:,}",
        f"{'▇' * round(share * _BAR):<{_BAR}} {share:6.1%}",
        f"{point.accounts:,}",
        Text(printable(note)),
        style="bold" if mark.startswith("the plan") else None,
    )


def _some(curve: tuple[Point, ...]) -> list[Point]:
    """The first and last points, and some between them, evenly."""
    if len(curve) <= _SHOWN:
        return list(curve)
    return [curve[round(number * (len(curve) - 1) / (_SHOWN - 1))] for number in range(_SHOWN)]
