"""The cause behind a campaign, in words: what kind of attack it is, with what, and from where.

It is told from what was counted of the strangers and newcomers who failed (:class:`models.campaigns.Mix`), so it says what
attempts have in common and no more: a list of pairs that were leaked elsewhere is known by accounts that do not exist here and by
few tries on each of the others. Where the fields at hand do not tell spraying from stuffing, the cause says that it may be either.
"""

from __future__ import annotations

from typing import Any, Final

from models.alerts import Kind
from models.campaigns import Mix

__all__ = ["FEW_TRIES", "UNKNOWN_SHARE", "kind_of", "told"]

#: Tries per account up to which failing strangers are stuffing or spraying; above, they guess.
FEW_TRIES: Final = 3.0
#: Lists are old: from this share of accounts that do not exist on, it is one; people who type names by hand stay below.
UNKNOWN_SHARE: Final = 0.15
#: What this share of the attempts have in common is the campaign's.
_COMMON: Final = 0.6
#: Device names are the client's claim and may be long; a sentence holds so much of one.
_TOLD_CHARS: Final = 60
_WORDS: Final[dict[Kind, str]] = {
    "credential_stuffing": "a leaked list of logins and passwords, each pair tried about once",
    "password_spray": "a few passwords tried on many accounts",
    "brute_force": "many passwords tried on few accounts",
}


def kind_of(failures: int, unknown: int, first: int, sprays: int, stuffings: int) -> Kind:
    """What kind of attack a campaign is.

    Args:
        failures: Of its strangers and newcomers.
        unknown: How many of them were on accounts that do not exist.
        first: How many were the first on their account for an hour.
        sprays: Members that are spraying by one source.
        stuffings: Members that are stuffing by one source.

    >>> kind_of(300, 100, 290, 0, 0), kind_of(300, 5, 110, 4, 0), kind_of(300, 0, 3, 0, 0)
    ('credential_stuffing', 'password_spray', 'brute_force')
    """
    if failures > FEW_TRIES * max(first, 1):
        return "brute_force"
    if unknown < UNKNOWN_SHARE * failures and sprays > stuffings:
        return "password_spray"
    return "credential_stuffing"


def told(kind: Kind, mix: Mix, addresses: int) -> str:
    """The cause as a sentence.

    Args:
        kind: What :func:`kind_of` says.
        mix: What the attempts carry.
        addresses: Sources that are under alert of their own.

    >>> mix = Mix()
    >>> for asn in range(64500, 64520):
    ...     mix.add(("imap", "BR", asn, "ua:checker"), 1, 5)
    >>> told("credential_stuffing", mix, 0)
    'a leaked list of logins and passwords, each pair tried about once, from 20 providers in BR, by a botnet that shows ua:checker'
    """
    words = _WORDS.get(kind, "attempts")
    return f"{words}, {_from_where(mix, addresses)}, {_with_what(mix)}"


def _from_where(mix: Mix, addresses: int) -> str:
    (country, in_country), (asn, in_asn) = _most(mix, 1), _most(mix, 2)
    if addresses == 1 and in_asn >= _COMMON:
        return f"from one address of AS{asn}"
    if in_asn >= _COMMON:
        return f"from AS{asn}" + (f", {addresses} addresses of it under alert" if addresses else "")
    providers = f"from {sum(1 for value in mix.counts[2] if value)} providers"
    if in_country >= _COMMON:
        return f"{providers} in {country}"
    return f"{providers} in {sum(1 for value in mix.counts[1] if value)} countries"


def _with_what(mix: Mix) -> str:
    device, by_device = _most(mix, 3)
    if by_device < _COMMON:
        return "under the names of many clients"
    if not device:
        return "by clients that do not say what they are"
    shown = str(device)
    shown = shown if len(shown) <= _TOLD_CHARS else f"{shown[:_TOLD_CHARS]}…"
    scattered = _most(mix, 2)[1] < _COMMON
    return f"by a botnet that shows {shown}" if scattered else f"by a client that shows {shown}"


def _most(mix: Mix, dimension: int) -> tuple[Any, float]:
    """The most frequent value of a dimension, of equals the smallest, and its share."""
    counts: dict[Any, float] = mix.counts[dimension]
    if not counts or not mix.total:
        return "", 0.0
    value = min(counts, key=lambda each: (-counts[each], str(each)))
    return value, counts[value] / mix.total
