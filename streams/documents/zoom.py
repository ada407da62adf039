"""Zoom: sign-in and sign-out report."""

from __future__ import annotations

from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {"ts": "time", "login": "email", "remote": "ip_address", "user_agent": "client_type"}

DOCUMENT: Final = Document(
    name="zoom",
    provenance="Zoom's report of sign-in and sign-out activities (API reports/activities)",
    gaps="Only successes are reported, with the account's address of mail.",
    rules=(
        Rule(
            {"type": frozenset({"sign in"}), "email": None, "ip_address": None, "client_type": None},
            _FIELDS,
            constants={"success": True, "protocol": "http"},
        ),
        Rule({"type": frozenset({"sign out"}), "email": None, "client_type": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "client_type": "mac",
                "email": "bob@example.org",
                "ip_address": "192.0.2.177",
                "time": "2022-04-12T06:00:02Z",
                "type": "Sign in",
                "version": "5.15",
            },
            {"login": "bob@example.org", "remote": "192.0.2.177", "success": True},
        ),
        Sample(
            {
                "client_type": "mac",
                "email": "bob@example.org",
                "ip_address": "192.0.2.177",
                "time": "2022-04-12T06:00:03Z",
                "type": "Sign out",
                "version": "5.15",
            },
            None,
        ),
    ),
)
