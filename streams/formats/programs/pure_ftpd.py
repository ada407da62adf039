"""Pure-FTPd."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

#: ``(?@192.0.2.1)``: nobody has logged in yet on this connection, where else the name stands.
_PEER: Final = rf"\([^\s()@]*(?:@[^\s()@]+)??@(?P<remote>{ADDRESS})\) \[\w+\] "

FORMAT: Final = Format(
    name="pure-ftpd",
    provenance="Pure-FTPd's ftpd.c (dopass, logfile) and messages_en.h, 1.0",
    gaps="Messages in other languages are not read. With reverse DNS on, host names stand in place of addresses and are left out.",
    protocol="ftp",
    tags=re.compile("pure-ftpd"),
    words=("Authentication failed for user [", "is now logged in", "Anonymous user logged in"),
    rules=(
        Rule("attempt", re.compile(rf"{_PEER}Authentication failed for user \[(?P<login>.*)\]\s*$", re.DOTALL), {"success": False}),
        Rule("attempt", re.compile(rf"{_PEER}(?P<login>.*) is now logged in\s*$", re.DOTALL), {"success": True}),
        Rule("attempt", re.compile(rf"{_PEER}Anonymous user logged in"), {"success": True, "login": "anonymous"}),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 ftp1 pure-ftpd: (?@192.0.2.120) [WARNING] Authentication failed for user [anna]",
            {"login": "anna", "remote": "192.0.2.120", "success": False, "protocol": "ftp"},
        ),
        Sample(
            "Apr 12 06:00:02 ftp1 pure-ftpd: (?@2001:db8::120) [INFO] bob is now logged in",
            {"login": "bob", "remote": "2001:db8::120", "success": True},
        ),
        Sample("Apr 12 06:00:03 ftp1 pure-ftpd: (bob@192.0.2.121) [INFO] Logout.", None),
    ),
)
