"""Postfix: smtpd's lines about SASL, on ports 25, 465 and 587.

A wrong password is a warning of its own. A right one shows only when a mail is sent, once for each mail; one per process,
name and address counts.
"""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

#: The name is the client's reverse DNS, which has no brackets; the port with ``smtpd_client_port_logging``.
_CLIENT: Final = rf"[^\s\[\]]+\[(?P<remote>{ADDRESS})\](?::\d+)?"
_REASONS: Final[dict[str | None, object]] = {
    "user not found": "account",
    "no secret in database": "account",
    "user disabled": "disabled",
    "account disabled": "disabled",
    "Account is disabled": "disabled",
    "Password expired": "expired",
    "password expired": "expired",
    "Connection lost to authentication server": "internal",
    "generic failure": "internal",
    "Temporary authentication failure": "internal",
    "temporary failure": "internal",
}

FORMAT: Final = Format(
    name="postfix",
    provenance="Postfix's smtpd/smtpd_sasl_glue.c (smtpd_sasl_authenticate), smtpd.c (check_mail_message_attr, chat "
    "counters), 2.3 to 3.10",
    gaps=(
        "Before 3.9 a failure does not name the user; where Dovecot or PAM says it about the same address at the "
        "same time it is taken "
        "from there. A log-in that sends no mail leaves no line. 'auth=0/N' of a closed connection counts where nothing else was "
        "said, as when AUTH is not offered. 'Invalid authentication mechanism' is left out: no password was given."
    ),
    protocol="smtp",
    tags=re.compile(r"(?:[\w.-]+/)+smtpd"),
    words=(": SASL ", "sasl_username=", " auth=0/"),
    connection="process",
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"warning: {_CLIENT}: SASL (?P<mech>[\w-]+) authentication failed:(?! Invalid authentication mechanism) ?"
                r"(?P<fail_type>(?:(?!, sasl_username=).)*)(?:, sasl_username=(?P<login>.*))?$",
                re.DOTALL,
            ),
            {"success": False},
            {"fail_type": _REASONS},
        ),
        Rule(
            "repeated",
            re.compile(
                rf"[0-9A-Za-z]+: client={_CLIENT}(?:, orig_\w+=\S+)*, sasl_method=(?P<mech>[\w-]+), "
                r"sasl_username=(?P<login>(?:(?!, (?:sasl_sender|orig_queue_id|orig_client)=).)*)(?:, \w+=.*)?$",
                re.DOTALL,
            ),
            {"success": True},
        ),
        Rule(
            "end",
            re.compile(rf"disconnect from {_CLIENT}(?: (?!auth=)\w+=[\d/]+)* auth=0/(?P<times>\d{{1,4}})(?: |$)"),
            {"success": False},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 mx1 postfix/submission/smtpd[77]: warning: unknown[192.0.2.30]: SASL LOGIN authentication failed: "
            "(reason unavailable), sasl_username=anna@example.org",
            {"login": "anna@example.org", "remote": "192.0.2.30", "success": False, "protocol": "smtp", "mech": "LOGIN"},
        ),
        Sample(
            "Apr 12 06:00:02 mx1 postfix/smtpd[78]: warning: h.example[2001:db8::30]:4711: SASL PLAIN authentication failed: "
            "Connection lost to authentication server",
            {"remote": "2001:db8::30", "success": False, "fail_type": "internal"},
        ),
        Sample(
            "Apr 12 06:00:03 mx1 postfix/smtps/smtpd[79]: 4Kd1x2: client=h.example[192.0.2.31], sasl_method=PLAIN, "
            "sasl_username=bob",
            {"login": "bob", "remote": "192.0.2.31", "success": True},
        ),
        Sample("Apr 12 06:00:04 mx1 postfix/smtpd[80]: lost connection after AUTH from unknown[192.0.2.32]", None),
        Sample(
            "Apr 12 06:00:05 mx1 postfix/smtpd[81]: disconnect from unknown[192.0.2.33] ehlo=1 auth=0/1 quit=1 commands=2/3",
            {"remote": "192.0.2.33", "success": False},
        ),
    ),
)
