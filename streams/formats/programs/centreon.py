"""Centreon."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="centreon",
    provenance="Centreon's www/class/centreonAuth.class.php and centreonLog.class.php, 2.8 to 22",
    gaps="Successes of LDAP users are logged in another form, which is not read.",
    protocol="http",
    tags=re.compile(r"centreon"),
    words=(
        "Authentication failed for '",
        "Authentication succeeded for '",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"(?:[\d-]+\|){{3}}\[WEB\] \[(?P<remote>{ADDRESS})\] Authentication failed for '(?P<login>.*)'(?: : "
                r"(?P<fail_type>[\w ]*\w))?\s*$",
                re.DOTALL,
            ),
            {"success": False},
            {"fail_type": {"password mismatch": "credentials", "not found": "account", "user not found": "account"}},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"(?:[\d-]+\|){{3}}\[WEB\] \[(?P<remote>{ADDRESS})\] Authentication succeeded for '(?P<login>.*)'\s*$", re.DOTALL
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "2022-04-12 06:00:01|-1|0|0|[WEB] [192.0.2.80] Authentication failed for 'anna' : password mismatch",
            {"login": "anna", "remote": "192.0.2.80", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            "2022-04-12 06:00:02|7|0|0|[WEB] [2001:db8::80] Authentication succeeded for 'bob'",
            {"login": "bob", "remote": "2001:db8::80", "success": True},
        ),
        Sample("2022-04-12 06:00:03|-1|0|0|[WEB] x", None),
    ),
)
