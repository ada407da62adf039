"""streams.desk.current_policy: which policy holds, and that what cannot be understood changes nothing."""

from __future__ import annotations

import pytest

from models.applied_policy import POLICY_KEY, AppliedPolicy, encode_applied, policy_hash
from models.policy import Policy
from streams import telemetry
from streams.desk.current_policy import CurrentPolicy
from tests.factories import T0
from tests.streams.desk.test_orders import record

FILE, NEW = Policy(version="file"), Policy(version="new", max_legit_accounts=9)


def applied(policy: Policy = NEW) -> bytes:
    said = AppliedPolicy(ts=T0, by="anne", reason="a drill", policy=policy, hash=policy_hash(policy))
    return encode_applied(said)


def test_a_record_goes_before_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    """Who goes by it is told once, and the log says so."""
    telemetry.configure()
    told: list[Policy] = []
    current = CurrentPolicy(FILE, [told.append])
    assert current.described == {"policy": "file", "policy_hash": policy_hash(FILE), "policy_from": "file"}
    for _ in range(2):
        current.take(record(POLICY_KEY, applied(), "policy/1"))
    assert (current.value, told) == (NEW, [NEW])
    assert current.described == {"policy": "new", "policy_hash": policy_hash(NEW), "policy_from": "auth.control"}
    said = capsys.readouterr().err
    assert said.count('"event": "policy.changed"') == 1
    assert '"version": "new"' in said
    assert "a drill" not in said


@pytest.mark.parametrize(
    ("value", "schema"),
    [(b"nonsense", "policy/1"), (None, "policy/1"), (applied(Policy(version="x")), "policy/2"), (b"{}", "order/1")],
)
def test_what_cannot_be_understood_is_reported_and_changes_nothing(
    value: bytes | None, schema: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last good one holds; before the first, the file."""
    telemetry.configure()
    current = CurrentPolicy(FILE)
    current.take(record(POLICY_KEY, value, schema))
    assert current.value == FILE
    current.take(record(POLICY_KEY, applied(), "policy/1"))
    current.take(record(POLICY_KEY, value, schema))
    assert current.value == NEW
    assert capsys.readouterr().err.count('"event": "record.refused"') == 2
