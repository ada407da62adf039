"""Webmin and Usermin: syslog and webmin.log."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

#: ``1649743201.7.0 [12/Apr/2022 06:00:01] anna - 192.0.2.7 global miniserv.pl "failed" "-" "wrongpass"``
_LOGGED: Final = (
    rf"\d+\.[\d.]+ \[(?P<time>\d{{1,2}}/\w{{3}}/\d{{4}} [\d:]{{8}})\] (?P<login>\S+) \S+ (?P<remote>{ADDRESS}) global miniserv\.pl "
)
_FROM: Final = rf"login as (?P<login>.*) from (?P<remote>{ADDRESS})\s*$"

FORMAT: Final = Format(
    name="webmin",
    provenance="Webmin's miniserv.pl (validate_user, handle_login), 1.5 to 2.1",
    gaps="A user whose name has spaces is not read in webmin.log.",
    protocol="http",
    tags=re.compile("webmin|usermin"),
    words=(" login as ", " global miniserv.pl "),
    rules=(
        Rule("attempt", re.compile(rf"Invalid {_FROM}", re.DOTALL), {"success": False, "fail_type": "credentials"}),
        Rule("attempt", re.compile(rf"Non-existent {_FROM}", re.DOTALL), {"success": False, "fail_type": "account"}),
        Rule("attempt", re.compile(rf"Expired {_FROM}", re.DOTALL), {"success": False, "fail_type": "expired"}),
        Rule("attempt", re.compile(rf"Successful {_FROM}", re.DOTALL), {"success": True}),
        Rule(
            "attempt",
            re.compile(rf'{_LOGGED}"failed" "-" "(?P<fail_type>\w+)"'),
            {"success": False},
            {"fail_type": {"wrongpass": "credentials", "nouser": "account", "wronguser": "account", "expired": "expired"}},
        ),
        Rule("attempt", re.compile(rf'{_LOGGED}"login" '), {"success": True}),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 web1 usermin[77]: Invalid login as anna from 192.0.2.7",
            {"login": "anna", "remote": "192.0.2.7", "success": False, "protocol": "http", "fail_type": "credentials"},
        ),
        Sample(
            "Apr 12 06:00:02 web1 webmin[78]: Successful login as root from 192.0.2.8",
            {"login": "root", "remote": "192.0.2.8", "success": True},
        ),
        Sample(
            '1649743203.77.0 [12/Apr/2022 06:00:03] carl - 192.0.2.9 global miniserv.pl "failed" "-" "nouser"',
            {"login": "carl", "remote": "192.0.2.9", "success": False, "fail_type": "account"},
        ),
        Sample("Apr 12 06:00:04 web1 webmin[79]: Webmin starting", None),
    ),
)
