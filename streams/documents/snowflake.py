"""Snowflake: LOGIN_HISTORY."""

from __future__ import annotations

from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample, any_of, codes

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {
    "ts": "EVENT_TIMESTAMP",
    "login": "USER_NAME",
    "remote": "CLIENT_IP",
    "success": "IS_SUCCESS",
    "mech": "FIRST_AUTHENTICATION_FACTOR",
    "fail_type": ("ERROR_MESSAGE", "FIRST_AUTHENTICATION_FACTOR"),
    "event_id": "EVENT_ID",
    "reason": "ERROR_MESSAGE",
}

DOCUMENT: Final = Document(
    name="snowflake",
    provenance="Snowflake's documentation of the view LOGIN_HISTORY (ACCOUNT_USAGE)",
    gaps="A record that stands for failures that were left out has no address and is none.",
    rules=(
        Rule({"ERROR_MESSAGE": any_of("OVERFLOW_FAILURE_EVENTS_ELIDED")}, constants={"success": None}),
        Rule(
            {"EVENT_TYPE": any_of("LOGIN"), "IS_SUCCESS": None, "CLIENT_IP": None},
            _FIELDS,
            {
                "success": {"yes": True, "no": False},
                "fail_type": codes(
                    {
                        "credentials": "INCORRECT_USERNAME_PASSWORD",
                        "disabled": "USER_ACCESS_DISABLED USER_LOCKED_TEMP",
                        "expired": "USER_PASSWORD_EXPIRED",
                        "policy": "INCOMING_IP_BLOCKED DUO_SECURITY_DENIED MFA_AUTHENTICATOR_DENIED",
                        "token": "OAUTH_ACCESS_TOKEN OAUTH_REFRESH_TOKEN RSA_KEYPAIR",
                    }
                ),
            },
            {"protocol": "other"},
        ),
        Rule({"EVENT_TYPE": None, "IS_SUCCESS": None, "REPORTED_CLIENT_TYPE": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "CLIENT_IP": "192.0.2.172",
                "EVENT_ID": "1",
                "EVENT_TIMESTAMP": "2022-04-12 06:00:01.061000000",
                "EVENT_TYPE": "LOGIN",
                "FIRST_AUTHENTICATION_FACTOR": "PASSWORD",
                "IS_SUCCESS": "NO",
                "ERROR_MESSAGE": "INCORRECT_USERNAME_PASSWORD",
                "REPORTED_CLIENT_TYPE": "OTHER",
                "USER_NAME": "anna",
            },
            {"login": "anna", "remote": "192.0.2.172", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            {
                "CLIENT_IP": "2001:db8::172",
                "EVENT_ID": "2",
                "EVENT_TIMESTAMP": "2022-04-12 06:00:02.061000000",
                "EVENT_TYPE": "LOGIN",
                "FIRST_AUTHENTICATION_FACTOR": "PASSWORD",
                "IS_SUCCESS": "YES",
                "REPORTED_CLIENT_TYPE": "OTHER",
                "USER_NAME": "bob",
            },
            {"login": "bob", "remote": "2001:db8::172", "success": True},
        ),
        Sample(
            {
                "CLIENT_IP": "192.0.2.173",
                "EVENT_ID": "3",
                "EVENT_TIMESTAMP": "2022-04-12 06:00:03.061000000",
                "EVENT_TYPE": "LOGOUT",
                "IS_SUCCESS": "YES",
                "REPORTED_CLIENT_TYPE": "OTHER",
                "USER_NAME": "bob",
            },
            None,
        ),
    ),
)
