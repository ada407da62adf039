"""Proxmox VE, Backup Server and Mail Gateway."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

_TWO: Final = re.compile("rhost=.*rhost=", re.DOTALL)
_REASONS: Final[dict[str | None, object]] = {
    "no such user": "account",
    "invalid credentials": "credentials",
    "authentication error": "credentials",
    "Authentication failure": "credentials",
    "authentication failure": "credentials",
    "user account disabled": "disabled",
    "account expired": "expired",
}

FORMAT: Final = Format(
    name="proxmox",
    provenance="Proxmox's PVE/AccessControl.pm and pveproxy (authentication failure), 4 to 8",
    gaps="The realm (pam, pve, an LDAP server) is kept apart from the account.",
    protocol="http",
    tags=re.compile(r"pve(?:daemon|proxy)|pmg(?:daemon|proxy)|proxmox-backup-(?:api|proxy)"),
    words=(
        "authentication failure; rhost=",
        "successful auth for user '",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"authentication failure; rhost=\[?(?P<remote>{HOST})\]?(?::\d+)? user=(?P<login>\S*)@(?P<realm>[\w.-]+) "
                r"msg=(?P<fail_type>no such user|invalid credentials|authentication error|Authentication failure|authentication "
                r"failure|user account disabled|account expired)?[^\n]*$",
                re.DOTALL,
            ),
            {"success": False},
            {"fail_type": _REASONS},
            ambiguous=_TWO,
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 pve1 pvedaemon[12]: authentication failure; rhost=192.0.2.70 user=root@pam msg=Authentication failure",
            {"login": "root", "remote": "192.0.2.70", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            "Apr 12 06:00:02 pve1 pvedaemon[12]: authentication failure; rhost=::ffff:192.0.2.71 user=anna@pve msg=no "
            "such user ('anna@pve')",
            {"login": "anna", "remote": "192.0.2.71", "success": False, "realm": "pve", "fail_type": "account"},
        ),
        Sample("Apr 12 06:00:03 pve1 pvedaemon[12]: <root@pam> successful auth for user 'root@pam'", None),
    ),
)
