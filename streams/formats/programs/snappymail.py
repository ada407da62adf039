"""SnappyMail and RainLoop, webmails."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="snappymail",
    provenance="SnappyMail's Actions/User.php and application.ini (auth_logging_format), RainLoop 1.6 to SnappyMail 2.38",
    gaps=(
        "Written from memory, and tried on no line that others wrote. Only the default formats of the authentication log are read."
    ),
    protocol="http",
    tags=re.compile(r"snappymail|rainloop"),
    words=("Auth failed: ip=",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"(?:\[\w+\] )?Auth failed: ip=(?P<remote>{ADDRESS}) user=(?P<login>.*) host=[^\s=]* port=\d+\s*$", re.DOTALL
            ),
            {"success": False},
            front=True,
        ),
    ),
    samples=(
        Sample(
            "[2022-04-12 06:00:01] Auth failed: ip=192.0.2.110 user=anna@example.org host=imap.example.org port=993",
            {"login": "anna@example.org", "remote": "192.0.2.110", "success": False},
        ),
        Sample("[2022-04-12 06:00:02] Something else", None),
    ),
)
