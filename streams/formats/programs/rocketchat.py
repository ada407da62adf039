"""Rocket.Chat."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_TWO: Final = re.compile(r"ClientAddress\[.*ClientAddress\[", re.DOTALL)

FORMAT: Final = Format(
    name="rocketchat",
    provenance="Rocket.Chat's apps/meteor/app/authentication (Failed login detected), 3.8 to 7",
    gaps=(
        "Written from memory, and tried on no line that others wrote. "
        "The address is the peer's; what a proxy forwards is used where the peer is a trusted proxy."
    ),
    protocol="other",
    tags=re.compile(r"rocketchat.*"),
    words=("Failed login detected - Username[",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"(?:\S+ )?Failed login detected - Username\[(?P<login>.*)\] ClientAddress\[(?P<remote>{ADDRESS})\] "
                r"ForwardedFor\[(?P<forwarded>[^\[\]]*)\] (?:XRealIp\[[^\[\]]*\] )?UserAgent\[[^\n]*$",
                re.DOTALL,
            ),
            {"success": False},
            ambiguous=_TWO,
        ),
    ),
    samples=(
        Sample(
            "2022-04-12T06:00:01.123Z Failed login detected - Username[anna] ClientAddress[192.0.2.127] "
            "ForwardedFor[-] XRealIp[-] UserAgent[Mozilla/5.0]",
            {"login": "anna", "remote": "192.0.2.127", "success": False},
        ),
        Sample("2022-04-12T06:00:02.123Z SERVER RUNNING", None),
    ),
)
