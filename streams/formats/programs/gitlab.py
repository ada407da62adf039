"""GitLab: application.log."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="gitlab",
    provenance="GitLab's documentation of application.log, 9 to 13; later versions log JSON",
    gaps="Successes are in other logs.",
    protocol="http",
    tags=re.compile(r"gitlab.*"),
    words=("Failed Login: username=",),
    rules=(
        Rule(
            "attempt",
            re.compile(rf"(?:Failed )?Login: username=(?P<login>.*) ip=(?P<remote>{ADDRESS})\s*$", re.DOTALL),
            {"success": False},
        ),
    ),
    samples=(
        Sample(
            "2022-04-12T06:00:01.667Z: Failed Login: username=anna ip=192.0.2.51",
            {"login": "anna", "remote": "192.0.2.51", "success": False},
        ),
        Sample('2022-04-12T06:00:02.667Z: User "bob" (bob@example.org) was created', None),
    ),
    own_tags=re.compile("Login"),
)
