"""macOS screen sharing (VNC)."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="screensharingd",
    provenance="lines of macOS 10.9 to 13's screensharingd",
    gaps="Why a log-in failed is not said.",
    protocol="other",
    tags=re.compile(r"screensharingd"),
    words=(
        "Authentication: FAILED :: ",
        "Authentication: SUCCEEDED :: ",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"Authentication: FAILED :: User Name: (?P<login>.*) :: Viewer Address: (?P<remote>{ADDRESS}) :: "
                r"Type: [\w/]+\s*$",
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"Authentication: SUCCEEDED :: User Name: (?P<login>.*) :: Viewer Address: (?P<remote>{ADDRESS}) :: "
                r"Type: [\w/]+\s*$",
                re.DOTALL,
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 2022 06:00:01 mac1.example screensharingd[1170]: Authentication: FAILED :: User Name: anna :: "
            "Viewer Address: 192.0.2.72 :: Type: DH",
            {"login": "anna", "remote": "192.0.2.72", "success": False},
        ),
        Sample(
            "2022-04-12 06:00:02.775333+0000  localhost screensharingd[3535]: Authentication: SUCCEEDED :: User Name: "
            "bob :: Viewer Address: 192.0.2.73 :: Type: N/A",
            {"login": "bob", "remote": "192.0.2.73", "success": True},
        ),
        Sample("Apr 12 2022 06:00:03 mac1.example screensharingd[1170]: Session ended", None),
    ),
)
