"""Notion: audit log."""

from __future__ import annotations

from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample, any_of

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {
    "ts": "event.timestamp",
    "login": "event.actor.person.email",
    "remote": "event.ip_address",
    "event_id": "event.id",
    "mech": "event.details.authType",
}

DOCUMENT: Final = Document(
    name="notion",
    provenance="Notion's audit log (user.login) as delivered to collectors",
    gaps="Only successes are logged; failures are with the identity provider.",
    rules=(
        Rule(
            {"event.type": any_of("user.login"), "event.ip_address": None, "event.workspace_id": None},
            _FIELDS,
            constants={"success": True, "protocol": "http"},
        ),
        Rule({"event.type": None, "event.workspace_id": None, "event.actor": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "event": {
                    "id": "1",
                    "timestamp": "2022-04-12T06:00:02.044Z",
                    "workspace_id": "w",
                    "type": "user.login",
                    "ip_address": "192.0.2.178",
                    "actor": {"object": "user", "person": {"email": "bob@example.org"}},
                    "details": {"authType": "saml"},
                }
            },
            {"login": "bob@example.org", "remote": "192.0.2.178", "success": True},
        ),
        Sample(
            {
                "event": {
                    "id": "2",
                    "timestamp": "2022-04-12T06:00:03.044Z",
                    "workspace_id": "w",
                    "type": "page.viewed",
                    "ip_address": "192.0.2.178",
                    "actor": {"object": "user", "person": {"email": "bob@example.org"}},
                }
            },
            None,
        ),
    ),
)
