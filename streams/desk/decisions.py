"""``crible decisions``: what was decided, decisions by hand, and orders to take them back; asks a service over HTTP."""

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
from models.by_hand import SCOPES
from models.decisions import Decision, Impact, go_duration
from models.errors import CribleError
from models.policy import Scope
from streams.cli import confirm, print_json, printable, seconds_of, standard_options
from streams.desk.client import DeskClient
from streams.desk.cuts import Draft
from streams.desk.plan import plan
from streams.desk.restore import waves_table
from streams.enforcement.express import EXPRESSES, withheld
from streams.settings import Settings

__all__ = ["command", "wait"]

#: The leader looks twice a second; a new one needs some seconds to take over.
_CARRIED_OUT_S: Final = 15.0
_LOOK_AGAIN_S: Final = 0.25


@click.group()
def command() -> None:
    """List what was decided; decide by hand; lift a decision, or all of a campaign; see what else could be done."""


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
@click.option("--scope", type=click.Choice(SCOPES), required=True, help="What is refused.")
@click.option("--value", required=True, help="Which one: an address, a login, 64500, BR, imap; ip|login, login|protocol.")
@click.option(
    "--for", "for_s", callback=seconds_of, required=True, help="How long, such as 4h; 24h at most for the last three scopes."
)
@click.option("--reason", required=True, help="For those who ask later; it is kept in auth.audit.")
@click.option("--kind", type=click.Choice(get_args(Kind)), default="campaign", show_default=True, help="The attack it is about.")
@click.option("--protocol", "protocols", multiple=True, help="Only over this one; may be said several times.")
@click.option("--campaign", help="The campaign it is about: it ends with 'undo-campaign'.")
@click.option(
    "--attack-began", "attack_s", callback=seconds_of, default="0m", help="How long ago; newer passwords are let in sooner."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@standard_options
def add(  # one parameter for each option
    scope: str,
    value: str,
    for_s: int,
    reason: str,
    kind: str,
    protocols: tuple[str, ...],
    campaign: str | None,
    attack_s: int,
    yes: bool,
    settings: Settings,
    as_json: bool,
) -> None:
    """Decide by hand: refuse all log-ins of a scope, after showing whom that touches. The leader does it; this waits until it has.

    Only a person bans an account, a provider (asn), a country or a protocol. The last three are carried out by 'crible gate' alone,
    let the protected groups in, and are opened again with 'crible restore'.
    """
    asked = {"scope": scope, "value": value, "for_s": for_s, "reason": reason, "kind": kind, "protocols": protocols}
    asked |= {"campaign_id": campaign, "attack_s": attack_s}
    client = DeskClient(settings)
    if not yes:
        _show_draft(client.draft(asked))
        confirm("Make this decision?")
    made = client.decide(asked)
    wanted = {"id": made.decision.decision_id}
    wait(lambda: bool(client.decisions(wanted).decisions and (made.reopening is None or client.reopenings(wanted).reopenings)))
    if as_json:
        print_json(made)
    else:
        click.echo(f"{made.decision.decision_id} holds from {_clock(made.decision.start)} to {_clock(made.decision.until)}")


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
    wait(lambda: client.decisions({}).breaker is None)
    if as_json:
        print_json({"breaker": "closed"})
    else:
        click.echo("the breaker is closed")


def _order(order: Mapping[str, str], filters: Mapping[str, str], settings: Settings, as_json: bool) -> None:
    """Give an order, and wait until none of the decisions that it meant holds."""
    client = DeskClient(settings)
    meant = {decision.decision_id for decision in client.decisions(filters).decisions}
    number = client.order(order).meant
    wait(lambda: not meant & {decision.decision_id for decision in client.decisions(filters).decisions})
    if as_json:
        print_json({"lifted": number})
    else:
        click.echo(f"{number} {'decision' if number == 1 else 'decisions'} lifted")


command.add_command(plan)


def wait(done: Callable[[], bool]) -> None:
    """Return when the leader has done what was ordered.

    Raises:
        CribleError: Nobody carries it out in time; it stays on ``auth.control`` until somebody does.
    """
    deadline = time.monotonic() + _CARRIED_OUT_S
    while not done():
        if time.monotonic() > deadline:
            raise CribleError("ordered, not carried out yet", hint="it will be once a 'crible block' leads; see its crible_leader")
        time.sleep(_LOOK_AGAIN_S)


def _show_draft(draft: Draft) -> None:
    """What a person is asked about, on stderr: whom it touches, who carries it out, how it is opened again."""
    decision, say = draft.decision, Console(stderr=True, soft_wrap=True, markup=False, highlight=False).print
    over = f" over {' '.join(decision.protocols)}" if decision.protocols else ""
    say(printable(f"refuse {decision.scope} {decision.value}{over}: {decision.reason}"))
    say(f"from {_clock(decision.start)} to {_clock(decision.until)} ({decision.duration})")
    for line in (*_impact_in_words(decision.impact), *_counted_in_words(draft)):
        say(printable(line))
    points = [point for point in EXPRESSES if withheld(point, decision) is None]
    say(f"carried out by: {', '.join(['crible gate', *points])}")
    if draft.reopening is not None:
        say("opened again wave by wave ('crible restore'):")
        say(waves_table(draft.reopening, draft.accounts))


def _impact_in_words(impact: Impact) -> list[str]:
    legit = impact.legit_accounts
    if legit is None:
        return ["customers refused: not known, nobody has counted who uses this"]
    lines = [f"customers refused: {legit.estimate:,} accounts ({legit.low:,} to {legit.high:,})"]
    lines += [f"  of group {group}: {counted:,}" for group, counted in sorted(impact.by_group.items())]
    lines += [f"  over {protocol}: {counted:,}" for protocol, counted in sorted(impact.by_protocol.items())]
    if not impact.attack_attempts:  # the failures of an account are in its alerts
        return lines
    return [*lines, f"attack stopped: {impact.attack_attempts:,} attempts on {impact.attack_accounts:,} accounts in an hour or two"]


def _counted_in_words(draft: Draft) -> list[str]:
    """How old the figures are."""
    if draft.counted_ts is None:
        return []
    ago = go_duration(time.time() - draft.counted_ts)
    since = "" if draft.counted_since is None else f", counted only since {_clock(draft.counted_since)}"
    return [f"as of {_clock(draft.counted_ts)}, {ago} ago; log-ins of about a day{since}"]


def _clock(ts: float) -> str:
    return f"{datetime.fromtimestamp(ts, UTC):%Y-%m-%d %H:%M:%S} UTC"


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
