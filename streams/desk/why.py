"""``crible why``: who is refused and until when, in a sentence for support and one for the customer; asks a service over HTTP."""

from __future__ import annotations

import click

from models.errors import InputError
from models.why import Sentences
from streams.cli import print_json, printable, standard_options
from streams.desk.client import DeskClient
from streams.settings import Settings

__all__ = ["command"]


@click.command()
@click.option("--login", default="", help="Whose log-ins, as typed.")
@click.option("--ip", default="", help="From where; alone, it shows nothing of the accounts behind it.")
@click.option("--ref", default="", help="The reference that the customer was told.")
@standard_options
def command(login: str, ip: str, ref: str, settings: Settings, as_json: bool) -> None:
    """Say who is refused and until when: for support and for the customer, in English and in French."""
    asked = {name: given for name, given in (("login", login), ("ip", ip), ("ref", ref)) if given}
    if not asked:
        raise InputError("one of --login, --ip and --ref is needed", where="crible why")
    found = DeskClient(settings).why(asked)
    if as_json:
        print_json(found)
        return
    if found.nothing is not None:
        _say("support", found.nothing)
    for answer in found.answers:
        click.secho(f"{answer.reference}  {answer.state}", bold=True)
        _say("support", answer.support)
        _say("customer", answer.customer)


def _say(to: str, sentences: Sentences) -> None:
    click.echo(f"  {to:8}  {printable(sentences.en)}")
    click.echo(f"  {'':8}  {printable(sentences.fr)}")
