"""VMware ESXi and vCenter."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

#: ESX before 5 wrote the time into a bracket of its own.
_START: Final = (
    r"(?:\[(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) '[^']*' \d+ \w+\] )?"
    r"(?:\w+ \w+\[\w+\] )?(?:\[Originator@\d+ sub=[^\]]*\] )?(?:Event \d+ : )?"
)
_TWO: Final = re.compile("logged in as .*logged in as ", re.DOTALL)

FORMAT: Final = Format(
    name="vmware",
    provenance="VMware's documentation of events (UserLoginSessionEvent, BadUsernameSessionEvent), 5 to 8",
    gaps="Written from memory, and tried on no line that others wrote. Log-ins by SSH are sshd's.",
    protocol="http",
    tags=re.compile(r"(?:vmware-)?[Hh]ostd|[Vv]pxd|vobd|Vim.*"),
    words=(
        "Cannot login ",
        " logged in",
        " password for user ",
        "Failed login attempt for ",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"{_START}(?:Cannot login|Failed login attempt for) (?P<login>[^\s@]+(?:@[^\s@]+)?)@(?P<remote>{ADDRESS})\s*$",
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(rf"{_START}Rejected password for user (?P<login>.*) from (?P<remote>{ADDRESS})\s*$", re.DOTALL),
            {"success": False, "fail_type": "credentials"},
        ),
        Rule(
            "attempt",
            re.compile(rf"{_START}Accepted password for user (?P<login>.*) from (?P<remote>{ADDRESS})\s*$", re.DOTALL),
            {"success": True},
        ),
        Rule(
            "attempt",
            re.compile(rf"{_START}User (?P<login>[^\s@]+(?:@[^\s@]+)?)@(?P<remote>{ADDRESS}) logged in(?: as [^\n]*)?$", re.DOTALL),
            {"success": True},
            ambiguous=_TWO,
        ),
    ),
    samples=(
        Sample(
            "2022-04-12T06:00:01.5Z esx1 Hostd: warning hostd[2099] [Originator@6876 sub=Vimsvc.ha-eventmgr] Event "
            "155 : Cannot login anna@192.0.2.113",
            {"login": "anna", "remote": "192.0.2.113", "success": False},
        ),
        Sample(
            "2022-04-12T06:00:02.5Z esx1 Hostd: info hostd[2099] [Originator@6876 sub=Vimsvc.ha-eventmgr] Event 156 : "
            "User bob@192.0.2.114 logged in as VMware-client/6.5.0",
            {"login": "bob", "remote": "192.0.2.114", "success": True},
        ),
        Sample("2022-04-12T06:00:03.5Z esx1 Hostd: info hostd[2099] [Originator@6876 sub=Vimsvc] x", None),
    ),
)
