"""MongoDB before 4.4, which logs text; later ones log JSON."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

_TWO: Final = re.compile(r" from client .* from client ", re.DOTALL)

FORMAT: Final = Format(
    name="mongodb",
    provenance="MongoDB's src/mongo/db/auth/sasl_commands.cpp and authentication_commands.cpp, 3.0 to 4.2",
    gaps=(
        "Written from memory, and tried on no line that others wrote. "
        "Before 3.6 the line about a failure names no address: it stands in the connection's first and last lines."
    ),
    protocol="other",
    tags=re.compile(r"mongod(?:b|\.\d+)?"),
    words=(
        " authentication failed for ",
        "Successfully authenticated as principal ",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r"(?:\w +)?(?:ACCESS +)?\[conn\d+\] +(?P<mech>[\w-]+) authentication failed for (?P<login>.*) on \S+ "
                rf"from client \[?(?P<remote>{HOST})\]?(?::\d+)? ; (?P<fail_type>\w+)(?:: [^;]*)?\s*$",
                re.DOTALL,
            ),
            {"success": False},
            {"fail_type": {"UserNotFound": "account", "AuthenticationFailed": "credentials"}},
            ambiguous=_TWO,
        ),
        Rule(
            "attempt",
            re.compile(
                r"(?:\w +)?(?:ACCESS +)?\[conn\d+\] +Successfully authenticated as principal (?P<login>.*) on \S+ "
                rf"from client \[?(?P<remote>{HOST})\]?(?::\d+)?\s*$",
                re.DOTALL,
            ),
            {"success": True},
            ambiguous=_TWO,
        ),
    ),
    samples=(
        Sample(
            "2022-04-12T06:00:01.110+0000 I ACCESS   [conn1] SCRAM-SHA-1 authentication failed for anna on admin from "
            "client 192.0.2.37:4711 ; UserNotFound: Could not find user anna@admin",
            {"login": "anna", "remote": "192.0.2.37", "success": False, "fail_type": "account"},
        ),
        Sample(
            "2022-04-12T06:00:02.110+0000 I ACCESS   [conn2] Successfully authenticated as principal bob on admin "
            "from client 192.0.2.38:4712",
            {"login": "bob", "remote": "192.0.2.38", "success": True},
        ),
        Sample("2022-04-12T06:00:03.110+0000 I NETWORK  [conn2] end connection 192.0.2.38:4712 (0 connections now open)", None),
    ),
)
