"""Slack: audit logs."""

from __future__ import annotations

from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample, any_of

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {
    "ts": "date_create",
    "login": "actor.user.email",
    "remote": "context.ip_address",
    "user_agent": "context.ua",
    "session_id": "context.session_id",
    "event_id": "id",
    "success": "action",
}

DOCUMENT: Final = Document(
    name="slack",
    provenance="Slack's Audit Logs API (user_login, user_login_failed, user_logout)",
    gaps="Written from memory, and tried on no line that others wrote. Sign-ins of guests are named like those of members.",
    rules=(
        Rule(
            {"action": any_of("user_login user_login_failed"), "context.location": None, "actor": None},
            _FIELDS,
            {"success": {"user_login": True, "user_login_failed": False}},
            {"protocol": "http"},
        ),
        Rule({"action": None, "actor.user": None, "entity": None, "context": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "id": "1",
                "date_create": 1649743201,
                "action": "user_login_failed",
                "actor": {"type": "user", "user": {"email": "anna@example.org"}},
                "entity": {"type": "user"},
                "context": {"location": {"type": "workspace"}, "ip_address": "192.0.2.179", "ua": "x", "session_id": "7"},
            },
            {"login": "anna@example.org", "remote": "192.0.2.179", "success": False},
        ),
        Sample(
            {
                "id": "2",
                "date_create": 1649743202,
                "action": "user_login",
                "actor": {"type": "user", "user": {"email": "bob@example.org"}},
                "entity": {"type": "user"},
                "context": {"location": {"type": "workspace"}, "ip_address": "2001:db8::179"},
            },
            {"login": "bob@example.org", "remote": "2001:db8::179", "success": True},
        ),
        Sample(
            {
                "id": "3",
                "date_create": 1649743203,
                "action": "user_logout",
                "actor": {"type": "user", "user": {"email": "bob@example.org"}},
                "entity": {"type": "user"},
                "context": {"ip_address": "192.0.2.179"},
            },
            None,
        ),
    ),
)
