"""``crible restore``: opens again, wave by wave, what a person cut widely; asks a service over HTTP."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Final

import click
from rich import box
from rich.console import Console
from rich.table import Table

from models.decisions import go_duration
from models.errors import CribleError, InputError
from models.reopening import WAVES, Reopening
from streams.cli import print_json, printable, standard_options
from streams.desk.client import DeskClient
from streams.desk.cuts import Opened
from streams.settings import Settings

__all__ = ["command", "waves_table"]

#: The leader looks twice a second; a new one needs some seconds to take over.
_CARRIED_OUT_S: Final = 15.0
_LOOK_AGAIN_S: Final = 0.25


@click.group()
def command() -> None:
    """Open again, wave by wave, what a person cut widely."""


@command.command()
@click.argument("decision_id", metavar="DECISION_ID")
@standard_options
def plan(decision_id: str, settings: Settings, as_json: bool) -> None:
    """How the decision would be opened again: its waves, how many accounts each has, and the steps that are left."""
    opened = _one(DeskClient(settings), decision_id)
    if as_json:
        print_json({"opened": opened, "steps": _steps(opened.reopening)})
        return
    _show(opened)
    for number, step in enumerate(_steps(opened.reopening), 1):
        click.echo(f"step {number}: {step}")
    ramp, steps = opened.reopening.ramp, len(_steps(opened.reopening))
    click.echo(f"each is watched for {go_duration(ramp.wait_s)}: {go_duration(steps * ramp.wait_s)} at least")


@command.command()
@click.argument("decision_id", metavar="[DECISION_ID]", required=False)
@standard_options
def status(decision_id: str | None, settings: Settings, as_json: bool) -> None:
    """How far what was cut has been opened again, what the gates see, and what the next step waits for."""
    reopened = DeskClient(settings).reopenings({} if decision_id is None else {"id": decision_id})
    if as_json:
        print_json(reopened)
        return
    for opened in reopened.reopenings:
        _show(opened)
    if not reopened.reopenings:
        click.echo("nothing is being opened again")


@command.command()
@click.argument("decision_id", metavar="DECISION_ID")
@click.option(
    "--wave", type=click.IntRange(1, len(WAVES)), help="Which wave: " + ", ".join(f"{n} {w}" for n, w in enumerate(WAVES, 1))
)
@click.option("--share", type=click.IntRange(0, 100), help="Percent of its accounts that are let in; 100 if not said.")
@click.option("--auto", is_flag=True, help="Go on by itself, step by step, as long as the gates let it.")
@click.option("--hold", is_flag=True, help="Do not go on by itself.")
@click.option("--reason", default="staged re-opening", help="For those who ask later; it is kept in auth.audit.")
@standard_options
def apply(
    decision_id: str, wave: int | None, share: int | None, auto: bool, hold: bool, reason: str, settings: Settings, as_json: bool
) -> None:
    """Let in a share of a wave, or have it go on by itself. The leader does it; this waits until it has.

    A gate that is violated afterwards takes the last step back, whoever took it.
    """
    if (wave is not None) + auto + hold != 1 or (share is not None and wave is None):
        raise InputError("one of --wave, --auto and --hold; --share goes with --wave", where="crible restore apply")
    step: dict[str, Any] = {"decision_id": decision_id}
    step |= {"automatic": auto} if wave is None else {"wave": wave, "share": 100 if share is None else share}
    client = DeskClient(settings)
    before = _one(client, decision_id).reopening
    client.reopen({"step": step, "reason": reason})
    opened = _carried_out(client, decision_id, before)
    if as_json:
        print_json(opened)
    else:
        _show(opened)


@command.command()
@click.argument("latency_ms", metavar="MS", type=click.IntRange(0))
@standard_options
def latency(latency_ms: int, settings: Settings, as_json: bool) -> None:
    """Say how long the servers behind take, in milliseconds, for the gate on it; by hand, or from what watches them."""
    ordered = DeskClient(settings).reopen({"latency_ms": latency_ms, "reason": "measured"})
    if as_json:
        print_json(ordered)


def waves_table(reopening: Reopening, accounts: tuple[int | None, ...]) -> Table:
    """The waves of a re-opening, as a person reads them."""
    table = Table("wave", "who", "accounts", "let in", box=box.SIMPLE_HEAD)
    groups = ", ".join(reopening.protected_groups) or "no group is protected"
    who = {
        "protected": f"protected groups ({groups})",
        "stable": "stable habits since before the attack",
        "password_changed": "password changed since it began",
        "rest": "everybody else",
    }
    for number, (wave, counted, share) in enumerate(zip(WAVES, accounts, reopening.shares, strict=True), 1):
        table.add_row(str(number), printable(who[wave]), "not counted" if counted is None else f"{counted:,}", f"{share} %")
    return table


def _one(client: DeskClient, decision_id: str) -> Opened:
    """The re-opening of one decision.

    Raises:
        InputError: There is none.
    """
    found = client.reopenings({"id": decision_id}).reopenings
    if not found:
        raise InputError(
            "nothing of this decision is being opened again",
            where=decision_id,
            hint="'crible restore status' shows what is; 'crible decisions lift' ends any other decision at once",
        )
    return found[0]


def _carried_out(client: DeskClient, decision_id: str, before: Reopening) -> Opened:
    """Wait until the leader has done what was ordered: its gates then count anew.

    Raises:
        CribleError: Nobody does it in time; the order stays on ``auth.control`` until somebody does.
    """
    deadline = time.monotonic() + _CARRIED_OUT_S
    while (opened := _one(client, decision_id)).reopening.ordered == before.ordered:
        if time.monotonic() > deadline:
            raise CribleError("ordered, not carried out yet", hint="it will be once a 'crible block' leads; see its crible_leader")
        time.sleep(_LOOK_AGAIN_S)
    return opened


def _steps(reopening: Reopening) -> list[str]:
    """What would be opened, one step after the other."""
    steps, at = [], reopening
    while (further := at.forward()) is not None:
        steps.append(further.difference(at))
        at = further
    return steps


def _show(opened: Opened) -> None:
    reopening, decision, ramp = opened.reopening, opened.decision, opened.reopening.ramp
    until = datetime.fromtimestamp(decision.end, UTC)
    click.echo(printable(f"{decision.decision_id}: {decision.scope} {decision.value} until {until:%Y-%m-%d %H:%M} UTC"))
    Console(soft_wrap=True).print(waves_table(reopening, opened.accounts))
    watched = {
        "accounts newly entered": f"{len(reopening.entered)} of {ramp.max_entered}",
        "tries that alerts name": f"{reopening.tries} of {ramp.max_tries}",
    }
    if ramp.max_latency_ms is not None:
        told = "not told" if reopening.latency_ms is None else f"{reopening.latency_ms} ms"
        watched["latency of the servers behind"] = f"{told}, {ramp.max_latency_ms} ms at most"
    for gate, seen in watched.items():
        click.echo(f"{gate}: {seen}")
    click.echo(f"next step: {_next(opened)}")


def _next(opened: Opened) -> str:
    reopening, further = opened.reopening, opened.reopening.forward()
    step = "the decision is lifted" if further is None else further.difference(reopening)
    if reopening.held is not None:
        return f"{step}, by order only: a gate took the last one back ({reopening.held})"
    if not reopening.automatic:
        return f"{step}, by order only ('crible restore apply')"
    return f"{step}, by itself" if opened.waits_for is None else f"{step}, by itself; waits for {opened.waits_for}"
