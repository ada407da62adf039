"""Dante, a SOCKS proxy."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import Format, Rule, Sample

__all__ = ["FORMAT"]

_BLOCK: Final = (
    r"(?:info: )?block\(\d+\): tcp/accept \]: (?P<remote>\d+\.\d+\.\d+\.\d+)\.\d+ [\d.]+: error after reading \d+ bytes? in \d+ "
    r"seconds?: "
)

FORMAT: Final = Format(
    name="dante",
    provenance="Dante's sockd (block and pass messages), 1.4",
    gaps="Only IPv4 is read: behind the address stands the port, joined by a full stop.",
    protocol="other",
    tags=re.compile(r"danted|sockd"),
    words=(
        " authentication failed for user",
        "could not access user",
        "username%",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf'{_BLOCK}could not access user "(?P<login>.*)"' r"'s records in the system password file: [\w ]*\w\s*$", re.DOTALL
            ),
            {"success": False, "fail_type": "account"},
        ),
        Rule(
            "attempt",
            re.compile(rf'{_BLOCK}system password authentication failed for user "(?P<login>.*)"\s*$', re.DOTALL),
            {"success": False, "fail_type": "credentials"},
        ),
        Rule(
            "attempt",
            re.compile(rf'{_BLOCK}pam_authenticate\(\) for user "(?P<login>.*)" failed: [\w ]*\w\s*$', re.DOTALL),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                r"(?:info: )?pass\(\d+\): tcp/accept \[: (?:username|pam\.username)%(?P<login>.*)@"
                r"(?P<remote>\d+\.\d+\.\d+\.\d+)\.\d+ [\d.]+\s*$",
                re.DOTALL,
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 px1 danted[179]: info: block(1): tcp/accept ]: 192.0.2.100.50550 198.51.100.1.1080: "
            'error after reading 18 bytes in 0 seconds: system password authentication failed for user "anna"',
            {"login": "anna", "remote": "192.0.2.100", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            "Apr 12 06:00:02 px1 danted[179]: info: pass(1): tcp/accept [: username%bob@192.0.2.101.50551 198.51.100.1.1080",
            {"login": "bob", "remote": "192.0.2.101", "success": True},
        ),
        Sample(
            "Apr 12 06:00:03 px1 danted[179]: info: block(1): tcp/accept ]: 192.0.2.102.50551 198.51.100.1.1080: "
            "error after reading 3 bytes in 0 seconds: client offered no acceptable authentication method",
            None,
        ),
    ),
)
