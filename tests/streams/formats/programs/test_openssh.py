"""OpenSSH: up to four lines are one attempt, and a user name cannot change the address."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from models.events import AuthEvent, Refused
from tests.streams.formats.lines import read, read_messages, reader, told


def sshd(*messages: str, pid: int | str = 501) -> list[AuthEvent]:
    """The events of one sshd process, a second apart."""
    return read_messages(f"sshd[{pid}]", *messages)


def what(events: list[AuthEvent]) -> list[tuple[str, bool, str | None]]:
    """Who, how it went and why."""
    return [(event.login, event.success, event.fail_type) for event in events]


INVALID = "Invalid user guest from 192.0.2.1 port 40"
FAILED_INVALID = "Failed password for invalid user guest from 192.0.2.1 port 40 ssh2"
FAILED = "Failed password for root from 192.0.2.1 port 40 ssh2"


@pytest.mark.parametrize("kind", ["sshd", "sshd-session", "sshd-auth"])
@pytest.mark.parametrize("method", ["password", "keyboard-interactive/pam", "keyboard-interactive"])
def test_failed_passwords(kind: str, method: str) -> None:
    """A wrong password is an attempt, whichever of sshd's programs says so."""
    line = f"Apr 12 06:00:01 gw {kind}[1]: Failed {method} for root from 2001:db8::1 port 40 ssh2"
    (event,) = read(line)
    assert (event.login, event.remote, event.mech, event.protocol, event.fail_type) == ("root", "2001:db8::1", method, "ssh", None)


def test_accepted() -> None:
    """A success carries its method, and the fingerprint of the key."""
    password, key = sshd(
        "Accepted password for anna from 192.0.2.1 port 40 ssh2",
        "Accepted publickey for anna from 192.0.2.1 port 40 ssh2: ED25519-CERT SHA256:u8 ID x from 1.2.3.4 port 5 ssh2: A MD5:b",
    )
    assert (password.success, password.mech, password.credential_id) == (True, "password", None)
    assert (key.mech, key.credential_id, key.remote, key.login) == ("publickey", "SHA256:u8", "192.0.2.1", "anna")


def test_invalid_user_and_its_password_are_one_attempt() -> None:
    """The first wrong password after "Invalid user" is counted already, the next are not."""
    assert what(sshd(INVALID, FAILED_INVALID)) == [("guest", False, "account")]
    assert what(sshd(INVALID, FAILED_INVALID, FAILED_INVALID, FAILED_INVALID)) == [("guest", False, "account")] * 3
    assert what(sshd(INVALID, f"message repeated 3 times: [ {FAILED_INVALID}]")) == [("guest", False, "account")] * 3


def test_invalid_user_without_a_password_is_one_attempt() -> None:
    """A connection that ends after "Invalid user" is one attempt."""
    closed = "Connection closed by invalid user guest 192.0.2.1 port 40 [preauth]"
    assert what(sshd(INVALID, closed)) == [("guest", False, "account")]
    assert what(sshd(INVALID, "Received disconnect from 192.0.2.1 port 40:11: Bye [preauth]", closed)) == [
        ("guest", False, "account")
    ]


def test_the_end_of_a_connection_counts_if_nothing_else_did() -> None:
    """A closing line is an attempt by itself, and none after a wrong password."""
    closed = "Connection closed by authenticating user root 192.0.2.1 port 40 [preauth]"
    assert what(sshd(closed)) == [("root", False, None)]
    assert what(sshd(FAILED, FAILED, closed)) == [("root", False, None)] * 2
    assert what(sshd("Connection reset by authenticating user root 192.0.2.1 port 40 [preauth]")) == [("root", False, None)]
    assert what(sshd("Disconnecting authenticating user root 192.0.2.1 port 40: Too many authentication failures [preauth]")) == [
        ("root", False, None)
    ]


def test_connections_are_told_apart() -> None:
    """Another process, another user, another address or a much later line is another attempt."""
    log = reader()

    def count(line: str) -> int:
        return len(log.read(line.encode()) or [])

    assert count(f"Apr 12 06:00:00 gw sshd[1]: {INVALID}") == 1
    assert count(f"Apr 12 06:00:01 gw sshd[2]: {FAILED_INVALID}") == 1
    assert count(f"Apr 12 06:00:01 gw2 sshd[1]: {FAILED_INVALID}") == 1
    assert count("Apr 12 06:00:01 gw sshd[1]: Failed password for invalid user admin from 192.0.2.1 port 40 ssh2") == 1
    assert count(f"Apr 12 06:00:02 gw sshd[3]: {INVALID}") == 1
    assert count(f"Apr 12 06:30:02 gw sshd[3]: {FAILED_INVALID}") == 1
    assert count(f"Apr 12 06:30:03 gw sshd[4]: {INVALID}") == 1
    assert count(f"Apr 12 06:30:03 gw sshd[4]: {INVALID}") == 1


def test_users_who_may_not_log_in() -> None:
    """A refusal by policy is one attempt with its password, and stays a refusal by policy."""
    refused = "User root from 192.0.2.1 not allowed because not listed in AllowUsers"
    assert what(sshd(refused, "Failed password for invalid user root from 192.0.2.1 port 40 ssh2")) == [("root", False, "policy")]


@pytest.mark.parametrize(
    "message",
    [
        "Failed publickey for anna from 192.0.2.1 port 40 ssh2: RSA SHA256:u8Rk",
        "Postponed keyboard-interactive for root from 192.0.2.1 port 40 ssh2 [preauth]",
        "Partial publickey for anna from 192.0.2.1 port 40 ssh2",
        "Connection closed by 192.0.2.1 port 40 [preauth]",
        "Did not receive identification string from 192.0.2.1 port 40",
        "Bad protocol version identification 'root from 192.0.2.1' from 192.0.2.1 port 40",
        "Unable to negotiate with 192.0.2.1 port 40: no matching cipher found. Their offer: aes128-cbc [preauth]",
        "User root not allowed because account is locked",
        "Disconnected from user anna 192.0.2.1 port 40",
        "Received disconnect from 192.0.2.1 port 40:11: disconnected by user",
    ],
)
def test_lines_that_are_no_attempt(message: str) -> None:
    """Offers of keys, scans, and ends of good sessions are left out."""
    assert sshd(message) == []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("error: PAM: Authentication failure for root from 192.0.2.1", ("root", False, None)),
        ("error: PAM: authentication error for root from 192.0.2.1 via 10.0.0.1", ("root", False, None)),
        ("error: PAM: User not known to the underlying authentication module for illegal user x from 192.0.2.1",
         ("x", False, "account")),
        ("error: PAM: User account has expired for carl from 192.0.2.1", ("carl", False, "disabled")),
        ("error: maximum authentication attempts exceeded for invalid user x from 192.0.2.1 port 40 ssh2 [preauth]",
         ("x", False, "account")),
        ("ROOT LOGIN REFUSED FROM 192.0.2.1 port 40 [preauth]", ("root", False, "policy")),
        ("Illegal user x from 192.0.2.1", ("x", False, "account")),
        ("Failed password for illegal user x from ::ffff:192.0.2.1 port 40 ssh2", ("x", False, "account")),
        ("Failed none for root from 192.0.2.1 port 40 ssh2", ("root", False, None)),
        ("Failed publickey for invalid user x from 192.0.2.1 port 40 ssh2: RSA SHA256:u8", ("x", False, "account")),
        ('Failed hostbased for dan from 192.0.2.1 port 40 ssh2: RSA 8c:e3, client user "dan", client host "h"',
         ("dan", False, None)),
        ("Authentication tried for root with correct key but not from a permitted host (host=h.example, ip=192.0.2.1).",
         ("root", False, "policy")),
        ("Postponed keyboard-interactive for invalid user x from 192.0.2.1 port 40 ssh2 [preauth]", ("x", False, "account")),
        ("User root from 192.0.2.1 not allowed because none of user's groups are listed in AllowGroups", ("root", False, "policy")),
        ("User eve from 192.0.2.1 not allowed because shell /usr/sbin/nologin does not exist", ("eve", False, "policy")),
    ],
)  # fmt: skip
def test_one_line_alone(message: str, expected: tuple[str, bool, str | None]) -> None:
    """Each kind of line that names somebody is an attempt where it stands alone."""
    events = sshd(message)
    assert what(events) == [expected]
    assert events[0].remote == "192.0.2.1"


def test_a_disconnected_client_that_failed_counts_without_a_name() -> None:
    """The client says that its log-in failed; whose it was is not told."""
    (event,) = sshd("Received disconnect from 192.0.2.1 port 40:3: com.jcraft.jsch.JSchException: Auth fail [preauth]")
    assert (event.remote, event.login[0]) == ("192.0.2.1", "~")
    assert len(sshd(FAILED, "Received disconnect from 192.0.2.1 port 40:3: x: Auth fail [preauth]")) == 1


PAM_INVALID = "error: PAM: User not known to the underlying authentication module for illegal user guest from 192.0.2.1"
PAM_ROOT = "error: PAM: Authentication failure for root from 192.0.2.1"
FAILED_PAM = "Failed keyboard-interactive/pam for invalid user guest from 192.0.2.1 port 40 ssh2"
POSTPONED = "Postponed keyboard-interactive for invalid user guest from 192.0.2.1 port 40 ssh2 [preauth]"
MODULE = "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1{}"
TOO_MANY = "error: maximum authentication attempts exceeded for root from 192.0.2.1 port 40 ssh2 [preauth]"
CUT_OFF = "Disconnecting authenticating user root 192.0.2.1 port 40: Too many authentication failures [preauth]"


@pytest.mark.parametrize(
    ("lines", "attempts"),
    [
        ([INVALID, POSTPONED, PAM_INVALID, FAILED_PAM], 1),
        ([INVALID, POSTPONED, PAM_INVALID, FAILED_PAM, POSTPONED, PAM_INVALID, FAILED_PAM], 2),
        ([INVALID, MODULE.format(""), FAILED_INVALID], 1),
        ([INVALID, "Failed none for invalid user guest from 192.0.2.1 port 40 ssh2", FAILED_INVALID, FAILED_INVALID], 2),
        ([PAM_ROOT, PAM_ROOT, PAM_ROOT, "Failed keyboard-interactive/pam for root from 192.0.2.1 port 40 ssh2"], 3),
        ([MODULE.format("  user=root"), FAILED, FAILED, TOO_MANY, CUT_OFF], 2),
        ([TOO_MANY, CUT_OFF], 1),
        ([MODULE.format("  user=root"), "Connection closed by authenticating user root 192.0.2.1 port 40 [preauth]"], 1),
        ([MODULE.format("  user=root")], 1),
    ],
)
def test_what_one_process_says_is_counted_once(lines: list[str], attempts: int) -> None:
    """Several lines about one attempt are one event, and later attempts of the connection are counted."""
    assert len(sshd(*lines)) == attempts


def test_a_module_that_fails_before_another_accepts_is_no_failure() -> None:
    """Where PAM asks several modules, the first complains about each good password that only the next one knows."""
    accepted = "Accepted password for root from 192.0.2.1 port 40 ssh2"
    assert what(sshd(MODULE.format("  user=root"), MODULE.format("  user=root"), accepted)) == [("root", True, None)]


HOSTILE = [
    "root from 1.2.3.4 port 22 ssh2",
    "x from 1.2.3.4",
    "x from 1.2.3.4 port 22 ssh2: RSA SHA256:x",
    "x rhost=1.2.3.4  user=y",
    "x 1.2.3.4 port 22 [preauth]",
    "x 1.2.3.4 port 22: Too many authentication failures [preauth]",
    "",
    " ",
    "invalid user x",
]


@pytest.mark.parametrize("user", HOSTILE)
@pytest.mark.parametrize(
    "line",
    [
        "Failed password for invalid user {} from 192.0.2.1 port 40 ssh2",
        "Failed password for {} from 192.0.2.1 port 40 ssh2",
        "Invalid user {} from 192.0.2.1 port 40",
        "Invalid user {} from 192.0.2.1",
        "Connection closed by invalid user {} 192.0.2.1 port 40 [preauth]",
        "Disconnected from authenticating user {} 192.0.2.1 port 40 [preauth]",
        "Disconnecting invalid user {} 192.0.2.1 port 40: Too many authentication failures [preauth]",
    ],
)
def test_hostile_names_do_not_change_the_address(line: str, user: str) -> None:
    """The address is the one sshd wrote, at the end of the line; where the line can be read in two ways it is refused."""
    try:
        remotes = [event.remote for event in sshd(line.format(user))]
    except Refused:
        assert line.startswith("Failed")
        assert "ssh2: " in user
    else:
        assert remotes == ["192.0.2.1"]


def test_without_process_numbers_each_line_stands_alone() -> None:
    """Lines that do not say which process wrote them are never merged."""
    log = reader()
    line = b"Apr 12 06:00:01 gw sshd: Connection closed by authenticating user root 192.0.2.1 port 40 [preauth]"
    assert [len(log.read(line) or []) for _ in range(3)] == [1, 1, 1]


def read_file(path: Path) -> tuple[int, list[AuthEvent]]:
    """Number of lines and events of a file."""
    lines = path.read_bytes().splitlines()
    return len(lines), [event for _, event in told(reader(), lines)]


@pytest.mark.shared_data
def test_log_without_passwords(shared_data: Path) -> None:
    """1,918 invalid users, and 1,090 connections that ended while authenticating (counted with grep)."""
    lines, events = read_file(shared_data / "logs/authlog_cseanburns_2023.log")
    assert lines == 6341
    assert Counter(event.fail_type for event in events) == {"account": 1918, None: 1090}
    assert not any(event.success for event in events)


@pytest.mark.shared_data
def test_log_with_passwords(shared_data: Path) -> None:
    """383 wrong passwords and two lines folded from five each; of 113 invalid users, three never sent a password."""
    lines, events = read_file(shared_data / "logs/loghub_openssh_2k.log")
    assert lines == 2000
    outcomes = Counter((event.success, event.fail_type) for event in events)
    assert outcomes == {(False, None): 383 + 2 * 5, (False, "account"): 135 + 3, (True, None): 1}


@pytest.mark.shared_data
def test_real_lines(shared_data: Path) -> None:
    """On lines collected by others every failure that is read has the address they expect."""
    agreed = 0
    for text in (shared_data / "parser_truth/fail2ban.jsonl").read_text().splitlines():
        case = json.loads(text)
        host = (case["expect"] or {}).get("host")
        if case["file"] != "sshd" or host is None:
            continue
        try:
            events = read(case["line"])
        except Refused:
            continue
        failures = [event for event in events if not event.success]
        assert {event.remote for event in failures} <= {host}, case["line"]
        agreed += bool(failures)
    assert agreed == 56
