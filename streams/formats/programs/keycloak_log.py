"""Keycloak: events in the server's own log (the listener ``jboss-logging``)."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_REASONS: Final[dict[str | None, object]] = {
    "user_not_found": "account",
    "invalid_user_credentials": "credentials",
    "user_disabled": "disabled",
    "user_temporarily_disabled": "disabled",
    "expired_code": "policy",
    "invalid_code": "policy",
    "cookie_not_found": "policy",
    "session_expired": "policy",
    "rejected_by_user": "policy",
    "not_allowed": "policy",
    "identity_provider_error": "internal",
}

FORMAT: Final = Format(
    name="keycloak-log",
    provenance="Keycloak's services/…/events/log/JBossLoggingEventListenerProvider.java, 12 to 26",
    gaps="Successes are logged at level DEBUG unless set otherwise. A wrong one-time code and a wrong password have "
    "the same error.",
    protocol="http",
    tags=re.compile("keycloak"),
    words=("type=LOGIN", 'type="LOGIN'),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r"(?:\w+ +\[[\w.]*events\] \([^()]*\) )?type=\"?(?P<success>LOGIN_ERROR|LOGIN)\"?, "
                r"(?:(?!ipAddress=).)*ipAddress=\"?"
                rf"(?P<remote>{ADDRESS})\"?(?:, error=\"?(?P<fail_type>\w+)\"?)?,(?:(?!, username=).)*, "
                r"username=[\"']?(?P<login>[^\"',]+)",
                re.DOTALL,
            ),
            {},
            {"success": {"LOGIN_ERROR": False, "LOGIN": True}, "fail_type": _REASONS},
            ambiguous=re.compile(r"ipAddress=.*ipAddress=|, username=.*, username=", re.DOTALL),
        ),
    ),
    samples=(
        Sample(
            "2022-04-12 06:00:01,357 WARN  [org.keycloak.events] (executor-thread-1) type=LOGIN_ERROR, realmId=m, "
            "clientId=web, userId=null, "
            "ipAddress=192.0.2.15, error=user_not_found, auth_method=openid-connect, redirect_uri=https://web/, username=anna",
            {"login": "anna", "remote": "192.0.2.15", "success": False, "protocol": "http", "fail_type": "account"},
        ),
        Sample(
            '2022-04-12 06:00:02,357 DEBUG [org.keycloak.events] (executor-thread-2) type="LOGIN", realmId="m", '
            'clientId="web", userId="7", '
            'ipAddress="2001:db8::15", auth_method="openid-connect", redirect_uri="https://web/", username="bob"',
            {"login": "bob", "remote": "2001:db8::15", "success": True},
        ),
        Sample(
            "2022-04-12 06:00:03,357 DEBUG [org.keycloak.events] (executor-thread-3) type=CODE_TO_TOKEN, realmId=m, "
            "clientId=web, userId=7, "
            "ipAddress=192.0.2.15, token_id=1",
            None,
        ),
    ),
)
