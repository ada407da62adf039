"""models.why: one sentence each for support and the customer, about whom is asked and nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from models.decisions import Decision, join_value
from models.lists import ListEntry
from models.why import Asked, answers
from tests.factories import T0, ban

ALICE, BOB = "alice@example.org", "bob@example.org"
ADDRESS = "203.0.113.7"


def pair(address: str = ADDRESS, account: str = ALICE, **changes: object) -> Decision:
    return ban(join_value(address, account), scope="account_ip", **changes)


def found(asked: Asked, *decisions: Decision) -> list[str | None]:
    return [answer.decision_id for answer in answers(asked, decisions, [], set())]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Asked(account=ALICE), ["pair", "guard"]),
        (Asked(address=ADDRESS), ["ip", "range"]),
        (Asked(address="203.0.113.8"), ["range"]),
        (Asked(account=ALICE, address=ADDRESS), ["ip", "range", "pair", "guard"]),
        (Asked(account=ALICE, address="198.51.100.1"), ["guard"]),
        (Asked(account=BOB), []),
    ],
)
def test_who_is_meant(asked: Asked, expected: list[str]) -> None:
    """An account, an address, or both; an address alone tells nothing of the accounts behind it."""
    held = {
        "ip": ban(ADDRESS, until=T0 + 400),
        "range": ban("203.0.113.0/24", until=T0 + 300),
        "pair": pair(until=T0 + 200),
        "guard": ban(ALICE, scope="account", type="guard", until=T0 + 100),
        "notice": pair(type="notify"),
        "other program": ban(join_value("curl"), scope="device"),
    }
    assert found(asked, *held.values()) == [held[name].decision_id for name in expected]


def test_a_reference_finds_what_it_was_given_for() -> None:
    """A decision of any scope, or an entry of the block list."""
    wide = ban(join_value("64500", "curl"), scope="asn_device")
    assert found(Asked(ref=wide.decision_id[:12]), ban(ADDRESS), wide) == [wide.decision_id]
    assert found(Asked(ref=wide.decision_id[:11]), wide) == []
    entry = ListEntry(list="block", address=ADDRESS, ts=T0, until=T0 + 60, reason="a thief", by="anne")
    (answer,) = answers(Asked(ref=entry.reference), [], [entry], set())
    assert answer.support.en == f"{ADDRESS} is on the block list until 2026-03-03 00:01 UTC, put there by anne: a thief."


def test_support_reads_who_until_when_and_why() -> None:
    """In one sentence, in both languages, without the account's name."""
    (answer,) = answers(Asked(account=ALICE), [pair(scenario="brute_force", reason="40 wrong passwords")], [], set())
    assert answer.support.en == (
        "Log-ins from 203.0.113.7 to this account are refused, from 2026-03-02 23:59 UTC to 2026-03-03 01:00 UTC:"
        " many passwords against one account (40 wrong passwords)."
    )
    assert answer.support.fr == (
        "Les connexions depuis 203.0.113.7 vers ce compte sont refusées, du 2026-03-02 23:59 UTC au 2026-03-03 01:00 UTC :"
        " beaucoup de mots de passe essayés contre un compte (40 wrong passwords)."
    )


def test_the_customer_reads_nothing_of_the_method() -> None:
    """Neither kind nor evidence nor address: only the end, and what he can do."""
    (answer,) = answers(Asked(account=ALICE), [pair(scenario="brute_force", reason="40 wrong passwords")], [], set())
    for sentence in (answer.customer.en, answer.customer.fr):
        assert "2026-03-03 01:00 UTC" in sentence
        assert not any(word in sentence for word in ("40", "brute", ADDRESS, "alice"))


def test_what_is_not_carried_out_is_said_last_and_so() -> None:
    """Shadow, proposed and suspended refuse nobody; the customer hears that it is not us."""
    shadow, stopped, enforced = pair(mode="shadow", until=T0 + 900), pair(until=T0 + 800), pair(until=T0 + 700)
    first, second, third = answers(Asked(account=ALICE), [shadow, stopped, enforced], [], {stopped.decision_id})
    assert [first.state, second.state, third.state] == ["enforced", "not enforced", "suspended"]
    assert "only shadow" in second.support.en
    assert "enforcement is stopped" in third.support.en
    assert second.customer == third.customer
    assert "Nothing refuses" in second.customer.en


@pytest.mark.parametrize("scope", ["account_device", "range_device", "account_protocol", "asn", "country", "protocol"])
def test_every_scope_has_its_words(scope: str) -> None:
    """What a person cut is explained by its reference."""
    values = {
        "account_device": join_value(ALICE, "ua:x"),
        "range_device": join_value("203.0.113.0/24", "ua:x"),
        "account_protocol": join_value(ALICE, "pop3"),
        "asn": "64500",
        "country": "BR",
        "protocol": "pop3",
    }
    wide = replace(ban(ADDRESS), scope=scope, value=values[scope])
    (answer,) = answers(Asked(ref=wide.decision_id[:12]), [wide], [], set())
    assert values[scope].split("|")[-1] in answer.support.fr


def test_what_is_cut_widely_is_told_unless_it_cannot_be_meant() -> None:
    """Where nobody knows where the customer comes from, support hears of it and asks him."""
    cuts = [
        ban("BR", scope="country"),
        ban("64500", scope="asn"),
        ban("imap", scope="protocol"),
        ban("FR", scope="country", mode="shadow"),
    ]

    def told(**asked: Any) -> set[str]:
        found = answers(Asked(account="a@example.org", **asked), cuts, [], set())
        return {decision.value for decision in cuts if decision.decision_id in {answer.decision_id for answer in found}}

    assert told() == {"BR", "64500", "imap"}
    assert told(address="192.0.2.7", country="FR", asn=64501) == {"imap"}
    assert told(address="192.0.2.7", country="BR", asn=64500) == {"BR", "64500", "imap"}
