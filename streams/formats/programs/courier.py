"""Courier: imapd, pop3d and courieresmtpd."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_PEER: Final = rf"ip=\[(?P<remote>{ADDRESS})\](?:, port=\[\d+\])?"

FORMAT: Final = Format(
    name="courier",
    provenance="Courier-IMAP's imap/imaplogin.c, pop3login.c (auth_callback_default) and Courier's "
    "courier/module.esmtp/courieresmtpd.c",
    gaps=(
        "courieresmtpd names the user only inside the client's own command, which is not taken for it. A log-in by "
        "SMTP leaves no line."
    ),
    protocol="imap",
    tags=re.compile(
        r"(?P<imap>(?:courier-)?imapd(?:-ssl)?|(?:courier)?imaplogin)|(?P<pop3>(?:courier-)?pop3d(?:-ssl)?|(?:courier)?pop3login)"
        r"|(?P<smtp>(?:courier)?esmtpd(?:-\w+)?)"
    ),
    words=("LOGIN FAILED, ", "LOGIN, user=", "535 Authentication failed"),
    rules=(
        Rule(
            "attempt",
            re.compile(rf"LOGIN FAILED, (?:user=(?P<login>.*), |method=(?P<mech>[\w-]+), )?{_PEER}\s*$", re.DOTALL),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(rf"LOGIN, user=(?P<login>.*), {_PEER}(?:, protocol=\w+)?(?:, stls=\d)?\s*$", re.DOTALL),
            {"success": True},
        ),
        Rule(
            "attempt",
            re.compile(rf"error,relay=(?P<remote>{ADDRESS}),(?:port=\d+,)?msg=\"535 Authentication failed\.\","),
            {"success": False, "protocol": "smtp"},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 mx1 imapd-ssl: LOGIN FAILED, user=anna@example.org, ip=[::ffff:192.0.2.60], port=[4711]",
            {"login": "anna@example.org", "remote": "192.0.2.60", "success": False, "protocol": "imap"},
        ),
        Sample(
            "Apr 12 06:00:02 mx1 pop3d: LOGIN, user=bob, ip=[2001:db8::60], port=[4712], protocol=POP3",
            {"login": "bob", "remote": "2001:db8::60", "success": True, "protocol": "pop3"},
        ),
        Sample(
            'Apr 12 06:00:03 mx1 courieresmtpd: error,relay=::ffff:192.0.2.61,msg="535 Authentication failed.",cmd: AUTH LOGIN',
            {"remote": "192.0.2.61", "success": False, "protocol": "smtp"},
        ),
        Sample("Apr 12 06:00:04 mx1 imapd: Connection, ip=[::ffff:192.0.2.62]", None),
    ),
)
