"""Kasm Workspaces."""

from __future__ import annotations

import re
from typing import Final

from models.events import FORWARDED
from streams.documents.document import OTHER, Document, Fields, Rule, Sample, codes

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {
    "ts": "timestamp",
    "login": "@login",
    "remote": "@remote",
    FORWARDED: "@hops",
    "user_agent": "user_agent",
    "success": "metric_name",
    "fail_type": "metric_name",
}

DOCUMENT: Final = Document(
    name="kasm",
    provenance="lines of Kasm Workspaces 1.12's client_api_server (metric_name account.login.*)",
    gaps="Of several hops the last is taken unless it is a trusted proxy. Why a log-in failed in another way is not kept.",
    rules=(
        Rule(
            {"metric_name": None, "request_ip": None},
            _FIELDS,
            {
                "success": {
                    "account.login.failed_invalid_user": False,
                    "account.login.failed_invalid_password": False,
                    "account.login.successful": True,
                    OTHER: None,
                },
                "fail_type": codes(
                    {
                        "account": "account.login.failed_invalid_user",
                        "credentials": "account.login.failed_invalid_password",
                    }
                ),
            },
            {"protocol": "http"},
            sentences={
                "message": re.compile(r"[^()]*\((?P<login>.*)\)[\w ]*", re.DOTALL),
                "request_ip": re.compile(r"(?:(?P<hops>\S+(?:, \S+)*), )?(?P<remote>\S+)"),
            },
        ),
        Rule({"metric_name": None, "request_ip": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "asctime": "2022-04-12 06:00:01,896",
                "message": "Authentication attempt invalid user: (anna)",
                "metric_name": "account.login.failed_invalid_user",
                "path_info": "/authenticate",
                "request_ip": "203.0.113.9, 192.0.2.151",
                "timestamp": "2022-04-12T06:00:01.896+00:00",
            },
            {"login": "anna", "remote": "192.0.2.151", "success": False, "fail_type": "account"},
        ),
        Sample(
            {
                "message": "Successful authentication attempt for user: (bob)",
                "metric_name": "account.login.successful",
                "request_ip": "192.0.2.152",
                "timestamp": "2022-04-12T06:00:02Z",
            },
            {"login": "bob", "remote": "192.0.2.152", "success": True},
        ),
        Sample(
            {
                "message": "Session (x)",
                "metric_name": "sessions.created",
                "request_ip": "192.0.2.152",
                "timestamp": "2022-04-12T06:00:03Z",
            },
            None,
        ),
    ),
)
