"""PAM: what its modules say counts where the program itself says nothing, and a name in it cannot name an address."""

from __future__ import annotations

import pytest

from models.events import Refused
from tests.streams.formats.lines import read, read_messages, what

START = "authentication failure; logname= uid=0 euid=0 tty={} ruser={} rhost={}"


@pytest.mark.parametrize(
    ("program", "module", "protocol"),
    [
        ("vsftpd[7]", "pam_unix(vsftpd:auth): ", "ftp"),
        ("proftpd[7]", "pam_sss(proftpd:auth): ", "ftp"),
        ("imapd[7]", "pam_unix(imap:auth): ", "imap"),
        ("auth", "pam_unix(dovecot:auth): ", "imap"),
        ("smtpd[7]", "pam_krb5(smtp:auth): ", "smtp"),
        ("sshd[7]", "pam_unix(sshd:auth): ", "ssh"),
        ("vsftpd(pam_unix)[7]", "", "other"),
        ("vsftpd", "(pam_unix) ", "other"),
        ("daemon", "pam_unix: ", "other"),
        ("something-else[7]", "pam_unix(something-else:auth): ", "other"),
    ],
)
def test_whoever_asks(program: str, module: str, protocol: str) -> None:
    """PAM writes under the name of the program that asked, which says the protocol."""
    (event,) = read_messages(program, f"{module}{START.format('x', '', '192.0.2.1')}  user=bob")
    assert (event.login, event.remote, event.success, event.protocol) == ("bob", "192.0.2.1", False, protocol)


def test_several_failures_in_one_line() -> None:
    """pam_unix counts what it did not write."""
    line = "2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root"
    assert len(read_messages("sshd(pam_unix)[7]", line)) == 2


@pytest.mark.parametrize(
    "message",
    [
        "pam_unix(su:auth): authentication failure; logname=anna uid=1000 euid=0 tty=pts/1 ruser=anna rhost=  user=root",
        "pam_unix(sudo:auth): authentication failure; logname=anna uid=1000 euid=0 tty=/dev/pts/1 ruser=anna rhost=  user=anna",
        "pam_unix(imap:auth): check pass; user unknown",
        "pam_unix(imap:session): session opened for user bob by (uid=0)",
        "pam_listfile(vsftpd:auth): Refused user root for service vsftpd",
    ],
)
def test_no_log_in_from_the_network(message: str) -> None:
    """Without an address, or without a failure, there is nothing."""
    assert read_messages("daemon[7]", message) == []


@pytest.mark.parametrize(
    ("ruser", "rest", "login"),
    [
        ("rhost=1.2.3.4", "", "rhost=1.2.3.4"),
        ("x rhost=1.2.3.4", "", "x rhost=1.2.3.4"),
        ("x rhost=1.2.3.4", "  user=bob", "bob"),
        ("x user=y", "", "x user=y"),
        ("", " ", "~"),
    ],
)
def test_hostile_names(ruser: str, rest: str, login: str) -> None:
    """The last rhost= is PAM's, as long as what follows it can be no name."""
    (event,) = read_messages("auth", f"pam_unix(dovecot:auth): {START.format('dovecot', ruser, '192.0.2.1')}{rest}")
    assert event.remote == "192.0.2.1"
    assert event.login.startswith(login)


@pytest.mark.parametrize("rest", ["  user=x rhost=1.2.3.4", " user=x rhost=1.2.3.4", " user=x rhost=1.2.3.4 user=y"])
def test_two_ways_to_read_it(rest: str) -> None:
    """Where either end may be a name that the client made up, nothing is believed."""
    with pytest.raises(Refused, match="address"):
        read_messages("auth", f"pam_unix(dovecot:auth): {START.format('dovecot', '', '192.0.2.1')}{rest}")


def test_names_in_place_of_addresses() -> None:
    """They are refused; sshd writes the address itself, so there PAM's line is only passed over."""
    line = START.format("x", "bob", "evil.example")
    with pytest.raises(Refused, match="address"):
        read_messages("vsftpd[7]", f"pam_unix(vsftpd:auth): {line}")
    assert read_messages("sshd[7]", f"pam_unix(sshd:auth): {line}") == []


def test_the_program_itself_is_better() -> None:
    """What proftpd says, before or after, is the event; PAM's line of another account stays."""
    ours = "Apr 12 06:00:02 ftp1 proftpd[8]: ftp1 (192.0.2.1[192.0.2.1]) - USER bob (Login failed): Incorrect password."
    pam = "Apr 12 06:00:0{} ftp1 proftpd: pam_unix(proftpd:auth): " + START.format("x", "{}", "192.0.2.1")
    for lines in ([pam.format(1, "bob"), ours], [ours, pam.format(3, "bob")], [pam.format(1, "bob"), pam.format(1, "bob"), ours]):
        assert what(read(*lines)) == [("bob", "192.0.2.1", False, "credentials")]
    assert len(read(pam.format(1, "eve"), ours)) == 2
