"""Asana: audit log."""

from __future__ import annotations

from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample, any_of

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {
    "ts": "created_at",
    "login": ("actor.email", "resource.email"),
    "remote": "context.client_ip_address",
    "user_agent": "context.user_agent",
    "event_id": "gid",
    "success": "event_type",
}

DOCUMENT: Final = Document(
    name="asana",
    provenance="Asana's audit log API (user_login_succeeded, user_login_failed)",
    gaps="Why a log-in failed is not said, nor which browser was used.",
    rules=(
        Rule(
            {"event_type": any_of("user_login_succeeded user_login_failed"), "event_category": any_of("logins")},
            _FIELDS,
            {"success": {"user_login_succeeded": True, "user_login_failed": False}},
            {"protocol": "http"},
        ),
        Rule({"event_type": None, "event_category": None, "gid": None, "context.context_type": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "gid": "1",
                "event_type": "user_login_failed",
                "event_category": "logins",
                "created_at": "2022-04-12T06:00:01.364Z",
                "actor": {"actor_type": "user", "email": "anna@example.org"},
                "context": {"client_ip_address": "192.0.2.176", "context_type": "web"},
            },
            {"login": "anna@example.org", "remote": "192.0.2.176", "success": False},
        ),
        Sample(
            {
                "gid": "2",
                "event_type": "user_login_succeeded",
                "event_category": "logins",
                "created_at": "2022-04-12T06:00:02.364Z",
                "actor": {"actor_type": "user", "email": "bob@example.org"},
                "context": {"client_ip_address": "2001:db8::176", "context_type": "web"},
            },
            {"login": "bob@example.org", "remote": "2001:db8::176", "success": True},
        ),
        Sample(
            {
                "gid": "3",
                "event_type": "user_added",
                "event_category": "users",
                "created_at": "2022-04-12T06:00:03.364Z",
                "context": {"context_type": "web"},
            },
            None,
        ),
    ),
)
