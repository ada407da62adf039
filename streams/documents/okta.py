"""Okta: the System Log's sign-ins."""

from __future__ import annotations

from typing import Final

from models.events import FORWARDED
from streams.documents.document import Document, Fields, Rule, Sample, any_of, codes

__all__ = ["DOCUMENT"]

#: A challenge is a question that was asked; what was answered, if anything, is another event.
_OUTCOMES: Final = {
    "success": True,
    "allow": True,
    "failure": False,
    "deny": False,
    "challenge": None,
    "unanswered": None,
    "skipped": None,
}
_FAILURES: Final = codes(
    {
        "credentials": "INVALID_CREDENTIALS",
        "account": "UNKNOWN_USER",
        "disabled": "LOCKED_OUT NOT_ACTIVATED PENDING_ACTIVATION INACTIVE_ORG",
        "expired": "PASSWORD_EXPIRED SUNONE_PASSWORD_EXPIRED TEMP_LOGIN",
        "policy": "ADDITIONAL_CREDENTIALS_REQUIRED PASSWORD_BASED_LOGIN_DISALLOWED NOT_VERIFIED deny",
        "internal": "SERVICE_NOT_AVAILABLE DEL_AUTH_TIMEOUT DEL_AUTH_NO_CONNECTED_AGENTS SSO_AUTHENTICATION_FAILURE",
    }
)
_FIELDS: Final[Fields] = {
    "ts": "published",
    "login": "actor.alternateId",
    "remote": "client.ipAddress",
    "user_agent": "client.userAgent.rawUserAgent",
    "device_id": "debugContext.debugData.deviceFingerprint",
    "session_id": "authenticationContext.externalSessionId",
    "asn": "securityContext.asNumber",
    "event_id": "uuid",
    "reason": "outcome.reason",
    FORWARDED: "request.ipChain.ip",
}

DOCUMENT: Final = Document(
    name="okta",
    provenance=(
        "Okta System Log API (LogEvent, Outcome) and event types user.session.start, user.authentication.auth_via_radius and "
        "auth_via_mfa; reasons as in the legacy events core.user_auth.login_failed.*"
    ),
    gaps=(
        "VERIFICATION_ERROR does not say whether the account exists or the password was wrong. Log-ins that an AD or LDAP agent "
        "checked are read once, from user.session.start. A second factor that was passed is in the sign-in's own event. Single "
        "sign-on to an application within a session is no log-in. RADIUS: the address is the agent's unless it passes the client's "
        "on."
    ),
    rules=(
        Rule(
            {"eventType": any_of("user.session.start user.authentication.auth_via_radius"), "actor": None},
            _FIELDS
            | {
                "success": "outcome.result",
                "fail_type": ("outcome.reason", "debugContext.debugData.loginResult", "outcome.result"),
            },
            {"success": _OUTCOMES, "fail_type": _FAILURES},
            {"protocol": "http"},
        ),
        Rule(
            {"eventType": any_of("user.authentication.auth_via_mfa"), "outcome.result": any_of("failure deny")},
            _FIELDS,
            constants={"success": False, "fail_type": "policy", "protocol": "http"},
        ),
        Rule({"eventType": None, "actor.alternateId": None, "published": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "uuid": "0a1b-1",
                "published": "2022-04-12T06:00:00.250Z",
                "eventType": "user.session.start",
                "actor": {"id": "00u1", "type": "User", "alternateId": "anna@example.org"},
                "client": {"ipAddress": "192.0.2.10", "userAgent": {"rawUserAgent": "Mozilla/5.0 (X11)"}},
                "outcome": {"result": "SUCCESS"},
                "authenticationContext": {"externalSessionId": "idx1"},
                "securityContext": {"asNumber": 64500},
                "request": {"ipChain": [{"ip": "192.0.2.10", "version": "V4"}, {"ip": "10.0.0.2", "version": "V4"}]},
            },
            {
                "ts": 1_649_743_200.25,
                "login": "anna@example.org",
                "remote": "192.0.2.10",
                "success": True,
                "protocol": "http",
                "user_agent": "Mozilla/5.0 (X11)",
                "session_id": "idx1",
                "asn": 64500,
                "event_id": "0a1b-1",
                "attrs": {"x-forwarded-for": "192.0.2.10, 10.0.0.2"},
            },
        ),
        Sample(
            {
                "published": "2022-04-12T06:00:01.000Z",
                "eventType": "user.session.start",
                "actor": {"id": "unknown", "type": "User", "alternateId": "nobody@example.org"},
                "client": {"ipAddress": "192.0.2.11"},
                "outcome": {"result": "FAILURE", "reason": "UNKNOWN_USER"},
            },
            {"login": "nobody@example.org", "success": False, "fail_type": "account", "attrs": {"reason": "UNKNOWN_USER"}},
        ),
        Sample(
            {
                "published": "2022-04-12T06:00:02.000Z",
                "eventType": "user.session.start",
                "actor": {"alternateId": "bob@example.org"},
                "client": {"ipAddress": "192.0.2.12"},
                "outcome": {"result": "DENY", "reason": "Sign-on policy evaluation resulted in DENY"},
            },
            {"login": "bob@example.org", "success": False, "fail_type": "policy"},
        ),
        Sample(
            {
                "published": "2022-04-12T06:00:03.000Z",
                "eventType": "user.authentication.auth_via_mfa",
                "actor": {"alternateId": "bob@example.org"},
                "client": {"ipAddress": "192.0.2.12"},
                "outcome": {"result": "FAILURE", "reason": "INVALID_CREDENTIALS"},
            },
            {"login": "bob@example.org", "success": False, "fail_type": "policy"},
        ),
        Sample(
            {
                "published": "2022-04-12T06:00:04.000Z",
                "eventType": "user.session.start",
                "actor": {"alternateId": "bob@example.org"},
                "client": {"ipAddress": "192.0.2.12"},
                "outcome": {"result": "CHALLENGE"},
            },
            None,
        ),
        Sample(
            {
                "published": "2022-04-12T06:00:05.000Z",
                "eventType": "user.authentication.sso",
                "actor": {"alternateId": "bob@example.org"},
                "outcome": {"result": "SUCCESS"},
            },
            None,
        ),
    ),
)
