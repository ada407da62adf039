"""Hestia and Vesta control panels."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="hestiacp",
    provenance="HestiaCP's bin/v-log-user-login and web/login (auth.log), 1.0 to 1.9",
    gaps="Why a log-in failed is not said.",
    protocol="http",
    tags=re.compile(r"hestia|vesta"),
    words=(
        " failed to login",
        " successfully logged in",
    ),
    rules=(
        Rule("attempt", re.compile(rf"(?P<login>.+) (?P<remote>{ADDRESS}) failed to login\s*$", re.DOTALL), {"success": False}),
        Rule(
            "attempt", re.compile(rf"(?P<login>.+) (?P<remote>{ADDRESS}) successfully logged in\s*$", re.DOTALL), {"success": True}
        ),
    ),
    samples=(
        Sample("2022-04-12 06:00:01 anna 192.0.2.67 failed to login", {"login": "anna", "remote": "192.0.2.67", "success": False}),
        Sample(
            "2022-04-12 06:00:02 bob 2001:db8::67 successfully logged in",
            {"login": "bob", "remote": "2001:db8::67", "success": True},
        ),
        Sample("2022-04-12 06:00:03 carl 192.0.2.68 logged out", None),
    ),
)
