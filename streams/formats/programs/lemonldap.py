"""LemonLDAP::NG, a single sign-on portal."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r"(?:Lemonldap::NG : |\[\w+\] )"
_END: Final = rf" \((?P<remote>{ADDRESS})\)\s*$"

FORMAT: Final = Format(
    name="lemonldap",
    provenance="LemonLDAP::NG's Portal/Lib/LDAP.pm, UserDB/LDAP.pm and Portal/Main/Run.pm, 1.9 to 2.19",
    gaps="Only LDAP's messages; other backends word theirs differently.",
    protocol="http",
    tags=re.compile("LLNG|lemonldap-ng"),
    words=("Bad password for ", " was not found in LDAP directory", " successfully authenticated"),
    rules=(
        Rule(
            "attempt",
            re.compile(rf"{_START}Bad password for (?P<login>.*){_END}", re.DOTALL),
            {"success": False, "fail_type": "credentials"},
        ),
        Rule(
            "attempt",
            re.compile(rf"{_START}(?P<login>.*) was not found in LDAP directory{_END}", re.DOTALL),
            {"success": False, "fail_type": "account"},
        ),
        Rule(
            "attempt",
            re.compile(rf"{_START}User (?P<login>.*) successfully authenticated(?: at level \d+)?{_END}", re.DOTALL),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 sso LLNG[77]: [warn] Bad password for anna (192.0.2.9)",
            {"login": "anna", "remote": "192.0.2.9", "success": False, "protocol": "http", "fail_type": "credentials"},
        ),
        Sample(
            "Apr 12 06:00:02 sso LLNG[78]: [notice] User bob successfully authenticated at level 2 (192.0.2.10)",
            {"login": "bob", "remote": "192.0.2.10", "success": True},
        ),
        Sample("Apr 12 06:00:03 sso LLNG[79]: [notice] User bob has been disconnected from LDAP (192.0.2.10)", None),
    ),
)
