"""WordPress with the plugin WP fail2ban, by syslog."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="wordpress",
    provenance="WP fail2ban's documentation of its syslog messages, 3 to 5",
    gaps=(
        "Written from memory, and tried on no line that others wrote. "
        "Only with the plugin; a log-in of WordPress itself is not logged."
    ),
    protocol="http",
    tags=re.compile(r"wordpress(?:\(.*\))?|wp"),
    words=(
        "Authentication failure for ",
        "Authentication attempt for unknown user ",
        "Accepted password for ",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(rf"(?:XML-RPC )?[Aa]uthentication failure for (?P<login>.*) from (?P<remote>{ADDRESS})\s*$", re.DOTALL),
            {"success": False, "fail_type": "credentials"},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"(?:XML-RPC )?[Aa]uthentication attempt for unknown user (?P<login>.*) from (?P<remote>{ADDRESS})\s*$", re.DOTALL
            ),
            {"success": False, "fail_type": "account"},
        ),
        Rule(
            "attempt",
            re.compile(rf"Blocked authentication attempt for (?P<login>.*) from (?P<remote>{ADDRESS})\s*$", re.DOTALL),
            {"success": False, "fail_type": "policy"},
        ),
        Rule(
            "attempt",
            re.compile(rf"Accepted password for (?P<login>.*) from (?P<remote>{ADDRESS})\s*$", re.DOTALL),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 web1 wordpress(www.example.org)[7]: Authentication failure for anna from 192.0.2.111",
            {"login": "anna", "remote": "192.0.2.111", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            "Apr 12 06:00:02 web1 wordpress(www.example.org)[7]: Accepted password for bob from 2001:db8::111",
            {"login": "bob", "remote": "2001:db8::111", "success": True},
        ),
        Sample("Apr 12 06:00:03 web1 wordpress(www.example.org)[7]: Pingback requested from 192.0.2.112", None),
    ),
)
