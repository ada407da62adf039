"""Microsoft Exchange 2010 to 2019: protocol logs of IMAP, POP3 and SMTP reception."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import Format, Rule, Sample

__all__ = ["FORMAT"]

#: Two endpoints: ours and the client's. IPv6 addresses stand in brackets.
_CLIENT: Final = r"\[?(?P<remote>[0-9A-Fa-f.:]+?)\]?:\d+"
_MAILBOX: Final = (
    r"[0-9A-F]+,\d+,[^,]*:(?P<protocol>143|993|110|995),"
    + _CLIENT
    + r',(?P<login>[^,"]*|"(?:[^"]|"")*"),\d+,\d+,\d+,(?:authenticate|login|auth|pass),(?:[^,"]*|"(?:[^"]|"")*"),'
)
_PORTS: Final[dict[str | None, object]] = {"143": "imap", "993": "imap", "110": "pop3", "995": "pop3"}

FORMAT: Final = Format(
    name="exchange",
    provenance="Microsoft's documentation of protocol logging for IMAP4, POP3 and Receive connectors, and Exchange 2013 and "
    "2019 logs",
    gaps="SMTP's 535 does not name the user; the lines before it would, encoded. A log-in by SMTP is read where the "
    "connector says so.",
    protocol="smtp",
    tags=re.compile("exchange"),
    words=(",authenticate,", ",login,", ",auth,", ",pass,", ",535 5.7.", ",authenticated"),
    rules=(
        Rule(
            "attempt",
            re.compile(_MAILBOX + r'"R=""(?:\S+ NO|-ERR) (?:(?!ErrMsg=).)*(?:ErrMsg=(?P<fail_type>[\w:]+))?'),
            {"success": False},
            {
                "protocol": _PORTS,
                "fail_type": {
                    "AuthFailed:LogonDenied": None,
                    "AuthFailed:AccountDisabled": "disabled",
                    "AuthFailed:PasswordExpired": "expired",
                    "ProtocolDisabled": "policy",
                },
            },
        ),
        Rule("attempt", re.compile(_MAILBOX + r'"?R=(?:ok|OK)\b'), {"success": True}, {"protocol": _PORTS}),
        Rule(
            "attempt",
            re.compile(r"[^,]+,[0-9A-F]{16},\d+,[^,]+:\d+," + _CLIENT + r",>,535 5\.7\.\d+ Authentication unsuccessful,"),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(r"[^,]+,[0-9A-F]{16},\d+,[^,]+:\d+," + _CLIENT + r",\*,(?P<login>[^,]+),authenticated\s*$"),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "2022-04-12T06:00:01.530Z,000000000000000E,2,198.51.100.3:143,192.0.2.220:4711,anna,168,31,31,authenticate,PLAIN,"
            '"R=""2 NO AUTHENTICATE failed."";Msg=""AuthFailed:LogonDenied,User: anna"";ErrMsg=AuthFailed:LogonDenied",',
            {"login": "anna", "remote": "192.0.2.220", "success": False, "protocol": "imap"},
        ),
        Sample(
            "2022-04-12T06:00:02.530Z,000000000000000F,2,198.51.100.3:995,[2001:db8::220]:4712,bob,168,31,31,pass,*****,R=ok,",
            {"login": "bob", "remote": "2001:db8::220", "success": True, "protocol": "pop3"},
        ),
        Sample(
            "2022-04-12T06:00:03.270Z,EX1\\Default Frontend EX1,08DA4F7C11473A60,9,198.51.100.3:25,192.0.2.221:4713,>,"
            "535 5.7.3 Authentication unsuccessful,",
            {"remote": "192.0.2.221", "success": False, "protocol": "smtp"},
        ),
        Sample("2022-04-12T06:00:04.530Z,0000000000000010,1,198.51.100.3:143,192.0.2.222:4714,,1,10,20,capability,,R=ok,", None),
    ),
)
