"""``crible resume``: takes enforcement up again by HTTP at every service; needs no Kafka."""

from __future__ import annotations

import click

from streams.cli import standard_options
from streams.desk.client import DeskClient
from streams.desk.stop import show
from streams.settings import Settings

__all__ = ["command"]


@click.command()
@standard_options
def command(settings: Settings, as_json: bool) -> None:
    """Carry out again everything that was stopped, at every service (desk.services)."""
    show(DeskClient(settings).resume(), as_json)
