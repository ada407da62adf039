"""Forgetting an account: what the leader removes when somebody asks for it (GDPR article 17)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from models.decisions import Decision, parts_of
from models.ids import stable_id
from models.ledger import Ledger
from models.lists import ListEntry
from models.orders import Audit

__all__ = ["FORGET_PREFIX", "SCHEMA", "Forget", "forget", "names"]

SCHEMA: Final = "forget/1"
#: Begins the keys of such orders on ``auth.control``.
FORGET_PREFIX: Final = "forget/"


class Forget(msgspec.Struct, frozen=True, kw_only=True):
    """An order to forget ``account`` (a key). ``ts`` is UTC seconds, ``by`` the name of the key that ordered it."""

    ts: float
    by: str
    account: str

    @property
    def key(self) -> str:
        """Its key on ``auth.control``; an order sent twice is one."""
        return FORGET_PREFIX + stable_id(self.account)


def names(decision: Decision, account: str) -> bool:
    """Whether a decision is on ``account``, or excepts it."""
    is_on = parts_of(decision.scope, decision.value).get("account") == account
    return is_on or any(account in clause.accounts for clause in decision.except_)


def forget(order: Forget, ledger: Ledger, entries: Iterable[ListEntry], now: float) -> tuple[list[str], list[str], list[Audit]]:
    """Take everything that names the account out of ``ledger``, whether it has ended or not.

    Returns:
        The ids of those decisions and the keys of those of ``entries`` that name it, all of which become tombstones; and a note on
        each decision that held at ``now``, in which the account is not named.
    """
    gone = [decision for decision in ledger if names(decision, order.account)]
    for decision in gone:
        ledger.load(decision.decision_id, None)
    notes = [
        Audit(ts=now, decision_id=decision.decision_id, action="forget", by=order.by, reason="the account is forgotten")
        for decision in gone
        if decision.holds(now)
    ]
    return [decision.decision_id for decision in gone], [entry.key for entry in entries if entry.account == order.account], notes
