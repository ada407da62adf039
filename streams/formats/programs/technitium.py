"""Technitium DNS Server's console."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="technitium",
    provenance="Technitium's DnsServerCore/Auth/AuthManager.cs, 8 to 13",
    gaps="Successes are in its log in another form, which is not read.",
    protocol="http",
    tags=re.compile(r"technitium.*"),
    words=("Invalid username or password for user: ",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"\[\[?(?P<remote>{HOST})\]?(?::\d+)?\] DnsServerCore\.DnsWebServiceException: Invalid username or "
                r"password for user: (?P<login>\S*)",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "credentials"},
        ),
    ),
    samples=(
        Sample(
            "[2022-04-12 06:00:01 UTC] [192.0.2.76:50051] DnsServerCore.DnsWebServiceException: Invalid username or "
            "password for user: anna",
            {"login": "anna", "remote": "192.0.2.76", "success": False, "fail_type": "credentials"},
        ),
        Sample("[2022-04-12 06:00:02 UTC] [192.0.2.76:50051] Something else", None),
    ),
)
