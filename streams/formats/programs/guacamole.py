"""Apache Guacamole."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r"(?:WARNING: |(?:[\d:.]{8,12} )?\[[\w-]+\] \w+ +(?:[\w.]+AuthenticationService) - )"
_FROM: Final = rf"\[?(?:(?P<forwarded>[^\s,\[\]\"]+(?:, [^\s,\[\]\"]+)*), )?(?P<remote>{ADDRESS})\]?"

FORMAT: Final = Format(
    name="guacamole",
    provenance="Guacamole's AuthenticationService.java, 0.8 to 1.5",
    gaps="Of several hops the last is taken unless it is a trusted proxy.",
    protocol="other",
    tags=re.compile(r"guac(?:amole|d)?|tomcat\d*"),
    words=(
        "Authentication attempt from ",
        "successfully authenticated from ",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(rf'{_START}Authentication attempt from {_FROM} for user "(?P<login>.*)" failed\.\s*$', re.DOTALL),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(rf'{_START}User "(?P<login>.*)" successfully authenticated from {_FROM}\.\s*$', re.DOTALL),
            {"success": True},
        ),
    ),
    samples=(
        Sample("06:00:01.907 [http-nio-8080-exec-1] WARN  o.a.g.r.auth.AuthenticationService - x", None),
        Sample(
            "2022-04-12 06:00:02,059Z [http-nio-8080-exec-10] WARN  o.a.g.r.auth.AuthenticationService - "
            'Authentication attempt from 192.0.2.64 for user "anna" failed.',
            {"login": "anna", "remote": "192.0.2.64", "success": False},
        ),
        Sample(
            '2022-04-12 06:00:03,059Z [http-nio-8080-exec-11] INFO  o.a.g.r.auth.AuthenticationService - User "bob" '
            "successfully authenticated from [203.0.113.9, 192.0.2.65].",
            {"login": "bob", "remote": "192.0.2.65", "success": True},
        ),
    ),
)
