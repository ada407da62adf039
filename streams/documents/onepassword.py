"""1Password: sign-in attempts."""

from __future__ import annotations

from typing import Final

from streams.documents.document import OTHER, Document, Fields, Rule, Sample, codes

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {
    "ts": "timestamp",
    "login": "target_user.email",
    "remote": "client.ip_address",
    "success": "category",
    "fail_type": "type",
    "session_id": "session_uuid",
    "event_id": "uuid",
    "user_agent": "client.app_name",
}

DOCUMENT: Final = Document(
    name="onepassword",
    provenance="1Password's Events API (signinattempts: category and type), 2021 to 2025",
    gaps="What is done with passwords in a session is not read.",
    rules=(
        Rule(
            {"target_user": None, "category": None, "type": None, "client.ip_address": None},
            _FIELDS,
            {
                "success": {
                    "success": True,
                    "credentials_failed": False,
                    "mfa_failed": False,
                    "modern_version_failed": False,
                    "firewall_failed": False,
                    "firewall_reported_success": True,
                    "sso_failed": False,
                    OTHER: None,
                },
                "fail_type": codes(
                    {
                        "credentials": "password_secret_bad user_not_found",
                        "policy": "mfa_missing totp_bad u2f_bad duo_bad totp_disabled continent_blocked country_blocked ip_blocked",
                    }
                ),
            },
            {"protocol": "http"},
        ),
        Rule({"vault_uuid": None, "item_uuid": None, "user": None, "client": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "uuid": "1",
                "session_uuid": "s1",
                "timestamp": "2022-04-12T06:00:01Z",
                "category": "credentials_failed",
                "type": "password_secret_bad",
                "target_user": {"email": "anna@example.org"},
                "client": {"app_name": "1Password", "ip_address": "192.0.2.170"},
            },
            {"login": "anna@example.org", "remote": "192.0.2.170", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            {
                "uuid": "2",
                "session_uuid": "s2",
                "timestamp": "2022-04-12T06:00:02Z",
                "category": "success",
                "type": "credentials_ok",
                "target_user": {"email": "bob@example.org"},
                "client": {"app_name": "1Password", "ip_address": "2001:db8::170"},
            },
            {"login": "bob@example.org", "remote": "2001:db8::170", "success": True},
        ),
        Sample(
            {
                "uuid": "3",
                "timestamp": "2022-04-12T06:00:03Z",
                "used_version": 2,
                "vault_uuid": "v",
                "item_uuid": "i",
                "user": {"email": "bob@example.org"},
                "client": {"app_name": "1Password", "ip_address": "192.0.2.170"},
            },
            None,
        ),
    ),
)
