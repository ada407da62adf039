"""TeamSpeak 3: log-ins to ServerQuery."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="teamspeak",
    provenance="lines of TeamSpeak 3.13's ts3server",
    gaps="Log-ins of clients are not read: they have keys, not passwords.",
    protocol="other",
    tags=re.compile(r"ts3server"),
    words=('attempted to login with account "',),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"INFO +\|Query +\| +\|query from \d+ \[?(?P<remote>{HOST})\]?(?::\d+)? attempted to login with "
                r'account "(?P<login>.*)" and failed!\s*$',
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"INFO +\|Query +\| +\|query from \d+ \[?(?P<remote>{HOST})\]?(?::\d+)? attempted to login with "
                r'account "(?P<login>.*)" and succeeded!\s*$',
                re.DOTALL,
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "2022-04-12 06:00:01.009756|INFO    |Query         |   |query from 11 192.0.2.108:48426 attempted to "
            'login with account "anna" and failed!',
            {"login": "anna", "remote": "192.0.2.108", "success": False},
        ),
        Sample(
            "2022-04-12 06:00:02.009756|INFO    |Query         |   |query from 12 [2001:db8::108]:48426 attempted to "
            'login with account "bob" and succeeded!',
            {"login": "bob", "remote": "2001:db8::108", "success": True},
        ),
        Sample("2022-04-12 06:00:03.009756|INFO    |Query         |   |listening on 0.0.0.0:10011", None),
    ),
)
