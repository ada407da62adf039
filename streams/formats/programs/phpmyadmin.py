"""phpMyAdmin, by syslog."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="phpmyadmin",
    provenance="phpMyAdmin's libraries/classes/Logging.php, 4.8 to 5.2",
    gaps="A success is only logged where $cfg['AuthLogSuccess'] is on.",
    protocol="http",
    tags=re.compile(r"phpMyAdmin"),
    words=(
        "user denied: ",
        "user authenticated: ",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(rf"user denied: (?P<login>.*) \((?P<fail_type>[\w-]+)\) from (?P<remote>{ADDRESS})\s*$", re.DOTALL),
            {"success": False},
            {
                "fail_type": {
                    "mysql-denied": "credentials",
                    "root-denied": "policy",
                    "allow-denied": "policy",
                    "empty-denied": "policy",
                }
            },
        ),
        Rule(
            "attempt",
            re.compile(rf"user authenticated: (?P<login>.*) from (?P<remote>{ADDRESS})\s*$", re.DOTALL),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 db1 phpMyAdmin[16358]: user denied: anna (mysql-denied) from 192.0.2.77",
            {"login": "anna", "remote": "192.0.2.77", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            "Apr 12 06:00:02 db1 phpMyAdmin[16358]: user authenticated: bob from 2001:db8::77",
            {"login": "bob", "remote": "2001:db8::77", "success": True},
        ),
        Sample("Apr 12 06:00:03 db1 phpMyAdmin[16358]: something else", None),
    ),
)
