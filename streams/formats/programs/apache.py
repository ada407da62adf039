"""Apache HTTP Server 2.2 and 2.4: basic and digest authentication, from the error log."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

#: 2.4 writes the port, and an IPv6 address in brackets; 2.2 neither. An IPv6 address with a port and no brackets cannot be told
#: from another address.
_NEW: Final = (
    r"\[[\w-]*:\w+\] (?:\[pid [^\]]*\] )?\[(?:client|remote) \[?(?P<remote>\d+\.\d+\.\d+\.\d+(?=:)|(?<=\[)[0-9A-Fa-f:.]+(?=\]))\]?"
    r":\d+\] (?:AH\d+: )?"
)
_OLD: Final = rf"\[error\] \[client (?P<remote>{ADDRESS})\] (?:Digest: )?"
_FAILURES: Final = (
    (r"user (?P<login>.*) not found(?:: |$)", "account"),
    (r"user `(?P<login>.*)' in realm `[^']*' not found: ", "account"),
    (r'user (?P<login>.*): authentication failure for "', "credentials"),
    (r"user (?P<login>.*): password mismatch: ", "credentials"),
    (r'user (?P<login>.*): authorization failure for "', "policy"),
)
#: The path, and the user's name, are the client's words.
_TWO: Final = re.compile(
    r"(?:not found: |failure for \"|password mismatch: ).*(?:not found: |failure for \"|password mismatch: )", re.DOTALL
)


FORMAT: Final = Format(
    name="apache",
    provenance="Apache's modules/aaa/mod_auth_basic.c, mod_auth_digest.c and mod_authz_core.c, 2.2 and 2.4",
    gaps="A success is not in the error log. Refusals by address ('client denied by server configuration') are no log-in.",
    protocol="http",
    tags=re.compile(r"(?:httpd|apache2?)(?:/\S+)?"),
    words=("] user ", ": user "),
    rules=tuple(
        Rule("attempt", re.compile(start + text, re.DOTALL), {"success": False, "fail_type": why}, ambiguous=_TWO)
        for start in (_NEW, _OLD)
        for text, why in _FAILURES
    ),
    samples=(
        Sample(
            "[Tue Apr 12 06:00:01.123456 2022] [auth_basic:error] [pid 77:tid 88] [client 192.0.2.150:4711] AH01618: "
            "user anna not found: /",
            {"login": "anna", "remote": "192.0.2.150", "success": False, "protocol": "http", "fail_type": "account"},
        ),
        Sample(
            '[Tue Apr 12 06:00:02 2022] [error] [client 2001:db8::150] user bob: authentication failure for "/": Password Mismatch',
            {"login": "bob", "remote": "2001:db8::150", "success": False, "fail_type": "credentials"},
        ),
        Sample("[Tue Apr 12 06:00:03 2022] [error] [client 192.0.2.151] client denied by server configuration: /var/www/", None),
    ),
)
