"""Zimbra: mailbox.log and audit.log."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

#: ``[name=…;oip=192.0.2.1;ua=…;]``: ``oip`` is the client's address where a proxy of Zimbra's stands between. ``ua`` is his words.
_START: Final = r"\w+ +\[[^\]]*\] "
_CONTEXT: Final = (
    rf"\[(?:(?!oip=|ua=)[^;\]]*;)*oip=(?P<remote>{ADDRESS});(?:o?port=\d+;)?(?:oproto=(?P<protocol>\w+);)?[^\]]*\] ",
    rf"\[(?:(?!o?ip=|ua=)[^;\]]*;)*ip=(?P<remote>{ADDRESS});(?:(?!oip=)[^;\]]*;)*\] ",
)
#: The same before a message that names the protocol itself.
_PROTOCOL_FOLLOWS: Final = tuple(context.replace("(?P<protocol>", "(?:") for context in _CONTEXT)
_TWO: Final = re.compile(r"oip=.*oip=", re.DOTALL)
_FAILED: Final = r"authentication failed for \[(?P<login>[^\[\]]*)\](?:, (?P<fail_type>[\w ()-]*[\w)]))?"
_PROTOCOLS: Final[dict[str | None, object]] = {"smtp": "smtp", "imap": "imap", "pop3": "pop3", "soap": "http", "http_basic": "http"}
_REASONS: Final[dict[str | None, object]] = {
    "invalid password": "credentials",
    "invalid credentials": "credentials",
    "no such account": "account",
    "account not found": "account",
    "account(or domain) status is locked": "disabled",
    "account(or domain) status is closed": "disabled",
    "account(or domain) status is maintenance": "internal",
    "account lockout": "disabled",
    "password expired": "expired",
    "must change password": "expired",
    "two-factor code required": "policy",
}


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.DOTALL)


FORMAT: Final = Format(
    name="zimbra",
    provenance="Zimbra's ZimbraLog (context), SoapEngine, ZimbraSecurity (audit.log) and AuthFailedServiceException, 7 to 10",
    gaps="'handler exception' without a reason does not say that it is about a log-in. A user agent that names an "
    "address is refused.",
    protocol="http",
    tags=re.compile("zimbra|zmmailboxd"),
    words=("authentication failed for ", "Auth; account="),
    rules=(
        *(
            Rule(
                "attempt",
                _pattern(
                    rf"{_START}{context}(?:account|imap|pop|smtp) - authentication failed for \[?(?P<login>[^\s\[\]]+)\]? "
                    r"\((?P<fail_type>[\w ]+)\)\s*$"
                ),
                {"success": False},
                {"fail_type": _REASONS} | ({"protocol": _PROTOCOLS} if "protocol" in context else {}),
                ambiguous=_TWO,
            )
            for context in _CONTEXT
        ),
        *(
            Rule(
                "attempt",
                _pattern(rf"{_START}{context}SoapEngine - handler exception: {_FAILED}\s*$"),
                {"success": False},
                {"fail_type": _REASONS} | ({"protocol": _PROTOCOLS} if "protocol" in context else {}),
                ambiguous=_TWO,
            )
            for context in _CONTEXT
        ),
        *(
            Rule(
                "attempt",
                _pattern(
                    rf"{_START}{context}security - cmd=(?:Admin)?Auth; account=[^;]*; "
                    rf"protocol=(?P<protocol>\w+); error={_FAILED};\s*$"
                ),
                {"success": False},
                {"fail_type": _REASONS, "protocol": _PROTOCOLS},
                ambiguous=_TWO,
            )
            for context in _PROTOCOL_FOLLOWS
        ),
        *(
            Rule(
                "attempt",
                _pattern(
                    f"{_START}{context}security - cmd=(?:Admin)?Auth; "
                    r"account=(?P<login>[^;]*); "
                    r"protocol=(?P<protocol>\w+);\s*$"
                ),
                {"success": True},
                {"protocol": _PROTOCOLS},
                ambiguous=_TWO,
            )
            for context in _PROTOCOL_FOLLOWS
        ),
    ),
    samples=(
        Sample(
            "2022-04-12 06:00:01,123 INFO  [qtp1-7:https://mail/service/soap/AuthRequest] "
            "[name=anna@example.org;oip=192.0.2.210;ua=zclient/9;] "
            "SoapEngine - handler exception: authentication failed for [anna@example.org], invalid password",
            {
                "login": "anna@example.org",
                "remote": "192.0.2.210",
                "success": False,
                "protocol": "http",
                "fail_type": "credentials",
            },
        ),
        Sample(
            "2022-04-12 06:00:02,123 WARN  [ImapSSLServer-7] [ip=127.0.0.1;oip=2001:db8::210;via=198.51.100.1(nginx/1.19)"
            ";] security - "
            "cmd=Auth; account=bob@example.org; protocol=imap; error=authentication failed for [bob@example.org], "
            "account not found;",
            {"login": "bob@example.org", "remote": "2001:db8::210", "success": False, "protocol": "imap", "fail_type": "account"},
        ),
        Sample(
            "2022-04-12 06:00:03,123 INFO  [Pop3SSLServer-7] [ip=192.0.2.211;] security - cmd=Auth; "
            "account=carl@example.org; protocol=pop3;",
            {"login": "carl@example.org", "remote": "192.0.2.211", "success": True, "protocol": "pop3"},
        ),
        Sample("2022-04-12 06:00:04,123 INFO  [qtp1-8:https://mail/] [oip=192.0.2.212;] SoapEngine - handler exception", None),
    ),
)
