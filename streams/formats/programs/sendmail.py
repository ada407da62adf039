"""Sendmail 8: SMTP AUTH."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_RELAY: Final = rf"(?:[^\s\[\]]+ )?\[(?:IPv6:)?(?P<remote>{ADDRESS})\](?: \(may be forged\))?"
_ID: Final = r"(?:\w+: )?"

FORMAT: Final = Format(
    name="sendmail",
    provenance="Sendmail's sendmail/srvrsmtp.c (smtp, checksmtpattack, AUTH), 8.12 to 8.18",
    gaps=(
        "Before 8.16 single failures leave no line, only 'possible SMTP attack' after several, without a name; it "
        "counts as many as it says "
        "where the process has shown none."
    ),
    protocol="smtp",
    tags=re.compile(r"sendmail|sm-[\w-]+"),
    words=("AUTH failure (", "AUTH=server, ", "command=AUTH, "),
    connection="process",
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"{_ID}AUTH failure \((?P<mech>[\w-]+)\): (?P<fail_type>[\w ]{{1,60}}?) \(-\d+\) (?:(?!, user=|, relay=).)*"
                rf"(?:, user=(?P<login>.*))?, relay={_RELAY}\s*$",
                re.DOTALL,
            ),
            {"success": False},
            {"fail_type": {"user not found": "account", "account disabled": "disabled", "generic failure": "internal"}},
        ),
        Rule(
            "attempt",
            re.compile(rf"{_ID}AUTH=server, relay={_RELAY}, authid=(?P<login>.*), mech=(?P<mech>[\w-]+), bits=\d+\s*$", re.DOTALL),
            {"success": True},
        ),
        Rule(
            "closing",
            re.compile(rf"{_ID}{_RELAY}: possible SMTP attack: command=AUTH, count=(?P<times>\d{{1,4}})\s*$"),
            {"success": False},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 mx1 sendmail[77]: 23C601aB000077: AUTH failure (PLAIN): user not found (-20) SASL(-13): "
            "user not found: no "
            "secret, user=anna, relay=h.example [192.0.2.70] (may be forged)",
            {"login": "anna", "remote": "192.0.2.70", "success": False, "protocol": "smtp", "fail_type": "account"},
        ),
        Sample(
            "Apr 12 06:00:02 mx1 sm-mta[78]: AUTH=server, relay=[IPv6:2001:db8::70], authid=bob@example.org, mech=LOGIN, bits=0",
            {"login": "bob@example.org", "remote": "2001:db8::70", "success": True},
        ),
        Sample(
            "Apr 12 06:00:03 mx1 sm-mta[79]: 23C603aB000079: ruleset=check_rcpt, arg1=<a@example.net>, "
            "relay=[192.0.2.71], reject=550",
            None,
        ),
    ),
)
