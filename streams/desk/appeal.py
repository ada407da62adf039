"""``crible appeal``: lets a refused customer in for a while; asks a service over HTTP."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

import click

from streams.cli import print_json, printable, standard_options
from streams.desk.client import DeskClient
from streams.settings import Settings

__all__ = ["command"]

_UNITS_S: Final = {"m": 60, "h": 3600, "d": 86400}


def _seconds(_context: click.Context, _option: click.Parameter, text: str) -> int:
    """``90m``, ``24h`` or ``2d`` in seconds."""
    given = re.fullmatch(r"(\d{1,4})([mhd])", text)
    if given is None:
        raise click.BadParameter("a number with m, h or d, such as 24h")
    return int(given[1]) * _UNITS_S[given[2]]


@click.command()
@click.argument("ref", metavar="REF")
@click.option("--grant", "grant_s", callback=_seconds, required=True, help="For how long, such as 24h; a week at most.")
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
