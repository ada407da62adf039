"""Group-Office, groupware with a webmail."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="group-office",
    provenance="Group-Office's GO_Base_Session (login, logAction), 4 to 6",
    gaps="Behind a reverse proxy the address is the proxy's.",
    protocol="http",
    tags=re.compile("groupoffice"),
    words=(" for user: ",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r'(?:\[[\d: -]{19}\] ?)?LOGIN (?P<success>FAILED|SUCCESS) for user: "(?P<login>.*)" '
                rf"from IP: (?P<remote>{ADDRESS})\s*$",
                re.DOTALL,
            ),
            {},
            {"success": {"FAILED": False, "SUCCESS": True}},
            front=True,
        ),
    ),
    samples=(
        Sample(
            '[2022-04-12 06:00:01]LOGIN FAILED for user: "anna" from IP: 192.0.2.20',
            {"login": "anna", "remote": "192.0.2.20", "success": False, "protocol": "http"},
        ),
        Sample('[2022-04-12 06:00:02]LOGIN SUCCESS for user: "bob" from IP: 192.0.2.21', {"login": "bob", "success": True}),
        Sample("[2022-04-12 06:00:03]LOGOUT", None),
    ),
)
