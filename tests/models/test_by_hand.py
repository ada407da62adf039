"""models.by_hand: what a person may decide, and what holds against a person too."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from models.accounts import AccountDirectory
from models.by_hand import Asked, made_by_hand, objection, reopening_of
from models.decisions import Decision, decision_id, refuses
from models.policy import Policy
from tests.factories import DAY_S, HOUR_S, T0, failure

POLICY = Policy(version="7", protected_groups=frozenset({"health"}), never_block=("198.51.100.0/24",))
ACCOUNTS = AccountDirectory("example.org")


def asked(scope: str, value: str, **fields: Any) -> Asked:
    return msgspec.convert({"scope": scope, "value": value, "for_s": HOUR_S, "reason": "a drill"} | fields, Asked)


def made(scope: str, value: str, **fields: Any) -> Decision:
    return made_by_hand(asked(scope, value, **fields), "anne", T0, POLICY, ACCOUNTS)


def test_a_decision_by_hand_is_a_decision() -> None:
    """Enforced whatever the policy lets alerts do, with who made it and why, and an id by the contract's rule."""
    decision = made("country", "br", protocols=("imap", "imap"), kind="credential_stuffing", campaign_id="c")
    assert (decision.origin, decision.type, decision.mode, decision.value) == ("operator", "ban", "enforce", "BR")
    assert (decision.start, decision.until, decision.duration) == (T0 + 10, T0 + 10 + HOUR_S, "1h0m0s")
    assert (decision.reason, decision.scenario, decision.campaign_id) == ("a drill (anne)", "credential_stuffing", "c")
    assert (decision.protocols, decision.alert_ids, decision.impact.legit_accounts) == (("imap",), (), None)
    assert decision_id(decision) == decision.decision_id
    assert refuses(decision, failure(T0 + 11, country="BR"))
    assert not refuses(decision, failure(T0 + 11, country="BR", protocol="pop3"))


@pytest.mark.parametrize(
    ("scope", "value", "written"),
    [
        ("ip", "203.0.113.7", ("ip", "203.0.113.7")),
        ("ip", "2001:db8:1:2::3", ("range", "2001:db8:1:2::/64")),
        ("range", "203.0.113.9/24", ("range", "203.0.113.0/24")),
        ("account", " Bob@Example.org ", ("account", "bob@example.org")),
        ("account", "a|b%", ("account", "a%7Cb%25@example.org")),
        ("account_ip", "203.0.113.7|bob", ("account_ip", "203.0.113.7|bob@example.org")),
        ("account_protocol", "a|b|imap", ("account_protocol", "a%7Cb@example.org|imap")),
        ("asn", "AS64500", ("asn", "64500")),
        ("protocol", "pop3", ("protocol", "pop3")),
    ],
)
def test_values_are_written_as_attempts_are_counted(scope: str, value: str, written: tuple[str, str]) -> None:
    """As a person types them."""
    decision = made(scope, value)
    assert (decision.scope, decision.value) == written


@pytest.mark.parametrize(
    ("scope", "value", "fields"),
    [
        ("ip", "nonsense", {}),
        ("account_ip", "203.0.113.7", {}),
        ("account_ip", "bob|203.0.113.7", {}),
        ("account_protocol", "bob", {}),
        ("account_protocol", "bob|gopher", {}),
        ("asn", "a lot", {}),
        ("asn", "0", {}),
        ("asn", "²", {}),
        ("country", "Brazil", {}),
        ("country", "é1", {}),
        ("protocol", "gopher", {}),
        ("ip", "203.0.113.7", {"protocols": ("gopher",)}),
        ("ip", "203.0.113.7", {"for_s": 8 * DAY_S}),
        ("ip", "203.0.113.7", {"for_s": 59}),
        ("ip", "203.0.113.7", {"reason": ""}),
        ("ip", "203.0.113.7", {"attack_s": 8 * DAY_S}),
        ("ip", "203.0.113.7", {"type": "guard"}),
        ("device", "ua:x", {}),
        ("asn_device", "64500|ua:x", {}),
        ("asn", "64500", {"for_s": DAY_S + 1}),
        ("country", "BR", {"for_s": DAY_S + 1}),
        ("protocol", "imap", {"for_s": DAY_S + 1}),
    ],
)
def test_what_a_person_may_not_decide(scope: str, value: str, fields: dict[str, Any]) -> None:
    """A value that is none, devices, and ends too far away: within a day for what is wide."""
    with pytest.raises(ValueError):  # noqa: PT011 (by the core, or by the reader of its record)
        made(scope, value, **fields)


@pytest.mark.parametrize("value", ["198.51.100.7", "10.0.0.1", "0.0.0.0/0", "203.0.0.0/15"])
def test_the_never_block_set_holds_for_people(value: str) -> None:
    """What the operator put there, private space, and what is too wide."""
    assert "never-block" in (objection(made("range", value), POLICY, T0, spared=False) or "")


def test_the_allow_list_and_the_clock_hold_for_people() -> None:
    """Who was let in is not refused by another person unseen; an order that waited too long is not carried out."""
    decision = made("ip", "203.0.113.7")
    assert objection(decision, POLICY, T0, spared=False) is None
    assert "allow list" in (objection(decision, POLICY, T0, spared=True) or "")
    assert "passed" in (objection(decision, POLICY, decision.until, spared=False) or "")


@pytest.mark.parametrize(("scope", "value"), [("asn", "64500"), ("country", "BR"), ("protocol", "imap")])
def test_what_is_wide_comes_with_its_reopening(scope: str, value: str) -> None:
    """The protected groups are let in from the start; what is narrow has none."""
    decision = made(scope, value)
    reopening = reopening_of(decision, POLICY, T0 - HOUR_S)
    assert reopening is not None
    assert (reopening.decision_id, reopening.until) == (decision.decision_id, decision.until)
    assert (reopening.protected_groups, reopening.shares) == (("health",), (100, 0, 0, 0))
    assert reopening_of(made("account", "bob"), POLICY, T0) is None
