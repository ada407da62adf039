"""Salesforce: event log file Login."""

from __future__ import annotations

from typing import Final

from streams.documents.document import OTHER, Document, Fields, Rule, Sample, any_of, codes

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {
    "ts": ("TIMESTAMP_DERIVED", "TIMESTAMP"),
    "login": "USER_NAME",
    "remote": "SOURCE_IP",
    "user_agent": "BROWSER_TYPE",
    "event_id": "REQUEST_ID",
    "success": "LOGIN_STATUS",
    "fail_type": "LOGIN_STATUS",
    "reason": "LOGIN_STATUS",
}

DOCUMENT: Final = Document(
    name="salesforce",
    provenance="Salesforce's EventLogFile (Login) and list of LOGIN_STATUS values",
    gaps=(
        "An administrator who takes another's account (LoginAs) does not log in. SOURCE_IP is the peer, CLIENT_IP "
        "what it says of itself."
    ),
    rules=(
        Rule(
            {"EVENT_TYPE": any_of("Login"), "LOGIN_STATUS": None, "SOURCE_IP": None},
            _FIELDS,
            {
                "success": {"login_no_error": True, OTHER: False},
                "fail_type": codes(
                    {
                        "credentials": "LOGIN_ERROR_INVALID_PASSWORD",
                        "account": "LOGIN_ERROR_INVALID_USERNAME",
                        "disabled": "LOGIN_ERROR_PASSWORD_LOCKOUT LOGIN_ERROR_USER_INACTIVE LOGIN_ERROR_USER_FROZEN",
                        "expired": "LOGIN_ERROR_PASSWORD_EXPIRED",
                    }
                ),
            },
            {"protocol": "http"},
        ),
        Rule({"EVENT_TYPE": None, "ORGANIZATION_ID": None, "REQUEST_ID": None}, constants={"success": None}),
        Rule({"EVENT_TYPE": None, "ORGANIZATION_ID": None, "USER_ID": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "EVENT_TYPE": "Login",
                "TIMESTAMP_DERIVED": "2022-04-12T06:00:01.569Z",
                "LOGIN_STATUS": "LOGIN_ERROR_INVALID_PASSWORD",
                "ORGANIZATION_ID": "00D",
                "REQUEST_ID": "r1",
                "SOURCE_IP": "192.0.2.174",
                "USER_NAME": "anna@example.org",
            },
            {"login": "anna@example.org", "remote": "192.0.2.174", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            {
                "EVENT_TYPE": "Login",
                "TIMESTAMP_DERIVED": "2022-04-12T06:00:02.569Z",
                "LOGIN_STATUS": "LOGIN_NO_ERROR",
                "ORGANIZATION_ID": "00D",
                "REQUEST_ID": "r2",
                "SOURCE_IP": "2001:db8::174",
                "USER_NAME": "bob@example.org",
            },
            {"login": "bob@example.org", "remote": "2001:db8::174", "success": True},
        ),
        Sample(
            {
                "EVENT_TYPE": "LoginAs",
                "TIMESTAMP_DERIVED": "2022-04-12T06:00:03.569Z",
                "ORGANIZATION_ID": "00D",
                "REQUEST_ID": "r3",
                "CLIENT_IP": "192.0.2.175",
            },
            None,
        ),
    ),
)
