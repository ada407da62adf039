"""Webmin and Usermin: syslog."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_FROM: Final = rf"login as (?P<login>.*) from (?P<remote>{ADDRESS})\s*$"

FORMAT: Final = Format(
    name="webmin",
    provenance="Webmin's miniserv.pl (validate_user, handle_login), 1.5 to 2.1",
    gaps="The log miniserv.log, which starts with seconds since 1970, is not read.",
    protocol="http",
    tags=re.compile("webmin|usermin"),
    words=(" login as ",),
    rules=(
        Rule("attempt", re.compile(rf"Invalid {_FROM}", re.DOTALL), {"success": False, "fail_type": "credentials"}),
        Rule("attempt", re.compile(rf"Non-existent {_FROM}", re.DOTALL), {"success": False, "fail_type": "account"}),
        Rule("attempt", re.compile(rf"Expired {_FROM}", re.DOTALL), {"success": False, "fail_type": "expired"}),
        Rule("attempt", re.compile(rf"Successful {_FROM}", re.DOTALL), {"success": True}),
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
        Sample("Apr 12 06:00:03 web1 webmin[79]: Webmin starting", None),
    ),
)
