"""Microsoft SQL Server: the error log."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_REASONS: Final[dict[str | None, object]] = {
    "Password did not match that for the login provided": "credentials",
    "Could not find a login matching the name provided": "account",
    "The account is disabled": "disabled",
    "The password of the account has expired": "expired",
    "The password of the account must be changed": "expired",
    "An attempt to login using SQL authentication failed": "policy",
}

FORMAT: Final = Format(
    name="mssql",
    provenance="Microsoft's documentation of event 18456 and of the ERRORLOG, 2005 to 2022",
    gaps="Successes are logged only where auditing asks for them.",
    protocol="other",
    tags=re.compile(r"MSSQL.*|mssql.*"),
    words=("Logon       Login ",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r"Logon +Login failed for user '(?P<login>.*)'\.(?: Reason: "
                rf"(?P<fail_type>[^.\[\]]{{0,99}})\.[^\[\]]{{0,199}})? \[CLIENT: (?P<remote>{ADDRESS})\]\s*$",
                re.DOTALL,
            ),
            {"success": False},
            {"fail_type": _REASONS},
        ),
        Rule(
            "attempt",
            re.compile(
                r"Logon +Login succeeded for user '(?P<login>.*)'\. Connection made using [\w ]+ authentication\. "
                rf"\[CLIENT: (?P<remote>{ADDRESS})\]\s*$",
                re.DOTALL,
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "2022-04-12 06:00:01.10 Logon       Login failed for user 'anna'. Reason: Could not find a login matching "
            "the name provided. [CLIENT: 192.0.2.33]",
            {"login": "anna", "remote": "192.0.2.33", "success": False, "fail_type": "account"},
        ),
        Sample(
            "2022-04-12 06:00:02.10 Logon       Login succeeded for user 'bob'. Connection made using SQL Server "
            "authentication. [CLIENT: 2001:db8::33]",
            {"login": "bob", "remote": "2001:db8::33", "success": True},
        ),
        Sample("2022-04-12 06:00:03.10 Logon       Error: 18456, Severity: 14, State: 8.", None),
    ),
)
