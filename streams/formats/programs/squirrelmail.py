"""SquirrelMail with the plugin Squirrel Logger."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="squirrelmail",
    provenance="Squirrel Logger's functions.php and its default messages, 2.x",
    gaps="Times are month/day/year, the plugin's default; changed messages are not read.",
    protocol="http",
    tags=re.compile("squirrelmail"),
    words=("[LOGIN_ERROR] ", "[LOGIN] "),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"\[LOGIN_ERROR\] (?P<login>.*) \([^\s()]*\) from (?P<remote>{ADDRESS}): Unknown user or password incorrect",
                re.DOTALL,
            ),
            {"success": False},
            front=True,
            ambiguous=re.compile(r"\) from \S+: Unknown user.*\) from \S+: Unknown user", re.DOTALL),
        ),
        Rule(
            "attempt",
            re.compile(rf"\[LOGIN\] (?P<login>.*) \([^\s()]*\) from (?P<remote>{ADDRESS}):?\s*$", re.DOTALL),
            {"success": True},
            front=True,
        ),
    ),
    samples=(
        Sample(
            "04/12/2022 06:00:01 [LOGIN_ERROR] anna (example.org) from 192.0.2.180: Unknown user or password incorrect.",
            {"login": "anna", "remote": "192.0.2.180", "success": False, "protocol": "http"},
        ),
        Sample("04/12/2022 06:00:02 [LOGIN] bob (example.org) from 192.0.2.181:", {"login": "bob", "success": True}),
        Sample("04/12/2022 06:00:03 [LOGOUT] bob (example.org) from 192.0.2.181:", None),
    ),
)
