"""Vaultwarden (bitwarden_rs)."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r"\[(?:vaultwarden|bitwarden_rs)::api::"

FORMAT: Final = Format(
    name="vaultwarden",
    provenance="Vaultwarden's src/api/identity.rs, admin.rs and core/two_factor, 1.14 to 1.34",
    gaps="Only failures are logged. Those of a second factor and of the administrator's token name no account.",
    protocol="http",
    tags=re.compile(r"vaultwarden|bitwarden_rs"),
    words=("][ERROR] ",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"{_START}identity\]\[ERROR\] Username or password is incorrect\. Try again\. IP: "
                rf"(?P<remote>{ADDRESS})\. Username: (?P<login>.*)\.\s*$",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "credentials"},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_START}admin\]\[ERROR\] Invalid admin token[.!] IP: (?P<remote>{ADDRESS})(?:\. Username: "
                r"(?P<login>.*))?\s*$",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "credentials"},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_START}core::two_factor::\w+\]\[ERROR\] (?:Invalid TOTP code|Token is invalid)! (?:Server time: "
                rf"[\d :-]+ UTC )?IP: (?P<remote>{ADDRESS})\s*$",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "policy"},
        ),
    ),
    samples=(
        Sample(
            "[2022-04-12 06:00:01.129][vaultwarden::api::identity][ERROR] Username or password is incorrect. Try "
            "again. IP: 2001:db8::55. Username: anna@example.org.",
            {"login": "anna@example.org", "remote": "2001:db8::55", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            "[2022-04-12 06:00:02.892][vaultwarden::api::core::two_factor::authenticator][ERROR] Invalid TOTP code! "
            "Server time: 2022-04-12 06:00:02 UTC IP: 192.0.2.55",
            {"remote": "192.0.2.55", "success": False, "fail_type": "policy"},
        ),
        Sample("[2022-04-12 06:00:03.100][start][INFO] Rocket has launched from http://0.0.0.0:80", None),
    ),
)
