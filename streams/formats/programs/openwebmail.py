"""OpenWebMail."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_CLIENT: Final = rf"- \[\d+\] \((?P<remote>{ADDRESS})\) (?P<login>\S+) - "

FORMAT: Final = Format(
    name="openwebmail",
    provenance="OpenWebMail's openwebmail.pl (login) and shares/tool.pl (writelog), 2.x",
    gaps="A log-in to the account of the system's own users only; virtual domains are part of the name.",
    protocol="http",
    tags=re.compile("openwebmail"),
    words=(" - login", " - userinfo error - "),
    rules=(
        Rule(
            "attempt",
            re.compile(rf"{_CLIENT}login error - (?P<fail_type>no such user|\S+, ret -4, Password incorrect)"),
            {"success": False},
            {"fail_type": {"no such user": "account"}},
            front=True,
        ),
        Rule(
            "echo",
            re.compile(rf"{_CLIENT}userinfo error - \S+, ret -4, User .* doesn't exist"),
            {"success": False, "fail_type": "account"},
            front=True,
        ),
        Rule("attempt", re.compile(rf"{_CLIENT}login - "), {"success": True}, front=True),
    ),
    samples=(
        Sample(
            "Tue Apr 12 06:00:01 2022 - [77] (192.0.2.190) anna - login error - auth_unix.pl, ret -4, Password incorrect",
            {"login": "anna", "remote": "192.0.2.190", "success": False, "protocol": "http"},
        ),
        Sample("Tue Apr 12 06:00:02 2022 - [78] (192.0.2.191) bob - login - 2.53", {"login": "bob", "success": True}),
        Sample("Tue Apr 12 06:00:03 2022 - [79] (192.0.2.191) bob - logout - bob-session-0.1", None),
    ),
)
