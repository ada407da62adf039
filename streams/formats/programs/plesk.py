"""Plesk's panel."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="plesk",
    provenance="Plesk's documentation of panel.log and its fail2ban jail (plesk-panel), 12 to 18",
    gaps="Written from memory, and tried on no line that others wrote. Why a log-in failed is not said.",
    protocol="http",
    tags=re.compile(r"sw-cp-server.*|plesk.*|panel"),
    words=("Failed login attempt with login ",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r"(?:\w+ )?(?:\[[^\[\]]*\] )?Failed login attempt with login '(?P<login>.*)' from IP "
                rf"(?P<remote>{ADDRESS})\s*$",
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                r"(?:\w+ )?(?:\[[^\[\]]*\] )?Successful login attempt with login '(?P<login>.*)' from IP "
                rf"(?P<remote>{ADDRESS})\s*$",
                re.DOTALL,
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "[2022-04-12 06:00:01] ERR [panel] Failed login attempt with login 'anna' from IP 192.0.2.128",
            {"login": "anna", "remote": "192.0.2.128", "success": False},
        ),
        Sample("[2022-04-12 06:00:02] INFO [panel] x", None),
    ),
)
