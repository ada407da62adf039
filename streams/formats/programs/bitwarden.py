"""Bitwarden's own server."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="bitwarden",
    provenance="Bitwarden's src/Identity/IdentityServer (BaseRequestValidator), 2019 to 2025",
    gaps="Failures name no account; successes are not logged.",
    protocol="http",
    tags=re.compile(r"[Bb]itwarden-?\w*"),
    words=("Failed login attempt",),
    rules=(
        Rule(
            "attempt",
            re.compile(rf"(?:\[\w+\] |\[Bit\.[\w.]+\] )Failed login attempt, 2FA invalid\. (?P<remote>{ADDRESS})\s*$", re.DOTALL),
            {"success": False, "fail_type": "policy"},
        ),
        Rule(
            "attempt",
            re.compile(rf"(?:\[\w+\] |\[Bit\.[\w.]+\] )Failed login attempt\. (?P<remote>{ADDRESS})\s*$", re.DOTALL),
            {"success": False, "fail_type": "credentials"},
        ),
    ),
    samples=(
        Sample(
            "2022-04-12 06:00:01.008 +00:00 [WRN] Failed login attempt. 192.0.2.56",
            {"remote": "192.0.2.56", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            "2022-04-12 06:00:02.008 +00:00 [WRN] Failed login attempt, 2FA invalid. 2001:db8::56",
            {"remote": "2001:db8::56", "success": False, "fail_type": "policy"},
        ),
        Sample("2022-04-12 06:00:03.008 +00:00 [INF] Application started", None),
    ),
)
