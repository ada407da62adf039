"""``crible promote``: what decisions or verdicts in shadow would have done, and the share that the policy is to enforce next."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from json import dumps
from pathlib import Path
from typing import TypeVar, get_args

import click
import msgspec

from models import decisions
from models.alerts import Kind
from models.decisions import Decision
from models.errors import CribleError, InputError
from models.policy import Enforce, Policy, Scope
from models.promotion import Shadow, next_share, shadow_of, shadow_of_verdicts, with_share
from models.refused import SCHEMA as REFUSED_SCHEMA
from models.refused import SHADOW_PREFIX, RefusedSlot
from models.verdicts import SUBJECT
from streams import topics
from streams.cli import confirm, print_json, printable, standard_options
from streams.compacted import CompactedReader, Record, decoded
from streams.desk.client import DeskClient
from streams.desk.policy import put_in_force
from streams.settings import Settings

__all__ = ["command"]

Value = TypeVar("Value", Decision, RefusedSlot)


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
@click.option("--apply", "reason", metavar="REASON", help="Put the next share in force, in the services' policy.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@standard_options
def command(
    kind: Kind,
    scope: Scope,
    policy_file: Path | None,
    file: Path | None,
    reason: str | None,
    yes: bool,
    settings: Settings,
    as_json: bool,
) -> None:
    """Show what would have been done in shadow, and how to enforce it on 1, then 10, then 100 % of the values.

    Refuses, with reasons, where less than 14 days are known, or something speaks against it. Verdicts are --kind campaign
    --scope account_ip; the gates tell what they would have refused.
    """
    if reason is not None and policy_file is not None:
        raise InputError("--apply changes the policy in force, --policy looks at a file", hint="say one of them")
    client = DeskClient(settings) if reason is not None else None
    in_force = client.policy() if client else None
    policy, whose = (in_force.policy, "the policy in force") if in_force else _of_settings(policy_file, settings)
    share = next_share(policy.enforce.share(kind, scope))
    if share is None:
        raise InputError(f"{kind} on {scope} is enforced already", where=whose)
    shadow, changed = _shadow(kind, scope, file, policy, settings), with_share(policy, kind, scope, share)
    lines = _toml(changed.enforce)
    if as_json:
        print_json({"would_have_done": [shadow], "next_share": share, "policy": [] if shadow.objections else lines})
    else:
        click.echo(_sentence(shadow))
    if shadow.objections:
        raise CribleError("; ".join(f"{kind} on {scope}: {each}" for each in shadow.objections), where="not to be enforced yet")
    if not as_json:
        click.echo(f"\nTo enforce {share} % of them, write into {whose}, and put that in force with 'crible policy apply':\n")
        click.echo("\n".join(lines))
    if client is not None and in_force is not None and reason is not None:
        if not yes:
            confirm(f"Enforce {share} % of them now?")
        put_in_force(client, in_force, changed, reason)
        if not as_json:
            click.echo(f"\n{printable(changed.version)} is in force; write the lines into its file too")


def _shadow(kind: Kind, scope: Scope, file: Path | None, policy: Policy, settings: Settings) -> Shadow:
    if (kind, scope) == SUBJECT:  # nothing but verdicts is enforced of a campaign by itself
        if file is not None:
            raise InputError(
                "verdicts are in no file of decisions", where=str(file), hint="replay with a policy that enforces them"
            )
        return shadow_of_verdicts(_newest(settings, "auth.control", SHADOW_PREFIX, _told), policy, time.time())
    known = list(_of_file(file) if file else _newest(settings, "auth.decisions", "", _decided))
    now = max((each.start for each in known), default=0.0) if file else time.time()
    return shadow_of((kind, scope), known, policy, now)


def _of_settings(file: Path | None, settings: Settings) -> tuple[Policy, str]:
    """The policy of a file, and how it is called."""
    path = file or (Path(settings.block.policy) if settings.block.policy else None)
    return (Policy.load(path), str(path)) if path else (Policy.default(), "a policy")


def _newest(settings: Settings, topic: str, prefix: str, read: Callable[[Record], Value | None]) -> list[Value]:
    """The newest state of what is kept under keys that begin so, and still is."""
    topics.verify(settings)
    newest: dict[bytes, Value | None] = {}
    with closing(CompactedReader(settings, topic)) as reader:
        while not reader.caught_up():
            for record in reader.poll():
                if (record.key or b"").startswith(prefix.encode()):
                    newest[record.key] = read(record)
    return [each for each in newest.values() if each is not None]


def _decided(record: Record) -> Decision | None:
    return decoded(record, decisions.SCHEMA, Decision)


def _told(record: Record) -> RefusedSlot | None:
    return decoded(record, REFUSED_SCHEMA, RefusedSlot, msgspec.msgpack.decode)


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
    if (shadow.kind, shadow.scope) == SUBJECT:
        return (
            f"verdicts, {shadow.share} % enforced: in {shadow.days:.1f} days they would have refused {shadow.attempts} attempts,"
            f" and hit at most {shadow.customers} customers, {shadow.most} on the worst day"
        )
    return (
        f"{shadow.kind} on {shadow.scope}, {shadow.share} % enforced:"
        f" {shadow.decisions} decisions in {shadow.days:.1f} days would have stopped {shadow.attempts} attempts,"
        f" and hit at most {shadow.customers} customers, {shadow.most} by the worst one"
    )


def _toml(enforce: Enforce) -> list[str]:
    """The lines that are to stand in a policy's file."""
    lines = [f"{name} = {dumps(sorted(names))}" for name, names in (("kinds", enforce.kinds), ("scopes", enforce.scopes))]
    shares = ((kind, scope, share) for kind, scopes in enforce.share_percent.items() for scope, share in scopes.items())
    return ["[enforce]", *lines, *(f"share_percent.{kind}.{scope} = {share}" for kind, scope, share in shares)]
