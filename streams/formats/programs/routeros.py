"""MikroTik RouterOS."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r"(?:\S+ )?"

FORMAT: Final = Format(
    name="routeros",
    provenance="RouterOS's documentation of logging (topics system, error, critical; system, info, account), 6 and 7",
    gaps="Which of ssh, winbox or web was used is not kept, but for ssh and ftp.",
    protocol="other",
    tags=re.compile(r"system,(?:error,critical|info,account)"),
    words=(
        "login failure for user ",
        " logged in from ",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"{_START}system,error,critical login failure for user (?P<login>.*) from (?P<remote>{ADDRESS}) via "
                r"(?P<protocol>[\w-]+)\s*$",
                re.DOTALL,
            ),
            {"success": False},
            {"protocol": {"ssh": "ssh", "ftp": "ftp", "web": "http", "api": "http"}},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_START}system,info,account user (?P<login>.*) logged in from (?P<remote>{ADDRESS}) via "
                r"(?P<protocol>[\w-]+)\s*$",
                re.DOTALL,
            ),
            {"success": True},
            {"protocol": {"ssh": "ssh", "ftp": "ftp", "web": "http", "api": "http"}},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 gw.local system,error,critical login failure for user anna from 192.0.2.69 via web",
            {"login": "anna", "remote": "192.0.2.69", "success": False, "protocol": "http"},
        ),
        Sample(
            "Apr 12 06:00:02 gw.local system,info,account user bob logged in from 2001:db8::69 via ssh",
            {"login": "bob", "remote": "2001:db8::69", "success": True, "protocol": "ssh"},
        ),
        Sample("Apr 12 06:00:03 gw.local system,info log rule changed by admin", None),
    ),
)
