"""Auth0: tenant logs."""

from __future__ import annotations

from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample, any_of

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {
    "ts": ("date", "data.date"),
    "login": ("user_name", "data.user_name", "data.details.request.auth.user.email", "user_id", "data.user_id"),
    "remote": ("ip", "data.ip"),
    "user_agent": ("user_agent", "data.user_agent"),
    "event_id": "log_id",
}


def _rule(path: str, types: str, **constants: object) -> Rule:
    return Rule({path: any_of(types), "log_id": None}, _FIELDS, constants={"protocol": "http", **constants})


DOCUMENT: Final = Document(
    name="auth0",
    provenance="Auth0's documentation of log event type codes, 2025",
    gaps="Exchanges of tokens and second factors that were asked for are no log-in. A leaked password is one that was right.",
    rules=(
        *(
            rule
            for path in ("type", "data.type")
            for rule in (
                _rule(path, "s", success=True),
                _rule(path, "fp", success=False, fail_type="credentials"),
                _rule(path, "fu", success=False, fail_type="account"),
                _rule(path, "f", success=False),
                _rule(
                    path, "pwd_leak limit_wc limit_mu limit_ui gd_auth_failed gd_auth_rejected", success=False, fail_type="policy"
                ),
            )
        ),
        Rule({"log_id": None, "data.type": None, "data.date": None}, constants={"success": None}),
        Rule({"log_id": None, "type": None, "date": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "log_id": "1",
                "data": {
                    "date": "2022-04-12T06:00:01.467Z",
                    "type": "fp",
                    "description": "Wrong email or password.",
                    "ip": "192.0.2.164",
                    "user_name": "anna@example.org",
                },
            },
            {"login": "anna@example.org", "remote": "192.0.2.164", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            {"log_id": "2", "date": "2022-04-12T06:00:02.467Z", "type": "s", "ip": "2001:db8::164", "user_name": "bob@example.org"},
            {"login": "bob@example.org", "remote": "2001:db8::164", "success": True},
        ),
        Sample(
            {
                "log_id": "3",
                "data": {"date": "2022-04-12T06:00:03.467Z", "type": "seacft", "ip": "192.0.2.165", "user_name": "bob@example.org"},
            },
            None,
        ),
    ),
)
