"""Dovecot: one line of the log-in process is the attempt; auth lines only say why it failed."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path

import pytest

from models.events import AuthEvent
from streams.formats.dovecot import DOVECOT
from streams.formats.reader import LogReader
from streams.formats.syslog import Clock

END = "method=PLAIN, rip=192.0.2.9, lip=198.51.100.1, TLS, session=<s1>"


def read(*messages: str, header: str = "Apr 12 06:00:01 mx1 dovecot: ") -> list[AuthEvent]:
    """The events of Dovecot's messages."""
    log = LogReader([DOVECOT], Clock(UTC, 2022, 0.0))
    return [event for message in messages for event in log.read((header + message).encode())]


@pytest.mark.parametrize("done", ["Login", "Logged in", "proxy(bob): started proxying to 10.0.0.1:143"])
@pytest.mark.parametrize(
    ("process", "protocol"), [("imap", "imap"), ("pop3", "pop3"), ("managesieve", "sieve"), ("submission", "smtp")]
)
def test_success(done: str, process: str, protocol: str) -> None:
    """A log-in is read in the words of 2.3, 2.4 and a proxy, for each protocol."""
    (event,) = read(f"{process}-login: {done}: user=<bob>, {END}")
    assert (event.success, event.protocol, event.login, event.remote) == (True, protocol, "bob", "192.0.2.9")
    assert (event.mech, event.tls, event.session_id, event.server) == ("PLAIN", True, "s1", "mx1")


@pytest.mark.parametrize(
    ("reason", "fail_type"),
    [
        ("Disconnected (auth failed, 1 attempts)", None),
        ("Aborted login (auth failed, 1 attempts in 2 secs)", None),
        ("Login aborted: Connection closed (auth failed, 1 attempts in 2 secs) (auth_failed)", None),
        ("Disconnected: Connection closed: read(size=9) failed: reset (auth failed, 1 attempts in 0 secs)", None),
        ("Disconnected (user disabled)", "disabled"),
        ("Login aborted: Logged out (password expired, 1 attempts in 1 secs) (password_expired)", "expired"),
        ("Disconnected (authorization failed, 1 attempts in 1 secs)", "policy"),
        ("Disconnected: Inactivity (auth service reported temporary failure)", "internal"),
        ("Disconnected (internal failure, 1 successful auths)", "internal"),
        ("Disconnected (proxy dest auth failed)", None),
    ],
)
def test_failure(reason: str, fail_type: str | None) -> None:
    """A failure is read in the words of all versions, with its reason where the line says it."""
    (event,) = read(f"imap-login: {reason}: user=<bob>, {END}")
    assert (event.success, event.fail_type, event.login) == (False, fail_type, "bob")


def test_attempts_of_one_connection() -> None:
    """N attempts are N events at the time of the line."""
    events = read(f"imap-login: Disconnected (auth failed, 3 attempts in 16 secs): user=<bob>, {END}")
    assert len(events) == 3
    assert len({event.ts for event in events}) == 1


@pytest.mark.parametrize(
    "message",
    [
        f"imap-login: Disconnected (no auth attempts in 2 secs): user=<>, {END}",
        f"imap-login: Disconnected (tried to use disallowed plaintext auth): user=<bob>, {END}",
        f"imap-login: Disconnected (client didn't finish SASL auth, waited 2 secs): user=<>, {END}",
        "imap-login: Disconnected: Too many invalid commands (auth failed",
        "imap(bob): Logged out in=100 out=2000",
    ],
)
def test_no_attempt(message: str) -> None:
    """Where no password was checked there is no attempt."""
    assert read(message) == []


@pytest.mark.parametrize(
    "user",
    ["", "<", "x>, method=PLAIN, rip=1.2.3.4, lip=1.2.3.5, TLS, session=<s9>", "x>, rip=1.2.3.4", "(auth failed, 9 attempts"],
)
@pytest.mark.parametrize("outcome", ["Login", "Disconnected (auth failed, 1 attempts in 2 secs)"])
def test_hostile_names_do_not_change_the_address(user: str, outcome: str) -> None:
    """Whatever a client calls itself, address and session are Dovecot's."""
    (event,) = read(f"imap-login: {outcome}: user=<{user}>, {END}")
    assert (event.remote, event.session_id, event.success) == ("192.0.2.9", "s1", outcome == "Login")


def test_no_user_name() -> None:
    """An attempt without a name counts against its source."""
    (event,) = read(f"imap-login: Disconnected (auth failed, 1 attempts): {END}")
    assert event.login.startswith("~")


@pytest.mark.parametrize(
    ("auth", "fail_type"),
    [
        ("auth: sql(bob,192.0.2.9,<s1>): unknown user", "account"),
        (
            "auth-worker(7): Info: conn unix:auth-worker (pid=1,uid=2): auth-worker<5>: sql(bob,192.0.2.9,<s1>): unknown user",
            "account",
        ),
        ("auth-worker(7): pam(bob,192.0.2.9,<s1>): pam_authenticate() failed: User not known to the underlying module", "account"),
        (
            "auth-worker(7): pam(bob,192.0.2.9,<s1>): pam_authenticate() failed: Authentication failure (Password mismatch?)",
            "credentials",
        ),
        ("auth: ldap(bob,192.0.2.9,<s1>): Password mismatch (SHA1 of given password: f638ff)", "credentials"),
        ("auth(bob,192.0.2.9,sasl:plain)<s1>: Info: sql: Password mismatch", "credentials"),
        (
            "auth-worker(bob,192.0.2.9)<9><s1>: request [3]: unix_user: pam_authenticate() failed: Authentication failure",
            "credentials",
        ),
        ("auth: sql(bob,192.0.2.9,<other>): unknown user", None),
    ],
)
def test_auth_lines_tell_why(auth: str, fail_type: str | None) -> None:
    """An auth line is no event; the failure of the same session takes its reason."""
    (event,) = read(auth, f"imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<bob>, {END}")
    assert event.fail_type == fail_type


def test_own_log_file() -> None:
    """Dovecot's own file has no host and no tag."""
    lines = [
        "auth(bob,192.0.2.9,sasl:plain)<s1>: Info: sql: unknown user",
        f"imap-login: Info: Login aborted: Connection closed (auth failed, 1 attempts in 2 secs) (auth_failed): user=<bob>, {END}",
    ]
    (event,) = read(*lines, header="Apr 12 06:00:01 ")
    assert (event.fail_type, event.server) == ("account", None)


@pytest.mark.shared_data
def test_real_lines(shared_data: Path) -> None:
    """On lines collected by others every failure that is read has the address they expect, and nothing else is one."""
    agreed = 0
    for text in (shared_data / "parser_truth/fail2ban.jsonl").read_text().splitlines():
        case = json.loads(text)
        if case["file"] == "dovecot":
            events = LogReader([DOVECOT], Clock(UTC, 2005, 0.0), at=0.0).read(case["line"].encode())
            for event in events:
                assert (case["expect"]["match"], case["expect"]["host"]) == (True, event.remote), case["line"]
            agreed += bool(events)
    assert agreed == 20
