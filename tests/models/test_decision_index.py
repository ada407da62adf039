"""The index finds what trying all decisions finds."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.decision_index import DecisionIndex
from models.decisions import (
    Decision,
    Except,
    refuses,
)
from models.policy import Policy
from tests.models.test_decisions import ALICE, T0, decision, make_attempt

ALWAYS = Policy.enforcing()
HOME = Except(networks=("192.0.2.0/24",), accounts=(ALICE,))


def test_index_checks_the_never_block_set_again() -> None:
    """A decision from elsewhere about a never-block address refuses nobody."""
    index = DecisionIndex(Policy(version="1", never_block=("203.0.113.7/32",)))
    index.put(decision("range", "203.0.113.0/24"))
    assert index.refusing(make_attempt()) is None
    assert index.refusing(make_attempt(address="203.0.113.8")) is not None


def test_a_decision_that_was_removed_refuses_nobody() -> None:
    """Others on the same value stay, and removing what is not there is no matter."""
    index = DecisionIndex(ALWAYS)
    first, second = decision(), decision(policy_version="2", decision_id="another")
    index.put(first)
    index.put(second)
    index.remove(first.decision_id)
    index.remove("unknown")
    assert index.refusing(make_attempt()) == second
    index.remove(second.decision_id)
    assert index.refusing(make_attempt()) is None
    index.put(first)
    assert index.refusing(make_attempt()) == first


@pytest.mark.parametrize(("scope", "value"), [("ip", "203.0.113.7"), ("account", ALICE), ("account_ip", f"203.0.113.7|{ALICE}")])
def test_an_unknown_address_is_met_by_account_decisions_only(scope: str, value: str) -> None:
    """An attempt behind a proxy of ours is in no network, not even in one that an owner is excepted for."""
    index = DecisionIndex(ALWAYS)
    index.put(decision(scope, value, **({"except_": (HOME,)} if scope == "account" else {})))
    found = index.refusing(make_attempt(address="", network="", account=ALICE))
    assert (found is not None) == (scope == "account")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_index_finds_what_trying_all_of_them_finds(data: st.DataObject) -> None:
    """However decisions come and go, whatever was asked in between."""
    values = [("ip", "203.0.113.7"), ("range", "203.0.113.0/24"), ("range", "203.0.0.0/16"), ("range", "2001:db8:1::/48")]
    values += [("account", ALICE), ("account_ip", f"203.0.113.7|{ALICE}"), ("account_ip", f"203.0.113.0/24|{ALICE}")]
    asked = [make_attempt(address=a) for a in ("203.0.113.7", "203.0.113.8", "203.0.9.9", "2001:db8:1:2::/64", "")]
    index, known = DecisionIndex(ALWAYS), dict[str, Decision]()
    for _ in range(data.draw(st.integers(1, 12))):
        number = data.draw(st.integers(0, len(values) - 1))
        made = decision(*values[number], decision_id=str(number))
        if data.draw(st.booleans()):
            index.put(made)
            known[made.decision_id] = made
        else:
            index.remove(made.decision_id)
            known.pop(made.decision_id, None)
        for attempt in asked:
            expected = {each.decision_id for each in known.values() if refuses(each, attempt)}
            assert {each.decision_id for each in index.matching(attempt)} == expected
            found = index.refusing(attempt)
            assert (found.decision_id in expected) if found is not None else not expected


def test_index_sees_the_latest_state() -> None:
    """Putting a lifted decision replaces the one that held."""
    index = DecisionIndex(ALWAYS)
    made = decision()
    index.put(made)
    index.put(msgspec.structs.replace(made, lifted=T0 + 30))
    assert index.refusing(make_attempt()) is None
