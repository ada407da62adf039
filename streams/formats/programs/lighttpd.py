"""lighttpd: HTTP basic and digest authentication, from the error log."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r"\(?(?:http|mod)_auth\.c\.\d+\) "
_END: Final = rf",? IP: (?P<remote>{ADDRESS})\s*$"


FORMAT: Final = Format(
    name="lighttpd",
    provenance="lighttpd's src/mod_auth.c and http_auth.c, 1.4",
    gaps="Successes are not in the error log. Names and paths with spaces are not read.",
    protocol="http",
    tags=re.compile("lighttpd"),
    words=("_auth.c.",),
    rules=(
        Rule(
            "attempt",
            re.compile(rf"{_START}password doesn't match for \S+ username: (?P<login>[^\s,]*){_END}"),
            {"success": False, "fail_type": "credentials"},
        ),
        Rule(
            "attempt",
            re.compile(rf"{_START}digest: auth failed for +(?P<login>\S+) : wrong password{_END}"),
            {"success": False, "fail_type": "credentials"},
        ),
        Rule("attempt", re.compile(rf"{_START}get_password failed{_END}"), {"success": False, "fail_type": "account"}),
    ),
    samples=(
        Sample(
            "2022-04-12 06:00:01: (mod_auth.c.853) password doesn't match for /x username: anna IP: 192.0.2.22",
            {"login": "anna", "remote": "192.0.2.22", "success": False, "protocol": "http", "fail_type": "credentials"},
        ),
        Sample(
            "2022-04-12 06:00:02: (mod_auth.c.791) digest: auth failed for  bob : wrong password, IP: 2001:db8::22",
            {"login": "bob", "remote": "2001:db8::22", "success": False},
        ),
        Sample("2022-04-12 06:00:03: (server.c.1500) server started", None),
    ),
)
