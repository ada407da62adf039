"""ZoneMinder, by Apache's error log."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="zoneminder",
    provenance="ZoneMinder's web/includes/auth.php, 1.28 to 1.36",
    gaps="Successes are not in that log.",
    protocol="http",
    tags=re.compile(r"zoneminder"),
    words=(
        '[Login denied for user "',
        "[Could not retrieve user ",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"\[[\w-]*:\w+\] \[pid [^\]]*\] \[client \[?(?P<remote>{HOST})\]?(?::\d+)?\] (?:WAR|ERR) \[Login "
                r'denied for user "(?P<login>[^"]*)"\](?:, referer: \S+)?\s*$',
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"\[[\w-]*:\w+\] \[pid [^\]]*\] \[client \[?(?P<remote>{HOST})\]?(?::\d+)?\] (?:WAR|ERR) \[Could not "
                r"retrieve user (?P<login>.*) details\](?:, referer: \S+)?\s*$",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "account"},
        ),
    ),
    samples=(
        Sample(
            "[Tue Apr 12 06:00:01.522240 2022] [:error] [pid 1795] [client 192.0.2.75:50700] WAR [Login denied for "
            'user "anna"], referer: https://zm.example/',
            {"login": "anna", "remote": "192.0.2.75", "success": False},
        ),
        Sample("[Tue Apr 12 06:00:02.522240 2022] [php7:notice] [pid 1795] [client 192.0.2.75:50700] INF [Stream started]", None),
    ),
)
