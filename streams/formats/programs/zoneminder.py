"""ZoneMinder, by Apache's error log."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

#: In Apache's log, and in a file of its own.
_START: Final = (
    rf"\[[\w-]*:\w+\] \[pid [^\]]*\] \[client \[?(?P<remote>{HOST})\]?(?::\d+)?\] (?:WAR|ERR|INF) ",
    rf"(?P<time>\d\d/\d\d/\d\d \d\d:\d\d:\d\d)\.\d+ web_php\[\d+\]\.(?:WAR|ERR|INF) \[(?P<remote>{HOST})\] ",
)
_END: Final = r"(?:, referer: \S+| at \S+ line \d+)?\s*$"

FORMAT: Final = Format(
    name="zoneminder",
    provenance="ZoneMinder's web/includes/auth.php, 1.28 to 1.36",
    gaps="Names with quotation marks are left out.",
    protocol="http",
    tags=re.compile(r"zoneminder"),
    words=(
        '[Login denied for user "',
        '[Login successful for user "',
        "[Could not retrieve user ",
    ),
    rules=tuple(
        Rule("attempt", re.compile(rf"{start}\[{text}\]{_END}", re.DOTALL), fields)
        for start in _START
        for text, fields in (
            (r'Login denied for user "(?P<login>[^"]*)"', {"success": False}),
            (r"Could not retrieve user (?P<login>.*) details", {"success": False, "fail_type": "account"}),
            (r'Login successful for user "(?P<login>[^"]*)"', {"success": True}),
        )
    ),
    samples=(
        Sample(
            "[Tue Apr 12 06:00:01.522240 2022] [:error] [pid 1795] [client 192.0.2.75:50700] WAR [Login denied for "
            'user "anna"], referer: https://zm.example/',
            {"login": "anna", "remote": "192.0.2.75", "success": False},
        ),
        Sample(
            '04/12/22 06:00:03.524258 web_php[118966].INF [2001:db8::75] [Login successful for user "bob"] at /x.php line 86',
            {"login": "bob", "remote": "2001:db8::75", "success": True},
        ),
        Sample("[Tue Apr 12 06:00:02.522240 2022] [php7:notice] [pid 1795] [client 192.0.2.75:50700] INF [Stream started]", None),
    ),
)
