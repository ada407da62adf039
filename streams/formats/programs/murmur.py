"""Murmur, Mumble's server."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="murmur",
    provenance="Mumble's src/murmur/Messages.cpp (msgAuthenticate), 1.2 to 1.5",
    gaps="Successes name no address in the same line.",
    protocol="other",
    tags=re.compile(r"murmurd?|mumble-server"),
    words=("Rejected connection from ",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r"<W>(?P<time>\d{4}-\d\d-\d\d [\d:.]{8,15}) \d+ => <\d+:(?P<login>.*)\(-?\d+\)> Rejected connection "
                rf"from \[?(?P<remote>{HOST})\]?(?::\d+)?: (?P<fail_type>Invalid server password|Wrong certificate or "
                r"password for existing user)\s*$",
                re.DOTALL,
            ),
            {"success": False},
            {
                "fail_type": {
                    "Invalid server password": "credentials",
                    "Wrong certificate or password for existing user": "credentials",
                }
            },
        ),
    ),
    samples=(
        Sample(
            "<W>2022-04-12 06:00:01.818 1 => <4:anna(-1)> Rejected connection from 192.0.2.106:29530: Invalid server password",
            {"login": "anna", "remote": "192.0.2.106", "success": False, "fail_type": "credentials"},
        ),
        Sample("<W>2022-04-12 06:00:02.818 1 => <5:bob(-1)> Timeout", None),
    ),
)
