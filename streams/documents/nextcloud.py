"""Nextcloud and ownCloud."""

from __future__ import annotations

import re
from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample, any_of

__all__ = ["DOCUMENT"]

_NAME: Final = r"(?:'(?P<login>.*)'|(?P<bare>.*))"
_FIELDS: Final[Fields] = {
    "ts": "time",
    "login": ("@login", "@bare"),
    "remote": ("@remote", "remoteAddr"),
    "user_agent": "userAgent",
    "event_id": "reqId",
}

DOCUMENT: Final = Document(
    name="nextcloud",
    provenance="Nextcloud's lib/private/User/Session.php (Login failed) and admin_audit, ownCloud 10 and Nextcloud 12 to 30",
    gaps=(
        "A success is only logged by the app admin_audit. The address in the message, which knows trusted "
        "proxies, comes before remoteAddr."
    ),
    rules=(
        Rule(
            {"reqId": None, "remoteAddr": None},
            _FIELDS,
            constants={"success": False, "protocol": "http"},
            sentences={"message": re.compile(rf"Login failed: {_NAME} \(Remote IP: '?(?P<remote>[0-9A-Fa-f.:]+)'?\)", re.DOTALL)},
        ),
        # ownCloud 8: what X-Forwarded-For says is the client's claim, and could look like the rest of a message.
        *(
            Rule(
                {"app": any_of("core"), "level": None},
                {"ts": "time", "login": "@login", "remote": "@remote"},
                constants={"success": False, "protocol": "http"},
                sentences={"message": re.compile(sentence, re.DOTALL)},
            )
            for sentence in (
                r"Login failed: '(?P<login>(?:(?!\(Remote IP: ).)*)' \(Remote IP: '(?P<remote>[0-9A-Fa-f.:]+)', "
                r"X-Forwarded-For: '[^'()]*'\)",
                r"Login failed: user '(?P<login>(?:(?!, IP:).)*)' , wrong password, IP:(?P<remote>[0-9A-Fa-f.:]+)",
            )
        ),
        Rule(
            {"reqId": None, "remoteAddr": None, "app": any_of("admin_audit")},
            _FIELDS,
            constants={"success": True, "protocol": "http"},
            sentences={"message": re.compile(r'Login successful: "(?P<login>.*)"', re.DOTALL)},
        ),
        Rule({"reqId": None, "remoteAddr": None, "message": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "reqId": "U1",
                "level": 2,
                "time": "2022-04-12T06:00:01+00:00",
                "remoteAddr": "192.0.2.154",
                "user": "--",
                "app": "core",
                "method": "POST",
                "url": "/login",
                "message": "Login failed: 'anna' (Remote IP: '192.0.2.154')",
                "userAgent": "Mozilla/5.0",
            },
            {"login": "anna", "remote": "192.0.2.154", "success": False, "user_agent": "Mozilla/5.0"},
        ),
        Sample(
            {
                "reqId": "U2",
                "level": 2,
                "time": "April 12, 2022 06:00:02",
                "remoteAddr": "192.0.2.155",
                "user": "--",
                "app": "core",
                "message": "Login failed: bob (Remote IP: 2001:db8::155)",
            },
            {"login": "bob", "remote": "2001:db8::155", "success": False, "ts": 1649743202.0},
        ),
        Sample(
            {
                "reqId": "U3",
                "level": 1,
                "time": "2022-04-12T06:00:03+00:00",
                "remoteAddr": "192.0.2.156",
                "user": "carl",
                "app": "admin_audit",
                "message": 'Login successful: "carl"',
            },
            {"login": "carl", "remote": "192.0.2.156", "success": True},
        ),
        Sample(
            {
                "app": "core",
                "message": "Login failed: 'eve' (Remote IP: '192.0.2.157', X-Forwarded-For: '198.51.100.7')",
                "level": 2,
                "time": "2022-04-12T06:00:03+00:00",
            },
            {"login": "eve", "remote": "192.0.2.157", "success": False},
        ),
        Sample(
            {
                "reqId": "U4",
                "level": 1,
                "time": "2022-04-12T06:00:04+00:00",
                "remoteAddr": "192.0.2.156",
                "user": "carl",
                "app": "admin_audit",
                "message": "Logout occurred",
            },
            None,
        ),
    ),
)
