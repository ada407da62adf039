"""Monit's web interface."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r"(?:\[\w+ (?P<time>\w{3} +\d{1,2} [\d:]{8})\] error +: )?"

FORMAT: Final = Format(
    name="monit",
    provenance="Monit's src/http/processor.c (is_authenticated), 5.3 to 5.33",
    gaps="Requests without a user name are no log-in. Successes are not logged.",
    protocol="http",
    tags=re.compile(r"monit"),
    words=(
        "Warning: Client '",
        "access denied -- client ",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"{_START}Warning: Client '(?P<remote>{ADDRESS})' supplied unknown user '(?P<login>.*)' accessing "
                r"monit httpd\s*$",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "account"},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_START}Warning: Client '(?P<remote>{ADDRESS})' supplied wrong password for user '(?P<login>.*)' "
                r"accessing monit httpd\s*$",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "credentials"},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_START}HttpRequest: access denied -- client \[?(?P<remote>{ADDRESS})\]?: unknown user " r"'(?P<login>.+)'\s*$",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "account"},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_START}HttpRequest: access denied -- client \[?(?P<remote>{ADDRESS})\]?: wrong password for user "
                r"'(?P<login>.+)'\s*$",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "credentials"},
        ),
        Rule(
            "attempt",
            re.compile(rf"{_START}HttpRequest: access denied -- client \[?(?P<remote>{ADDRESS})\]?: empty password\s*$", re.DOTALL),
            {"success": False, "fail_type": "credentials"},
        ),
    ),
    samples=(
        Sample(
            "[UTC Apr 12 06:00:01] error    : Warning: Client '192.0.2.81' supplied unknown user 'anna' accessing monit httpd",
            {"login": "anna", "remote": "192.0.2.81", "success": False, "fail_type": "account"},
        ),
        Sample(
            "Apr 12 06:00:02 web1 monit[5731]: HttpRequest: access denied -- client [2001:db8::81]: wrong password for user 'bob'",
            {"login": "bob", "remote": "2001:db8::81", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            "Apr 12 06:00:03 web1 monit[5731]: HttpRequest: access denied -- client 192.0.2.82: missing or invalid "
            "Authorization header",
            None,
        ),
    ),
)
