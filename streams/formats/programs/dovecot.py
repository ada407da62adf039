"""Dovecot 1 to 2.4: the log-in processes for IMAP, POP3, ManageSieve and submission, and the authentication process.

The log-in process writes one line per connection, at its end or at the hand-over to the mail process; that line is the
attempt. ``auth`` and ``auth-worker`` write about the same attempts and say whether the user was unknown; where nobody else
speaks (Postfix and Exim let Dovecot check passwords) their line is the attempt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_PROCESS: Final = r"(?:Info: )?(?P<protocol>imap|pop3|managesieve|submission)-login: (?:Info: )?"
#: Dovecot cuts and cleans the name, but it may hold ``>, rip=``: the last ``rip=`` of the line is Dovecot's. Where only the
#: session's ``>`` follows the name ends at the first one, which is found in half the time.
_LOGIN: Final = r"(?P<login>[^>]*+(?=>[^>]*+>?$)|.*)"
_CLIENT: Final = (
    rf"(?:user=<{_LOGIN}>, )?(?:method=(?P<mech>[\w.-]+), )?rip=(?P<remote>[^, ]+)(?:, lip=[^, ]+|(?!, lip=))(?:, mpid=\d+)?"
    r"(?:(?P<tls>, TLS)(?:[: v][^,]*)?)?(?:(?:,.*)??, session=<(?P<session_id>[^<>]*)>|,.*)?$"
)
_FAILURES: Final[Mapping[str | None, str | None]] = {
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
    rf"{_PROCESS}[^<]*?\((?P<fail_type>{'|'.join(map(str, _FAILURES))})(?:, (?P<times>\d{{1,4}}) attempts)?[^<()]*\)"
    rf"(?: \(\w+\))?: {_CLIENT}"
)
_NOT_ALLOWED: Final = rf"{_PROCESS}[^<]*?\(tried to use dis(?:abled|allowed) \w+ auth\)(?: \(\w+\))?: {_CLIENT}"
#: Dovecot 1 counted tries in other words, 1.0 not at all.
_ABORTED: Final = rf"{_PROCESS}Aborted login(?: \((?P<times>\d{{1,4}}) authentication attempts\))?: (?=user=<.*>, method=){_CLIENT}"
_TOO_MANY: Final = rf"{_PROCESS}Maximum number of connections from user\+IP exceeded \(\w+=\d+\): {_CLIENT}"
_SUCCEEDED: Final = rf"{_PROCESS}(?:Login|Logged in): {_CLIENT}"
_PROXIED: Final = rf"{_PROCESS}proxy\([^()<]*\): [Ss]tarted proxying to [^<>]*(?:<[^<>]*>[^<>]*)?: {_CLIENT}"

_REASONS: Final[Mapping[str | None, str | None]] = {
    "unknown user": "account",
    "pam_authenticate() failed: User not known to the underlying authentication module": "account",
    "Password mismatch": "credentials",
    "password mismatch": "credentials",
    "invalid credentials": "credentials",
    "pam_authenticate() failed: Authentication failure": "credentials",
    "pam_authenticate() failed: Permission denied": "policy",
    "pam_authenticate() failed: Authentication service cannot retrieve authentication info": "internal",
    "pam_authenticate() failed: Authentication token expired": "expired",
    "pam_acct_mgmt() failed: Authentication token expired": "expired",
    "pam_acct_mgmt() failed: Authentication token is no longer valid; new one required": "expired",
    "pam_acct_mgmt() failed: User account has expired": "disabled",
    "pam_acct_mgmt() failed: Permission denied": "policy",
    "Authentication failure due to policy server refusal": "policy",
    "allow_nets check failed": "policy",
    "Login failed": None,
}
_WHY: Final = (
    r"(?P<fail_type>unknown user|[Pp]assword mismatch|invalid credentials|pam_\w+\(\) failed: [\w ;]+?"
    r"|Authentication failure due to policy server refusal|allow_nets check failed(?=: IP)|Login failed(?= \(status=))"
    r"(?:: IP [\w .:]*)?(?: \((?!given)[^()]*\))*(?: \(given password: .*\)|: \d+ Time\(s\))?$"
)
_SUBJECT: Final = rf"(?P<login>.*),(?P<remote>{ADDRESS})(?:,master)?,?(?:<(?P<session_id>[^<>]*)>)?"
_AUTH_PROCESS: Final = (
    r"(?:dovecot: )?(?:Info: )?auth(?:-worker)?(?:\([\w ]+\))?: (?:Info: )?(?:conn \S+ \([^()]*\): auth-worker<\d+>: )?"
)
#: ``auth: sql(bob,192.0.2.13,<session>): …`` and since 2.4 ``auth(bob,192.0.2.13,sasl:plain)<session>: sql: …``.
_AUTH: Final = (
    rf"{_AUTH_PROCESS}(?!pam_)[\w-]+\({_SUBJECT}\): {_WHY}",
    rf"auth(?:-worker)?\((?P<login>.*),(?P<remote>{ADDRESS})(?:,sasl:[\w-]+)?\)(?:<\d+>)?(?:<(?P<session_id>[^<>]+)>)?: "
    rf"(?:Info: )?(?:request \[\d+\]: )?[\w-]+: {_WHY}",
)
_TOKEN: Final = (
    rf"{_AUTH_PROCESS}oauth2\({_SUBJECT}\): (?:oauth2 failed|Local validation failed|Introspection failed|Token "
    r"(?:validation|has|is)\b)"
)
#: A password in plain text ends the line and may look like the rest of another.
_TWO_PASSWORDS: Final = re.compile(r"given password: .*given password: ", re.DOTALL)
_VALUES: Final[Mapping[str, Mapping[str | None, object]]] = {
    "protocol": {"imap": "imap", "pop3": "pop3", "managesieve": "sieve", "submission": "smtp"},
    "tls": {", TLS": True, None: False},
}


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.DOTALL)


FORMAT: Final = Format(
    name="dovecot",
    provenance="Dovecot's login-common/client-common.c (client_get_extra_disconnect_reason) and auth/auth-request.c, 1.0 to 2.4",
    gaps=(
        "A line with 'N attempts' gives N events at the time of the line, all with the last user name: the log has no other. "
        "Failures of a connection that succeeds later are only in the lines of auth, if auth_verbose is set. Behind a webmail or "
        "a proxy 'rip' is the proxy's address unless Dovecot is told the client's. No password hash. Lines of auth do not say the "
        "protocol; imap is taken. 'no auth attempts' and an unfinished exchange are no attempts: no password was given. Changed "
        "login_log_format_elements may not match."
    ),
    protocol="imap",
    tags=re.compile("dovecot"),
    own_tags=re.compile(r"(?:imap|pop3|managesieve|submission)-login|auth|auth-worker"),
    words=("-login: ", "auth: ", "auth(", "auth-worker"),
    connection="session_id",
    rules=(
        Rule("attempt", _pattern(_SUCCEEDED), {"success": True}, _VALUES),
        Rule("attempt", _pattern(_FAILED), {"success": False}, {**_VALUES, "fail_type": _FAILURES}),
        Rule("attempt", _pattern(_PROXIED), {"success": True}, _VALUES, front=True),
        Rule("attempt", _pattern(_NOT_ALLOWED), {"success": False, "fail_type": "policy"}, _VALUES),
        Rule("attempt", _pattern(_TOO_MANY), {"success": False, "fail_type": "policy"}, _VALUES),
        Rule("attempt", _pattern(_ABORTED), {"success": False}, _VALUES),
        *(Rule("echo", _pattern(auth), {"success": False}, {"fail_type": _REASONS}, ambiguous=_TWO_PASSWORDS) for auth in _AUTH),
        Rule("echo", _pattern(_TOKEN), {"success": False, "fail_type": "token"}),
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
        Sample(
            "Apr 12 06:00:08 mx1 dovecot: auth: sql(bob,192.0.2.13,<k3vZ5>): unknown user",
            {"login": "bob", "remote": "192.0.2.13", "success": False, "fail_type": "account", "session_id": "k3vZ5"},
        ),
        Sample(
            "Apr 12 06:00:09 mx1 dovecot: auth(bob,192.0.2.13,sasl:plain)<k3vZ6>: sql: Password mismatch",
            {"login": "bob", "remote": "192.0.2.13", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            "Apr 12 06:00:09 px1 dovecot: imap-login: proxy(bob): started proxying to 10.0.0.1:143: user=<bob>, method=PLAIN, "
            "rip=192.0.2.13, lip=198.51.100.1, TLS, session=<k3vZ7>",
            {"login": "bob", "remote": "192.0.2.13", "success": True},
        ),
    ),
)
