"""PostfixAdmin."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="postfixadmin",
    provenance="PostfixAdmin's public/login.php and common.php, 3.2 to 3.3",
    gaps="Written from memory, and tried on no line that others wrote. Successes are in its data base.",
    protocol="http",
    tags=re.compile(r"postfixadmin|php.*"),
    words=("PostfixAdmin ",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r"(?:PHP message: )?PostfixAdmin (?:admin |user |)login failed \(username: (?P<login>.*), ip_address: "
                rf"(?P<remote>{ADDRESS})\)\s*$",
                re.DOTALL,
            ),
            {"success": False},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 mx1 postfixadmin[7]: PostfixAdmin login failed (username: anna@example.org, ip_address: 192.0.2.129)",
            {"login": "anna@example.org", "remote": "192.0.2.129", "success": False},
        ),
        Sample("Apr 12 06:00:02 mx1 postfixadmin[7]: x", None),
    ),
)
