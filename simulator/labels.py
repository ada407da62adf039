"""What the simulator knows about each event: who really made it (contract section 5, ``labels.ndjson``)."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Kind", "Label", "Trait", "encode_label"]

Kind = Literal["benign", "brute_force", "password_spray", "credential_stuffing", "account_takeover", "login_flood"]
Trait = Literal["stale_password", "shared_source", "backend_outage"]


class Label(msgspec.Struct, omit_defaults=True, gc=False):
    """The truth about one event.

    ``actor`` is whoever is behind the attempt: the login of an owner, or an attacker with all his addresses.
    ``campaign`` and ``cause`` name the attack that led to it, so a takeover carries those of the stuffing before it.
    ``trait`` says why a benign attempt does not look so. ``password_ok``: did the attacker hold the right password of
    somebody else's mailbox? It is set on attacks, not on log-ins to mailboxes of the attacker's own, and on benign attempts
    only where they were refused, as the event no longer tells.
    """

    label: Kind
    actor: str
    campaign: str | None = None
    cause: Kind | None = None
    trait: Trait | None = None
    password_ok: bool | None = None
    event_id: str = ""


_encoder = msgspec.json.Encoder()


def encode_label(label: Label) -> bytes:
    """One line of ``labels.ndjson``, without the newline.

    >>> encode_label(Label("benign", "anne@mail.example", event_id="07"))
    b'{"label":"benign","actor":"anne@mail.example","event_id":"07"}'
    """
    return _encoder.encode(label)
