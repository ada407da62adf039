"""authentik."""

from __future__ import annotations

from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample, any_of

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {"ts": ("timestamp", "created"), "remote": "client_ip", "event_id": "request_id"}

DOCUMENT: Final = Document(
    name="authentik",
    provenance=(
        "authentik's authentik/events/models.py (EventAction) and flows/stage.py, as logged and as sent by its "
        "transports, 2021 to 2025"
    ),
    gaps="A password that is right but not enough is told by another event. The time has no zone and is UTC.",
    rules=(
        Rule(
            {"action": any_of("login_failed"), "client_ip": None},
            _FIELDS | {"login": ("context.username", "user.username")},
            constants={"success": False, "fail_type": "credentials", "protocol": "http"},
        ),
        Rule(
            {"action": any_of("invalid_identifier"), "client_ip": None},
            _FIELDS | {"login": "identifier"},
            constants={"success": False, "fail_type": "account", "protocol": "http"},
        ),
        Rule(
            {"action": any_of("login"), "client_ip": None, "user.username": None},
            _FIELDS | {"login": "user.username"},
            constants={"success": True, "protocol": "http"},
        ),
        Rule({"action": None, "client_ip": None, "logger": None, "event": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "action": "login_failed",
                "client_ip": "192.0.2.143",
                "context": {"username": "anna"},
                "event": "Created Event",
                "logger": "authentik.events.models",
                "timestamp": "2022-04-12T06:00:01.598288",
                "user": {"username": "AnonymousUser"},
            },
            {"login": "anna", "remote": "192.0.2.143", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            {
                "action": "invalid_identifier",
                "client_ip": "192.0.2.144",
                "event": "invalid_login",
                "identifier": "bob",
                "logger": "authentik.flows.stage",
                "timestamp": "2022-04-12T06:00:02.4",
            },
            {"login": "bob", "remote": "192.0.2.144", "success": False, "fail_type": "account"},
        ),
        Sample(
            {
                "action": "login",
                "client_ip": "192.0.2.145",
                "context": {"auth_method": "password"},
                "event": "Created Event",
                "logger": "authentik.events.models",
                "timestamp": "2022-04-12T06:00:03.4",
                "user": {"username": "carl"},
            },
            {"login": "carl", "remote": "192.0.2.145", "success": True},
        ),
        Sample(
            {
                "action": "logout",
                "client_ip": "192.0.2.145",
                "event": "Created Event",
                "logger": "authentik.events.models",
                "timestamp": "2022-04-12T06:00:04.4",
                "user": {"username": "carl"},
            },
            None,
        ),
    ),
)
