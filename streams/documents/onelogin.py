"""OneLogin."""

from __future__ import annotations

from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample, any_of

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {
    "ts": ("event_timestamp", "created_at"),
    "login": ("user_name", "actor_user_name"),
    "remote": "ipaddr",
    "event_id": ("uuid", "id"),
}

DOCUMENT: Final = Document(
    name="onelogin",
    provenance="OneLogin's documentation of event types (5: logged in, 6: failed, 8: single sign-on), API v1 and webhooks",
    gaps="Single sign-on to an application within a session is no log-in. A log-in without an address is refused.",
    rules=(
        Rule(
            {"event_type_id": any_of("5"), "ipaddr": None, "user_id": None},
            _FIELDS,
            constants={"success": True, "protocol": "http"},
        ),
        Rule(
            {"event_type_id": any_of("6"), "ipaddr": None, "user_id": None},
            _FIELDS,
            constants={"success": False, "protocol": "http"},
        ),
        Rule({"event_type_id": None, "user_id": None}, constants={"success": None}),
        Rule({"event_type_id": None, "actor_user_id": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {"event_type_id": 6, "user_id": 7, "user_name": "Anna", "ipaddr": "192.0.2.168", "created_at": "2022-04-12T06:00:01Z"},
            {"login": "Anna", "remote": "192.0.2.168", "success": False},
        ),
        Sample(
            {"event_type_id": 5, "user_id": 8, "user_name": "Bob", "ipaddr": "2001:db8::168", "created_at": "2022-04-12T06:00:02Z"},
            {"login": "Bob", "remote": "2001:db8::168", "success": True},
        ),
        Sample(
            {"event_type_id": 8, "user_id": 8, "user_name": "Bob", "ipaddr": "192.0.2.169", "created_at": "2022-04-12T06:00:03Z"},
            None,
        ),
    ),
)
