"""Oracle Communications Messaging Server (Sun, iPlanet): the MTA's log in XML."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

#: Attributes in their order: time, …, transport (``TCP|ours|port|client|port``), application, message, user, diagnostics.
_START: Final = (
    rf'<co ts="(?P<time>[\d:.T-]+)"(?: (?!tr=)\w\w="[^"]*")* tr="TCP\|[^|"]*\|\d+\|(?P<remote>{ADDRESS})\|\d+" ap="SMTP[^"]*" '
)

FORMAT: Final = Format(
    name="oracle-ims",
    provenance="Oracle Communications Messaging Server's administrator's guide (LOG_CONNECTION, LOG_FORMAT=4), 7 and 8",
    gaps="Only log-ins by SMTP, which the MTA logs; those by IMAP and POP3 are in other files.",
    protocol="smtp",
    tags=re.compile("ims"),
    words=('<co ts="',),
    rules=(
        Rule(
            "attempt",
            re.compile(rf'{_START}mi="Bad password" us="(?P<login>[^"]*)"'),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(rf'{_START}mi="Authentication successful[^"]*" us="(?P<login>[^"]*)"'),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            '<co ts="2022-04-12T06:00:01.99" pi="7.1.2" sc="tcp_local" dr="+" ac="U" tr="TCP|198.51.100.4|25|192.0.2.16|4711" '
            'ap="SMTP" mi="Bad password" us="anna@example.org" di="535 5.7.8 Bad username or password (Authentication failed)."/>',
            {"login": "anna@example.org", "remote": "192.0.2.16", "success": False, "protocol": "smtp"},
        ),
        Sample(
            '<co ts="2022-04-12T06:00:02.13" pi="7.1.3" sc="tcp_submit" dr="+" ac="U" tr="TCP|198.51.100.4|465|2001:db8::16|4712" '
            'ap="SMTP/TLS-128-RC4" mi="Authentication successful - switched to channel tcp_submit" us="bob" di="235 2.7.0 OK"/>',
            {"login": "bob", "remote": "2001:db8::16", "success": True},
        ),
        Sample(
            '<co ts="2022-04-12T06:00:03.13" pi="7.1.4" sc="tcp_local" dr="+" ac="C" tr="TCP|198.51.100.4|25|192.0.2.17|4713" '
            'ap="SMTP"/>',
            None,
        ),
    ),
)
