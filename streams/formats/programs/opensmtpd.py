"""OpenSMTPD: smtpd's lines about AUTH, on ports 25, 465 and 587."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

_SESSION: Final = r"[0-9a-f]{16} smtp "
#: Since 6.4 the client's address stands in the first line of a session only.
_NUMBERED: Final = r"(?P<conn>[0-9a-f]{16}) smtp "
_CLIENT: Final = rf"address=\[?(?P<remote>{HOST})\]? host=\S+"
_RESULT: Final = r"result=(?P<success>ok|permfail|tempfail)$"
_OUTCOMES: Final[dict[str, dict[str | None, object]]] = {"success": {"ok": True, "permfail": False, "tempfail": False}}

FORMAT: Final = Format(
    name="opensmtpd",
    provenance="OpenSMTPD's usr.sbin/smtpd/smtp_session.c (smtp_connected, smtp_rfc4954_auth_*), 6.0 to 7.6",
    gaps="Since 6.4 the client stands in the first line of a session only; where that is missing the log-in is refused. "
    "A try that names no user is read of versions before that.",
    protocol="smtp",
    tags=re.compile("smtpd"),
    words=(" smtp connected address=", " authentication user=", " smtp event="),
    rules=(
        Rule("told", re.compile(rf"{_NUMBERED}connected address=\[?(?P<remote>{HOST})\]?(?: |$)"), {"success": False}),
        Rule("attempt", re.compile(rf"{_NUMBERED}authentication user=(?P<login>\S*) {_RESULT}"), {}, _OUTCOMES),
        Rule("attempt", re.compile(rf"{_SESSION}event=authentication user=(?P<login>\S*) {_CLIENT} {_RESULT}"), {}, _OUTCOMES),
        Rule("over", re.compile(rf"{_NUMBERED}disconnected "), {"success": False}),
        Rule(
            "attempt",
            re.compile(rf'{_SESSION}event=failed-command {_CLIENT} command="AUTH [^"]*" result="535 [^"]*"$'),
            {"success": False},
        ),
    ),
    samples=(
        Sample("Apr 12 06:00:01 mx1 smtpd[77]: 3a6d06274cde1fd7 smtp connected address=192.0.2.195 host=h.example", None),
        Sample(
            "Apr 12 06:00:02 mx1 smtpd[77]: 3a6d06274cde1fd8 smtp event=authentication user=anna address=192.0.2.196 host=h.ex "
            "result=ok",
            {"login": "anna", "remote": "192.0.2.196", "success": True},
        ),
        Sample(
            "Apr 12 06:00:03 mx1 smtpd[77]: 3a6d06274cde1fd8 smtp event=failed-command address=192.0.2.196 host=h.example "
            'command="AUTH PLAIN (...)" result="535 Authentication failed"',
            {"remote": "192.0.2.196", "success": False, "protocol": "smtp"},
        ),
    ),
)
