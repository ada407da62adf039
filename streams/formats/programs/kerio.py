"""Kerio Connect: the logs ``security`` and ``warning``."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_PROTOCOLS: Final[dict[str | None, object]] = {
    "SMTP": "smtp",
    "SMTPS": "smtp",
    "IMAP": "imap",
    "IMAPS": "imap",
    "POP3": "pop3",
    "POP3S": "pop3",
    "HTTP": "http",
    "HTTP/WebMail": "http",
    "HTTP/WebAdmin": "http",
}
_PROTOCOL: Final = r"(?P<protocol>[\w/]+)"
_FROM: Final = rf"\. Attempt from IP address (?P<remote>{ADDRESS})\.?\s*$"


FORMAT: Final = Format(
    name="kerio",
    provenance="Kerio Connect's administrator's guide (security log) and logs of versions 7 to 10",
    gaps="Successful log-ins are not in these logs. 'Failed SMTP login … with SASL method' does not name the user.",
    protocol="smtp",
    tags=re.compile("kerio|mailserver"),
    words=("Attempt from IP address", " login from ", "login into Web Administration from "),
    rules=(
        Rule(
            "attempt",
            re.compile(rf"{_PROTOCOL}: User (?P<login>.*) doesn't exist{_FROM}", re.DOTALL),
            {"success": False, "fail_type": "account"},
            {"protocol": _PROTOCOLS},
        ),
        Rule(
            "attempt",
            re.compile(rf"{_PROTOCOL}: Invalid password for user (?P<login>.*){_FROM}", re.DOTALL),
            {"success": False, "fail_type": "credentials"},
            {"protocol": _PROTOCOLS},
        ),
        Rule(
            "attempt",
            re.compile(rf"Failed {_PROTOCOL} login from (?P<remote>{ADDRESS}) with SASL method (?P<mech>[\w-]+)\.?\s*$"),
            {"success": False},
            {"protocol": _PROTOCOLS},
        ),
        Rule(
            "attempt",
            re.compile(rf"Administration login into Web Administration from (?P<remote>{ADDRESS}) failed: IP address not allowed"),
            {"success": False, "protocol": "http", "fail_type": "policy"},
        ),
    ),
    samples=(
        Sample(
            "[12/Apr/2022 06:00:01] IMAP: Invalid password for user anna@example.org. Attempt from IP address 192.0.2.250.",
            {
                "login": "anna@example.org",
                "remote": "192.0.2.250",
                "success": False,
                "protocol": "imap",
                "fail_type": "credentials",
            },
        ),
        Sample(
            "[12/Apr/2022 06:00:02] Failed SMTP login from 192.0.2.251 with SASL method CRAM-MD5.",
            {"remote": "192.0.2.251", "success": False, "protocol": "smtp", "mech": "CRAM-MD5"},
        ),
        Sample("[12/Apr/2022 06:00:03] SMTP Spam attack detected from 192.0.2.252, client sent data before SMTP greeting", None),
    ),
)
