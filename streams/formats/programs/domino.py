"""HCL (IBM) Domino: the server console's log."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_PROTOCOLS: Final[dict[str | None, object]] = {
    "smtp": "smtp",
    "SMTP": "smtp",
    "imap": "imap",
    "IMAP": "imap",
    "pop3": "pop3",
    "POP3": "pop3",
    "http": "http",
    "HTTP": "http",
}

FORMAT: Final = Format(
    name="domino",
    provenance="Domino's console messages for SMTP, IMAP, POP3 and HTTP authentication, 8.5 to 12",
    gaps="The order of day, month and year follows the server's locale; day-month-year and ISO are read. A success is "
    "not logged by default.",
    protocol="smtp",
    tags=re.compile("domino"),
    words=("uthentication fail",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r"(?P<protocol>\w+) Server:? (?:\[[0-9A-F:-]+\] )?Authentication failed for user (?P<login>.*?) ?; connecting "
                r"host "
                rf"\[?(?P<remote>{ADDRESS})\]?\s*$",
                re.DOTALL,
            ),
            {"success": False},
            {"protocol": _PROTOCOLS},
        ),
        Rule(
            "attempt",
            re.compile(
                r"(?:\[[0-9A-F:-]+\] (?P<time>\d\d-\d\d-\d{4} [\d:]{8}) +)?(?P<protocol>\w+): (?P<login>.*) "
                rf"\[?(?P<remote>{ADDRESS})\]? authentication failure using internet password\s*$",
                re.DOTALL,
            ),
            {"success": False},
            {"protocol": _PROTOCOLS},
        ),
    ),
    samples=(
        Sample(
            "12-04-2022 06:00:01   smtp: Anna Bell [192.0.2.253] authentication failure using internet password",
            {"login": "Anna Bell", "remote": "192.0.2.253", "success": False, "protocol": "smtp"},
        ),
        Sample(
            "2022-04-12 06:00:02   IMAP Server: Authentication failed for user bob ; connecting host 192.0.2.254",
            {"login": "bob", "remote": "192.0.2.254", "success": False, "protocol": "imap"},
        ),
        Sample(
            "[28325:00010-3735542592] 12-04-2022 06:00:03   smtp: eva [192.0.2.252] authentication failure using internet password",
            {"login": "eva", "remote": "192.0.2.252", "success": False, "protocol": "smtp"},
        ),
        Sample("2022-04-12 06:00:03   SMTP Server: 192.0.2.254 connected", None),
    ),
)
