"""Box."""

from __future__ import annotations

from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample, any_of

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {
    "ts": "created_at",
    "login": ("created_by.login", "source.login"),
    "remote": "ip_address",
    "session_id": "session_id",
    "event_id": "event_id",
    "success": "event_type",
}

DOCUMENT: Final = Document(
    name="box",
    provenance="Box's enterprise events (LOGIN, FAILED_LOGIN, ADD_LOGIN_ACTIVITY_DEVICE), API 2.0",
    gaps="The account is who caused the event; why a log-in failed is not said.",
    rules=(
        Rule(
            {"event_type": any_of("LOGIN FAILED_LOGIN"), "created_by": None, "source": None},
            _FIELDS,
            {"success": {"login": True, "failed_login": False}},
            {"protocol": "http"},
        ),
        Rule({"event_type": None, "created_by.type": None, "type": any_of("event")}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "type": "event",
                "event_id": "1",
                "event_type": "FAILED_LOGIN",
                "created_at": "2022-04-12T06:00:01Z",
                "created_by": {"type": "user", "login": "anna@example.org"},
                "source": {"type": "user"},
                "ip_address": "192.0.2.171",
            },
            {"login": "anna@example.org", "remote": "192.0.2.171", "success": False},
        ),
        Sample(
            {
                "type": "event",
                "event_id": "2",
                "event_type": "LOGIN",
                "created_at": "2022-04-12T06:00:02Z",
                "created_by": {"type": "user", "login": "bob@example.org"},
                "source": {"type": "user"},
                "ip_address": "2001:db8::171",
            },
            {"login": "bob@example.org", "remote": "2001:db8::171", "success": True},
        ),
        Sample(
            {
                "type": "event",
                "event_id": "3",
                "event_type": "DELETE",
                "created_at": "2022-04-12T06:00:03Z",
                "created_by": {"type": "user", "login": "bob@example.org"},
                "ip_address": "192.0.2.171",
            },
            None,
        ),
    ),
)
