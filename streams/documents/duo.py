"""Duo: authentication log and administrators' log."""

from __future__ import annotations

from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample, any_of

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {
    "ts": ("timestamp", "isotimestamp"),
    "login": ("user.name", "email", "username"),
    "remote": ("access_device.ip", "ip"),
    "success": "result",
    "event_id": "txid",
    "reason": "reason",
}
_OUTCOMES: Final = {"success": True, "denied": False, "failure": False, "fraud": False, "error": False}

DOCUMENT: Final = Document(
    name="duo",
    provenance="Duo's Admin API (authentication logs v1 and v2, administrator logs)",
    gaps="A second factor that was refused is no wrong password. An enrolment is no log-in. A record without a time is refused.",
    rules=(
        Rule({"event_type": any_of("enrollment"), "access_device": None}, constants={"success": None}),
        Rule(
            {"event_type": any_of("authentication"), "factor": None, "result": None},
            _FIELDS,
            {"success": _OUTCOMES},
            {"fail_type": "policy", "protocol": "http"},
        ),
        Rule(
            {"action": any_of("admin_login"), "description": None, "username": None},
            {"ts": ("timestamp", "isotimestamp"), "login": "username", "remote": "description.ip_address"},
            constants={"success": True, "protocol": "http"},
        ),
        Rule(
            {"action": any_of("admin_login_error admin_2fa_error"), "description.ip_address": None, "username": None},
            {
                "ts": ("timestamp", "isotimestamp"),
                "login": ("description.email", "username"),
                "remote": "description.ip_address",
                "fail_type": "action",
            },
            {"fail_type": {"admin_2fa_error": "policy"}},
            {"success": False, "protocol": "http"},
        ),
        Rule({"action": None, "description": None, "isotimestamp": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "access_device": {"ip": "192.0.2.166"},
                "application": {"key": "D1", "name": "x"},
                "event_type": "authentication",
                "factor": "duo_push",
                "reason": "user_marked_fraud",
                "result": "fraud",
                "timestamp": 1649743201,
                "txid": "t1",
                "user": {"name": "anna@example.org"},
            },
            {"login": "anna@example.org", "remote": "192.0.2.166", "success": False, "fail_type": "policy"},
        ),
        Sample(
            {
                "action": "admin_login",
                "description": '{"ip_address": "192.0.2.167", "factor": "sms"}',
                "isotimestamp": "2022-04-12 06:00:02",
                "timestamp": "2022-04-12 06:00:02",
                "username": "Bob",
            },
            {"login": "Bob", "remote": "192.0.2.167", "success": True},
        ),
        Sample(
            {"action": "user_update", "description": '{"x": "y"}', "isotimestamp": "2022-04-12 06:00:03", "username": "Bob"}, None
        ),
    ),
)
