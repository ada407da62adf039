"""``crible appeal``: lets a refused customer in for a while; asks a service over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from streams.cli import print_json, printable, seconds_of, standard_options
from streams.desk.client import DeskClient
from streams.settings import Settings

__all__ = ["command"]


@click.command()
@click.argument("ref", metavar="REF")
@click.option("--grant", "grant_s", callback=seconds_of, required=True, help="For how long, such as 24h; a week at most.")
@click.option("--reason", required=True, help="For those who ask later.")
@click.option("--ip", default="", help="The customer's address, where REF refuses an account or a provider.")
@click.option("--login", default="", help="Let only this account in from there.")
@standard_options
def command(ref: str, grant_s: int, reason: str, ip: str, login: str, settings: Settings, as_json: bool) -> None:
    """Let in for a while whom REF refuses: the reference that a customer was told, or that 'crible why' shows."""
    entry = DeskClient(settings).appeal({"ref": ref, "grant_s": grant_s, "reason": reason, "ip": ip, "login": login})
    if as_json:
        print_json(entry)
        return
    whom = " from ".join(part for part in (entry.account or "everybody", entry.address) if part)
    click.echo(f"{printable(whom)} is let in until {datetime.fromtimestamp(entry.until, UTC):%Y-%m-%d %H:%M} UTC")
