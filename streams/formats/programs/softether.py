"""SoftEther VPN Server."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r"(?:(?:\S+ +)?\[[^\]\s]*\] \((?P<time>\d{4}-\d\d-\d\d [\d:.]{8,15})\) <SECURITY_LOG>: )?"

FORMAT: Final = Format(
    name="softether",
    provenance="SoftEther's strtable_en.stb (LH_AUTH_NG, LH_AUTH_OK), 4",
    gaps="A success names no address in the same line.",
    protocol="other",
    tags=re.compile(r"vpnserver|\[\S+\]|softether.*"),
    words=("User authentication failed. The user name that has been provided was ",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf'{_START}Connection "CID-\d+": User authentication failed\. The user name that has been provided was '
                rf'"(?P<login>.*)", from (?P<remote>{ADDRESS})\.\s*$',
                re.DOTALL,
            ),
            {"success": False},
        ),
    ),
    samples=(
        Sample(
            '2022-04-12 06:00:01.781 Connection "CID-72": User authentication failed. The user name that has been '
            'provided was "anna", from 192.0.2.98.',
            {"login": "anna", "remote": "192.0.2.98", "success": False},
        ),
        Sample('2022-04-12 06:00:02.781 Connection "CID-73" has been established.', None),
    ),
)
