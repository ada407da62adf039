"""``crible feedback``: tells whether an alert was worth a look; asks a service over HTTP."""

from __future__ import annotations

from typing import Literal

import click

from streams.cli import print_json, standard_options
from streams.desk.client import DeskClient
from streams.settings import Settings

__all__ = ["command"]


@click.command()
@click.argument("alert_id", metavar="ALERT_ID")
@click.argument("verdict", metavar="true|false", type=click.Choice(["true", "false"]))
@click.option("--reason", default="", help="For those who ask later; it is kept in auth.audit.")
@standard_options
def command(alert_id: str, verdict: Literal["true", "false"], reason: str, settings: Settings, as_json: bool) -> None:
    """Say whether the alert ALERT_ID (the whole id, or its pseudonym) was true. Said again, the last counts.

    'crible alerts --order' learns from it which open alerts are most worth a look. Alerts and decisions do not change.
    """
    asked = {"alert_id": alert_id, "judgement": f"{verdict}_positive", "reason": reason}
    judged = DeskClient(settings).judge(asked)
    if as_json:
        print_json(judged)
    else:
        click.echo(f"{judged.alert_id} is a {judged.judgement.replace('_', ' ')}")
