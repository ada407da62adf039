"""ProFTPD: syslog and its own SystemLog; mod_sftp writes the same lines for SSH."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

#: Server, then the client's name and address; what follows is about the user.
_CLIENT: Final = rf"\S+ \([^\s()\[\]]*\[(?P<remote>{ADDRESS})\]\)(?: -|:) "

FORMAT: Final = Format(
    name="proftpd",
    provenance="ProFTPD's modules/mod_auth.c (setup_env, auth_pass, auth_user), 1.3",
    gaps="Log-ins over mod_sftp are taken for FTP, because the line does not tell. Wrong passwords before 'Maximum login attempts' "
    "have lines of their own.",
    protocol="ftp",
    tags=re.compile("proftpd"),
    words=(" USER ", " ANON ", "SECURITY VIOLATION", "Maximum login attempts"),
    connection="process",
    rules=(
        Rule(
            "attempt",
            re.compile(rf"{_CLIENT}USER (?P<login>.*): no such user found from \S+ \[\S*\] to \S+\s*$", re.DOTALL),
            {"success": False, "fail_type": "account"},
        ),
        Rule(
            "attempt",
            re.compile(rf"{_CLIENT}USER (?P<login>.*) \(Login failed\): (?P<fail_type>[\w /]*\w)(?:: '[^']*')?\.?\s*$", re.DOTALL),
            {"success": False},
            {
                "fail_type": {
                    "No such user found": "account",
                    "Incorrect password": "credentials",
                    "Account disabled": "disabled",
                    "User in /etc/ftpusers": "policy",
                    "Invalid shell": "policy",
                    "Limit configuration denies login": "policy",
                    "Password expired": "expired",
                }
            },
        ),
        Rule(
            "opening",
            re.compile(rf"{_CLIENT}SECURITY VIOLATION: (?P<login>[Rr]oot) login attempted\.?\s*$"),
            {"success": False, "fail_type": "policy"},
        ),
        Rule("closing", re.compile(rf"{_CLIENT}Maximum login attempts \(\d+\) exceeded"), {"success": False}),
        Rule(
            "attempt", re.compile(rf"{_CLIENT}(?:USER|ANON) (?P<login>.*): Login successful\.?\s*$", re.DOTALL), {"success": True}
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 ftp1 proftpd[77] ftp1.example (h.example[::ffff:192.0.2.110]): USER anna (Login failed): "
            "Incorrect password.",
            {"login": "anna", "remote": "192.0.2.110", "success": False, "protocol": "ftp", "fail_type": "credentials"},
        ),
        Sample(
            "2022-04-12 06:00:02,123 ftp1 proftpd[78] localhost (2001:db8::110[2001:db8::110]): USER bob: no such user found from "
            "2001:db8::110 [2001:db8::110] to ::ffff:198.51.100.2:21",
            {"login": "bob", "remote": "2001:db8::110", "success": False, "fail_type": "account"},
        ),
        Sample(
            "Apr 12 06:00:03 ftp1 proftpd[79]: ftp1 (192.0.2.111[192.0.2.111]) - USER carl: Login successful.",
            {"login": "carl", "remote": "192.0.2.111", "success": True},
        ),
        Sample("Apr 12 06:00:04 ftp1 proftpd[80]: ftp1 (192.0.2.112[192.0.2.112]) - FTP session opened.", None),
    ),
)
