"""vpopmail's vchkpw, which checks passwords for qmail's SMTP and POP3 servers and others."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r"vchkpw-(?P<protocol>\w+): "
_PROTOCOLS: Final[dict[str | None, object]] = {
    "smtp": "smtp",
    "smtps": "smtp",
    "submission": "smtp",
    "pop3": "pop3",
    "pop3s": "pop3",
    "imap": "imap",
    "imaps": "imap",
}


def _failed(text: str, fail_type: str | None = None) -> Rule:
    pattern = re.compile(rf"{_START}{text} (?P<login>\S*):(?P<remote>(?:::ffff:)?\d+\.\d+\.\d+\.\d+)\s*$")
    return Rule("attempt", pattern, {"success": False, "fail_type": fail_type}, {"protocol": _PROTOCOLS})


FORMAT: Final = Format(
    name="vpopmail",
    provenance="vpopmail's vchkpw.c (vlog), 5.4",
    gaps="vchkpw is given IPv4 addresses only. Ports that have no name are not told apart; pop3 is taken.",
    protocol="pop3",
    tags=re.compile("vpopmail|vchkpw"),
    words=("vchkpw-",),
    rules=(
        _failed("vpopmail user not found", "account"),
        _failed("password fail(?: \\(pass: '.*'\\))?", "credentials"),
        _failed("null (?:user name|password) given"),
        _failed("(?:account disabled|user disabled|permission denied)", "disabled"),
        Rule(
            "attempt",
            re.compile(rf"{_START}\((?P<mech>[\w-]+)\) login success (?P<login>\S*):(?P<remote>{ADDRESS})\s*$"),
            {"success": True},
            {"protocol": _PROTOCOLS},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 mx1 vpopmail[77]: vchkpw-smtp: password fail anna@example.org:192.0.2.1",
            {"login": "anna@example.org", "remote": "192.0.2.1", "success": False, "protocol": "smtp", "fail_type": "credentials"},
        ),
        Sample(
            "Apr 12 06:00:02 mx1 vpopmail[78]: vchkpw-pop3: (PLAIN) login success bob@example.org:192.0.2.2",
            {"login": "bob@example.org", "remote": "192.0.2.2", "success": True, "protocol": "pop3"},
        ),
        Sample("Apr 12 06:00:03 mx1 vpopmail[79]: vchkpw: something else", None),
    ),
)
