"""Keyed pseudonyms for what leaves the provider: an analyst elsewhere sees that two alerts are about the same account or
address, and not which; who has the key can tell.

Without the key a pseudonym says nothing, though there are few addresses and many lists of accounts to try: it is a keyed hash
(BLAKE2b, RFC 7693). Ids of alerts and events are hashes of what they are about that anyone can compute, so they are replaced
too. Provider, country, protocol and groups stay: they name nobody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final, Literal

import msgspec

from models.alerts import Alert, Reason

__all__ = ["LEAST_KEY_BYTES", "Pseudonyms"]

LEAST_KEY_BYTES: Final = 32
_DIGEST_BYTES: Final = 10
_ID_BYTES: Final = 16

What = Literal["account", "address", "device", "id"]


class Pseudonyms:
    """Pseudonyms under one ``secret``; another secret gives others.

    Raises:
        ValueError: The secret is shorter than 32 bytes.

    >>> Pseudonyms(b"k" * 32).of("address", "203.0.113.7")
    'address-257575b05e38d44030b2'
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < LEAST_KEY_BYTES:
            raise ValueError(f"a secret has at least {LEAST_KEY_BYTES} bytes")
        self._key = blake2b(secret, digest_size=32).digest()

    def of(self, what: What, text: str) -> str:
        """What stands for ``text``."""
        size = _ID_BYTES if what == "id" else _DIGEST_BYTES
        content = text.encode("utf-8", "surrogatepass")
        digest = blake2b(content, digest_size=size, key=self._key, person=what.encode()).hexdigest()
        return digest if what == "id" else f"{what}-{digest}"

    def names(self, alert: Alert) -> dict[str, str]:
        """Everything in ``alert`` that is replaced, and by what."""
        subject, evidence = alert.subject, alert.evidence
        named: list[tuple[What, str | None]] = [
            ("account", subject.account),
            ("address", subject.ip),
            ("address", subject.network),
            ("device", subject.device),
            ("id", subject.campaign),
            ("id", alert.alert_id),
            ("id", alert.campaign_id),
            *(("address", address) for address in evidence.addresses),
            *(("id", event_id) for event_id in evidence.event_ids),
        ]
        return {text: self.of(what, text) for what, text in named if text is not None}

    def alert(self, alert: Alert) -> Alert:
        """``alert`` with pseudonyms, in the sentences of its reasons too."""
        names, subject, evidence = self.names(alert), alert.subject, alert.evidence
        return msgspec.structs.replace(
            alert,
            alert_id=names[alert.alert_id],
            campaign_id=_replaced(alert.campaign_id, names),
            subject=msgspec.structs.replace(
                subject,
                account=_replaced(subject.account, names),
                ip=_replaced(subject.ip, names),
                network=_replaced(subject.network, names),
                device=_replaced(subject.device, names),
                campaign=_replaced(subject.campaign, names),
            ),
            evidence=msgspec.structs.replace(
                evidence,
                addresses=[names[address] for address in evidence.addresses],
                event_ids=[names[event_id] for event_id in evidence.event_ids],
            ),
            reasons=[msgspec.structs.replace(reason, text=_in_sentence(reason, names)) for reason in alert.reasons],
        )


def _replaced(text: str | None, names: Mapping[str, str]) -> str | None:
    return None if text is None else names[text]


def _in_sentence(reason: Reason, names: Mapping[str, str]) -> str:
    """The sentence of ``reason``, in which whole words are replaced: somebody's account may be called "a"."""
    longest_first = sorted(names, key=len, reverse=True)
    words = "|".join(re.escape(name) for name in longest_first if name)
    return re.sub(rf"(?<![\w.@-])(?:{words})(?![\w@-])", lambda found: names[found[0]], reason.text)
