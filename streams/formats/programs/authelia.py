"""Authelia: its log as text; its JSON is a document."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r'time="(?P<time>\d{4}-\d\d-\d\dT[\d:]{8}(?:Z|[+-]\d\d:\d\d))" level=\w+ msg="'
_END: Final = rf" method=\w+ path=[^\s\"]* remote_ip=(?P<remote>{ADDRESS})(?=\s|$)"
_TWO: Final = re.compile("remote_ip=.*remote_ip=", re.DOTALL)

FORMAT: Final = Format(
    name="authelia",
    provenance="Authelia's internal/handlers/handler_firstfactor.go, response.go and handler_sign_*.go, 4.30 to 4.39",
    gaps="A second factor that was refused is no wrong password.",
    protocol="http",
    tags=re.compile(r"authelia"),
    words=(
        " authentication attempt ",
        "which usually indicates they do not exist",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"{_START}Error occurred getting details for user with username input '(?P<login>[^']*)' which "
                rf'usually indicates they do not exist" error="[^"]*"{_END}',
                re.DOTALL,
            ),
            {"success": False, "fail_type": "account"},
            ambiguous=_TWO,
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_START}Unsuccessful 1FA authentication attempt by user '(?P<login>[^']*)': user not found" rf'"{_END}',
                re.DOTALL,
            ),
            {"success": False, "fail_type": "account"},
            ambiguous=_TWO,
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_START}Unsuccessful 1FA authentication attempt by user '(?P<login>[^']*)'[^"
                r'"]*"(?: '
                rf'error="[^"]*")?{_END}',
                re.DOTALL,
            ),
            {"success": False, "fail_type": "credentials"},
            ambiguous=_TWO,
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_START}Unsuccessful \w+ authentication attempt by user '(?P<login>[^']*)'[^"
                r'"]*"(?: '
                rf'error="[^"]*")?{_END}',
                re.DOTALL,
            ),
            {"success": False, "fail_type": "policy"},
            ambiguous=_TWO,
        ),
        Rule(
            "attempt",
            re.compile(rf"{_START}Successful \w+ authentication attempt made by user '(?P<login>[^']*)'" rf'"{_END}', re.DOTALL),
            {"success": True},
            ambiguous=_TWO,
        ),
    ),
    samples=(
        Sample(
            'time="2022-04-12T06:00:01+00:00" level=error msg="Unsuccessful 1FA authentication attempt by user '
            '\'anna\'" method=POST path=/api/firstfactor remote_ip=192.0.2.53 stack="x"',
            {"login": "anna", "remote": "192.0.2.53", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            'time="2022-04-12T06:00:02+00:00" level=error msg="Unsuccessful TOTP authentication attempt by user '
            "'bob'\" method=POST path=/api/secondfactor/totp remote_ip=2001:db8::53",
            {"login": "bob", "remote": "2001:db8::53", "success": False, "fail_type": "policy"},
        ),
        Sample(
            'time="2022-04-12T06:00:03+00:00" level=debug msg="Successful 1FA authentication attempt made by user '
            "'carl'\" method=POST path=/api/firstfactor remote_ip=192.0.2.54",
            {"login": "carl", "remote": "192.0.2.54", "success": True},
        ),
        Sample('time="2022-04-12T06:00:04+00:00" level=info msg="Authelia is starting"', None),
    ),
)
