"""OpenSearch Dashboards and Kibana with OpenSearch's security."""

from __future__ import annotations

import re
from typing import Final

from streams.documents.document import OTHER, Document, Fields, Rule, Sample, any_of

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {"ts": "@timestamp", "remote": "req.remoteAddress", "user_agent": "req.userAgent", "success": "statusCode"}

DOCUMENT: Final = Document(
    name="opensearch",
    provenance="OpenSearch Dashboards' response log (type response) and its security plugin's route /auth/login, 1 to 2",
    gaps="Neither failures nor successes name an account.",
    rules=(
        Rule(
            {"type": any_of("response"), "req.remoteAddress": None, "method": any_of("post")},
            _FIELDS,
            {"success": {"200": True, "401": False, OTHER: None}},
            {"protocol": "http"},
            sentences={"req.url": re.compile(r"/auth/login(?:\?.*)?", re.DOTALL)},
        ),
        Rule({"type": any_of("response"), "req.remoteAddress": None, "statusCode": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "type": "response",
                "@timestamp": "2022-04-12T06:00:01Z",
                "method": "post",
                "statusCode": 401,
                "req": {
                    "url": "/auth/login?dataSourceId=",
                    "method": "post",
                    "remoteAddress": "192.0.2.157",
                    "userAgent": "Mozilla/5.0",
                },
                "res": {"statusCode": 401},
            },
            {"remote": "192.0.2.157", "success": False},
        ),
        Sample(
            {
                "type": "response",
                "@timestamp": "2022-04-12T06:00:02Z",
                "method": "post",
                "statusCode": 200,
                "req": {"url": "/auth/login", "method": "post", "remoteAddress": "192.0.2.158"},
            },
            {"remote": "192.0.2.158", "success": True},
        ),
        Sample(
            {
                "type": "response",
                "@timestamp": "2022-04-12T06:00:03Z",
                "method": "get",
                "statusCode": 200,
                "req": {"url": "/app/home", "method": "get", "remoteAddress": "192.0.2.158"},
            },
            None,
        ),
    ),
)
