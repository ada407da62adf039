"""models.attempts: what becomes of an event once its account, source, place and try are known."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from models.accounts import AccountDirectory, Realm
from models.attempts import TRY_SLOT_S, Attempt, Fail, Resolver
from models.events import AuthEvent
from models.geo import Geo
from tests.factories import T0

RESOLVER = Resolver(
    AccountDirectory("example.org", {"boss": "ceo@example.org"}, {"example.org": Realm(("example.net",), "+")}), Geo()
)


def resolved(**fields: Any) -> Attempt:
    """A failure of alice over IMAP with a hashed password, unless ``fields`` say otherwise."""
    defaults: dict[str, Any] = {"ts": T0, "login": "alice", "remote": "192.0.2.7", "success": False, "protocol": "imap"}
    return RESOLVER.attempt(AuthEvent(**defaults | {"mech": "PLAIN", "pwhash": "h1", "event_id": "e1"} | fields))


def test_account_source_and_place() -> None:
    """One mailbox, one source, and the geography stamped in the event."""
    attempt = resolved(login=" Alice+Shop@EXAMPLE.net", remote="2001:db8:1:2:3::4", country="FR", asn=64500, user_agent="curl")
    assert (attempt.account, attempt.address, attempt.network) == ("alice@example.org", "2001:db8:1:2::/64", "2001:db8:1::/48")
    assert (attempt.country, attempt.asn, attempt.latitude, attempt.device) == ("FR", 64500, None, "ua:curl")
    assert (attempt.ts, attempt.success, attempt.event_id, attempt.attack) == (T0, False, "e1", 0)


def test_accounts_come_from_the_event_the_table_or_the_rules() -> None:
    """The server's own resolution wins over the table, the table over the rules; other protocols have names of their own."""
    assert resolved(login="alice", account="mailbox 7").account == "mailbox 7"
    assert resolved(login="BOSS@example.org").account == "ceo@example.org"
    assert resolved(login="root", protocol="ssh").account == "root@ssh"


def test_a_master_login_is_nobodys() -> None:
    """It has no account, so nothing is counted for the mailbox that it opens."""
    assert resolved(login="alice*admin").account == ""


@pytest.mark.parametrize(
    ("fail_type", "fail"),
    [
        (None, Fail.UNKNOWN),
        ("credentials", Fail.CREDENTIALS),
        ("account", Fail.ACCOUNT),
        ("token", Fail.TOKEN),
        ("expired", Fail.EXPIRED),
        ("disabled", Fail.DISABLED),
        ("policy", Fail.POLICY),
        ("internal", Fail.INTERNAL),
    ],
)
def test_why_it_failed(fail_type: str | None, fail: Fail) -> None:
    """Each type has its number; without one the reason is unknown, and a success has none whatever the event says."""
    assert resolved(fail_type=fail_type).fail == fail
    assert resolved(fail_type=fail_type, success=True).fail == Fail.NONE


@pytest.mark.parametrize(
    ("fields", "usable"),
    [
        ({"mech": "PLAIN"}, True),
        ({"mech": "LOGIN"}, True),
        ({"mech": "CRAM-MD5"}, False),
        ({"mech": "SCRAM-SHA-256"}, False),
        ({"mech": "XOAUTH2"}, False),
        ({"mech": None}, False),
        ({"mech": None, "protocol": "http"}, True),
        ({"mech": "PLAIN", "pwhash": None}, False),
    ],
)
def test_a_repeated_password_is_one_guess_where_the_hash_can_be_trusted(fields: dict[str, Any], usable: bool) -> None:
    """Dovecot hashes the password only for PLAIN and LOGIN, a webmail always; elsewhere each failure is a guess and a try."""
    first, again = resolved(**fields, event_id="e1"), resolved(**fields, event_id="e2")
    assert (first.repeats_password, again.repeats_password) == (usable, usable)
    assert (first.guess == again.guess) == usable
    assert (first.try_id == again.try_id) == usable


def test_another_password_is_another_guess() -> None:
    """A guess is known by its hash alone: from any address, for any account."""
    assert resolved(pwhash="h1").guess != resolved(pwhash="h2").guess
    assert resolved(pwhash="h1").guess == resolved(pwhash="h1", remote="198.51.100.1", login="bob").guess


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        #      0         T0        10        20 s
        #      |---------x---------|---------|
        ({"ts": T0 + 9.999}, True),
        ({"ts": T0 + 10.0}, False),
        ({"ts": T0 - 0.001}, False),
        ({"login": "ALICE@example.org"}, True),
        ({"login": "bob"}, False),
        ({"remote": "::ffff:192.0.2.7"}, True),
        ({"remote": "192.0.2.8"}, False),
        ({"pwhash": "h2"}, False),
        ({"mech": "LOGIN"}, False),
        ({"user_agent": "curl", "session_id": "s2", "server": "mx2", "protocol": "pop3"}, True),
    ],
)
def test_a_try_is_account_source_password_and_mechanism_within_ten_seconds(fields: dict[str, Any], same: bool) -> None:
    """Slots are aligned to the epoch; one attempt that shows in several log lines is one try."""
    assert TRY_SLOT_S == 10
    assert (resolved(**{"event_id": "e2"} | fields).try_id == resolved(event_id="e1").try_id) == same


def test_a_try_from_one_ipv6_network_is_one_source() -> None:
    """A client that hops within its /64 does not make tries of its own."""
    one, other = resolved(remote="2001:db8:1:2::1"), resolved(remote="2001:db8:1:2:ffff::1")
    assert one.try_id == other.try_id
    assert one.try_id != resolved(remote="2001:db8:1:3::1").try_id


def test_a_success_is_no_guess() -> None:
    """It can be compared with passwords that were refused, and is no try."""
    attempt = resolved(success=True)
    assert (attempt.guess, attempt.try_id, attempt.repeats_password) == (resolved(success=False).guess, 0, True)
    assert resolved(success=True, pwhash=None).guess == 0


def test_an_event_without_an_id_gets_one_of_its_content() -> None:
    """The same event has the same id, another one another."""
    given: dict[str, Any] = {"event_id": "", "server": "mx1"}
    assert resolved(**given).event_id == resolved(**given).event_id != ""
    others: list[dict[str, Any]] = [
        {"ts": T0 + 1},
        {"login": "bob"},
        {"remote": "192.0.2.8"},
        {"success": True},
        {"protocol": "pop3"},
        {"server": "mx2"},
    ]
    assert len({resolved(**given | other).event_id for other in others} | {resolved(**given).event_id}) == 1 + len(others)


def test_a_refusal_of_ours_is_marked() -> None:
    """The stages tell what we refused from what the server refused."""
    assert resolved(policy_reject=True).policy_reject
    assert not resolved().policy_reject


def test_an_attempt_survives_the_wire() -> None:
    """Packed and unpacked it is the same, note of the source stage included."""
    attempt = resolved(country="RE", asn=64500, user_agent="é\U0001f600")
    attempt.attack = 5
    attempt.latitude, attempt.longitude = -21.1, 55.5
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(attempt), type=Attempt) == attempt


def test_behind_a_proxy_of_ours_only_the_account_is_known() -> None:
    """An address that is marked as nobody's gives neither source nor place."""
    attempt = resolved(remote="10.0.0.1", attrs={"address_unknown": True}, country="FR", asn=64500)
    assert (attempt.address, attempt.network, attempt.country, attempt.asn) == ("", "", "", 0)
    assert attempt.account == "alice@example.org"
    assert resolved(remote="10.0.0.1", attrs={"address_unknown": False}).address == "10.0.0.1"
