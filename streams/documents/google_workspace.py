"""Google Workspace: log-in activity of the Reports API."""

from __future__ import annotations

from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample, any_of, codes

__all__ = ["DOCUMENT"]

_FAILURES: Final = codes(
    {
        "credentials": "login_failure_invalid_password",
        "disabled": "login_failure_account_disabled",
        "policy": "login_failure_access_code_disallowed",
    }
)
#: ``login_challenge_method`` beside ``password`` and ``none``.
_SECOND_FACTORS: Final = any_of(
    "access_to_preregistered_email assistant_approval backup_code google_authenticator google_prompt idv_any_phone "
    "idv_preregistered_phone internal_two_factor knowledge_employee_id knowledge_preregistered_email knowledge_preregistered_phone "
    "login_location offline_otp passkey rescue_code security_key security_key_otp web_approval"
)
_FIELDS: Final[Fields] = {
    "ts": "id.time",
    "login": ("actor.email", "parameters.affected_email_address"),
    "remote": "ipAddress",
    "mech": "parameters.login_type",
    "challenge": "parameters.login_challenge_method",
}
_LOGIN: Final = {"id.applicationName": any_of("login")}

DOCUMENT: Final = Document(
    name="google_workspace",
    provenance=(
        "Admin SDK Reports API, Activities resource with applicationName=login, 'Login Audit Activity Events': login_success, "
        "login_failure and login_failure_type; the same with one event's fields on top, as log collectors keep them"
    ),
    gaps=(
        "Activities arrive up to some hours late. login_failure_unknown after a second factor was asked for is not taken for a "
        "wrong password. There is no user agent. A typed name that no account has is not reported. SAML log-ins to other services "
        "and challenges within a session are not read."
    ),
    each="events",
    rules=(
        Rule(
            _LOGIN | {"name": any_of("login_failure"), "parameters.login_failure_type": frozenset(_FAILURES)},
            _FIELDS | {"fail_type": "parameters.login_failure_type"},
            {"fail_type": _FAILURES},
            {"success": False, "protocol": "http"},
        ),
        Rule(
            _LOGIN | {"name": any_of("login_failure"), "parameters.login_challenge_method": _SECOND_FACTORS},
            _FIELDS,
            constants={"success": False, "fail_type": "policy", "protocol": "http"},
        ),
        Rule(
            _LOGIN | {"name": any_of("login_success login_failure")},
            _FIELDS | {"success": "name"},
            {"success": {"login_success": True, "login_failure": False}},
            {"protocol": "http"},
        ),
        Rule({"id.applicationName": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "kind": "admin#reports#activity",
                "id": {"time": "2022-04-12T06:00:00.123Z", "uniqueQualifier": "1", "applicationName": "login", "customerId": "C1"},
                "actor": {"email": "anna@example.org", "profileId": "1"},
                "ipAddress": "2001:db8::7",
                "events": [
                    {
                        "type": "login",
                        "name": "login_success",
                        "parameters": [
                            {"name": "login_type", "value": "google_password"},
                            {"name": "login_challenge_method", "multiValue": ["password"]},
                            {"name": "is_suspicious", "boolValue": False},
                        ],
                    }
                ],
            },
            {
                "ts": 1_649_743_200.123,
                "login": "anna@example.org",
                "remote": "2001:db8::7",
                "success": True,
                "protocol": "http",
                "mech": "google_password",
                "attrs": {"challenge": '["password"]'},
            },
        ),
        Sample(
            {
                "id": {"time": "2022-04-12T06:00:01Z", "applicationName": "login"},
                "actor": {"email": "bob@example.org"},
                "ipAddress": "192.0.2.11",
                "events": [
                    {
                        "type": "login",
                        "name": "login_failure",
                        "parameters": [{"name": "login_failure_type", "value": "login_failure_invalid_password"}],
                    }
                ],
            },
            {"login": "bob@example.org", "remote": "192.0.2.11", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            {
                "id": {"time": "2022-04-12T06:00:02Z", "applicationName": "login"},
                "actor": {"email": "bob@example.org"},
                "ipAddress": "192.0.2.11",
                "type": "login",
                "name": "login_failure",
                "parameters": {
                    "login_challenge_method": ["password", "google_prompt"],
                    "login_failure_type": "login_failure_unknown",
                },
            },
            {"login": "bob@example.org", "success": False, "fail_type": "policy"},
        ),
        Sample(
            {
                "id": {"time": "2022-04-12T06:00:03Z", "applicationName": "login"},
                "actor": {"email": "bob@example.org"},
                "ipAddress": "192.0.2.11",
                "events": [{"type": "login", "name": "login_challenge"}, {"type": "login", "name": "logout"}],
            },
            None,
        ),
    ),
)
