"""qBittorrent: its web interface."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="qbittorrent",
    provenance="qBittorrent's src/webui/api/authcontroller.cpp, 4.1 to 5.0",
    gaps="A success names no user.",
    protocol="http",
    tags=re.compile(r"qbittorrent(?:-nox)?"),
    words=("WebAPI login ",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r"(?:\(\w\) (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d) - )?WebAPI login failure\. "
                r"Reason: (?P<fail_type>invalid credentials|IP has been banned), (?:attempt count: \d+, )?"
                rf"IP: (?P<remote>{HOST}), username: (?P<login>.*)$",
                re.DOTALL,
            ),
            {"success": False},
            {"fail_type": {"invalid credentials": "credentials", "IP has been banned": "policy"}},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"(?:\(\w\) (?P<time>\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d) - )?WebAPI login success\. IP: (?P<remote>{HOST})\s*$"
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "(W) 2022-04-12T06:00:01 - WebAPI login failure. Reason: invalid credentials, attempt count: 1, "
            "IP: 192.0.2.199, username: anna",
            {"login": "anna", "remote": "192.0.2.199", "success": False},
        ),
        Sample(
            "(N) 2022-04-12T06:00:02 - WebAPI login success. IP: 2001:db8::199",
            {"remote": "2001:db8::199", "success": True},
        ),
        Sample("(N) 2022-04-12T06:00:03 - qBittorrent termination initiated", None),
    ),
)
