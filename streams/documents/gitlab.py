"""GitLab: production_json.log."""

from __future__ import annotations

from typing import Final

from streams.documents.document import OTHER, Document, Fields, Rule, Sample, any_of

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {
    "ts": "time",
    "login": ("params.user.login", "params.username"),
    "remote": "remote_ip",
    "user_agent": "ua",
    "event_id": "correlation_id",
}

DOCUMENT: Final = Document(
    name="gitlab",
    provenance=(
        "GitLab's documentation of production_json.log, and its SessionsController and OmniauthCallbacksController, 13 to 18"
    ),
    gaps=(
        "A form that was sent again for a second factor names nobody. A success is a redirect after the form "
        "(302), whose account is the name that was given; a refusal is the page again (200 or 0)."
    ),
    rules=(
        Rule(
            {
                "controller": any_of("SessionsController"),
                "action": any_of("create"),
                "remote_ip": None,
                "params.user.otp_attempt": None,
            },
            _FIELDS | {"success": "status"},
            {"success": {"0": False, "200": False, "302": None, OTHER: None}},
            {"protocol": "http", "fail_type": "policy"},
        ),
        Rule(
            {"controller": any_of("SessionsController"), "action": any_of("create"), "remote_ip": None},
            _FIELDS | {"success": "status"},
            {"success": {"0": False, "200": False, "401": False, "302": True, OTHER: None}},
            {"protocol": "http"},
        ),
        Rule(
            {"controller": any_of("OmniauthCallbacksController"), "action": any_of("failure"), "remote_ip": None},
            _FIELDS,
            constants={"success": False, "protocol": "http"},
        ),
        Rule({"controller": None, "action": None, "remote_ip": None, "method": None, "status": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "method": "POST",
                "path": "/users/sign_in",
                "controller": "SessionsController",
                "action": "create",
                "status": 0,
                "time": "2022-04-12T06:00:01.195Z",
                "params": [{"key": "user", "value": {"login": "anna", "password": "[FILTERED]"}}],
                "remote_ip": "192.0.2.146",
                "correlation_id": "c1",
            },
            {"login": "anna", "remote": "192.0.2.146", "success": False},
        ),
        Sample(
            {
                "method": "POST",
                "path": "/users/auth/ldapmain/callback",
                "controller": "OmniauthCallbacksController",
                "action": "failure",
                "status": 302,
                "time": "2022-04-12T06:00:02.195Z",
                "params": [{"key": "username", "value": "bob"}],
                "remote_ip": "192.0.2.147",
            },
            {"login": "bob", "remote": "192.0.2.147", "success": False},
        ),
        Sample(
            {
                "method": "POST",
                "path": "/users/sign_in",
                "controller": "SessionsController",
                "action": "create",
                "status": 302,
                "time": "2022-04-12T06:00:03.195Z",
                "params": [{"key": "user", "value": {"login": "carl"}}],
                "remote_ip": "192.0.2.148",
            },
            {"login": "carl", "remote": "192.0.2.148", "success": True},
        ),
        Sample(
            {
                "method": "GET",
                "path": "/x",
                "controller": "ProjectsController",
                "action": "show",
                "status": 200,
                "time": "2022-04-12T06:00:04.195Z",
                "remote_ip": "192.0.2.148",
                "username": "carl",
            },
            None,
        ),
    ),
)
