"""Half-Life servers' remote console (rcon)."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="half-life",
    provenance="Half-Life's HLDS log (Bad Rcon), as written since 1.1.0.4",
    gaps="A rcon command that succeeds names no account either. Nobody is named.",
    protocol="other",
    tags=re.compile(r"(?!)"),
    words=('Bad Rcon: "',),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r'L (?P<time>\d\d/\d\d/\d{4} - [\d:]{8}): Bad Rcon: "(?>.*" from ' rf')"\[?(?P<remote>{HOST})\]?(?::\d+)?"\s*$',
                re.DOTALL,
            ),
            {"success": False, "fail_type": "credentials"},
        ),
        Rule(
            "attempt",
            re.compile(
                rf'L (?P<time>\d\d/\d\d/\d{{4}} - [\d:]{{8}}): Rcon: "(?>.*" from )"\[?(?P<remote>{HOST})\]?(?::\d+)?"\s*$',
                re.DOTALL,
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            'L 04/12/2022 - 06:00:01: Bad Rcon: "rcon 1146003691 "284"  sv_contact "x"" from "192.0.2.133:57370"',
            {"remote": "192.0.2.133", "success": False, "fail_type": "credentials"},
        ),
        Sample('L 04/12/2022 - 06:00:02: Server cvar "x" = "1"', None),
    ),
)
