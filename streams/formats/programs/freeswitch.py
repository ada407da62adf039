"""FreeSWITCH: SIP log-ins."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r"(?:\d\d\.\d\d% )?\[\w+\] (?:\[SOFIA\] )?\[?sofia_reg\.c:\d+\]? "

FORMAT: Final = Format(
    name="freeswitch",
    provenance="FreeSWITCH's mod_sofia/sofia_reg.c, 1.4 to 1.10",
    gaps="'SIP auth challenge' only asks for a password. Successes are not logged.",
    protocol="other",
    tags=re.compile(r"freeswitch"),
    words=(
        "SIP auth failure (",
        "Can't find user [",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"{_START}SIP auth failure \(\w+\) on sofia profile '[^']*' for \[(?P<login>[^\[\]]*)\] from ip "
                rf"(?P<remote>{ADDRESS})\s*$",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "credentials"},
        ),
        Rule(
            "attempt",
            re.compile(rf"{_START}Can't find user \[(?P<login>[^\[\]]*)\] from (?P<remote>{ADDRESS})\s*$", re.DOTALL),
            {"success": False, "fail_type": "account"},
        ),
    ),
    samples=(
        Sample(
            "2022-04-12 06:00:01.767815 [WARNING] sofia_reg.c:1478 SIP auth failure (REGISTER) on sofia profile "
            "'internal' for [301@198.51.100.1] from ip 192.0.2.45",
            {
                "login": "301@198.51.100.1",
                "remote": "192.0.2.45",
                "success": False,
                "protocol": "other",
                "fail_type": "credentials",
            },
        ),
        Sample(
            "2022-04-12T06:00:02.150982 pbx1 freeswitch[7]: 2022-04-12 06:00:02.150982 82.43% [WARNING] "
            "sofia_reg.c:2889 Can't find user [201@198.51.100.1] from 192.0.2.46",
            {"login": "201@198.51.100.1", "remote": "192.0.2.46", "success": False, "fail_type": "account"},
        ),
        Sample(
            "2022-04-12 06:00:03.767815 [WARNING] sofia_reg.c:1533 SIP auth challenge (INVITE) on sofia profile "
            "'internal' for [01@198.51.100.1] from ip 192.0.2.47",
            None,
        ),
    ),
)
