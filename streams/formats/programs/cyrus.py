"""Cyrus IMAP 2 to 3.10: imapd, pop3d, httpd and timsieved."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

#: ``host.example [192.0.2.1]``; timsieved leaves out the space, and without reverse DNS there is no name.
_CLIENT: Final = rf"(?:[^\s\[\]]+ ?)?\[(?P<remote>{ADDRESS})\]"
_WHY: Final = r"SASL\(-\d+\): (?P<fail_type>[\w ]+)"
_REASONS: Final[dict[str | None, object]] = {
    "user not found": "account",
    "user does not exist": "account",
    "account disabled": "disabled",
    "user account disabled": "disabled",
    "passphrase expired": "expired",
    "password expired": "expired",
    "generic failure": "internal",
    "authorization failure": "policy",
}


def _failed(text: str) -> Rule:
    return Rule("attempt", re.compile(text, re.DOTALL), {"success": False}, {"fail_type": _REASONS})


FORMAT: Final = Format(
    name="cyrus",
    provenance="Cyrus IMAP's imap/imapd.c, pop3d.c (cmd_login, cmd_authenticate, cmd_pass) and timsieved/parser.c, 2.3 to 3.10",
    gaps="Failed AUTHENTICATE does not name the user before 3.0. Refused plain text ('plaintext … refused') is not read.",
    protocol="imap",
    tags=re.compile(
        r"(?:cyrus(?:-\w+)?/)?(?:(?P<imap>imap\w*|proxyd)|(?P<pop3>pop3\w*)|(?P<sieve>(?>\w*?sieve)\w*)|(?P<http>http\w*)|(?P<other>nntps?))"
    ),
    words=("login: ",),
    rules=(
        _failed(rf"badlogin: {_CLIENT} (?P<mech>[\w-]+)(?: \((?P<login>.*)\))? \[{_WHY}(?:\W.*)?$"),
        _failed(rf"badlogin: {_CLIENT} (?P<mech>plaintext) (?P<login>.*) {_WHY}(?:\W.*)?$"),
        Rule(
            "attempt",
            re.compile(rf"badlogin: {_CLIENT} (?P<mech>plaintext) \(?(?P<login>.*?)\)? invalid user\s*$", re.DOTALL),
            {"success": False, "fail_type": "account"},
        ),
        # In parentheses stands the challenge.
        _failed(rf"badlogin: {_CLIENT} (?P<mech>APOP) \(<[^<>]*>\) {_WHY}(?:\W.*)?$"),
        _failed(rf"badlogin: {_CLIENT} (?P<mech>(?!plaintext )[\w-]+) (?P<fail_type>[a-z][\w ]{{5,60}}?)(?:: .*)?\s*$"),
        Rule(
            "attempt",
            re.compile(
                rf"login: {_CLIENT} (?P<login>.+) (?P<mech>[\w-]+)(?P<tls>\+TLS)? User logged in(?: SESSIONID=<\S*>)?\s*$",
                re.DOTALL,
            ),
            {"success": True},
            {"tls": {"+TLS": True}},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 mx1 cyrus/imaps[77]: badlogin: h.example [192.0.2.50] plaintext anna SASL(-13): "
            "authentication failure: "
            "checkpass failed",
            {"login": "anna", "remote": "192.0.2.50", "success": False, "protocol": "imap", "mech": "plaintext"},
        ),
        Sample(
            "Apr 12 06:00:02 mx1 pop3[78]: badlogin: [2001:db8::50] PLAIN (bob@example.org) [SASL(-20): user not found: "
            "no such user]",
            {"login": "bob@example.org", "remote": "2001:db8::50", "success": False, "protocol": "pop3", "fail_type": "account"},
        ),
        Sample(
            "Apr 12 06:00:03 mx1 timsieved[79]: badlogin: h.example[192.0.2.51] PLAIN authentication failure",
            {"remote": "192.0.2.51", "success": False, "protocol": "sieve"},
        ),
        Sample(
            "Apr 12 06:00:04 mx1 imap[80]: login: h.example [192.0.2.52] anna plaintext+TLS User logged in SESSIONID=<x-1>",
            {"login": "anna", "remote": "192.0.2.52", "success": True, "tls": True},
        ),
        Sample("Apr 12 06:00:05 mx1 imap[81]: open: user anna opened INBOX", None),
    ),
)
