"""``crible forget``: removes what is kept about an account, and says what stays until when; asks a service over HTTP."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

import click

from models.errors import CribleError
from streams.cli import print_json, printable, standard_options
from streams.desk.client import DeskClient
from streams.settings import Settings
from streams.topics import TOPICS

__all__ = ["command"]

_CARRIED_OUT_S: Final = 15.0
_LOOK_AGAIN_S: Final = 0.25
#: See the lag of compaction in :mod:`streams.topics`.
_ON_DISK: Final = "two days"
_STATE: Final = "what the workers have counted, habits included: until other accounts push it out (worker.max_keys)"


@click.command()
@click.argument("login", metavar="ACCOUNT")
@standard_options
def command(login: str, settings: Settings, as_json: bool) -> None:
    """Remove what is kept about ACCOUNT (a login, resolved as events' are), and say what stays until when.

    Decisions and entries of lists that name it go, those that have ended too, and so does its profile. The leader does it; this
    waits until it has.
    """
    client = DeskClient(settings)
    begun = client.forget(login)
    deadline = time.monotonic() + _CARRIED_OUT_S
    while client.remembered(login).held:
        if time.monotonic() > deadline:
            raise CribleError("ordered, not carried out yet", hint="it will be once a 'crible block' leads; see its crible_leader")
        time.sleep(_LOOK_AGAIN_S)
    stays = _stays(time.time())
    if as_json:
        print_json({"account": begun.account, "removed": begun.held, "stays_until": stays, "state": _STATE})
        return
    click.echo(f"{printable(begun.account)}: {begun.held} in force removed, and everything that had ended")
    click.echo(f"What stays, and goes by itself; removed records are on the broker's disks for {_ON_DISK} more:")
    for name, until in stays.items():
        click.echo(f"  {name:22} until {datetime.fromtimestamp(until, UTC):%Y-%m-%d}, record by record")
    click.echo(f"  {'auth.account-state':22} {_STATE}")


def _stays(now: float) -> dict[str, float]:
    """Until when, at the latest, each topic that cannot be rewritten has records of today that name an account."""
    return {name: now + topic.kept_s for name, topic in TOPICS.items() if topic.names_accounts and topic.kept_s is not None}
