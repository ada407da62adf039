"""Keycloak: user events, as the admin API and event listeners give them and as its JSON log holds them."""

from __future__ import annotations

from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample, any_of, codes

__all__ = ["DOCUMENT"]

_OUTCOMES: Final = {"login": True, "login_error": False, "refresh_token_error": False}
_FAILURES: Final = codes(
    {
        "credentials": "invalid_user_credentials",
        "account": "user_not_found username_missing",
        "disabled": "user_disabled user_temporarily_disabled",
        "expired": "resolve_required_actions",
        "policy": "not_allowed access_denied password_rejected",
        "token": "invalid_token invalid_token_type session_expired user_session_not_found",
        "internal": "identity_provider_error identity_provider_login_failure invalid_config email_send_failed",
    }
)
#: Steps that went wrong before a password was checked or after it was right; no verdict on a log-in.
_STEPS: Final = any_of(
    "expired_code invalid_code invalid_request invalid_redirect_uri invalid_authn_request invalid_signature client_not_found "
    "client_disabled invalid_client invalid_client_credentials realm_disabled ssl_required rejected_by_user consent_denied "
    "not_logged_in cookie_not_found different_user_authenticated unknown_identity_provider code_verifier_missing "
    "invalid_code_verifier pkce_verification_failed invalid_code_challenge_method display_unsupported"
)


def _rules(event: str, details: str, time: str, marks: dict[str, frozenset[str] | None]) -> tuple[Rule, ...]:
    """Rules for events whose fields begin with ``event``, and further ones with ``details``."""
    fields: Fields = {
        "ts": time,
        "login": (f"{details}username", f"{event}userId"),
        "remote": f"{event}ipAddress",
        "realm": (f"{event}realmName", f"{event}realmId"),
        "mech": f"{details}auth_method",
        "credential_id": f"{event}clientId",
        "session_id": (f"{event}sessionId", f"{details}code_id"),
        "event_id": f"{event}id",
        "error": f"{event}error",
    }
    error, one_time_code = f"{event}error", f"{details}selected_credential_id"
    failed = marks | {f"{event}type": any_of("login_error")}
    protocol = {"protocol": "http"}
    return (
        Rule(failed | {error: _STEPS}, constants={"success": None}),
        Rule(
            failed | {error: any_of("invalid_user_credentials"), one_time_code: None},
            fields,
            constants=protocol | {"success": False, "fail_type": "policy"},
        ),
        Rule(
            marks | {f"{event}type": frozenset(_OUTCOMES)},
            fields | {"success": f"{event}type", "fail_type": (f"{event}error", f"{event}type")},
            {"success": _OUTCOMES, "fail_type": _FAILURES | {"refresh_token_error": "token"}},
            protocol,
        ),
    )


DOCUMENT: Final = Document(
    name="keycloak",
    provenance=(
        "Keycloak Server Administration Guide, 'Auditing events'; EventRepresentation of the admin API; org.keycloak.events.Errors "
        "and Details; JSON console log of the jboss-logging listener, whose values are quoted since version 24"
    ),
    gaps=(
        "A wrong one-time code is told from a wrong password by selected_credential_id, which only log-ins with a stored "
        "credential have. Log-ins through another identity provider are that provider's. Successful token refreshes and client "
        "log-ins are not read. Values without quotes (before version 24, or quotes=none) are not read from the log: a client could "
        "forge them. Failures that name no user are counted for nobody who exists."
    ),
    rules=(
        *_rules("", "details.", "time", {"realmId": None}),
        *_rules("message.", "message.", "timestamp", {"loggerName": any_of("org.keycloak.events")}),
        *_rules("message.", "message.", "@timestamp", {"log.logger": any_of("org.keycloak.events")}),
    ),
    samples=(
        Sample(
            {
                "id": "5f0c2d1e-0001",
                "time": 1649743200123,
                "type": "LOGIN",
                "realmId": "mail",
                "clientId": "webmail",
                "userId": "u-1",
                "sessionId": "s-1",
                "ipAddress": "192.0.2.10",
                "details": {"auth_method": "openid-connect", "username": "anna@example.org"},
            },
            {
                "ts": 1_649_743_200.123,
                "login": "anna@example.org",
                "remote": "192.0.2.10",
                "success": True,
                "protocol": "http",
                "realm": "mail",
                "mech": "openid-connect",
                "credential_id": "webmail",
                "session_id": "s-1",
                "event_id": "5f0c2d1e-0001",
            },
        ),
        Sample(
            {
                "time": 1649743201000,
                "type": "LOGIN_ERROR",
                "realmId": "mail",
                "clientId": "webmail",
                "ipAddress": "2001:db8::7",
                "error": "user_not_found",
                "details": {"username": "nobody"},
            },
            {"login": "nobody", "remote": "2001:db8::7", "success": False, "fail_type": "account"},
        ),
        Sample(
            {
                "time": 1649743202000,
                "type": "LOGIN_ERROR",
                "realmId": "mail",
                "ipAddress": "192.0.2.11",
                "error": "invalid_user_credentials",
                "details": {"username": "bob", "selected_credential_id": "otp-7"},
            },
            {"login": "bob", "success": False, "fail_type": "policy"},
        ),
        Sample(
            {
                "timestamp": "2022-04-12T08:00:03.5+02:00",
                "loggerName": "org.keycloak.events",
                "level": "WARN",
                "message": 'type="LOGIN_ERROR", realmId="mail", clientId="webmail", userId="null", ipAddress="192.0.2.12", '
                'error="invalid_user_credentials", username="eve\\", ipAddress=\\"198.51.100.9"',
            },
            {
                "ts": 1_649_743_203.5,
                "login": 'eve", ipAddress="198.51.100.9',
                "remote": "192.0.2.12",
                "success": False,
                "fail_type": "credentials",
            },
        ),
        Sample(
            {
                "time": 1649743204000,
                "type": "REFRESH_TOKEN_ERROR",
                "realmId": "mail",
                "userId": "u-1",
                "ipAddress": "192.0.2.10",
                "error": "invalid_token",
            },
            {"login": "u-1", "success": False, "fail_type": "token"},
        ),
        Sample(
            {"time": 1649743205000, "type": "LOGIN_ERROR", "realmId": "mail", "ipAddress": "192.0.2.10", "error": "expired_code"},
            None,
        ),
    ),
)
