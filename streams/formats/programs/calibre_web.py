"""Calibre-Web."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="calibre-web",
    provenance="Calibre-Web's cps/web.py (login), 0.6",
    gaps="Written from memory, and tried on no line that others wrote. Successes are not logged at the usual level.",
    protocol="http",
    tags=re.compile(r"calibre-?web"),
    words=('Login failed for user "',),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf'\w+ +\{{cps\.web:\d+\}} Login failed for user "(?P<login>.*)" IP-address: (?P<remote>{ADDRESS})\s*$', re.DOTALL
            ),
            {"success": False},
        ),
    ),
    samples=(
        Sample(
            '[2022-04-12 06:00:01,123] WARN {cps.web:1340} Login failed for user "anna" IP-address: 192.0.2.126',
            {"login": "anna", "remote": "192.0.2.126", "success": False},
        ),
        Sample("[2022-04-12 06:00:02,123] INFO {cps:1} Starting", None),
    ),
)
