"""ISPConfig: auth.log."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="ispconfig",
    provenance="ISPConfig's interface/web/login/index.php, 3.1 and 3.2",
    gaps="Written from memory, and tried on no line that others wrote. Why a log-in failed is not said.",
    protocol="http",
    tags=re.compile(r"ispconfig"),
    words=(
        "ailed login for user '",
        "uccessful login for user '",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"Failed login for user '(?P<login>.*)' from (?P<remote>{ADDRESS}) at (?P<time>\d{{4}}-\d\d-\d\d "
                r"[\d:]{8})(?: with session ID \w+)?\s*$",
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"Successful login for user '(?P<login>.*)' from (?P<remote>{ADDRESS}) at (?P<time>\d{{4}}-\d\d-\d\d "
                r"[\d:]{8})(?: with session ID \w+)?\s*$",
                re.DOTALL,
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "Failed login for user 'anna' from 192.0.2.115 at 2022-04-12 06:00:01",
            {"login": "anna", "remote": "192.0.2.115", "success": False},
        ),
        Sample(
            "Successful login for user 'bob' from 2001:db8::115 at 2022-04-12 06:00:02 with session ID abc",
            {"login": "bob", "remote": "2001:db8::115", "success": True},
        ),
        Sample("Apr 12 06:00:03 web1 ispconfig: x", None),
    ),
)
