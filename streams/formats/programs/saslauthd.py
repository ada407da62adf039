"""Cyrus SASL's saslauthd: it knows no addresses, so its lines only say why the next attempt at a mail server fails."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="saslauthd",
    provenance="Cyrus SASL's saslauthd/saslauthd-main.c (do_auth) and auth_shadow.c, auth_pam.c, auth_rimap.c",
    gaps="No address, so never an attempt by itself. The reason reaches the server's own line if that names the user.",
    protocol="other",
    tags=re.compile("saslauthd"),
    words=(": auth failure: [user=",),
    rules=(
        Rule(
            "echo",
            re.compile(
                r"(?:do_auth +: )?auth failure: \[user=(?P<login>.*)\] \[service=[^\]]*\] \[realm=[^\]]*\] \[mech=[^\]]*\]"
                r"(?: \[reason=(?P<fail_type>[^\]]*)\])?$",
                re.DOTALL,
            ),
            {"success": False},
            {
                "fail_type": {
                    "Unknown username": "account",
                    "PAM acct error": "disabled",
                    "PAM start error": "internal",
                    "Password expired": "expired",
                    "Account expired": "disabled",
                    "[ALERT] saslauthd internal error": "internal",
                    "[ALERT] Couldn't contact remote authentication server": "internal",
                }
            },
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 mx1 saslauthd[77]: do_auth         : auth failure: [user=anna] [service=smtp] [realm=example.org] "
            "[mech=shadow] [reason=Password expired]",
            None,
        ),
    ),
)
