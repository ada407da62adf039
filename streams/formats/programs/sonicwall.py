"""SonicWall: log-ins to its VPN and to the device."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_PAIR: Final = r'(?!usr=|src=)\w+=(?:"[^"]*"|[^\s"]*) '
_TWO: Final = re.compile(" src=.* src=", re.DOTALL)

FORMAT: Final = Format(
    name="sonicwall",
    provenance="SonicWall's SonicOS log event reference (31 to 35, 199, 200, 1080), 5 to 7",
    gaps=(
        "Written from memory, and tried on no line that others wrote. "
        "Only messages with the user's name beside the source are read."
    ),
    protocol="other",
    tags=re.compile(r"(?!)"),
    words=(
        "login denied due to",
        "login failed",
        "login allowed",
        "id=firewall ",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r'id=\S+ sn=\w+ time="(?P<time>[\d -]{10} [\d:]{8})(?: UTC)?" fw=\S+ pri=\d+ c=\d+ m=\d+ '
                r'msg="(?:User|Administrator|SSL VPN user|CLI administrator|WAN zone \w+ \w+) login '
                rf'(?:denied|failed)[^"]*" (?:{_PAIR})*?usr="(?P<login>[^"]*)" '
                rf"src=(?P<remote>{ADDRESS})(?::\d*)*(?=\s|$)",
                re.DOTALL,
            ),
            {"success": False},
            ambiguous=_TWO,
        ),
        Rule(
            "attempt",
            re.compile(
                r'id=\S+ sn=\w+ time="(?P<time>[\d -]{10} [\d:]{8})(?: UTC)?" fw=\S+ pri=\d+ c=\d+ m=\d+ '
                r'msg="(?:User|Administrator|SSL VPN user|CLI administrator|WAN zone \w+ \w+) login '
                rf'(?:allowed|successful)[^"]*" (?:{_PAIR})*?usr="(?P<login>[^"]*)" '
                rf"src=(?P<remote>{ADDRESS})(?::\d*)*(?=\s|$)",
                re.DOTALL,
            ),
            {"success": True},
            ambiguous=_TWO,
        ),
    ),
    samples=(
        Sample(
            'id=firewall sn=0006B1 time="2022-04-12 06:00:01" fw=198.51.100.1 pri=4 c=32 m=33 msg="User login denied '
            'due to bad credentials" n=7 usr="anna" src=192.0.2.134',
            {"login": "anna", "remote": "192.0.2.134", "success": False},
        ),
        Sample(
            'id=firewall sn=0006B1 time="2022-04-12 06:00:02" fw=198.51.100.1 pri=6 c=16 m=31 msg="User login '
            'allowed" sess=Web n=7 usr="bob" src=192.0.2.135',
            {"login": "bob", "remote": "192.0.2.135", "success": True},
        ),
        Sample(
            'id=firewall sn=0006B1 time="2022-04-12 06:00:03" fw=198.51.100.1 pri=6 c=1024 m=537 msg="Connection '
            'Closed" n=7 src=192.0.2.135:1:X1',
            None,
        ),
    ),
)
