"""Home Assistant."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="home-assistant",
    provenance="Home Assistant's homeassistant/components/http/ban.py (process_wrong_login), 2021 to 2025",
    gaps=(
        "Failures name no account; an invalid token gives the same line; successes are not logged. A host's name "
        "or user agent that looks like an address in the line is refused."
    ),
    protocol="http",
    tags=re.compile(r"home-?assistant|hass"),
    words=("[homeassistant.components.http.ban] ",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r"WARNING \(MainThread\) \[homeassistant\.components\.http\.ban\] Login attempt or request with "
                rf"invalid authentication from \S+ \((?P<remote>{ADDRESS})\)\.(?: |$)",
                re.DOTALL,
            ),
            {"success": False},
        ),
    ),
    samples=(
        Sample(
            "2022-04-12 06:00:01.287 WARNING (MainThread) [homeassistant.components.http.ban] Login attempt or "
            "request with invalid authentication from h.example (192.0.2.63). Requested URL: '/auth/login_flow/69d9'. "
            "(Mozilla/5.0)",
            {"remote": "192.0.2.63", "success": False},
        ),
        Sample(
            "2022-04-12 06:00:02.287 WARNING (MainThread) [homeassistant.components.http.ban] Banned IP 192.0.2.63 "
            "for too many login attempts",
            None,
        ),
    ),
)
