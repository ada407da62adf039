"""Identity providers' records that nobody on this project wrote: what is read of them, and what is left alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
        assert (event.remote, event.success) == (address, success)
        assert event.login == account or (account is None and event.login.startswith("~"))
        read[source] += 1
    assert read == {"okta": 17, "entra": 18, "microsoft365": 2, "google_workspace": 4, "windows": 6}
    assert refused == {("bad_ts", True): 4, ("no_ts", False): 7, ("no_success", False): 2}  # times are 'redacted', or left out


def test_reasons_of_others(shared_data: Path) -> None:
    """What the records say about the reason is neither lost nor taken for a wrong password."""
    reader = DocumentReader(DOCUMENTS.values())
    reasons: Counter[str | None] = Counter()
    for record in records(shared_data):
        try:
            reasons.update(event.fail_type for event in reader.read(record) or [] if not event.success)
        except Refused:
            continue
    assert reasons == {"credentials": 3, "disabled": 2, None: 5}
