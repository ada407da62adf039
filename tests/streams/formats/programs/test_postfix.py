"""Postfix: smtpd does not always name the user; who he was stands in the line of who checked the password."""

from __future__ import annotations

import pytest

from tests.streams.formats.lines import read, read_messages, what

FAILED = "warning: unknown[192.0.2.1]: SASL LOGIN authentication failed: UGFzc3dvcmQ6"


@pytest.mark.parametrize(
    ("message", "login", "fail_type"),
    [
        ("warning: unknown[192.0.2.1]: SASL LOGIN authentication failed: UGFzc3dvcmQ6", "~", None),
        ("warning: unknown[192.0.2.1]:4711: SASL PLAIN authentication failed:", "~", None),
        ("warning: h.example[192.0.2.1]: SASL login authentication failed: (reason unavailable), sasl_username=bob", "bob", None),
        (
            "warning: h.example[192.0.2.1]: SASL LOGIN authentication failed: authentication failure, sasl_username=x, y",
            "x, y",
            None,
        ),
        (
            "warning: unknown[192.0.2.1]: SASL PLAIN authentication failed: Connection lost to authentication server",
            "~",
            "internal",
        ),
        ("warning: unknown[192.0.2.1]: SASL CRAM-MD5 authentication failed: no secret in database", "~", "account"),
        ("disconnect from unknown[192.0.2.1] ehlo=1 auth=0/1 quit=1 commands=2/3", "~", None),
    ],
)
@pytest.mark.parametrize("program", ["postfix/smtpd[7]", "postfix/submission/smtpd[7]", "postfix-out/smtps/smtpd[7]"])
def test_failures(program: str, message: str, login: str, fail_type: str | None) -> None:
    """A wrong password and the fault of the server behind are told apart."""
    (event,) = read_messages(program, message)
    assert (event.remote, event.success, event.fail_type, event.protocol) == ("192.0.2.1", False, fail_type, "smtp")
    assert event.login.startswith(login)


@pytest.mark.parametrize(
    "message",
    [
        "warning: unknown[192.0.2.1]: SASL CRAM-MD5 authentication failed: Invalid authentication mechanism",
        "lost connection after AUTH from unknown[192.0.2.1]",
        "disconnect from unknown[192.0.2.1] ehlo=1 auth=1 mail=1 quit=1 commands=4",
        "warning: SASL authentication failure: Password verification failed",
        "NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 554 5.7.1 <a@example.net>: Relay access denied; proto=SMTP helo=<x>",
    ],
)
def test_no_attempt(message: str) -> None:
    """Where no password was checked, or no address is told, there is nothing."""
    assert read_messages("postfix/smtpd[7]", message) == []


def test_the_end_of_a_connection_counts_if_nothing_else_did() -> None:
    """``auth=0/N`` repeats N failures that had lines of their own; where they had none it stands for them."""
    end = "disconnect from unknown[192.0.2.1] ehlo=1 auth=0/2 quit=1 commands=2/4"
    assert len(read_messages("postfix/smtpd[7]", FAILED, FAILED, end)) == 2
    assert len(read_messages("postfix/smtpd[7]", end, end)) == 4, "a process takes one connection after the other"


def test_each_mail_repeats_the_log_in() -> None:
    """Several mails of one connection are one log-in; another user is another."""
    sent = "4Kd1x2: client=h.example[192.0.2.1], sasl_method=PLAIN, sasl_username={}"
    events = read_messages("postfix/smtpd[7]", sent.format("bob"), sent.format("bob"), sent.format("eve"))
    assert what(events) == [("bob", "192.0.2.1", True, None), ("eve", "192.0.2.1", True, None)]


def test_the_name_comes_from_who_checked_the_password() -> None:
    """Dovecot's auth process tells name and reason of the same address before Postfix writes; each is used once."""
    auth = "Apr 12 06:00:0{} mx1 dovecot: auth: sql({},192.0.2.1): unknown user"
    smtpd = f"Apr 12 06:00:05 mx1 postfix/smtpd[7]: {FAILED}"
    assert what(read(auth.format(1, "bob"), smtpd)) == [("bob", "192.0.2.1", False, "account")]
    assert what(read(auth.format(1, "bob"), auth.format(2, "eve"), smtpd, smtpd)) == [
        ("bob", "192.0.2.1", False, "account"),
        ("eve", "192.0.2.1", False, "account"),
    ]
    other = read("Apr 12 06:00:01 mx1 dovecot: auth: sql(bob,192.0.2.2): unknown user", smtpd)
    assert sorted(event.remote for event in other) == ["192.0.2.1", "192.0.2.2"]


def test_saslauthd_says_why() -> None:
    """It knows no address, so its reason goes to the next failure of that name."""
    why = (
        "Apr 12 06:00:01 mx1 saslauthd[9]: do_auth         : auth failure: [user=bob] [service=smtp] [realm=] [mech=shadow] "
        "[reason=Password expired]"
    )
    failed = FAILED.replace("UGFzc3dvcmQ6", "authentication failure, sasl_username={}")
    line = f"Apr 12 06:00:02 mx1 postfix/smtpd[7]: {failed}"
    assert what(read(why, line.format("bob"))) == [("bob", "192.0.2.1", False, "expired")]
    assert what(read(why, line.format("eve"))) == [("eve", "192.0.2.1", False, None)]
    assert read(why) == []


@pytest.mark.parametrize("name", ["x, sasl_username=y", "x[1.2.3.4]: SASL LOGIN authentication failed: z", "unknown[1.2.3.4]"])
def test_hostile_names(name: str) -> None:
    """The name ends the line and changes nothing before it."""
    (event,) = read_messages("postfix/smtpd[7]", f"{FAILED}, sasl_username={name}")
    assert (event.remote, event.success) == ("192.0.2.1", False)
