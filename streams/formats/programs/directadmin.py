"""DirectAdmin: login.log."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="directadmin",
    provenance="DirectAdmin's documentation of /var/log/directadmin/login.log, 1.4 to 1.6",
    gaps="A line that sums up several failures is as many attempts.",
    protocol="http",
    tags=re.compile(r"directadmin"),
    words=(
        "failed login attempt",
        "successful login to '",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"'(?P<remote>{ADDRESS})' (?P<times>\d{{1,4}}) failed login attempts?\. Account '(?P<login>[^']*)'(?: "
                r"via '[^']*')?\s*$",
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"'(?P<remote>{ADDRESS})' (?P<times>\d{{1,4}}) failed login attempts?\. Invalid account "
                r"'(?P<login>[^']*)'\s*$",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "account"},
        ),
        Rule(
            "attempt",
            re.compile(rf"'(?P<remote>{ADDRESS})' successful login to '(?P<login>[^']*)' after \d+ attempts\s*$", re.DOTALL),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "2022:04:12-06:00:01: '192.0.2.79' 1 failed login attempts. Account 'anna'",
            {"login": "anna", "remote": "192.0.2.79", "success": False},
        ),
        Sample(
            "2022:04:12-06:00:02: '192.0.2.79' 1 failed login attempt. Invalid account 'bob'",
            {"login": "bob", "remote": "192.0.2.79", "success": False, "fail_type": "account"},
        ),
        Sample(
            "2022:04:12-06:00:03: '2001:db8::79' successful login to 'carl' after 1 attempts",
            {"login": "carl", "remote": "2001:db8::79", "success": True},
        ),
        Sample("2022:04:12-06:00:04: 'x' logged out", None),
    ),
)
