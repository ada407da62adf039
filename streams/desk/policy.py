"""``crible policy``: which policy is in force, and putting another one in force while the services run; asks them over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from models.applied_policy import differences, policy_hash, toml_of
from models.errors import CribleError, InputError
from models.policy import Policy
from streams.cli import confirm, print_json, printable, standard_options
from streams.desk.client import DeskClient
from streams.desk.decisions import wait
from streams.desk.policies import InForce
from streams.settings import Settings

__all__ = ["command", "put_in_force"]


@click.group()
def command() -> None:
    """Show which policy is in force, or put another one in force without a restart."""


@command.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--reason", required=True, help="For those who ask later; it is kept in auth.audit.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@standard_options
def apply(file: Path, reason: str, yes: bool, settings: Settings, as_json: bool) -> None:
    """Put the policy in FILE (TOML) in force at every service and gate, after showing what changes; wait until the leader has.

    From then on it holds over restarts too, whatever file a service is started with. What was decided before stays as it is,
    each decision until its next alert or its end.
    """
    policy, client = Policy.load(file), DeskClient(settings)
    try:
        policy_hash(policy)
    except ValueError as error:
        raise InputError(str(error), where=str(file)) from None
    in_force = client.policy()
    changes = differences(in_force.policy, policy)
    if not changes:
        raise InputError("nothing changes: this policy is in force already", where=str(file))
    if not yes:
        for line in changes:
            click.echo(printable(line), err=True)
        confirm("Put this policy in force?")
    put_in_force(client, in_force, policy, reason)
    if as_json:
        print_json({"policy": policy.version, "policy_hash": policy_hash(policy), "changes": changes})
    else:
        click.echo(printable(f"{policy.version} is in force"))


@command.command()
@standard_options
def show(settings: Settings, as_json: bool) -> None:
    """The policy in force as TOML, who put it in force and why, and by which each service and gate goes."""
    client = DeskClient(settings)
    in_force, everywhere = client.policy(), client.policies()
    said = {url: {"error": str(each)} if isinstance(each, CribleError) else each for url, each in everywhere.items()}
    if as_json:
        print_json({"in_force": in_force, "services": said})
        return
    if in_force.ts is None:
        click.echo("# from the service's file; nobody has put another one in force")
    else:
        since = f"{datetime.fromtimestamp(in_force.ts, UTC):%Y-%m-%d %H:%M:%S} UTC"
        click.echo(printable(f"# in force since {since}, by {in_force.by}: {in_force.reason}"))
    for url, each in everywhere.items():
        if isinstance(each, CribleError):
            click.echo(f"# {printable(str(each))}")
        else:
            same = "" if each.policy_hash == in_force.hash else ", another policy"
            click.echo(printable(f"# {url}: {each.policy}, from {each.policy_from}{same}"))
    click.echo(toml_of(in_force.policy), nl=False)


def put_in_force(client: DeskClient, in_force: InForce, policy: Policy, reason: str) -> None:
    """Order ``policy`` in place of what is in force, and return when the leader has carried that out.

    Raises:
        CribleError: A service refuses it, or nobody carries it out in time.
    """
    replaces = "" if in_force.ts is None else in_force.hash
    ordered = client.apply_policy({"policy": msgspec.to_builtins(policy), "reason": reason, "replaces": replaces})
    wait(lambda: client.policy().hash == ordered.hash)
