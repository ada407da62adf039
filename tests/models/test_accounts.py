"""Accounts: every way to write a log-in name leads to one key."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.accounts import MAIL_PROTOCOLS, AccountDirectory, Groups, Realm
from models.errors import InputError
from models.events import AuthEvent

RULES = {"example.org": Realm(aliases=("example.net", "Example.COM"), tag_separator="+", ignore_dots=True)}


def event(login: str, **fields: object) -> AuthEvent:
    """An attempt to log in as ``login``."""
    return AuthEvent(ts=0.0, login=login, remote="192.0.2.7", success=False, **fields)  # type: ignore[arg-type]


def test_account_of_the_server_wins() -> None:
    """A resolved account is taken as it is."""
    assert AccountDirectory(accounts={"bob": "other"}).key(event("bob", account="Bob@Example.org")) == "Bob@Example.org"


@pytest.mark.parametrize("login", ["bob@example.org", " BOB@example.ORG\t", "Bob"])
@pytest.mark.parametrize("protocol", sorted(MAIL_PROTOCOLS))
def test_mail_logins_are_canonical(login: str, protocol: str) -> None:
    """Mail log-ins are folded, trimmed and completed with the default domain."""
    assert AccountDirectory("Example.org").key(event(login, protocol=protocol)) == "bob@example.org"


@pytest.mark.parametrize("protocol", ["ssh", "ftp", "other"])
def test_other_logins_carry_their_protocol(protocol: str) -> None:
    """A system user is not the mailbox of the same name."""
    assert AccountDirectory("example.org").key(event("Root", protocol=protocol)) == f"root@{protocol}"


def test_realm_of_the_event_completes_the_name() -> None:
    """The event's realm goes before the default domain."""
    assert AccountDirectory("example.org").key(event("bob", protocol="imap", realm="Tenant.example")) == "bob@tenant.example"


def test_unicode_spellings_are_one_account() -> None:
    """Composed and decomposed letters and the sharp s fold to one name."""
    directory = AccountDirectory("example.org")
    assert directory.resolve("Jos\u00e9") == directory.resolve("JOSE\u0301") == "jos\u00e9@example.org"
    assert directory.resolve("STRASSE") == directory.resolve("stra\u00dfe")


@pytest.mark.parametrize("login", ["b.o.b", "bob+shop", "BOB+a+b@example.net", "b.ob@example.com", "bob@example.org"])
def test_realm_rules(login: str) -> None:
    """Tags, dots and alias domains of a realm lead to the one mailbox."""
    assert AccountDirectory("example.org", realms=RULES).resolve(login) == "bob@example.org"


def test_realm_rules_hold_for_their_realm_only() -> None:
    """Another domain keeps tags and dots, and a name of nothing but dots stays."""
    directory = AccountDirectory("example.org", realms=RULES)
    assert directory.resolve("b.ob+x@elsewhere.example") == "b.ob+x@elsewhere.example"
    assert directory.resolve("..@example.org") == "..@example.org"
    assert directory.resolve("+x@example.org") == "+x@example.org"


@pytest.mark.parametrize(
    ("login", "key"), [("bob*admin", ""), ("bob@example.org*admin", ""), ("*", "*@d"), ("*admin", "*admin@d"), ("bob*", "bob*@d")]
)
def test_master_logins_are_counted_for_nobody(login: str, key: str) -> None:
    """Only user*master is a master-user log-in."""
    assert AccountDirectory("d").key(event(login, protocol="imap")) == key


def test_master_login_hides_the_account_too() -> None:
    """A master-user log-in is nobody's even when the server resolved the mailbox."""
    assert AccountDirectory().key(event("bob*admin", account="bob@example.org")) == ""


def test_listed_names(tmp_path: Path) -> None:
    """Listed names go before the rules, bare or complete, and may be reached through the rules."""
    path = tmp_path / "accounts.csv"
    path.write_text("login,account,realm\nBob,u1,\nsales@example.org,u2,\ninfo,u3,shop.example\ncarol+x@example.org,u4,\n")
    directory = AccountDirectory.load(path, "example.org", RULES)
    assert directory.resolve("bob") == directory.resolve("BOB@example.org") == directory.resolve("b.o.b@example.net") == "u1"
    assert directory.resolve("sales+q3") == "u2"
    assert directory.resolve("info@shop.example") == directory.resolve("info", "imap", "shop.example") == "u3"
    assert directory.resolve("info") == "info@example.org"
    assert directory.resolve("carol+x") == "u4"
    assert directory.resolve("bob", "ssh") == "u1"


@pytest.mark.parametrize(
    ("content", "place", "what"),
    [
        (b"", ":1", "header"),
        (b"user,account\n", ":1", "header"),
        (b"login,account,realm\nbob,u1,\n\nonly\n", ":4", "columns"),
        (b"login,account,realm\n,u1,\n", ":2", "columns"),
        (b"login,account,realm\na,b,c,d\n", ":2", "columns"),
        (b"login,account,realm\nbob,u1,\nBOB,u2,\n", ":3", "twice"),
        (b"login,account,realm\nb\xffb,u1,\n", ":2", "UTF-8"),
        (b'login,account,realm\n"bob"x,u1,\n', ":2", "CSV"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, content: bytes, place: str, what: str) -> None:
    """A wrong line is an input error with file and line."""
    path = tmp_path / "accounts.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=what) as caught:
        AccountDirectory.load(path)
    assert caught.value.where == f"{path}{place}"


def test_missing_file_is_an_input_error(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        AccountDirectory.load(tmp_path / "none.csv")


def test_groups(tmp_path: Path) -> None:
    """Groups are found by account, whatever name of it the file lists."""
    path = tmp_path / "groups.csv"
    path.write_text("\ufefflogin,group\nBob+x@example.net,health\nbob,beta\nbob@example.org,health\n", encoding="utf-8")
    groups = Groups.load(path, AccountDirectory("example.org", realms=RULES))
    assert groups.of("bob@example.org") == ("beta", "health")
    assert groups.of("carol@example.org") == ()
    assert Groups().of("bob@example.org") == ()


def test_groups_need_both_columns(tmp_path: Path) -> None:
    """A log-in without a group is an input error."""
    path = tmp_path / "groups.csv"
    path.write_text("login,group\nbob\n")
    with pytest.raises(InputError, match=r"groups\.csv:2"):
        Groups.load(path, AccountDirectory())
