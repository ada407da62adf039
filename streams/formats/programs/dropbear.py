"""Dropbear SSH."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

#: A journal may have process and time twice.
_AGAIN: Final = r"(?:\[\d+\] [A-Z][a-z]{2} +\d+ [\d:]{8} )?"
_PEER: Final = rf"from (?P<remote>{ADDRESS}):\d+\s*$"
#: Dropbear refuses longer ones.
_NAME: Final = ".{0,100}"
_MAX: Final = "Max auth tries reached"

FORMAT: Final = Format(
    name="dropbear",
    provenance="Dropbear's svr-authpasswd.c, svr-authpam.c, svr-auth.c and svr-session.c, 0.50 to 2025",
    gaps="A user that does not exist is not named. Before 2017 'Exit before auth' does not say the address.",
    protocol="ssh",
    tags=re.compile("dropbear"),
    words=("attempt for ", " auth succeeded for ", "Exit before auth"),
    connection="process",
    rules=(
        Rule(
            "attempt",
            re.compile(rf"{_AGAIN}[Bb]ad (?:PAM )?password attempt for '(?P<login>.*)' {_PEER}", re.DOTALL),
            {"success": False, "mech": "password"},
        ),
        Rule(
            "attempt",
            re.compile(rf"{_AGAIN}[Ll]ogin attempt for nonexistent user(?: '(?P<login>.*)')? {_PEER}", re.DOTALL),
            {"success": False, "fail_type": "account"},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_AGAIN}(?P<mech>PAM password|Password|Pubkey) auth succeeded for '(?P<login>.*)' (?:with (?:\S+ )?key "
                rf"(?:\S+ )?\S+ )?{_PEER}",
                re.DOTALL,
            ),
            {"success": True},
            {"mech": {"PAM password": "password", "Password": "password", "Pubkey": "publickey"}},
        ),
        Rule(
            "closing",
            re.compile(
                rf"{_AGAIN}Exit before auth from <(?P<remote>{ADDRESS}):\d+>: \(user '(?P<login>{_NAME})', \d+ fails\): {_MAX}",
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "closing",
            re.compile(
                rf"{_AGAIN}Exit before auth \(user '(?P<login>{_NAME})', \d+ fails\): {_MAX} - user '{_NAME}' {_PEER}", re.DOTALL
            ),
            {"success": False},
        ),
        Rule(
            "closing",
            re.compile(rf"{_AGAIN}Exit before auth from <(?P<remote>{ADDRESS}):\d+>: {_MAX}"),
            {"success": False, "fail_type": "account"},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 gw dropbear[77]: Bad password attempt for 'root' from 192.0.2.90:4711",
            {"login": "root", "remote": "192.0.2.90", "success": False, "protocol": "ssh"},
        ),
        Sample(
            "Apr 12 06:00:02 gw dropbear[78]: Login attempt for nonexistent user from 2001:db8::90:4712",
            {"remote": "2001:db8::90", "success": False, "fail_type": "account"},
        ),
        Sample(
            "Apr 12 06:00:03 gw dropbear[79]: Pubkey auth succeeded for 'anna' with ssh-ed25519 key SHA256:u8Rk from "
            "192.0.2.91:4713",
            {"login": "anna", "remote": "192.0.2.91", "success": True, "mech": "publickey"},
        ),
        Sample("Apr 12 06:00:04 gw dropbear[80]: Exit before auth from <192.0.2.92:4714>: Exited normally", None),
    ),
)
