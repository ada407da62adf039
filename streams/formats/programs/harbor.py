"""Harbor, a registry of containers."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r'\[ERROR\] \[[^\]]*\]\[client IP="(?:(?P<forwarded>[^\s,"]+(?:, [^\s,"]+)*), )?'
_TWO: Final = re.compile(", error:.*, error:", re.DOTALL)

FORMAT: Final = Format(
    name="harbor",
    provenance="Harbor's src/server/middleware/security/basic_auth.go, 2",
    gaps="Of several hops the last is taken unless it is a trusted proxy. Successes are not logged.",
    protocol="http",
    tags=re.compile(r"core|harbor-core"),
    words=("failed to authenticate user:",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf'{_START}(?P<remote>{ADDRESS})" requestID="[^"]*" user agent="(?>[^"]*)"\]: failed to authenticate '
                r"user:(?P<login>.*), error:.*$",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "credentials"},
            ambiguous=_TWO,
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 172.25.0.1 core[1160]: 2022-04-12T06:00:01Z [ERROR] "
            '[/server/middleware/security/basic_auth.go:72][client IP="203.0.113.9, 192.0.2.66" requestID="df" user '
            'agent="docker/23.0.6"]: failed to authenticate user:anna, error:Failed to authenticate user, due to '
            "error 'Invalid credentials'",
            {"login": "anna", "remote": "192.0.2.66", "success": False, "fail_type": "credentials"},
        ),
        Sample("Apr 12 06:00:02 172.25.0.1 core[1160]: 2022-04-12T06:00:02Z [INFO] [/core/main.go:1]: started", None),
    ),
)
