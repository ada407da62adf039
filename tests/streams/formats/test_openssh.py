"""OpenSSH: up to four lines are one attempt, and a user name cannot change the address."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC
from pathlib import Path

import pytest

from models.events import AuthEvent
from streams.formats.openssh import OPENSSH
from streams.formats.reader import LogReader
from streams.formats.syslog import Clock


def read(*messages: str, pid: int | str = 501) -> list[AuthEvent]:
    """The events of one sshd process, a second apart."""
    log = LogReader([OPENSSH], Clock(UTC, 2022, 0.0))
    lines = [f"Apr 12 06:00:{second:02} gw sshd[{pid}]: {message}" for second, message in enumerate(messages)]
    return [event for line in lines for event in log.read(line.encode())]


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
    (event,) = LogReader([OPENSSH], Clock(UTC, 2022, 0.0)).read(line.encode())
    assert (event.login, event.remote, event.mech, event.protocol, event.fail_type) == ("root", "2001:db8::1", method, "ssh", None)


def test_accepted() -> None:
    """A success carries its method, and the fingerprint of the key."""
    password, key = read(
        "Accepted password for anna from 192.0.2.1 port 40 ssh2",
        "Accepted publickey for anna from 192.0.2.1 port 40 ssh2: ED25519-CERT SHA256:u8 ID x from 1.2.3.4 port 5 ssh2: A MD5:b",
    )
    assert (password.success, password.mech, password.credential_id) == (True, "password", None)
    assert (key.mech, key.credential_id, key.remote, key.login) == ("publickey", "SHA256:u8", "192.0.2.1", "anna")


def test_invalid_user_and_its_password_are_one_attempt() -> None:
    """The first wrong password after "Invalid user" is counted already, the next are not."""
    assert what(read(INVALID, FAILED_INVALID)) == [("guest", False, "account")]
    assert what(read(INVALID, FAILED_INVALID, FAILED_INVALID, FAILED_INVALID)) == [("guest", False, "account")] * 3
    assert what(read(INVALID, f"message repeated 3 times: [ {FAILED_INVALID}]")) == [("guest", False, "account")] * 3


def test_invalid_user_without_a_password_is_one_attempt() -> None:
    """A connection that ends after "Invalid user" is one attempt."""
    closed = "Connection closed by invalid user guest 192.0.2.1 port 40 [preauth]"
    assert what(read(INVALID, closed)) == [("guest", False, "account")]
    assert what(read(INVALID, "Received disconnect from 192.0.2.1 port 40:11: Bye [preauth]", closed)) == [
        ("guest", False, "account")
    ]


def test_the_end_of_a_connection_counts_if_nothing_else_did() -> None:
    """A closing line is an attempt by itself, and none after a wrong password."""
    closed = "Connection closed by authenticating user root 192.0.2.1 port 40 [preauth]"
    assert what(read(closed)) == [("root", False, None)]
    assert what(read(FAILED, FAILED, closed)) == [("root", False, None)] * 2
    assert what(read("Connection reset by authenticating user root 192.0.2.1 port 40 [preauth]")) == [("root", False, None)]
    assert what(read("Disconnecting authenticating user root 192.0.2.1 port 40: Too many authentication failures [preauth]")) == [
        ("root", False, None)
    ]


def test_connections_are_told_apart() -> None:
    """Another process, another user, another address or a much later line is another attempt."""
    log = LogReader([OPENSSH], Clock(UTC, 2022, 0.0))

    def count(line: str) -> int:
        return len(log.read(line.encode()))

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
    assert what(read(refused, "Failed password for invalid user root from 192.0.2.1 port 40 ssh2")) == [("root", False, "policy")]


@pytest.mark.parametrize(
    "message",
    [
        "Failed none for invalid user guest from 192.0.2.1 port 40 ssh2",
        "Failed publickey for anna from 192.0.2.1 port 40 ssh2: RSA SHA256:u8Rk",
        "Postponed keyboard-interactive for root from 192.0.2.1 port 40 ssh2 [preauth]",
        "Partial publickey for anna from 192.0.2.1 port 40 ssh2",
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root",
        "Connection closed by 192.0.2.1 port 40 [preauth]",
        "error: maximum authentication attempts exceeded for root from 192.0.2.1 port 40 ssh2 [preauth]",
        "Disconnected from user anna 192.0.2.1 port 40",
        "Received disconnect from 192.0.2.1 port 40:11: disconnected by user",
    ],
)
def test_lines_that_are_no_attempt(message: str) -> None:
    """Offers of keys, repetitions by PAM, scans and ends of good sessions are left out."""
    assert read(message) == []


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
    """The address is the one sshd wrote, at the end of the line."""
    assert [event.remote for event in read(line.format(user))] == ["192.0.2.1"]


def test_without_process_numbers_each_line_stands_alone() -> None:
    """Lines that do not say which process wrote them are never merged."""
    log = LogReader([OPENSSH], Clock(UTC, 2022, 0.0))
    line = b"Apr 12 06:00:01 gw sshd: Connection closed by authenticating user root 192.0.2.1 port 40 [preauth]"
    assert [len(log.read(line)) for _ in range(3)] == [1, 1, 1]


def read_file(path: Path) -> tuple[int, list[AuthEvent]]:
    """Number of lines and events of a file."""
    log = LogReader([OPENSSH], Clock(UTC, 2023, 0.0))
    lines = path.read_bytes().splitlines()
    return len(lines), [event for line in lines for event in log.read(line)]


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


#: fail2ban guards against text behind "ssh2: "; sshd writes none there for a password, so this is all user name.
DISPUTED = "Failed password for invalid user test from 127.0.0.1 port 58946 ssh2: from 10.10.1.2 port 55555 ssh2"


@pytest.mark.shared_data
def test_real_lines(shared_data: Path) -> None:
    """On lines collected by others every failure that is read has the address they expect."""
    agreed = 0
    for text in (shared_data / "parser_truth/fail2ban.jsonl").read_text().splitlines():
        case = json.loads(text)
        host = (case["expect"] or {}).get("host")
        if case["file"] != "sshd" or DISPUTED in case["line"] or host is None:
            continue
        events = LogReader([OPENSSH], Clock(UTC, 2005, 0.0), at=0.0).read(case["line"].encode("utf-8", "surrogateescape"))
        failures = [event for event in events if not event.success]
        assert {event.remote for event in failures} <= {host}, case["line"]
        agreed += bool(failures)
    assert agreed == 27
