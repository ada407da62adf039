"""Grafana."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r"(?:logger=[\w.]+ (?:\w+=[^\s\"]* )*?)?t=(?P<time>\d{4}-\d\d-\d\dT[\d:.+-]+Z?) (?:lvl|level)=\w+ "
_REASONS: Final[dict[str | None, object]] = {
    "User not found": "account",
    "user not found": "account",
    "Invalid Username or Password": "credentials",
    "invalid username or password": "credentials",
}

FORMAT: Final = Format(
    name="grafana",
    provenance="Grafana's pkg/services/contexthandler and pkg/services/login, 6 to 12",
    gaps="Failures name no account, and successes no address, so those are not read.",
    protocol="http",
    tags=re.compile(r"grafana(?:-server)?"),
    words=(
        'msg="Invalid username or password"',
        "msg=Unauthorized error=",
        "errorMessageID=password-auth.failed",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf'{_START}msg="Invalid username or password"(?: [\w]+=[^\s"]*)* error="(?P<fail_type>[\w ]+)" '
                rf"remote_addr=(?P<remote>{ADDRESS})(?=\s|$)",
                re.DOTALL,
            ),
            {"success": False},
            {"fail_type": _REASONS},
        ),
        Rule(
            "attempt",
            re.compile(
                rf'{_START}msg=Unauthorized error="\[password-auth\.failed\][^"]*" ' rf"remote_addr=(?P<remote>{ADDRESS})(?=\s|$)",
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                rf'{_START}msg="Request Completed" method=POST path=/login status=401 '
                rf'remote_addr=(?P<remote>{ADDRESS}) (?:[\w]+=(?!password-auth)[^\s"]* '
                r")*errorMessageID=password-auth\.failed ",
                re.DOTALL,
            ),
            {"success": False},
        ),
    ),
    samples=(
        Sample(
            't=2022-04-12T06:00:01+0000 lvl=eror msg="Invalid username or password" logger=context userId=0 orgId=0 '
            'uname= error="User not found" remote_addr=192.0.2.52',
            {"remote": "192.0.2.52", "success": False, "fail_type": "account"},
        ),
        Sample(
            'logger=context userId=0 orgId=0 uname= t=2022-04-12T06:00:02.182430512Z level=error msg="Invalid '
            'username or password" error="invalid username or password" remote_addr=2001:db8::52 traceID=',
            {"remote": "2001:db8::52", "success": False, "fail_type": "credentials"},
        ),
        Sample('logger=http.server t=2022-04-12T06:00:03.073590975Z level=info msg="Successful Login" User=bob@localhost', None),
    ),
)
