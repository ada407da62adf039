"""ZNC, an IRC bouncer: adminlog."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="znc",
    provenance="ZNC's modules/adminlog.cpp, 1.0 to 1.8",
    gaps="Why a log-in failed is not said.",
    protocol="other",
    tags=re.compile(r"znc"),
    words=(
        "] failed to login from ",
        "] connected to ZNC from ",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(rf"\[(?P<login>[^\[\]]*)\] failed to login from \[?(?P<remote>{HOST})\]?(?::\d+)?\s*$", re.DOTALL),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(rf"\[(?P<login>[^\[\]]*)\] connected to ZNC from \[?(?P<remote>{HOST})\]?(?::\d+)?\s*$", re.DOTALL),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "[2022-04-12 06:00:01] [anna] failed to login from 192.0.2.107:65001",
            {"login": "anna", "remote": "192.0.2.107", "success": False},
        ),
        Sample(
            "[2022-04-12 06:00:02] [bob] connected to ZNC from 2001:db8::107",
            {"login": "bob", "remote": "2001:db8::107", "success": True},
        ),
        Sample("[2022-04-12 06:00:03] [bob] disconnected from ZNC from 2001:db8::107", None),
    ),
)
