"""Grafana: its log as JSON."""

from __future__ import annotations

import re
from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample, any_of

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {"ts": "t", "remote": "remote_addr", "fail_type": "error"}

DOCUMENT: Final = Document(
    name="grafana",
    provenance="Grafana's pkg/services/contexthandler and pkg/services/login, log format json, 6 to 12",
    gaps="Failures name no account; successes name no address and are not read.",
    rules=(
        Rule(
            {"msg": frozenset({"invalid username or password"}), "remote_addr": None, "logger": any_of("context")},
            _FIELDS,
            {"fail_type": {"user not found": "account", "invalid username or password": "credentials"}},
            {"success": False, "protocol": "http"},
        ),
        Rule(
            {"msg": any_of("unauthorized"), "remote_addr": None, "logger": any_of("context")},
            {"ts": "t", "remote": "remote_addr"},
            constants={"success": False, "protocol": "http"},
            sentences={"error": re.compile(r"\[password-auth\.failed\].*", re.DOTALL)},
        ),
        Rule({"logger": None, "t": None, "msg": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "error": "invalid username or password",
                "level": "error",
                "logger": "context",
                "msg": "Invalid username or password",
                "orgId": 0,
                "remote_addr": "192.0.2.149",
                "t": "2022-04-12T06:00:01.0353436+00:00",
                "uname": "",
            },
            {"remote": "192.0.2.149", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            {
                "error": "[password-auth.failed] failed to authenticate identity",
                "level": "info",
                "logger": "context",
                "msg": "Unauthorized",
                "remote_addr": "192.0.2.150",
                "t": "2022-04-12T06:00:02Z",
            },
            {"remote": "192.0.2.150", "success": False},
        ),
        Sample(
            {
                "User": "bob@localhost",
                "level": "info",
                "logger": "http.server",
                "msg": "Successful Login",
                "t": "2022-04-12T06:00:03Z",
            },
            None,
        ),
    ),
)
