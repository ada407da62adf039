"""Solid POP3 daemon."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_END: Final = rf" - (?P<remote>{ADDRESS})\s*$"
_USER: Final = "(?P<login>.*)"


def _rule(text: str, fail_type: str | None = None) -> Rule:
    return Rule("attempt", re.compile(text + _END, re.DOTALL), {"success": False, "fail_type": fail_type})


FORMAT: Final = Format(
    name="solid-pop3d",
    provenance="solid-pop3d's src/authenticate.c and main.c, 0.15 and 0.16",
    gaps="A success shows only with statistics compiled in.",
    protocol="pop3",
    tags=re.compile("solid-pop3d|spop3d"),
    words=("authentication failed", "root login not allowed", "can't find APOP secret", " authenticated - "),
    rules=(
        _rule(rf"authentication failed: no such user: {_USER}", "account"),
        _rule(rf"authentication failed: can't map user name: {_USER}", "account"),
        _rule(rf"(?:APOP )?authentication failed for (?:mapped )?user {_USER}"),
        _rule(rf"can't find APOP secret for user {_USER}", "account"),
        _rule("(?P<login>root) login not allowed", "policy"),
        Rule("attempt", re.compile(rf"user {_USER} authenticated{_END}", re.DOTALL), {"success": True}),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 mx1 solid-pop3d[77]: authentication failed for user anna - 192.0.2.240",
            {"login": "anna", "remote": "192.0.2.240", "success": False, "protocol": "pop3"},
        ),
        Sample(
            "Apr 12 06:00:02 mx1 solid-pop3d[78]: user bob authenticated - 192.0.2.241",
            {"login": "bob", "remote": "192.0.2.241", "success": True},
        ),
        Sample("Apr 12 06:00:03 mx1 solid-pop3d[79]: connect from 192.0.2.242", None),
    ),
)
