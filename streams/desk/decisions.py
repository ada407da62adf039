"""``crible decisions``: what was decided, and orders to take it back; asks a service over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, get_args

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from models.alerts import Kind
from models.decisions import Decision, go_duration
from models.errors import CribleError
from models.policy import Scope
from streams.cli import print_json, printable, standard_options
from streams.desk.client import DeskClient
from streams.desk.plan import plan
from streams.settings import Settings

__all__ = ["command"]

#: The leader looks twice a second; a new one needs some seconds to take over.
_CARRIED_OUT_S: Final = 15.0
_LOOK_AGAIN_S: Final = 0.25


@click.group()
def command() -> None:
    """List what was decided; lift a decision, or all of a campaign; see what else could be done."""


@command.command("list")
@click.option("--kind", type=click.Choice(get_args(Kind)), help="Only about alerts of this kind.")
@click.option("--scope", type=click.Choice(get_args(Scope)), help="Only on this scope.")
@click.option("--value", help="Only on exactly this address, range, account, …")
@standard_options
def list_(kind: str | None, scope: str | None, value: str | None, settings: Settings, as_json: bool) -> None:
    """What holds, of every mode, the latest change first."""
    filters = {"kind": kind, "scope": scope, "value": value}
    listed = DeskClient(settings).decisions({name: asked for name, asked in filters.items() if asked is not None})
    if as_json:
        print_json(listed)
        return
    suspended = set(listed.suspended)
    table = Table("decision", "mode", "type", "scope", "value", "left", "customers", "why", box=box.SIMPLE_HEAD)
    for decision in listed.decisions:
        table.add_row(*(Text(printable(cell)) for cell in _row(decision, decision.decision_id in suspended)))
    Console(soft_wrap=True).print(table)
    click.echo(f"{len(listed.decisions)} of {listed.total} decisions")
    if listed.breaker is not None and listed.breaker.opened is not None:
        since = f"{datetime.fromtimestamp(listed.breaker.opened, UTC):%Y-%m-%d %H:%M:%S} UTC"
        click.echo(f"the breaker is open since {since}, nothing new is enforced: {printable(listed.breaker.reason)}")


@command.command()
@click.argument("decision_id", metavar="ID")
@click.option("--reason", required=True, help="For those who ask later; it is kept in auth.audit.")
@standard_options
def lift(decision_id: str, reason: str, settings: Settings, as_json: bool) -> None:
    """End the decision ID now. The leader does it; this waits until it has."""
    _order({"decision_id": decision_id, "reason": reason}, {"id": decision_id}, settings, as_json)


@command.command("undo-campaign")
@click.argument("campaign_id", metavar="ID")
@click.option("--reason", default="campaign undone", help="For those who ask later; it is kept in auth.audit.")
@standard_options
def undo_campaign(campaign_id: str, reason: str, settings: Settings, as_json: bool) -> None:
    """End now every decision about the campaign ID. The leader does it; this waits until it has.

    What is decided about the campaign afterwards holds.
    """
    _order({"campaign_id": campaign_id, "reason": reason}, {"campaign": campaign_id}, settings, as_json)


@command.command("close-breaker")
@click.option("--reason", required=True, help="For those who ask later; it is kept in auth.audit.")
@standard_options
def close_breaker(reason: str, settings: Settings, as_json: bool) -> None:
    """Let decisions be enforced again, after a look at why the breaker opened. The leader does it; this waits until it has.

    What was decided before counts no more against the budget; what went to shadow stays there until its next alert.
    """
    client = DeskClient(settings)
    client.order({"breaker": "close", "reason": reason})
    _await(lambda: client.decisions({}).breaker is None)
    if as_json:
        print_json({"breaker": "closed"})
    else:
        click.echo("the breaker is closed")


def _await(done: Callable[[], bool]) -> None:
    """Wait until an order has been carried out.

    Raises:
        CribleError: Nobody does it in time; it stays on ``auth.control`` until somebody does.
    """
    deadline = time.monotonic() + _CARRIED_OUT_S
    while not done():
        if time.monotonic() > deadline:
            raise CribleError("ordered, not carried out yet", hint="it will be once a 'crible block' leads; see its crible_leader")
        time.sleep(_LOOK_AGAIN_S)


def _order(order: Mapping[str, str], filters: Mapping[str, str], settings: Settings, as_json: bool) -> None:
    """Give an order, and wait until none of the decisions that it meant holds.

    Raises:
        CribleError: Nobody carries it out in time; it stays on ``auth.control`` until somebody does.
    """
    client = DeskClient(settings)
    meant = {decision.decision_id for decision in client.decisions(filters).decisions}
    number = client.order(order).meant
    _await(lambda: not meant & {decision.decision_id for decision in client.decisions(filters).decisions})
    if as_json:
        print_json({"lifted": number})
    else:
        click.echo(f"{number} {'decision' if number == 1 else 'decisions'} lifted")


command.add_command(plan)


def _row(decision: Decision, suspended: bool) -> tuple[str, ...]:
    customers = decision.impact.legit_accounts
    return (
        decision.decision_id,
        f"{decision.mode}, stopped" if suspended else decision.mode,
        decision.type,
        decision.scope,
        decision.value,
        go_duration(decision.until - datetime.now(UTC).timestamp()),
        "unknown" if customers is None else str(customers.estimate),
        decision.scenario,
    )
