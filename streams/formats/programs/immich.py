"""Immich."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

#: The colours of a terminal, perhaps written out, the last perhaps cut.
_COLOUR: Final = r"(?:(?:\x1b|\\x1b)(?:\[[\d;]*m?)?)"
_SPACE: Final = rf"(?: |{_COLOUR})+"
_START: Final = rf"{_COLOUR}*\[Nest\] \d+  - {_COLOUR}*"

FORMAT: Final = Format(
    name="immich",
    provenance="Immich's server/src/services/auth.service.ts (login), 1.60 to 1.130",
    gaps="Successes are not logged. The time is read as month/day/year, as in an American locale.",
    protocol="http",
    tags=re.compile(r"immich.*"),
    words=("Failed login attempt for user ",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"{_START}(?P<time>\d\d/\d\d/\d{{4}}, \d{{1,2}}:\d\d:\d\d(?: "
                rf"[AP]M)?){_SPACE}WARN{_SPACE}\[AuthService\]{_SPACE}Failed login attempt for user (?P<login>.*) from "
                rf"ip address (?P<remote>{ADDRESS}){_COLOUR}*\s*$",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "credentials"},
        ),
    ),
    samples=(
        Sample(
            "[Nest] 7  - 04/12/2022, 6:00:01 AM    WARN [AuthService] Failed login attempt for user anna@example.org "
            "from ip address 192.0.2.59",
            {"login": "anna@example.org", "remote": "192.0.2.59", "success": False, "fail_type": "credentials"},
        ),
        Sample("[Nest] 7  - 04/12/2022, 6:00:02 AM     LOG [AuthService] Something else", None),
    ),
)
