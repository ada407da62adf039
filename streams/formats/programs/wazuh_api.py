"""Wazuh's API: api.log."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_TWO: Final = re.compile(r"\"POST /security/user/authenticate.*\"POST /security/user/authenticate", re.DOTALL)

FORMAT: Final = Format(
    name="wazuh-api",
    provenance="Wazuh's api/api/alogging.py and error_handler.py, 4.2 to 4.9",
    gaps="Requests with a token are no log-in.",
    protocol="http",
    tags=re.compile(r"wazuh-apid"),
    words=('"POST /security/user/authenticate',),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf'INFO: (?P<login>.*?) (?:\([0-9a-f]{{32}}\) )?(?P<remote>{ADDRESS}) "POST '
                r'/security/user/authenticate(?:/run_as)?" with parameters \{(?>.*\} )done in [\d.]+s: '
                r"(?P<success>\d{3})\s*$",
                re.DOTALL,
            ),
            {},
            {"success": {"200": True, "400": False, "401": False, "403": False}},
            ambiguous=_TWO,
        ),
    ),
    samples=(
        Sample(
            '2022/04/12 06:00:01 INFO: anna 192.0.2.120 "POST /security/user/authenticate" with parameters {} and '
            "body {} done in 0.354s: 401",
            {"login": "anna", "remote": "192.0.2.120", "success": False},
        ),
        Sample(
            '2022/04/12 06:00:02 INFO: bob 192.0.2.121 "POST /security/user/authenticate" with parameters {} and body '
            "{} done in 0.354s: 200",
            {"login": "bob", "remote": "192.0.2.121", "success": True},
        ),
        Sample('2022/04/12 06:00:03 INFO: bob 192.0.2.121 "GET /agents" with parameters {} and body {} done in 0.006s: 200', None),
    ),
)
