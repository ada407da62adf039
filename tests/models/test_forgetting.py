"""Forgetting takes away all that names an account, and nothing else."""

from __future__ import annotations

from models.accounts import Groups
from models.decisions import Except, join_value
from models.forgetting import Forget, forget
from models.ledger import Ledger
from models.lists import ListEntry
from models.policy import Policy
from tests.factories import T0, ban

ALICE, ADDRESS = "alice@example.org", "203.0.113.7"


def test_what_names_the_account_is_forgotten() -> None:
    """Pairs, guards, exceptions and entries of lists; only of what held there is a note, which does not say who it was."""
    held = [
        ban(join_value(ADDRESS, ALICE), scope="account_ip"),
        ban(join_value(ALICE), scope="account", type="guard"),
        ban("203.0.113.0/24", scope="range", except_=(Except(accounts=(ALICE, "bob@example.org")),)),
    ]
    ended = ban(join_value("203.0.113.8", ALICE), scope="account_ip", until=T0 + 1)
    others = [ban(join_value(ADDRESS, f"not-{ALICE}"), scope="account_ip"), ban(ADDRESS)]
    ledger = Ledger(Policy.default(), Groups())
    for decision in (*held, ended, *others):
        ledger.load(decision.decision_id, decision)
    entries = [
        ListEntry(list=name, address=address, account=account, ts=T0, until=T0, reason="", by="anne")
        for name, address, account in (("block", "", ALICE), ("allow", ADDRESS, ALICE), ("allow", ADDRESS, ""))
    ]
    gone, keys, notes = forget(Forget(ts=T0, by="ops", account=ALICE), ledger, entries, T0 + 10)
    assert set(gone) == {decision.decision_id for decision in (*held, ended)}
    assert keys == [entry.key for entry in entries[:2]]
    assert {note.decision_id for note in notes} == {decision.decision_id for decision in held}
    assert ALICE not in repr(notes)
    assert list(ledger) == others


def test_the_key_of_an_order_does_not_name_the_account() -> None:
    """Keys stay on a compacted topic longer than values."""
    order = Forget(ts=T0, by="ops", account=ALICE)
    assert order.key.startswith("forget/")
    assert "alice" not in order.key
