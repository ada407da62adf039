"""Paperless-ngx."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="paperless",
    provenance="Paperless-ngx's src/documents/signals and paperless/signals.py (handle_failed_login), 1.14 to 2.14",
    gaps="Successes are not logged.",
    protocol="http",
    tags=re.compile(r"paperless.*"),
    words=("Login failed for user `",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r"\[\w+\] \[paperless\.auth\] Login failed for user `(?P<login>.*)` from (?:private )?IP "
                rf"`(?P<remote>{ADDRESS})\.?`\.?\s*$",
                re.DOTALL,
            ),
            {"success": False},
        ),
    ),
    samples=(
        Sample(
            "[2022-04-12 06:00:01,123] [INFO] [paperless.auth] Login failed for user `anna` from IP `192.0.2.125`.",
            {"login": "anna", "remote": "192.0.2.125", "success": False},
        ),
        Sample("[2022-04-12 06:00:02,123] [INFO] [paperless.management.consumer] Adding x", None),
    ),
)
