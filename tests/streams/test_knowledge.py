"""What the operator told us: accounts by the rules of their realms."""

from __future__ import annotations

from pathlib import Path

from models.events import AuthEvent
from streams.knowledge import load_resolver
from streams.settings import load

REALMS = """
[accounts]
default_domain = "example.org"
[accounts.realms."example.org"]
aliases = ["example.net"]
tag_separator = "+"
[accounts.realms."Dots.example"]
ignore_dots = true
"""


def account(config: Path, login: str, protocol: str = "imap") -> str:
    """Whom a log-in is counted for."""
    event = AuthEvent(ts=0.0, login=login, remote="192.0.2.7", success=False, protocol=protocol)
    return load_resolver(load(config, {})).attempt(event).account


def test_realms_reach_the_account_keys(tmp_path: Path) -> None:
    """Aliases, tags and dots of each realm's own open one mailbox; other realms keep theirs apart."""
    config = tmp_path / "crible.toml"
    config.write_text(REALMS)
    assert {account(config, login) for login in ("bob", "Bob+shop", "bob@example.net", "bob+a+b@EXAMPLE.org")} == {
        "bob@example.org"
    }
    assert account(config, "b.o.b") == "b.o.b@example.org"
    assert account(config, "b.o.b@dots.example") == "bob@dots.example"
    assert account(config, "bob+shop@dots.example") == "bob+shop@dots.example"
    assert account(config, "bob+shop@elsewhere.example") == "bob+shop@elsewhere.example"
    assert account(config, "bob+shop", "ssh") == "bob+shop@ssh"


def test_realms_hold_beside_a_table(tmp_path: Path) -> None:
    """Names of the table win; the rules are for the others, and for tagged names of the table's mailboxes."""
    config, table = tmp_path / "crible.toml", tmp_path / "accounts.csv"
    table.write_text("login,account,realm\nboss@example.org,ceo@example.org,\n")
    config.write_text(REALMS.replace("[accounts]", f'[accounts]\nfile = "{table}"'))
    assert account(config, "boss+news@example.net") == "ceo@example.org"
    assert account(config, "bob+news") == "bob@example.org"


def test_master_logins_are_nobodys(tmp_path: Path) -> None:
    """Whatever the realm, a master user's log-in counts for no account."""
    config = tmp_path / "crible.toml"
    config.write_text(REALMS)
    assert account(config, "bob*admin@example.org") == ""
