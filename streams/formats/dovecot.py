"""Dovecot 2.2 to 2.4: the lines of the log-in processes for IMAP, POP3, ManageSieve and submission.

The log-in process writes one line per connection, at its end or at the hand-over to the mail process; that line is the
attempt. ``auth`` and ``auth-worker`` write about the same attempts; their lines are never counted, they only say which
failures were unknown users and which were wrong passwords.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from streams.formats.format import Format, Rule, Sample

__all__ = ["DOVECOT"]

_PROCESS: Final = r"(?P<protocol>imap|pop3|managesieve|submission)-login: (?:Info: )?"
#: Dovecot cuts and cleans the name, but it may hold ``>, rip=``: the last ``rip=`` of the line is Dovecot's.
_CLIENT: Final = (
    r"(?:user=<(?P<login>.*)>, )?(?:method=(?P<mech>[\w.-]+), )?rip=(?P<remote>[^, ]+)(?:, lip=[^, ]+)?(?:, mpid=\d+)?"
    r"(?P<tls>, TLS)?(?:.*, session=<(?P<session_id>[^<>]*)>)?"
)
_FAILURES: Final[dict[str | None, str | None]] = {
    "auth failed": None,
    "authorization failed": "policy",
    "user disabled": "disabled",
    "password expired": "expired",
    "login disabled": "disabled",
    "auth service reported temporary failure": "internal",
    "internal failure": "internal",
    "proxy dest auth failed": None,
    "proxy dest authentication failure": None,
    "proxy dest temporary authentication failure": "internal",
}
#: The reason stands before the first "<", the user name after it.
_FAILED: Final = (
    _PROCESS
    + rf"[^<]*?\((?P<fail_type>{'|'.join(map(str, _FAILURES))})(?:, (?P<times>\d{{1,4}}) attempts)?[^<()]*\)(?: \(\w+\))?: "
    + _CLIENT
)
_SUCCEEDED: Final = _PROCESS + r"(?:Login|Logged in|proxy\([^<]*\): started proxying to \S+(?: \(master [^()]*\))?): " + _CLIENT
#: ``auth: sql(bob,192.0.2.13,<session>): …`` and since 2.4 ``auth(bob,192.0.2.13,sasl:plain)<session>: sql: …``.
_AUTH: Final = (
    r"auth(?:-worker)?(?:\(\w+\))?: (?:Info: )?(?:conn unix:auth-worker \([^()]*\): auth-worker<\d+>: )?"
    r"\w+\(.*,<(?P<session_id>[^<>]+)>\): ",
    r"auth(?:-worker)?\(.*\)(?:<\d+>)?<(?P<session_id>[^<>]+)>: (?:Info: )?(?:request \[\d+\]: )?\w+: ",
)
_UNKNOWN_USER: Final = "(?:unknown user|pam_authenticate\\(\\) failed: User not known)"
_MISMATCH: Final = "(?:[Pp]assword mismatch|invalid credentials|pam_authenticate\\(\\) failed: Authentication failure)"
_VALUES: Final[Mapping[str, Mapping[str | None, object]]] = {
    "protocol": {"managesieve": "sieve", "submission": "smtp"},
    "tls": {", TLS": True, None: False},
}

DOVECOT: Final = Format(
    name="dovecot",
    provenance="Dovecot's login-common/client-common.c (client_get_extra_disconnect_reason) and auth logs, 2.2 to 2.4",
    gaps=(
        "A line with 'N attempts' gives N events at the time of the line, all with the last user name: the log has no other. "
        "Failures of a connection that succeeds later are not in these lines. Behind a webmail or a proxy 'rip' is the proxy's "
        "address unless Dovecot is told the client's. No password hash. 'tried to use disallowed plaintext auth' is no attempt: "
        "no password was checked. Changed login_log_format_elements may not match."
    ),
    tags=frozenset({"dovecot"}),
    own_tags=frozenset({"imap-login", "pop3-login", "managesieve-login", "submission-login", "auth", "auth-worker"}),
    connection="session_id",
    rules=(
        Rule("attempt", re.compile(_SUCCEEDED), {"success": True}, _VALUES),
        Rule("attempt", re.compile(_FAILED), {"success": False}, {**_VALUES, "fail_type": _FAILURES}),
        *(Rule("hint", re.compile(auth + _UNKNOWN_USER), {"fail_type": "account"}) for auth in _AUTH),
        *(Rule("hint", re.compile(auth + _MISMATCH), {"fail_type": "credentials"}) for auth in _AUTH),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 mx1 dovecot: imap-login: Login: user=<anna@example.org>, method=PLAIN, rip=192.0.2.10, "
            "lip=198.51.100.1, mpid=4711, TLS, session=<k3vZ1>",
            {
                "login": "anna@example.org",
                "remote": "192.0.2.10",
                "success": True,
                "protocol": "imap",
                "mech": "PLAIN",
                "tls": True,
            },
        ),
        Sample(
            "Apr 12 06:00:05 mx1 dovecot[88]: pop3-login: Login aborted: Connection closed (auth failed, 1 attempts in 2 secs) "
            "(auth_failed): user=<bob>, method=LOGIN, rip=2001:db8::7, lip=2001:db8::1, session=<k3vZ2>",
            {"login": "bob", "remote": "2001:db8::7", "success": False, "protocol": "pop3", "session_id": "k3vZ2", "tls": False},
        ),
        Sample(
            "Apr 12 06:00:06 mx1 dovecot: submission-login: Disconnected: Inactivity (user disabled): user=<eve>, method=PLAIN, "
            "rip=192.0.2.11, lip=198.51.100.1, TLS, session=<k3vZ3>",
            {"login": "eve", "success": False, "protocol": "smtp", "fail_type": "disabled"},
        ),
        Sample(
            "Apr 12 06:00:07 mx1 dovecot: imap-login: Disconnected (no auth attempts in 3 secs): user=<>, rip=192.0.2.12, "
            "lip=198.51.100.1, TLS handshaking, session=<k3vZ4>",
            None,
        ),
        Sample("Apr 12 06:00:08 mx1 dovecot: auth: sql(bob,192.0.2.13,<k3vZ5>): unknown user", None),
    ),
)
