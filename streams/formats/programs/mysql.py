"""MySQL and MariaDB: the error log."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="mysql",
    provenance="MySQL's sql/auth/sql_authentication.cc (ER_ACCESS_DENIED_ERROR), 5.1 to 8, and MariaDB's sql/sql_acl.cc",
    gaps="Successes are in the general log only, which is not read. A host that the server resolved to a name is refused.",
    protocol="other",
    tags=re.compile(r"mysqld?|mariadbd?"),
    words=("Access denied for user '",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r"(?:\d+ +)?(?:\[\w+\] (?:\[[\w-]+\] \[\w+\] )?|Connect +)?Access denied for user "
                r"'(?P<login>.*)'@'(?P<remote>[^'\s]+)'(?: \(using password: (?:YES|NO)\))?\s*$",
                re.DOTALL,
            ),
            {"success": False},
        ),
    ),
    samples=(
        Sample(
            "2022-04-12 06:00:01 4644 [Warning] Access denied for user 'anna'@'192.0.2.31' (using password: YES)",
            {"login": "anna", "remote": "192.0.2.31", "success": False, "protocol": "other"},
        ),
        Sample(
            "2022-04-12T06:00:02.634875Z 113 [Note] [MY-010926] [Server] Access denied for user 'bob'@'2001:db8::31' "
            "(using password: NO)",
            {"login": "bob", "remote": "2001:db8::31", "success": False},
        ),
        Sample(
            "220412  6:00:03 [Warning] Access denied for user 'carl'@'192.0.2.32' (using password: YES)",
            {"login": "carl", "remote": "192.0.2.32", "success": False},
        ),
        Sample("2022-04-12 06:00:04 0 [Note] mysqld: ready for connections.", None),
    ),
)
