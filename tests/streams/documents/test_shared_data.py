"""Identity providers' records that nobody on this project wrote: what is read of them, and what is left alone."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.addresses import normalise
from models.events import AuthEvent, Refused
from streams.documents import DOCUMENTS
from streams.documents.reader import DocumentReader

pytestmark = pytest.mark.shared_data

SIGN_INS = {"SignInLogs", "NonInteractiveUserSignInLogs"}


def records(folder: Path) -> Iterator[dict[str, Any]]:
    """The JSON records of the sets: identity providers' events, and lines of other programs."""
    for line in (folder / "parser_truth/panther.jsonl").read_text("utf-8").splitlines():
        if isinstance(record := json.loads(line)["log"], dict):
            yield record
    for line in (folder / "parser_truth/wazuh_ossec.jsonl").read_text("utf-8").splitlines():
        for log in json.loads(line)["logs"]:
            if log["line"].startswith("{"):
                yield json.loads(log["line"])


def expected(record: dict[str, Any]) -> tuple[str, Any, Any, bool] | None:
    """Source, account, address and outcome of a log-in, looked up by hand; ``None`` for everything else."""
    name = record.get("eventType")
    if name == "user.session.start" and (record.get("outcome") or {}).get("result") in {"SUCCESS", "FAILURE"}:
        return "okta", record["actor"]["alternateId"], record["client"]["ipAddress"], record["outcome"]["result"] == "SUCCESS"
    if record.get("category") in SIGN_INS:
        about = record["properties"]
        code = about.get("status", {}).get("errorCode", record.get("resultType"))
        return "entra", about["userPrincipalName"], about["ipAddress"], str(code) in {"0", "Success"}
    if record.get("Operation") in {"UserLoggedIn", "UserLoginFailed"}:
        return "microsoft365", record["UserId"], record["ClientIP"], record["Operation"] == "UserLoggedIn"
    google = record.get("id")
    is_login = record.get("name") in {"login_success", "login_failure"} and isinstance(google, dict)
    if (
        is_login
        and google["applicationName"] == "login"
        and "ipAddress" in record
        and ("time" in google or "p_event_time" in record)
    ):
        return "google_workspace", record.get("actor", {}).get("email"), record["ipAddress"], record["name"] == "login_success"
    windows = record.get("win", {})
    if windows.get("system", {}).get("eventID") == "4624":
        return "windows", windows["eventdata"]["targetUserName"], windows["eventdata"]["ipAddress"], True
    return expected_elsewhere(record)


def expected_elsewhere(record: dict[str, Any]) -> tuple[str, Any, Any, bool] | None:  # noqa: PLR0911, PLR0912  one for each source
    """The same for clouds and applications that are no mail providers."""
    kind = str(record.get("event_type") or record.get("action"))
    outcome = (record.get("responseElements") or {}).get(record.get("eventName"))
    if record.get("eventName") in {"ConsoleLogin", "ExternalIdPDirectoryLogin"} and outcome in {"Success", "Failure"}:
        user = record.get("userIdentity") or {}
        return "aws_cloudtrail", user.get("userName", user.get("arn")), record["sourceIPAddress"], outcome == "Success"
    if "target_user" in record and "category" in record:
        return "onepassword", record["target_user"]["email"], record["client"]["ip_address"], record["category"] == "success"
    if kind == "authentication" and "access_device" in record:
        return "duo", record["user"]["name"], record["access_device"]["ip"], record["result"] == "success"
    if kind in {"admin_login", "admin_2fa_error"} and "ip_address" in record["description"]:
        about = json.loads(record["description"])
        return "duo", about.get("email", record["username"]), about["ip_address"], kind == "admin_login"
    if str(record.get("event_type_id")) in {"5", "6"} and "ipaddr" in record:
        return "onelogin", record["user_name"], record["ipaddr"], str(record["event_type_id"]) == "5"
    if kind in {"LOGIN", "FAILED_LOGIN"} and "created_by" in record:
        return "box", record["created_by"]["login"], record["ip_address"], kind == "LOGIN"
    if record.get("EVENT_TYPE") == "LOGIN" and record["CLIENT_IP"] != "0.0.0.0":
        return "snowflake", record["USER_NAME"], record["CLIENT_IP"], record["IS_SUCCESS"] == "YES"
    if record.get("EVENT_TYPE") == "Login":
        return "salesforce", record["USER_NAME"], record["SOURCE_IP"], record["LOGIN_STATUS"] == "LOGIN_NO_ERROR"
    if kind in {"user_login_succeeded", "user_login_failed"}:
        return "asana", record["actor"]["email"], record["context"]["client_ip_address"], kind == "user_login_succeeded"
    if record.get("type") == "Sign in" and "ip_address" in record:
        return "zoom", record["email"], record["ip_address"], True
    event = record.get("event")
    if isinstance(event, dict) and event.get("type") == "user.login":
        return "notion", event["actor"]["person"]["email"], event["ip_address"], True
    if "reqId" in record and (found := re.fullmatch(r"Login failed: '(.*)' \(Remote IP: '(.*)'\)", record["message"])):
        return "nextcloud", found[1], found[2], False
    if "reqId" in record and record["message"].startswith("Login successful"):
        return "nextcloud", record["user"], record["remoteAddr"], True
    auth0 = record.get("data")
    if isinstance(auth0, dict) and auth0.get("type") in {"s", "f", "fp", "fu", "pwd_leak", "limit_wc"}:
        return "auth0", auth0["user_name"], auth0["ip"], auth0["type"] == "s"
    return None


def test_records_of_others(shared_data: Path) -> None:
    """Each log-in has the right account, address and outcome, or is refused for its time; nothing else is a log-in."""
    reader = DocumentReader(DOCUMENTS.values())
    read: Counter[str] = Counter()
    refused: Counter[tuple[str, bool]] = Counter()
    for record in records(shared_data):
        wanted = expected(record)
        events: list[AuthEvent] = []
        try:
            events = reader.read(record) or []
        except Refused as refusal:
            refused[refusal.reason, wanted is not None] += 1
            continue
        if wanted is None:
            assert events == []
            continue
        source, account, address, success = wanted
        (event,) = events
        assert (event.remote, event.success) == (normalise(address), success)
        assert event.login == account or (account is None and event.login.startswith("~"))
        read[source] += 1
    assert read == {
        **{"okta": 17, "entra": 18, "microsoft365": 2, "google_workspace": 4, "windows": 6},
        **{"aws_cloudtrail": 23, "snowflake": 14, "nextcloud": 10, "asana": 7, "onepassword": 7, "salesforce": 5, "duo": 4},
        **{"auth0": 2, "box": 2, "notion": 2, "onelogin": 2, "zoom": 1},
    }
    # Times are 'redacted', or left out.
    assert refused == {("bad_ts", True): 5, ("no_ts", True): 18, ("no_ts", False): 7, ("no_success", False): 2}


def test_reasons_of_others(shared_data: Path) -> None:
    """What the records say about the reason is neither lost nor taken for a wrong password."""
    reader = DocumentReader(DOCUMENTS.values())
    reasons: Counter[str | None] = Counter()
    for record in records(shared_data):
        try:
            reasons.update(event.fail_type for event in reader.read(record) or [] if not event.success)
        except Refused:
            continue
    assert reasons == {"credentials": 5, "disabled": 2, "policy": 3, None: 32}
