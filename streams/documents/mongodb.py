"""MongoDB 4.4 and newer, which logs JSON."""

from __future__ import annotations

import re
from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample, any_of, codes

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {
    "ts": "t.$date",
    "login": ("attr.principalName", "attr.user"),
    "remote": ("attr.remote", "attr.client"),
    "mech": "attr.mechanism",
}

DOCUMENT: Final = Document(
    name="mongodb",
    provenance=(
        "MongoDB's src/mongo/db/auth/sasl_commands.cpp and documentation of log ids 5286306, 5286307, 20249 and 20250, 4.4 to 8"
    ),
    gaps="A speculative attempt that fails is tried again by the client, and both are counted.",
    rules=(
        Rule(
            {"c": any_of("ACCESS"), "id": any_of("20249 5286307"), "attr": None},
            _FIELDS | {"fail_type": "@why"},
            {"fail_type": codes({"account": "UserNotFound", "credentials": "AuthenticationFailed"})},
            {"success": False},
            sentences={"attr.error": re.compile(r"(?P<why>\w+).*", re.DOTALL)},
        ),
        Rule({"c": any_of("ACCESS"), "id": any_of("20250 5286306"), "attr": None}, _FIELDS, constants={"success": True}),
        Rule({"c": None, "id": None, "ctx": None, "msg": None, "s": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "t": {"$date": "2022-04-12T06:00:01.903+00:00"},
                "s": "I",
                "c": "ACCESS",
                "id": 20249,
                "ctx": "conn1",
                "msg": "Authentication failed",
                "attr": {
                    "mechanism": "SCRAM-SHA-256",
                    "principalName": "anna",
                    "authenticationDatabase": "admin",
                    "remote": "192.0.2.153:4071",
                    "error": "UserNotFound: Could not find user",
                },
            },
            {"login": "anna", "remote": "192.0.2.153", "success": False, "fail_type": "account"},
        ),
        Sample(
            {
                "t": {"$date": "2022-04-12T06:00:02.903+00:00"},
                "s": "I",
                "c": "ACCESS",
                "id": 20250,
                "ctx": "conn2",
                "msg": "Authentication succeeded",
                "attr": {
                    "mechanism": "SCRAM-SHA-256",
                    "principalName": "bob",
                    "authenticationDatabase": "admin",
                    "remote": "[2001:db8::153]:1053",
                },
            },
            {"login": "bob", "remote": "2001:db8::153", "success": True},
        ),
        Sample(
            {
                "t": {"$date": "2022-04-12T06:00:03.903+00:00"},
                "s": "I",
                "c": "NETWORK",
                "id": 22943,
                "ctx": "listener",
                "msg": "Connection accepted",
                "attr": {"remote": "192.0.2.153:4071"},
            },
            None,
        ),
    ),
)
