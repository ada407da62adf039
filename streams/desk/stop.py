"""``crible stop``: suspends enforcement by HTTP at every service; needs no Kafka."""

from __future__ import annotations

from typing import get_args

import click

from models.alerts import Kind
from models.errors import CribleError, InputError
from models.policy import Scope
from models.stops import MAX_REASON
from streams.cli import print_json, standard_options
from streams.desk.client import DeskClient
from streams.desk.kill_switch import Stopped
from streams.settings import Settings

__all__ = ["command", "show"]


@click.command()
@click.option("--all", "everything", is_flag=True, help="Everything; so it is where neither kind nor scope is named.")
@click.option("--kind", type=click.Choice(get_args(Kind)), help="What was decided about alerts of this kind.")
@click.option("--scope", type=click.Choice(get_args(Scope)), help="What was decided on this scope.")
@click.option("--reason", required=True, help="For those who ask later.")
@standard_options
def command(everything: bool, kind: str | None, scope: str | None, reason: str, settings: Settings, as_json: bool) -> None:
    """Suspend enforcement at every service (desk.services) within 15 s; nothing is lifted, 'crible resume' takes it up again."""
    if everything + (kind is not None) + (scope is not None) > 1:
        raise InputError("one of --all, --kind and --scope", where="crible stop", hint="stop twice to stop two things")
    if not 0 < len(reason) <= MAX_REASON:
        raise InputError(f"1 to {MAX_REASON} characters", where="--reason")
    named = {"kind": kind, "scope": scope}
    show(DeskClient(settings).stop({"reason": reason} | {name: value for name, value in named.items() if value}), as_json)


def show(answers: dict[str, Stopped | CribleError], as_json: bool) -> None:
    """Print what each service answered to a stop or a resumption.

    Raises:
        CribleError: Not all have done it, or one would forget it.
    """
    if as_json:
        print_json({url: {"error": str(said)} if isinstance(said, CribleError) else said for url, said in answers.items()})
    for url, said in answers.items():
        if isinstance(said, Stopped) and not as_json:
            click.echo(f"{url}: stopped: {', '.join(said.stopped)}" if said.stopped else f"{url}: nothing is stopped")
    failed = [said for said in answers.values() if isinstance(said, CribleError)]
    forgetful = [url for url, said in answers.items() if isinstance(said, Stopped) and not said.kept]
    if failed:
        raise CribleError("; ".join(map(str, failed)), hint="the others have done it" if len(failed) < len(answers) else None)
    if forgetful:
        raise CribleError("done, but a restart will not know it", where=", ".join(forgetful), hint="let it write block.stops")
