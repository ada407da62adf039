"""Juniper Junos: log-ins to the device."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="juniper",
    provenance="Juniper's system log explorer (LOGIN_FAILED, LOGIN_INFORMATION, SSHD_LOGIN_FAILED), 12 to 22",
    gaps=(
        "Written from memory, and tried on no line that others wrote. "
        "Log-ins by SSH are in sshd's lines too, with which these are joined."
    ),
    protocol="other",
    tags=re.compile(r"login|mgd|sshd"),
    words=(
        "LOGIN_FAILED: ",
        "LOGIN_INFORMATION: ",
    ),
    rules=(
        Rule(
            "echo",
            re.compile(
                rf"(?:SSHD_)?LOGIN_FAILED: Login failed for user '(?P<login>.*)' from host '(?P<remote>{ADDRESS})'\s*$", re.DOTALL
            ),
            {"success": False},
        ),
        Rule(
            "echo",
            re.compile(
                rf"LOGIN_INFORMATION: User (?P<login>.*) logged in from host (?P<remote>{ADDRESS}) on device \S+\s*$", re.DOTALL
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 rt1 login[7]: LOGIN_FAILED: Login failed for user 'anna' from host '192.0.2.93'",
            {"login": "anna", "remote": "192.0.2.93", "success": False},
        ),
        Sample(
            "Apr 12 06:00:02 rt1 login[7]: LOGIN_INFORMATION: User bob logged in from host 192.0.2.94 on device ttyp0",
            {"login": "bob", "remote": "192.0.2.94", "success": True},
        ),
        Sample("Apr 12 06:00:03 rt1 mgd[7]: UI_LOGOUT_EVENT: User 'bob' logout", None),
    ),
)
