"""nginx: the mail proxy's log-ins, and HTTP basic authentication, from the error log."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r"(?:\S+ nginx: )?(?:[\d/]{10} [\d:]{8} )?\[\w+\] \d+#\d+: \*\d+ "
_MAIL_CLIENT: Final = (
    rf", client: (?P<remote>{ADDRESS})(?: using starttls)?, server: \S*?:(?P<protocol>\d+)(?:, login: \"(?P<login>.*)\")?"
    r"(?:, upstream: \S+)?\s*$"
)
_WEB_CLIENT: Final = rf", client: (?P<remote>{ADDRESS}), server: [^,]*, request: "
_PORTS: Final[dict[str | None, object]] = {
    **dict.fromkeys(("25", "465", "587"), "smtp"),
    **dict.fromkeys(("143", "993"), "imap"),
    **dict.fromkeys(("110", "995"), "pop3"),
    "4190": "sieve",
}
#: A user name before, and the request after the address are the client's words.
_TWO: Final = re.compile(r", client: .*, client: ", re.DOTALL)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(_START + text, re.DOTALL)


FORMAT: Final = Format(
    name="nginx",
    provenance="nginx's src/mail/ngx_mail_handler.c (ngx_mail_log_error), ngx_mail_auth_http_module.c, ngx_mail_proxy_module.c and "
    "src/http/modules/ngx_http_auth_basic_module.c, 1.0 to 1.29; ngx_http_auth_pam_module",
    gaps=(
        "Mail log-ins are logged at level 'info' only. The mail protocol is told by the server's port; imap is taken "
        "for unusual ones. "
        "Successful basic authentication is not in the error log."
    ),
    protocol="imap",
    tags=re.compile("nginx"),
    words=(", client: ",),
    rules=(
        Rule(
            "attempt",
            _pattern(rf"client logged in(?: while [\w ]+)?{_MAIL_CLIENT}"),
            {"success": True},
            {"protocol": _PORTS},
            front=True,
            ambiguous=_TWO,
        ),
        Rule(
            "attempt",
            _pattern(rf'client login failed: "(?P<fail_type>[^"]*)"(?: while [\w ]+)?{_MAIL_CLIENT}'),
            {"success": False},
            {
                "protocol": _PORTS,
                "fail_type": {"AUTH not supported": "policy", "Temporary server problem, try again later": "internal"},
            },
            front=True,
            ambiguous=_TWO,
        ),
        # The server behind it refuses what the authentication server let through.
        Rule(
            "attempt",
            _pattern(
                r'upstream sent invalid response: "(?=[^"]*(?:AUTH|[Aa]uth|535|[Ll]ogin))[^"]*" while reading response from '
                rf"upstream{_MAIL_CLIENT}"
            ),
            {"success": False},
            {"protocol": _PORTS},
            front=True,
            ambiguous=_TWO,
        ),
        Rule(
            "attempt",
            _pattern(rf'user "(?P<login>.*)" was not found in "[^"]*"{_WEB_CLIENT}'),
            {"success": False, "fail_type": "account", "protocol": "http"},
            ambiguous=_TWO,
        ),
        Rule(
            "attempt",
            _pattern(rf'user "(?P<login>.*)": password mismatch{_WEB_CLIENT}'),
            {"success": False, "fail_type": "credentials", "protocol": "http"},
            ambiguous=_TWO,
        ),
        Rule(
            "attempt",
            _pattern(rf"PAM: user '(?P<login>.*)' - not authenticated: [\w ]+{_WEB_CLIENT}"),
            {"success": False, "protocol": "http"},
            ambiguous=_TWO,
        ),
    ),
    samples=(
        Sample(
            '2022/04/12 06:00:01 [info] 7#7: *12 client login failed: "Invalid login or password" while in http auth '
            "state, client: "
            '192.0.2.140 using starttls, server: 0.0.0.0:587, login: "anna@example.org"',
            {"login": "anna@example.org", "remote": "192.0.2.140", "success": False, "protocol": "smtp"},
        ),
        Sample(
            "2022/04/12 06:00:02 [info] 7#7: *13 client logged in, client: 2001:db8::140, server: [::]:993, login: "
            '"bob", upstream: '
            "10.0.0.1:143",
            {"login": "bob", "remote": "2001:db8::140", "success": True, "protocol": "imap"},
        ),
        Sample(
            '2022/04/12 06:00:03 [error] 7#7: *14 user "carl": password mismatch, client: 192.0.2.141, server: www, request: '
            '"GET / HTTP/1.1", host: "www"',
            {"login": "carl", "remote": "192.0.2.141", "success": False, "protocol": "http", "fail_type": "credentials"},
        ),
        Sample("2022/04/12 06:00:04 [info] 7#7: *15 client 192.0.2.142:4711 connected to 0.0.0.0:25", None),
    ),
)
