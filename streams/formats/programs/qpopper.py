"""Qpopper, a POP3 server."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="qpopper",
    provenance="Qpopper's popper/pop_pass.c, pop_apop.c and pop_log.c, 3 and 4",
    gaps=(
        "Written from memory, and tried on no line that others wrote. "
        "Some failures are written twice, to the client and to the log; of these only the log's is read."
    ),
    protocol="pop3",
    tags=re.compile(r"(?:in\.)?q?popper"),
    words=("[AUTH] Failed attempted login", "POP login by user"),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"\[AUTH\] Failed attempted login to (?P<login>.*) from host \([^\s()]*\) (?P<remote>{ADDRESS})(?: \[\S+\])?\s*$",
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                rf'(?:\(v[\w.]+\) )?POP login by user "(?P<login>.*)" at \([^\s()]*\) (?P<remote>{ADDRESS})(?: \[\S+\])?\s*$',
                re.DOTALL,
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 mx1 qpopper[77]: [AUTH] Failed attempted login to anna from host (h.example) 192.0.2.23",
            {"login": "anna", "remote": "192.0.2.23", "success": False, "protocol": "pop3"},
        ),
        Sample(
            'Apr 12 06:00:02 mx1 qpopper[78]: (v4.0.9) POP login by user "bob" at (h.example) 192.0.2.24 [pop_log.c:244]',
            {"login": "bob", "remote": "192.0.2.24", "success": True},
        ),
        Sample("Apr 12 06:00:03 mx1 qpopper[79]: Stats: bob 0 0 3 4711 h.example 192.0.2.24", None),
    ),
)
