"""AdGuard Home."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="adguard-home",
    provenance="AdGuard Home's internal/home/auth.go, 0.104 to 0.107",
    gaps="Since 0.107 a failure names no user. Successes are not logged with an address in all versions.",
    protocol="http",
    tags=re.compile(r"AdGuardHome"),
    words=(
        "auth: failed to login user",
        "auth: user ",
        " /control/login: from ip ",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"(?:\d+#\d+ )?\[error\] (?:auth: )?POST \S+ /control/login: from ip (?P<remote>{ADDRESS}): invalid username"
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                rf'\d+#\d+ \[\w+\] auth: failed to login user "(?P<login>.*)" from ip "?(?P<remote>{ADDRESS})"?(?:: '
                r"[\w ]*\w)?\s*$",
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                r'\d+#\d+ \[\w+\] auth: user "(?P<login>.*)" successfully logged in from ip ' rf'"?(?P<remote>{ADDRESS})"?\s*$',
                re.DOTALL,
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            '2022/04/12 06:00:01.277 1#12 [info] auth: failed to login user "anna" from ip "192.0.2.124": invalid '
            "username or password",
            {"login": "anna", "remote": "192.0.2.124", "success": False},
        ),
        Sample(
            '2022/04/12 06:00:02.277 1#12 [info] auth: user "bob" successfully logged in from ip 2001:db8::124',
            {"login": "bob", "remote": "2001:db8::124", "success": True},
        ),
        Sample("2022/04/12 06:00:03.277 1#12 [info] web: stopped", None),
    ),
)
