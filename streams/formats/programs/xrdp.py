"""xrdp, a server for remote desktops."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="xrdp",
    provenance="xrdp's sesman/auth.c and sesman.c (AUTHFAIL), 0.9 and 0.10",
    gaps="Successes name no address.",
    protocol="other",
    tags=re.compile(r"xrdp-sesman|xrdp"),
    words=("AUTHFAIL: user=",),
    rules=(
        Rule(
            "attempt",
            re.compile(rf"\[INFO \] AUTHFAIL: user=(?P<login>.*) ip=(?P<remote>{ADDRESS}) time=\d+\s*$", re.DOTALL),
            {"success": False},
        ),
    ),
    samples=(
        Sample(
            "[20220412-06:00:01] [INFO ] AUTHFAIL: user=anna ip=::ffff:192.0.2.74 time=1649743201",
            {"login": "anna", "remote": "192.0.2.74", "success": False},
        ),
        Sample(
            "Apr 12 06:00:02 rdp1 xrdp-sesman[41]: [INFO ] AUTHFAIL: user=bob ip=2001:db8::74 time=1649743202",
            {"login": "bob", "remote": "2001:db8::74", "success": False},
        ),
        Sample("Apr 12 06:00:03 rdp1 xrdp-sesman[41]: [INFO ] ++ created session", None),
    ),
)
