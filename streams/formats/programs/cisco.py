"""Cisco ASA, PIX and IOS: log-ins to the device and to its VPN."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_ASA: Final = r"(?:\S+ : )?%{1,2}(?:ASA|PIX|FTD)-\d-"
_CODE: Final = rf"{_ASA}60500[45]: Login (?P<success>denied|permitted) from "
_PROTOCOLS: Final[dict[str | None, object]] = {"ssh": "ssh", "https": "http", "http": "http", "telnet": "other"}

FORMAT: Final = Format(
    name="cisco",
    provenance="Cisco's ASA syslog messages 109, 113, 308, 605, 611 and 716, and IOS's SEC_LOGIN",
    gaps="Of a VPN's messages those that name no client's address are not read. A name that was hidden is ***** in the log.",
    protocol="other",
    tags=re.compile(r"(?!)"),
    words=(
        "Login denied from ",
        "Console enable password",
        "Login permitted from ",
        "User authentication ",
        "AAA user authentication Rejected",
        "SEC_LOGIN-",
        " Authentication: ",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(rf'{_CODE}(?P<remote>{ADDRESS})/\d+ to [^\s"]*/(?P<protocol>\w+) for user "(?P<login>.*)"\s*$', re.DOTALL),
            {},
            {"success": {"denied": False, "permitted": True}, "protocol": _PROTOCOLS},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_ASA}611102: User authentication failed: IP(?: address)? ?[=:] ?(?P<remote>{ADDRESS}), Uname: "
                r"(?P<login>.*)\s*$",
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_ASA}611101: User authentication succeeded: IP(?: address)? ?[=:] ?(?P<remote>{ADDRESS}), Uname: "
                r"(?P<login>.*)\s*$",
                re.DOTALL,
            ),
            {"success": True},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_ASA}113015: AAA user authentication Rejected : reason = (?P<fail_type>[\w ]+?) : local database : "
                rf"user = (?P<login>.*) : user IP = (?P<remote>{ADDRESS})\s*$",
                re.DOTALL,
            ),
            {"success": False},
            {"fail_type": {"Invalid password": "credentials", "User was not found": "account"}},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_ASA}113005: AAA user authentication Rejected : reason = [\w .]+? : server = [\w.:]+ : user = "
                rf"(?P<login>.*) : user IP = (?P<remote>{ADDRESS})\s*$",
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_ASA}716039: Group <[^<>]*> User <(?P<login>[^<>]*)> IP <(?P<remote>{ADDRESS})>,? Authentication: "
                r"rejected, Session Type: [\w-]+\.?\s*$",
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_ASA}716038: Group <[^<>]*> User <(?P<login>[^<>]*)> IP <(?P<remote>{ADDRESS})>,? Authentication: "
                r"successful, Session Type: [\w-]+\.?\s*$",
                re.DOTALL,
            ),
            {"success": True},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_ASA}308001: Console enable password incorrect for (?P<times>\d{{1,4}}) tries \(from \w+ \(remote "
                rf"(?P<remote>{ADDRESS})\)\)\s*$",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "credentials"},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"%SEC_LOGIN-4-LOGIN_FAILED: Login failed \[user: (?P<login>.*)\] \[Source: (?P<remote>{ADDRESS})\] "
                r"\[localport: (?P<protocol>\d+)\] \[Reason: (?P<fail_type>[\w ]+)\] at ",
                re.DOTALL,
            ),
            {"success": False},
            {"protocol": {"22": "ssh"}, "fail_type": {"Invalid login": "credentials"}},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"%SEC_LOGIN-5-LOGIN_SUCCESS: Login Success \[user: (?P<login>.*)\] \[Source: (?P<remote>{ADDRESS})\] "
                r"\[localport: (?P<protocol>\d+)\] at ",
                re.DOTALL,
            ),
            {"success": True},
            {"protocol": {"22": "ssh"}},
        ),
    ),
    samples=(
        Sample(
            'Apr 12 06:00:01 fw1 %ASA-6-605004: Login denied from 192.0.2.86/56332 to outside:198.51.100.1/ssh for user "anna"',
            {"login": "anna", "remote": "192.0.2.86", "success": False, "protocol": "ssh"},
        ),
        Sample(
            'Apr 12 06:00:02 fw1 : %ASA-6-605005: Login permitted from 192.0.2.87/2953 to inside:198.51.100.1/https for user "bob"',
            {"login": "bob", "remote": "192.0.2.87", "success": True, "protocol": "http"},
        ),
        Sample(
            "Apr 12 06:00:03 fw1 %ASA-6-113015: AAA user authentication Rejected : reason = Invalid password : local "
            "database : user = carl : user IP = 192.0.2.88",
            {"login": "carl", "remote": "192.0.2.88", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            "Apr 12 06:00:04 fw1 %ASA-6-716038: Group <g> User <dora> IP <192.0.2.89> Authentication: successful, "
            "Session Type: WebVPN.",
            {"login": "dora", "remote": "192.0.2.89", "success": True},
        ),
        Sample(
            "Apr 12 06:00:05 rt1 44: %SEC_LOGIN-4-LOGIN_FAILED: Login failed [user: eva] [Source: 192.0.2.90] "
            "[localport: 22] [Reason: Login Authentication Failed] at 06:00:05 UTC Tue Apr 12 2022",
            {"login": "eva", "remote": "192.0.2.90", "success": False, "protocol": "ssh"},
        ),
        Sample(
            "Apr 12 06:00:06 fw1 %ASA-6-302013: Built inbound TCP connection 7 for outside:192.0.2.90/1 "
            "(192.0.2.90/1) to inside:198.51.100.1/443",
            None,
        ),
    ),
    own_tags=re.compile(r"%{1,2}(?:ASA|PIX|FTD|SEC_LOGIN)-[\w-]+"),
    anywhere=re.compile(r"%{1,2}(?:ASA|PIX|FTD|SEC_LOGIN)-\d-"),
)
