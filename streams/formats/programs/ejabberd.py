"""ejabberd, an XMPP server."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r"(?:I\(<[\d.]+>:\w+:\d+\) : |(?:\[\w+\] )?<[\d.]+>@[\w:/]+ )\((?>.*?\) (?=Failed |Accepted ))"

FORMAT: Final = Format(
    name="ejabberd",
    provenance="ejabberd's ejabberd_c2s.erl (handle_auth_failure, handle_auth_success), 2.1 to 24",
    gaps="Before 13 the time stands in a line of its own, so --at is needed.",
    protocol="other",
    tags=re.compile(r"ejabberd"),
    words=(
        "Failed authentication for ",
        "authentication for ",
        "Accepted authentication for ",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"{_START}Failed (?:\w+ )*?(?:[\w-]+ )?authentication for (?P<login>[^\s]*) from (?:IP "
                rf")?(?P<remote>{ADDRESS})(?: \(\{{\{{[\d,]+\}},\d+\}}\)|: (?:[\w ,;'.-]*[\w.])?)?\s*$",
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_START}Accepted (?:\w+ )*?(?:[\w-]+ )?authentication for (?P<login>[^\s]*) (?:by \w+ backend "
                rf")?from (?P<remote>{ADDRESS})\s*$",
                re.DOTALL,
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "2022-04-12 06:00:01.773 [info] <0.6668.0>@ejabberd_c2s:handle_auth_failure:433 (http_bind|ejabberd_bosh) "
            "Failed c2s PLAIN authentication for anna@example.org from ::FFFF:192.0.2.48: Invalid username or password",
            {"login": "anna@example.org", "remote": "192.0.2.48", "success": False},
        ),
        Sample(
            "2022-04-12 06:00:02.773 [info] <0.6669.0>@ejabberd_c2s:handle_auth_success:425 (tls|<0.6669.0>) Accepted "
            "c2s SCRAM-SHA-1 authentication for bob@example.org by mnesia backend from 192.0.2.49",
            {"login": "bob@example.org", "remote": "192.0.2.49", "success": True},
        ),
        Sample(
            "2022-04-12 06:00:03.773 [info] <0.281.0>@ejabberd_listener:accept:281 (#Port<0.6910>) Accepted "
            "connection 192.0.2.49:12716 -> 198.51.100.2:5222",
            None,
        ),
    ),
)
