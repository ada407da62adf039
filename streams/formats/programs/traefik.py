"""Traefik: HTTP basic authentication, from the access log."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="traefik",
    provenance="Traefik's pkg/middlewares/accesslog (CLF with its fields), 1.7 to 3",
    gaps="A request without a user name is no log-in. Successes cannot be told from requests that need no password.",
    protocol="http",
    tags=re.compile(r"traefik"),
    words=('" 401 ',),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf'(?P<remote>{ADDRESS}) - (?P<login>[^-\s\[\]"]\S*) \[(?P<time>\d\d/\w{{3}}/\d{{4}}:[\d:]{{8}} [+-]\d{{4}})\] '
                r'"[A-Z]+ [^\s"]* HTTP/[\d.]+" 401 \d+ "[^"]*" "[^"]*" \d+ "[^"]*" "[^"]*" \d+ms\s*$',
                re.DOTALL,
            ),
            {"success": False, "fail_type": "credentials"},
        ),
    ),
    samples=(
        Sample(
            '192.0.2.83 - anna [12/Apr/2022:06:00:01 +0000] "GET /dashboard/ HTTP/2.0" 401 17 "-" "Mozilla/5.0" 72 '
            '"Auth for frontend-Host-traefik-0" "/dashboard/" 0ms',
            {"login": "anna", "remote": "192.0.2.83", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            '192.0.2.83 - - [12/Apr/2022:06:00:02 +0000] "GET /dashboard/ HTTP/2.0" 401 17 "-" "Mozilla/5.0" 72 "Auth '
            'for frontend-Host-traefik-0" "/dashboard/" 0ms',
            None,
        ),
    ),
)
