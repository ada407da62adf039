"""AWS CloudTrail: sign-ins to the console and to IAM Identity Center."""

from __future__ import annotations

from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample, any_of

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {
    "ts": "eventTime",
    "login": ("userIdentity.userName", "additionalEventData.UserName", "userIdentity.arn"),
    "remote": "sourceIPAddress",
    "user_agent": "userAgent",
    "event_id": "eventID",
    "reason": "errorMessage",
}
_OUTCOMES: Final = {"success": True, "failure": False}

DOCUMENT: Final = Document(
    name="aws_cloudtrail",
    provenance="AWS's documentation of CloudTrail (AWS Management Console sign-in events, IAM Identity Center sign-in events)",
    gaps=(
        "Calls of APIs, and roles that are taken, are no log-in. A record without an outcome is none. A failed "
        "root log-in does not say whether the account exists."
    ),
    rules=(
        *(
            Rule(
                {"eventSource": any_of("signin.amazonaws.com"), "eventName": any_of(name), f"responseElements.{name}": None},
                _FIELDS | {"success": f"responseElements.{name}", "fail_type": "errorMessage"},
                {
                    "success": _OUTCOMES,
                    "fail_type": {"no username found in supplied account": "account"},
                },
                {"protocol": "http"},
            )
            for name in ("ConsoleLogin", "CredentialVerification", "UserAuthentication", "ExternalIdPDirectoryLogin")
        ),
        Rule({"eventSource": None, "eventName": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "eventVersion": "1.08",
                "userIdentity": {"type": "IAMUser", "accountId": "1", "userName": "anna"},
                "eventTime": "2022-04-12T06:00:01Z",
                "eventSource": "signin.amazonaws.com",
                "eventName": "ConsoleLogin",
                "sourceIPAddress": "192.0.2.162",
                "errorMessage": "Failed authentication",
                "responseElements": {"ConsoleLogin": "Failure"},
                "eventID": "e1",
            },
            {"login": "anna", "remote": "192.0.2.162", "success": False},
        ),
        Sample(
            {
                "userIdentity": {"type": "Root", "accountId": "1", "arn": "arn:aws:iam::1:root"},
                "eventTime": "2022-04-12T06:00:02Z",
                "eventSource": "signin.amazonaws.com",
                "eventName": "ConsoleLogin",
                "sourceIPAddress": "2001:db8::162",
                "responseElements": {"ConsoleLogin": "Success"},
                "eventID": "e2",
            },
            {"login": "arn:aws:iam::1:root", "remote": "2001:db8::162", "success": True},
        ),
        Sample(
            {
                "userIdentity": {"type": "IAMUser", "userName": "bob"},
                "eventTime": "2022-04-12T06:00:03Z",
                "eventSource": "sts.amazonaws.com",
                "eventName": "GetCallerIdentity",
                "sourceIPAddress": "192.0.2.163",
            },
            None,
        ),
    ),
)
