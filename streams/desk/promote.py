"""``crible promote``: what decisions in shadow would have done, and the lines of the policy that enforce them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import get_args

import click
import msgspec

from models import decisions
from models.alerts import Kind
from models.decisions import Decision
from models.errors import CribleError, InputError
from models.policy import Policy, Scope
from models.promotion import Shadow, newly_enforced, shadow_of, with_pair
from streams import topics
from streams.cli import print_json, standard_options
from streams.compacted import CompactedReader, decoded
from streams.settings import Settings

__all__ = ["command"]


@click.command()
@click.option("--kind", type=click.Choice(get_args(Kind)), required=True, help="Of which alerts.")
@click.option("--scope", type=click.Choice(get_args(Scope)), required=True, help="On which scope.")
@click.option("--policy", "policy_file", type=click.Path(dir_okay=False, path_type=Path), help="block.policy if not said.")
@click.option(
    "--decisions",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Go by this file of a replay instead of auth.decisions; now is the last start in it.",
)
@standard_options
def command(kind: Kind, scope: Scope, policy_file: Path | None, file: Path | None, settings: Settings, as_json: bool) -> None:
    """Show what would have been done in shadow, and how to enforce it; refuse, with reasons, where less than 14 days are known."""
    path = policy_file or (Path(settings.block.policy) if settings.block.policy else None)
    policy = Policy.load(path) if path else Policy.default()
    pairs = newly_enforced(policy, kind, scope)
    if not pairs:
        raise InputError(f"{kind} on {scope} is enforced already", where=str(path or "the default policy"))
    known = list(_of_file(file) if file else _of_topic(settings))
    now = max((each.start for each in known), default=0.0) if file else time.time()
    shadows = [shadow_of(pair, known, policy, now) for pair in pairs]
    wanted = with_pair(policy.enforce, kind, scope)
    lines = ["[enforce]", f"kinds = {_toml(wanted.kinds)}", f"scopes = {_toml(wanted.scopes)}"]
    objections = [f"{each.kind} on {each.scope}: {objection}" for each in shadows for objection in each.objections]
    if as_json:
        print_json({"would_have_done": shadows, "policy": [] if objections else lines})
    else:
        for each in shadows:
            click.echo(_sentence(each))
    if objections:
        raise CribleError("; ".join(objections), where="not to be enforced yet")
    if not as_json:
        click.echo(f"\nTo enforce, write into {path or 'a policy'}, and start 'crible block' and 'crible gate' with it:\n")
        click.echo("\n".join(lines))


def _of_topic(settings: Settings) -> Iterator[Decision]:
    """What was decided: the newest state of each, up to 30 days after its end."""
    topics.verify(settings)
    newest: dict[bytes, Decision | None] = {}
    with closing(CompactedReader(settings, "auth.decisions")) as reader:
        while not reader.caught_up():
            for record in reader.poll():
                newest[record.key] = decoded(record, decisions.SCHEMA, Decision)
    return (decision for decision in newest.values() if decision is not None)


def _of_file(file: Path) -> Iterator[Decision]:
    newest: dict[str, Decision] = {}
    try:
        for line in file.read_bytes().splitlines():
            decision = msgspec.json.decode(line, type=Decision)
            newest[decision.decision_id] = decision
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(file)) from None
    except msgspec.DecodeError as error:
        raise InputError(f"not a decision: {error}", where=str(file), hint="give what a replay wrote to --decisions") from None
    for decision in newest.values():  # what a replay enforced would have been done
        yield msgspec.structs.replace(decision, mode="shadow") if decision.mode == "enforce" else decision


def _sentence(shadow: Shadow) -> str:
    return (
        f"{shadow.kind} on {shadow.scope}: {shadow.decisions} decisions in {shadow.days:.1f} days would have stopped"
        f" {shadow.attempts} attempts, and hit at most {shadow.customers} customers, {shadow.most} by the worst one"
    )


def _toml(names: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in sorted(names)) + "]"
