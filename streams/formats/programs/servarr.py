"""Sonarr, Radarr, Lidarr, Readarr and Prowlarr."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="servarr",
    provenance="their common src/NzbDrone.Core/Authentication and logs of versions 3 to 5",
    gaps="Why a log-in failed is not said.",
    protocol="http",
    tags=re.compile(r"(?:Sonarr|Radarr|Lidarr|Readarr|Prowlarr|mono)"),
    words=("Auth-Failure ip ", "Auth-Success ip ", "Auth-Unauthorized ip "),
    rules=(
        Rule(
            "attempt",
            # The file puts bars between level, logger and message; a time with one digit of a second's parts comes before.
            re.compile(
                rf"(?:\w+\|\w+\||\[\w+\] \w+: )Auth-(?P<success>Failure|Success) ip "
                rf"\[?(?P<remote>{HOST})\]? username '(?P<login>.*)'\s*$",
                re.DOTALL,
            ),
            {},
            {"success": {"Failure": False, "Success": True}},
        ),
    ),
    samples=(
        Sample(
            "2022-04-12 06:00:01.2|Warn|Auth|Auth-Failure ip 192.0.2.198 username 'anna'",
            {"login": "anna", "remote": "192.0.2.198", "success": False},
        ),
        Sample(
            "Apr 12 06:00:02 nas1 Sonarr[7]: [Info] Auth: Auth-Success ip 2001:db8::198 username 'bob'",
            {"login": "bob", "remote": "2001:db8::198", "success": True},
        ),
        Sample("2022-04-12 06:00:03.2|Info|Auth|Auth-Logout ip 192.0.2.198 username 'bob'", None),
    ),
)
