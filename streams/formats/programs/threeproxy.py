"""3proxy."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

_REST: Final = rf"[A-Z0-9]+\.\d+ \d{{3}}0[5-8] (?!- )(?P<login>\S+) \[?(?P<remote>{HOST})\]?:\d+ \S+:\d+ \d+ \d+ \d+ "
_TWO: Final = re.compile(r":\d+ \S+:\d+ \d+ \d+ .*:\d+ \S+:\d+ \d+ \d+ ", re.DOTALL)

FORMAT: Final = Format(
    name="3proxy",
    provenance="3proxy's documentation of its log and error codes (4 to 8: authentication), 0.6 to 0.9",
    gaps=(
        "Requests without a user name are no log-in. The password was right in each request that succeeds, so "
        "successes are not read."
    ),
    protocol="other",
    tags=re.compile(r"3proxy"),
    words=(
        " PROXY.",
        " SOCKS.",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(rf"(?P<time>\d\d-\d\d-\d{{4}} [\d:]{{8}} [+-]\d{{4}}) {_REST}", re.DOTALL),
            {"success": False},
            ambiguous=_TWO,
        ),
        Rule("attempt", re.compile(rf"(?:[+-]\d{{4}} )?{_REST}", re.DOTALL), {"success": False}, ambiguous=_TWO),
    ),
    samples=(
        Sample(
            "12-04-2022 06:00:01 +0000 PROXY.3128 00005 anna 192.0.2.103:28788 0.0.0.0:0 0 0 0 GET "
            "http://www.example.org/ HTTP/1.1",
            {"login": "anna", "remote": "192.0.2.103", "success": False},
        ),
        Sample(
            "12-04-2022 06:00:02 +0000 PROXY.3128 00004 - 192.0.2.103:28789 0.0.0.0:0 0 0 0 GET http://www.example.org/ HTTP/1.1",
            None,
        ),
    ),
)
