"""Microsoft 365: the unified audit log's sign-ins, as the Management Activity API and ``Search-UnifiedAuditLog`` give them."""

from __future__ import annotations

from typing import Final

from streams.documents.document import Document, Rule, Sample, any_of
from streams.documents.entra import FAILURES, STEPS

__all__ = ["DOCUMENT"]

_FAILED: Final = any_of("userloginfailed")

DOCUMENT: Final = Document(
    name="microsoft365",
    provenance=(
        "Office 365 Management Activity API schema: common schema, Azure Active Directory base and secure token service logon "
        "schemas (record types 9 and 15); LogonError and ErrorNumber are AADSTS names and numbers"
    ),
    gaps=(
        "Where Entra's own sign-in logs are read too, each sign-in comes twice: read one of them. Times are whole seconds. A "
        "failure without LogonError and ErrorNumber does not say why. MailboxLogin and other records of the workloads are not "
        "read."
    ),
    rules=(
        Rule({"Operation": _FAILED, "ErrorNumber": STEPS}, constants={"success": None}),
        Rule({"Operation": _FAILED, "LogonError": STEPS}, constants={"success": None}),
        Rule(
            {"Operation": any_of("userloggedin userloginfailed"), "UserId": None},
            {
                "ts": "CreationTime",
                "login": "UserId",
                "remote": ("ActorIpAddress", "ClientIP"),
                "success": "Operation",
                "fail_type": ("ErrorNumber", "LogonError"),
                "user_agent": "ExtendedProperties.UserAgent",
                "credential_id": "ApplicationId",
                "session_id": "DeviceProperties.SessionId",
                "event_id": "Id",
                "error": ("LogonError", "ErrorNumber"),
            },
            {"success": {"userloggedin": True, "userloginfailed": False}, "fail_type": FAILURES},
            {"protocol": "http"},
        ),
        Rule({"Operation": None, "RecordType": None, "CreationTime": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "CreationTime": "2022-04-12T06:00:00",
                "Id": "33-cc",
                "Operation": "UserLoggedIn",
                "RecordType": 15,
                "UserId": "anna@example.org",
                "ClientIP": "192.0.2.10:50123",
                "ApplicationId": "app-1",
                "ExtendedProperties": [
                    {"Name": "ResultStatusDetail", "Value": "Success"},
                    {"Name": "UserAgent", "Value": "curl/8"},
                ],
            },
            {
                "ts": 1_649_743_200.0,
                "login": "anna@example.org",
                "remote": "192.0.2.10",
                "success": True,
                "protocol": "http",
                "user_agent": "curl/8",
                "credential_id": "app-1",
                "event_id": "33-cc",
            },
        ),
        Sample(
            {
                "integration": "office365",
                "office365": {
                    "CreationTime": "2022-04-12T06:00:01",
                    "Operation": "UserLoginFailed",
                    "UserId": "bob@example.org",
                    "ActorIpAddress": "2001:db8::7",
                    "LogonError": "InvalidUserNameOrPassword",
                },
            },
            {"login": "bob@example.org", "remote": "2001:db8::7", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            {
                "AuditData": '{"CreationTime":"2022-04-12T06:00:02","Operation":"UserLoginFailed","UserId":"bob@example.org",'
                '"ClientIP":"[2001:db8::7]:443","ErrorNumber":"50053","LogonError":"IdsLocked"}'
            },
            {"remote": "2001:db8::7", "success": False, "fail_type": "disabled", "attrs": {"error": "IdsLocked"}},
        ),
        Sample(
            {
                "CreationTime": "2022-04-12T06:00:03",
                "Operation": "UserLoginFailed",
                "UserId": "bob@example.org",
                "ClientIP": "192.0.2.11",
                "LogonError": "UserStrongAuthClientAuthNRequiredInterrupt",
            },
            {"success": False, "fail_type": "policy"},
        ),
        Sample(
            {
                "CreationTime": "2022-04-12T06:00:04",
                "Operation": "UserLoginFailed",
                "UserId": "bob@example.org",
                "ClientIP": "192.0.2.11",
                "ErrorNumber": "50140",
            },
            None,
        ),
        Sample(
            {"CreationTime": "2022-04-12T06:00:05", "Operation": "FileAccessed", "RecordType": 6, "UserId": "bob@example.org"},
            None,
        ),
    ),
)
