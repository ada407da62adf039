"""Dovecot: one line of the log-in process is the attempt; auth lines say why it failed, or are it where nobody else speaks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.addresses import Proxies
from models.events import AuthEvent, Refused
from tests.streams.formats.lines import read, read_messages, what

END = "method=PLAIN, rip=192.0.2.9, lip=198.51.100.1, TLS, session=<s1>"


def dovecot(*messages: str) -> list[AuthEvent]:
    """The events of Dovecot's messages."""
    return read_messages("dovecot", *messages)


@pytest.mark.parametrize(
    "done",
    [
        "Login",
        "Logged in",
        "proxy(bob): started proxying to 10.0.0.1:143",
        "proxy(bob): started proxying to 10.0.0.1:143 (master admin)",
        "proxy(bob,10.0.0.1:143): Started proxying to <10.0.0.1> (0.012 secs)",
        "proxy(bob,10.0.0.1:143): Started proxying to remote host",
    ],
)
@pytest.mark.parametrize(
    ("process", "protocol"), [("imap", "imap"), ("pop3", "pop3"), ("managesieve", "sieve"), ("submission", "smtp")]
)
def test_success(done: str, process: str, protocol: str) -> None:
    """A log-in is read in the words of 2.3, 2.4 and a proxy, for each protocol."""
    (event,) = dovecot(f"{process}-login: {done}: user=<bob>, {END}")
    assert (event.success, event.protocol, event.login, event.remote) == (True, protocol, "bob", "192.0.2.9")
    assert (event.mech, event.tls, event.session_id, event.server) == ("PLAIN", True, "s1", "mx1")


@pytest.mark.parametrize(
    ("reason", "fail_type"),
    [
        ("Disconnected (auth failed, 1 attempts)", None),
        ("Aborted login (auth failed, 1 attempts in 2 secs)", None),
        ("Aborted login by logging out (auth failed, 1 attempts in 2 secs)", None),
        ("Disconnected: Disconnected: Too many bad commands (auth failed, 1 attempts in 0 secs)", None),
        ("Login aborted: Connection closed (auth failed, 1 attempts in 2 secs) (auth_failed)", None),
        ("Disconnected: Connection closed: read(size=9) failed: reset (auth failed, 1 attempts in 0 secs)", None),
        ("Client has quit the connection (auth failed, 1 attempts in 2 secs)", None),
        ("Disconnected (user disabled)", "disabled"),
        ("Login aborted: Logged out (password expired, 1 attempts in 1 secs) (password_expired)", "expired"),
        ("Disconnected (authorization failed, 1 attempts in 1 secs)", "policy"),
        ("Aborted login (tried to use disallowed plaintext auth)", "policy"),
        ("Aborted login (tried to use disabled plaintext auth)", "policy"),
        ("Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)", "policy"),
        ("Disconnected: Inactivity (auth service reported temporary failure)", "internal"),
        ("Disconnected (internal failure, 1 successful auths)", "internal"),
        ("Disconnected (proxy dest auth failed)", None),
        ("Aborted login (1 authentication attempts)", None),
        ("Aborted login", None),
    ],
)
def test_failure(reason: str, fail_type: str | None) -> None:
    """A failure is read in the words of all versions, with its reason where the line says it."""
    (event,) = dovecot(f"imap-login: {reason}: user=<bob>, {END}")
    assert (event.success, event.fail_type, event.login) == (False, fail_type, "bob")


@pytest.mark.parametrize("mech", ["XOAUTH2", "OAUTHBEARER"])
def test_token_failures_are_no_wrong_passwords(mech: str) -> None:
    """What fails with a token's mechanism is a token; a reason of another kind stays."""
    end = END.replace("PLAIN", mech)
    (failed,) = dovecot(f"imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<bob>, {end}")
    (broken,) = dovecot(f"imap-login: Disconnected (auth service reported temporary failure): user=<bob>, {end}")
    (expired,) = dovecot("auth: oauth2(bob,192.0.2.9,<s1>): Token has expired")
    assert [event.fail_type for event in (failed, broken, expired)] == ["token", "internal", "token"]


def test_attempts_of_one_connection() -> None:
    """N attempts are N events at the time of the line."""
    events = dovecot(f"imap-login: Disconnected (auth failed, 3 attempts in 16 secs): user=<bob>, {END}")
    assert len(events) == 3
    assert len({event.ts for event in events}) == 1


@pytest.mark.parametrize(
    "message",
    [
        f"imap-login: Disconnected (no auth attempts in 2 secs): user=<>, {END}",
        f"imap-login: Disconnected (client didn't finish SASL auth, waited 2 secs): user=<>, {END}",
        f"imap-login: Disconnected (disconnected before auth was ready, waited 0 secs): user=<>, {END}",
        "imap-login: Login aborted: Connection closed (disconnected during TLS handshake) (tls_handshake_not_finished): user=<>, "
        "rip=192.0.2.9, lip=198.51.100.1, TLS handshaking, session=<s1>",
        "imap-login: Disconnected: Too many invalid commands (auth failed",
        "imap-login: Login: user=<bob>, method=PLAIN, rip=192.0.2.9, lip=198.51.100.1 and something else",
        "imap-login: Disconnected: rip=192.0.2.9, lip=198.51.100.1",
        "imap(bob): Logged out in=100 out=2000",
        "lmtp(bob): Disconnect from local: Successful quit",
    ],
)
def test_no_attempt(message: str) -> None:
    """Where no password was given there is no attempt."""
    assert dovecot(message) == []


@pytest.mark.parametrize(
    "user",
    ["", "<", "x>, method=PLAIN, rip=1.2.3.4, lip=1.2.3.5, TLS, session=<s9>", "x>, rip=1.2.3.4", "(auth failed, 9 attempts"],
)
@pytest.mark.parametrize("outcome", ["Login", "Disconnected (auth failed, 1 attempts in 2 secs)"])
def test_hostile_names_do_not_change_the_address(user: str, outcome: str) -> None:
    """Whatever a client calls itself, address and session are Dovecot's."""
    (event,) = dovecot(f"imap-login: {outcome}: user=<{user}>, {END}")
    assert (event.remote, event.session_id, event.success) == ("192.0.2.9", "s1", outcome == "Login")


def test_no_user_name() -> None:
    """An attempt without a name counts against its source."""
    (event,) = dovecot(f"imap-login: Disconnected (auth failed, 1 attempts): {END}")
    assert event.login.startswith("~")


AUTH_LINES = [
    ("auth: sql(bob,192.0.2.9,<s1>): unknown user", "account"),
    ("auth-worker(7): Info: conn unix:auth-worker (pid=1,uid=2): auth-worker<5>: sql(bob,192.0.2.9,<s1>): unknown user", "account"),
    ("auth-worker(7): pam(bob,192.0.2.9,<s1>): pam_authenticate() failed: User not known to the underlying authentication module",
     "account"),
    ("auth-worker(7): pam(bob,192.0.2.9,<s1>): pam_authenticate() failed: Authentication failure (Password mismatch?)",
     "credentials"),
    ("auth-worker(7): pam(bob,192.0.2.9,<s1>): pam_acct_mgmt() failed: User account has expired", "disabled"),
    ("auth: ldap(bob,192.0.2.9,<s1>): Password mismatch (for LDAP bind) (SHA1 of given password: f638ff)", "credentials"),
    ("auth: passwd-file(bob,192.0.2.9,<s1>): unknown user (given password: hunter2)", "account"),
    ("auth(default): passwd-file(bob,192.0.2.9,master,<s1>): Password mismatch", "credentials"),
    ("auth: policy(bob,192.0.2.9,<s1>): Authentication failure due to policy server refusal", "policy"),
    ("auth(bob,192.0.2.9,sasl:plain)<s1>: Info: sql: Password mismatch", "credentials"),
    ("auth-worker(bob,192.0.2.9)<9><s1>: request [3]: unix_user: pam_authenticate() failed: Authentication failure", "credentials"),
]  # fmt: skip


@pytest.mark.parametrize(("auth", "fail_type"), AUTH_LINES)
def test_auth_lines_tell_why(auth: str, fail_type: str) -> None:
    """The failure of the same session takes the reason of the auth line, and both are one attempt; so is the auth line alone."""
    failed = f"imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<bob>, {END}"
    assert what(dovecot(auth, failed)) == [("bob", "192.0.2.9", False, fail_type)]
    assert what(dovecot(auth)) == [("bob", "192.0.2.9", False, fail_type)]


def test_auth_lines_of_another_session_are_other_attempts() -> None:
    """Account and address differ: two attempts."""
    failed = f"imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<bob>, {END}"
    events = dovecot("auth: sql(eve,192.0.2.10,<other>): unknown user", failed)
    assert sorted(what(events)) == [("bob", "192.0.2.9", False, None), ("eve", "192.0.2.10", False, "account")]


@pytest.mark.parametrize(
    ("auth", "remote"),
    [
        ("auth: sql(x,1.2.3.4): unknown user,192.0.2.9,<s1>): Password mismatch", "192.0.2.9"),
        ("auth: sql(bob,192.0.2.9,<s1>): Password mismatch (given password: x,1.2.3.4): unknown user)", "192.0.2.9"),
    ],
)
def test_hostile_auth_lines(auth: str, remote: str) -> None:
    """Neither a name nor a password in plain text changes the address."""
    assert [event.remote for event in dovecot(auth)] == [remote]


def test_auth_lines_that_could_name_two_addresses_are_refused() -> None:
    """A password that repeats the rest of the line leaves open where the name ends."""
    with pytest.raises(Refused, match="address"):
        dovecot("auth: sql(bob,192.0.2.9): Password mismatch (given password: x,1.2.3.4): unknown user (given password: y)")


def test_a_proxy_and_its_backend_are_one_attempt() -> None:
    """The proxy tells the backend the client's address, or does not: either way there is one event with it."""
    proxied = f"imap-login: proxy(bob): started proxying to 10.0.0.1:143: user=<bob>, {END}"
    behind = "Apr 12 06:00:00 mx2 dovecot: imap-login: Login: user=<bob@example.org>, method=PLAIN, rip={}, lip=10.0.0.1, TLS"
    for rip in ("192.0.2.9", "10.0.0.254"):
        lines = [f"Apr 12 06:00:00 px1 dovecot: {proxied}", behind.format(rip)]
        for order in (lines, lines[::-1]):
            events = read(*order, proxies=Proxies(["10.0.0.254"]))
            assert [(event.remote, event.success) for event in events] == [("192.0.2.9", True)]


def test_own_log_file() -> None:
    """Dovecot's own file has no host and no tag."""
    lines = [
        "Apr 12 06:00:01 auth(bob,192.0.2.9,sasl:plain)<s1>: Info: sql: unknown user",
        "Apr 12 06:00:02 imap-login: Info: Login aborted: Connection closed (auth failed, 1 attempts in 2 secs) (auth_failed): "
        f"user=<bob>, {END}",
    ]
    (event,) = read(*lines)
    assert (event.fail_type, event.server) == ("account", None)


@pytest.mark.shared_data
def test_real_lines(shared_data: Path) -> None:
    """On lines collected by others every failure that is read has the address they expect, and nothing else is one."""
    agreed = 0
    for text in (shared_data / "parser_truth/fail2ban.jsonl").read_text().splitlines():
        case = json.loads(text)
        if case["file"] == "dovecot":
            events = read(case["line"])
            for event in events:
                assert (case["expect"]["match"], case["expect"]["host"]) == (True, event.remote), case["line"]
            agreed += bool(events)
    assert agreed == 45


def test_a_name_in_a_line_of_pam_or_of_a_token_names_no_other_address() -> None:
    """What somebody calls himself may look like the end of a line of Dovecot's own."""
    forged = "x,203.0.113.66,<k>): Password mismatch"
    pam = (
        f"pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot ruser=x rhost=192.0.2.9  user={forged}"
    )
    assert [event.remote for event in read_messages("auth", pam)] == ["192.0.2.9"]
    token = "auth: oauth2(x,203.0.113.66): invalid credentials (given password: y,192.0.2.9,<s1>): Introspection failed: no user"
    assert [event.remote for event in dovecot(token)] == ["192.0.2.9"]
