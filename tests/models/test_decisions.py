"""What a decision is, and whom it refuses."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.attempts import Attempt, Fail
from models.decision_index import DecisionIndex
from models.decisions import (
    Decision,
    Except,
    join_value,
    refuses,
    split_value,
)
from models.ids import hash64
from models.policy import Policy
from tests.factories import ban

T0 = 1_699_999_200.0  # a full UTC hour
ALICE = "alice@example.org"


def make_attempt(**fields: Any) -> Attempt:
    values: dict[str, Any] = {
        "ts": T0 + 60,
        "account": ALICE,
        "address": "203.0.113.7",
        "network": "203.0.113.0/24",
        "success": False,
        "fail": Fail.CREDENTIALS,
        "protocol": "imap",
        "guess": 1,
        "try_id": 1,
        "device": "ua:Mail/1",
        "country": "FR",
        "asn": 64500,
        "latitude": None,
        "longitude": None,
        "policy_reject": False,
        "repeats_password": True,
        "event_id": "e",
    }
    return Attempt(**(values | fields))


def decision(scope: str = "ip", value: str = "203.0.113.7", **changes: Any) -> Decision:
    return ban(value, T0 + 10, T0 + 14_410, scope=scope, **changes)


@pytest.mark.parametrize(
    ("scope", "value", "same", "other"),
    [
        ("ip", "203.0.113.7", {}, {"address": "203.0.113.8"}),
        ("range", "203.0.113.0/24", {"address": "203.0.113.99"}, {"address": "203.0.114.1"}),
        ("range", "2001:db8:1::/48", {"address": "2001:db8:1:9::/64"}, {"address": "2001:db8:2:9::/64"}),
        ("range", "2001:db8:1:9::/64", {"address": "2001:db8:1:9::/64"}, {"address": "203.0.113.7"}),
        ("account", ALICE, {}, {"account": "bob@example.org"}),
        ("account_ip", f"203.0.113.7|{ALICE}", {}, {"account": "bob@example.org"}),
        ("account_ip", f"203.0.113.7|{ALICE}", {}, {"address": "203.0.113.8"}),
        ("account_device", f"{ALICE}|ua:Mail/1", {}, {"device": "ua:Mail/2"}),
        ("range_device", "203.0.113.0/24|ua:Mail/1", {}, {"address": "198.51.100.1"}),
        ("asn_device", "64500|ua:Mail/1", {}, {"asn": 64501}),
        ("device", "ua:Mail/1", {}, {"device": ""}),
        ("account_protocol", f"{ALICE}|imap", {}, {"protocol": "pop3"}),
        ("asn", "64500", {}, {"asn": 64501}),
        ("country", "FR", {}, {"country": "DE"}),
        ("protocol", "imap", {}, {"protocol": "http"}),
    ],
)
def test_every_part_of_the_scope_must_match(scope: str, value: str, same: dict[str, Any], other: dict[str, Any]) -> None:
    """A decision refuses what its value covers and nothing beside it, with and without the index."""
    made = decision(scope, value)
    index = DecisionIndex(Policy.enforcing())
    index.put(made)
    assert refuses(made, make_attempt(**same))
    assert index.refusing(make_attempt(**same)) == made
    assert not refuses(made, make_attempt(**other))
    assert index.refusing(make_attempt(**other)) is None


def test_holds_strictly_between_start_and_end() -> None:
    """An attempt at the very start or end is not refused."""
    made = decision()
    times = [made.start, made.start + 0.001, made.until - 0.001, made.until]
    assert [refuses(made, make_attempt(ts=ts)) for ts in times] == [False, True, True, False]


@pytest.mark.parametrize("mode", ["shadow", "proposed"])
def test_only_enforced_decisions_refuse(mode: str) -> None:
    """Shadow and proposed decisions refuse nobody."""
    assert not refuses(decision(mode=mode), make_attempt())


@pytest.mark.parametrize(("type_", "expected"), [("ban", True), ("guard", True), ("notify", False), ("reset_password", False)])
def test_only_ban_and_guard_refuse(type_: str, expected: bool) -> None:
    """Other types do something else than refusing."""
    assert refuses(decision(type=type_), make_attempt()) is expected


def test_protocols_narrow_a_decision() -> None:
    """A decision with protocols leaves the others open."""
    made = decision(protocols=("imap",))
    assert refuses(made, make_attempt())
    assert not refuses(made, make_attempt(protocol="http"))


@pytest.mark.parametrize(
    ("clause", "passes"),
    [
        (Except(networks=("203.0.113.0/24",)), True),
        (Except(networks=("198.51.100.0/24",)), False),
        (Except(networks=("2001:db8::/32", "203.0.113.0/24")), True),
        (Except(asns=(64500,), devices=("ua:Mail/1",)), True),
        (Except(asns=(64500,), devices=("ua:Mail/2",)), False),
        (Except(accounts=(ALICE,)), True),
        (Except(accounts=(ALICE,), asns=(1,)), False),
        (Except(credentials=("app-password-1",)), True),
        (Except(credentials=("#" + f"{hash64('app-password-1'):016x}",), accounts=(ALICE,)), True),
        (Except(credentials=("app-password-2", "")), False),
    ],
)
def test_attempt_passes_when_every_part_of_one_clause_matches(clause: Except, passes: bool) -> None:
    """Parts of a clause are joined by and; clauses by or."""
    attempt = make_attempt(credential="app-password-1")
    assert refuses(decision(except_=(clause,)), attempt) is not passes
    assert refuses(decision(except_=(Except(asns=(1,)), clause)), attempt) is not passes
    if clause.credentials:  # who names none has none of these
        assert refuses(decision(except_=(clause,)), make_attempt())


@pytest.mark.parametrize("clause", [{"devices": ("ua:x",)}, {}, {"accounts": tuple(str(i) for i in range(501))}])
def test_unsafe_clauses_are_invalid(clause: dict[str, Any]) -> None:
    """Devices alone, nothing at all, or over 500 accounts is no clause; in a record neither."""
    with pytest.raises(ValueError, match="except clause"):
        Except(**clause)
    with pytest.raises(msgspec.ValidationError, match="except clause"):
        msgspec.json.decode(msgspec.json.encode(clause), type=Except)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=3))
def test_values_can_be_taken_apart(parts: list[str]) -> None:
    """Whatever an attacker puts into a name, the parts of a value come back."""
    assert split_value(join_value(*parts)) == parts
