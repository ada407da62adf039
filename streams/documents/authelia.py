"""Authelia: its log as JSON."""

from __future__ import annotations

import re
from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample, any_of

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {"ts": "time", "login": "@login", "remote": "remote_ip"}
_WHEN: Final = {
    "remote_ip": None,
    "path": any_of("/api/firstfactor /api/secondfactor/duo /api/secondfactor/totp /api/secondfactor/webauthn"),
}


def _rule(pattern: str, **constants: object) -> Rule:
    return Rule(_WHEN, _FIELDS, constants={"protocol": "http", **constants}, sentences={"msg": re.compile(pattern, re.DOTALL)})


DOCUMENT: Final = Document(
    name="authelia",
    provenance=(
        "Authelia's internal/handlers/handler_firstfactor.go, response.go and handler_sign_*.go, log.format: json, 4.30 to 4.39"
    ),
    gaps="A second factor that was refused is no wrong password. A log as text is read as lines.",
    rules=(
        _rule(
            "Error occurred getting details for user with username input '(?P<login>.*)' which usually indicates they do not exist",
            success=False,
            fail_type="account",
        ),
        _rule(
            "Unsuccessful 1FA authentication attempt by user '(?P<login>.*)': user not found", success=False, fail_type="account"
        ),
        _rule("Unsuccessful 1FA authentication attempt by user '(?P<login>[^']*)'.*", success=False, fail_type="credentials"),
        _rule(r"Unsuccessful \w+ authentication attempt by user '(?P<login>[^']*)'.*", success=False, fail_type="policy"),
        _rule(r"Successful \w+ authentication attempt made by user '(?P<login>.*)'", success=True),
        Rule({"remote_ip": None, "msg": None, "path": None, "method": None, "level": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "level": "error",
                "method": "POST",
                "msg": "Unsuccessful 1FA authentication attempt by user 'anna': user not found",
                "path": "/api/firstfactor",
                "remote_ip": "192.0.2.140",
                "time": "2022-04-12T06:00:01+00:00",
            },
            {"login": "anna", "remote": "192.0.2.140", "success": False, "ts": 1649743201.0, "fail_type": "account"},
        ),
        Sample(
            {
                "level": "error",
                "method": "POST",
                "msg": "Unsuccessful Duo authentication attempt by user 'bob': duo auth result: deny",
                "path": "/api/secondfactor/duo",
                "remote_ip": "192.0.2.141",
                "time": "2022-04-12T06:00:02Z",
            },
            {"login": "bob", "remote": "192.0.2.141", "success": False, "fail_type": "policy"},
        ),
        Sample(
            {
                "level": "debug",
                "method": "POST",
                "msg": "Successful 1FA authentication attempt made by user 'carl'",
                "path": "/api/firstfactor",
                "remote_ip": "2001:db8::141",
                "time": "2022-04-12T06:00:03Z",
            },
            {"login": "carl", "remote": "2001:db8::141", "success": True},
        ),
        Sample(
            {
                "level": "debug",
                "method": "GET",
                "msg": "Check authorization of subject",
                "path": "/api/verify",
                "remote_ip": "192.0.2.142",
                "time": "2022-04-12T06:00:04Z",
            },
            None,
        ),
    ),
)
