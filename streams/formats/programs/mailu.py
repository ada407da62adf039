"""Mailu: its rate limit."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="mailu",
    provenance="Mailu's core/admin/mailu/limiter.py and utils, 1.9 to 2024",
    gaps="The wrong passwords themselves are in Dovecot's and Postfix's logs.",
    protocol="other",
    tags=re.compile(r"mailu.*|admin"),
    words=("Authentication attempt from ",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"WARNING in (?:limiter|nginx|sso): Authentication attempt from (?P<remote>{ADDRESS})(?: for "
                r"(?P<login>\S+))? has been rate-limited\.\s*$",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "policy"},
        ),
    ),
    samples=(
        Sample(
            "[2022-04-12 06:00:01,112] WARNING in limiter: Authentication attempt from 192.0.2.109 has been rate-limited.",
            {"remote": "192.0.2.109", "success": False, "fail_type": "policy"},
        ),
        Sample("[2022-04-12 06:00:02,112] INFO in x: started", None),
    ),
)
