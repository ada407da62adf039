"""Pterodactyl's Wings: log-ins by SFTP."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="pterodactyl",
    provenance="Wings' sftp/server.go, 1.4 to 1.11",
    gaps="The year of the time is not told. Successes do not name the address in one form.",
    protocol="ftp",
    tags=re.compile(r"wings"),
    words=("failed to validate user credentials (",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r"(?: ?WARN: \[(?P<time>\w{3} {1,2}\d{1,2} \d\d:\d\d:\d\d)\.\d+\] )?failed to validate user credentials "
                rf"\([\w ]+\) ip=\[?(?P<remote>{HOST})\]?:\d+(?: method=\w+)? subsystem=sftp username=(?P<login>.*)$",
                re.DOTALL,
            ),
            {"success": False},
        ),
    ),
    samples=(
        Sample(
            "WARN: [Apr 12 06:00:01.643] failed to validate user credentials (invalid format) "
            "ip=192.0.2.201:28050 subsystem=sftp username=anna",
            {"login": "anna", "remote": "192.0.2.201", "success": False, "protocol": "ftp"},
        ),
        Sample("INFO: [Apr 12 06:00:02.643] sftp server listening for connections", None),
    ),
)
