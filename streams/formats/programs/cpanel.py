"""cPanel & WHM: the log-in log of cpaneld, whostmgrd and webmaild."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_REASONS: Final[dict[str | None, object]] = {
    "user password incorrect": "credentials",
    "access denied for root, reseller, and user password": "credentials",
    "user password hash is missing from system": "account",
    "invalid cpanel user": "account",
    "root login is not permitted to cpaneld": "policy",
    "login attempt to whm by a non-reseller/root": "policy",
    "brute force attempt": "policy",
}

FORMAT: Final = Format(
    name="cpanel",
    provenance="cPanel's documentation of /usr/local/cpanel/logs/login_log, and lines of versions 58 to 110",
    gaps="A success of cpdavd, which has the time in the middle of its lines, is not read.",
    protocol="http",
    tags=re.compile("cpsrvd|cpaneld"),
    words=(" LOGIN ",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf'info \[\w+\] (?P<remote>{ADDRESS}) - (?P<login>[^\s"]+) "[^"]*" FAILED LOGIN \w+: '
                rf"(?P<fail_type>{'|'.join(map(str, _REASONS))})"
            ),
            {"success": False},
            {"fail_type": _REASONS},
        ),
        Rule(
            "attempt",
            re.compile(rf'info \[\w+\] (?P<remote>{ADDRESS}) - (?P<login>[^\s"]+) "[^"]*" FAILED LOGIN \w+: '),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                rf'(?P<remote>{ADDRESS}) - (?P<login>[^\s"\[]+) \[(?P<time>\d\d/\d\d/\d{{4}}:[\d:]{{8}} [+-]\d{{4}})\] "[^"]*" '
                r"FAILED LOGIN \w+: "
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                rf'info \[\w+\] (?P<remote>{ADDRESS}) - (?P<login>[^\s"]+) (?:\(possessor: \S+\) )?(?:"[^"]*"|-) SUCCESS LOGIN \w+'
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            '[2022-04-12 06:00:01 +0000] info [webmaild] 192.0.2.4 - anna@example.org "POST /login/?login_only=1 '
            'HTTP/1.1" FAILED LOGIN '
            "webmaild: user password incorrect",
            {"login": "anna@example.org", "remote": "192.0.2.4", "success": False, "protocol": "http", "fail_type": "credentials"},
        ),
        Sample(
            "[2022-04-12 06:00:02 +0000] info [cpsrvd] 192.0.2.5 - bob (possessor: root) - SUCCESS LOGIN cpaneld",
            {"login": "bob", "remote": "192.0.2.5", "success": True},
        ),
        Sample(
            '192.0.2.7 - carl [04/12/2022:06:00:03 -0000] "GET" FAILED LOGIN cpdavd: Could not fetch home directory for carl',
            {"login": "carl", "remote": "192.0.2.7", "success": False},
        ),
        Sample("[2022-04-12 06:00:03 +0000] info [cpsrvd] 192.0.2.6 PURGE bob:Nmm4xzhSpA2Sddv3 logout", None),
    ),
)
