"""Overseerr and Jellyseerr."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="overseerr",
    provenance="Overseerr's server/routes/auth.ts, 1.26 to 2",
    gaps="Successes are not logged.",
    protocol="http",
    tags=re.compile(r"(?:over|jelly)seerr"),
    words=("Failed sign-in attempt ", "Failed login attempt "),
    rules=(
        Rule(
            "attempt",
            # JSON, whose quotation marks are escaped within a name; the address comes first.
            re.compile(
                rf'\[warn\]\[\w+\]: Failed (?:sign-in|login) attempt [\w ]+ \{{"ip":"(?P<remote>{HOST})","email":"(?P<login>[^"]*)"'
            ),
            {"success": False},
        ),
    ),
    samples=(
        Sample(
            "2022-04-12T06:00:01.637Z [warn][API]: Failed sign-in attempt using invalid Overseerr password "
            '{"ip":"192.0.2.200","email":"anna"}',
            {"login": "anna", "remote": "192.0.2.200", "success": False},
        ),
        Sample("2022-04-12T06:00:02.637Z [info][Server]: Server ready on port 5055", None),
    ),
)
