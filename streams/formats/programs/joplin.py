"""Joplin Server."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="joplin-server",
    provenance="Joplin's packages/server (routes/api/sessions.ts, middleware), 2 to 3",
    gaps="Log-ins on the web page name no account and are read only where they fail; successes are not told from other requests.",
    protocol="http",
    tags=re.compile(r"joplin.*"),
    words=(
        "POST /api/sessions: ",
        "POST /login (403)",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"\[error\] App: 403: POST /api/sessions: (?P<remote>{ADDRESS}): Invalid username or password: "
                r'\{"email":"(?P<login>[^"]*)"\}\s*$',
                re.DOTALL,
            ),
            {"success": False, "fail_type": "credentials"},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"[\d:]{{8}} \d+\|app +\| (?P<time>\d{{4}}-\d\d-\d\d [\d:]{{8}}): App: (?P<remote>{ADDRESS}): \d+ \w+: POST "
                r"/login \(403\) \(\d+ms\)\s*$",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "credentials"},
        ),
    ),
    samples=(
        Sample(
            "2022-04-12 06:00:01: [error] App: 403: POST /api/sessions: 192.0.2.60: Invalid username or password: "
            '{"email":"anna@example.org"}',
            {"login": "anna@example.org", "remote": "192.0.2.60", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            "06:00:02 1|app  | 2022-04-12 06:00:02: App: 2001:db8::60: 38 B: POST /login (403) (1ms)",
            {"remote": "2001:db8::60", "success": False},
        ),
        Sample("2022-04-12 06:00:03: App: 192.0.2.61: 38 B: GET /login (200) (1ms)", None),
    ),
)
