"""Notices: what the provider's mailer is to tell the owner of an account (``auth.notices``).

A notice comes of an enforced decision to ``notify``, once: that the next hour's alert extends it is no news. It names no device,
which is the client's own text, and nothing of how attacks are found. The mailer needs nothing but the record, and sends it once
per ``decision_id``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from models.alerts import Kind
from models.decisions import Decision, parts_of
from models.why import Sentences

__all__ = ["SCHEMA", "Notice", "notices_of"]

SCHEMA: Final = "notice/1"

#: What the owner reads, by what was noticed.
_TEXTS: Final[dict[Kind, Sentences]] = {
    "stale_password": Sentences(
        "A program of yours keeps trying an old password from {address}: enter the new one there."
        " Your account and your mail are safe.",
        "Un de vos programmes essaie sans cesse un ancien mot de passe depuis {address} : saisissez-y le nouveau."
        " Votre compte et vos messages sont en sûreté.",
    ),
    "token_failure": Sentences(
        "A program of yours may no longer open your mailbox: sign in to it again. Your account and your mail are safe.",
        "Un de vos programmes n'a plus accès à votre boîte : reconnectez-le. Votre compte et vos messages sont en sûreté.",
    ),
}


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell the owner of ``account``; ``ts`` is that of the alert, UTC seconds."""

    decision_id: str
    account: str
    ts: float
    kind: Kind
    text: Sentences


def notices_of(made: Iterable[Decision], ts: float) -> list[Notice]:
    """What an alert at ``ts``, UTC seconds, that ``made`` these decisions gives to tell."""
    found = []
    for decision in made:
        text = _TEXTS.get(decision.scenario) if decision.type == "notify" and decision.mode == "enforce" else None
        if text is None or len(decision.alert_ids) > 1 or decision.lifted is not None:
            continue
        parts = parts_of(decision.scope, decision.value)
        told = Sentences(*(sentence.format(address=parts.get("address", "")) for sentence in (text.en, text.fr)))
        found.append(Notice(decision_id=decision.decision_id, account=parts["account"], ts=ts, kind=decision.scenario, text=told))
    return found
