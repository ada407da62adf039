"""Jellyfin."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

#: As the file has it, and shorter what systemd takes.
_START: Final = r"(?:\[[\d:]{8}\] )?\[\w+\] (?:\[\d+\] Jellyfin\.Server\.Implementations\.Users\.UserManager: )?"

FORMAT: Final = Format(
    name="jellyfin",
    provenance="Jellyfin's Server.Implementations/Users/UserManager.cs (AuthenticateUser), 10.6 to 10.10",
    gaps="Why a request was denied is not said.",
    protocol="http",
    tags=re.compile(r"jellyfin"),
    words=("Authentication request for ",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf'{_START}Authentication request for "?(?P<login>.*?)"? has been denied \(IP: '
                rf'"?(?P<remote>{ADDRESS})"?\)\.\s*$',
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                rf'{_START}Authentication request for "?(?P<login>.*?)"? has succeeded\.? \(IP: '
                rf'"?(?P<remote>{ADDRESS})"?\)\.\s*$',
                re.DOTALL,
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "[2022-04-12 06:00:01.729 +00:00] [INF] [79] Jellyfin.Server.Implementations.Users.UserManager: "
            'Authentication request for "anna" has been denied (IP: "192.0.2.57").',
            {"login": "anna", "remote": "192.0.2.57", "success": False},
        ),
        Sample(
            "[2022-04-12 06:00:02.729 +00:00] [INF] [79] Jellyfin.Server.Implementations.Users.UserManager: "
            'Authentication request for "bob" has succeeded (IP: "192.0.2.58").',
            {"login": "bob", "remote": "192.0.2.58", "success": True},
        ),
        Sample("[2022-04-12 06:00:03.729 +00:00] [INF] [9] Main: Jellyfin version: 10.8.9", None),
    ),
)
