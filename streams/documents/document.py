"""What a JSON log-in record is: data that says where in it the fields of an attempt stand.

A document names its rules in order; the first rule whose conditions hold decides. A *path* is a dotted name. It goes through
objects, through text that is JSON or ``key="value"`` pairs itself, and through lists: of ``{"name": …, "value": …}``, or ``key``
for ``name``, the item with that name, of other objects all items. What is compared or looked up is compared as text without
regard to case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from re import Pattern
from typing import Any, Final

__all__ = ["OTHER", "Document", "Fields", "Rule", "Sample", "Values", "any_of", "codes"]

#: In a table of ``values``: every text that is not named.
OTHER: Final = "*"

#: By field of an event: the path, or several.
Fields = dict[str, str | tuple[str, ...]]
#: By text or field: what it stands for.
Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Rule:
    """How one kind of record is read.

    Attributes:
        when: Conditions, all of which hold: path, and the texts that may stand there; ``None``: something does.
        fields: Where the event's fields stand; of several paths the first that has something. A name that no event has is
            kept as an attribute.
        values: By field, what a text stands for. With a table the first path whose text is in it wins; what is not in it stands for
            ``OTHER``'s value, or nothing. ``success`` that stands for ``None``: no attempt, or not its end.
        constants: What a field is where the record does not say.
        is_local: A time without a zone is the local time of ``--tz``, not UTC.
        sentences: Conditions too: path, and the pattern of the text that stands there. Their groups are found at ``@name``.
    """

    when: Mapping[str, frozenset[str] | None]
    fields: Fields = field(default_factory=dict)
    values: Mapping[str, Values] = field(default_factory=dict)
    constants: Values = field(default_factory=dict)
    is_local: bool = False
    sentences: Mapping[str, Pattern[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """A record and the fields that come out of it; ``None``: it is no log-in."""

    record: Mapping[str, Any]
    fields: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Document:
    """One source of JSON records.

    Attributes:
        name: Value of ``crible ingest --format``.
        provenance: Where the fields and codes are documented.
        gaps: What the records do not say or we do not read.
        rules: In the order in which they are tried.
        samples: Written by us, for tests and documentation.
        each: Name of a list in the record, each of whose items is read together with what surrounds it.
        is_common: A schema of many programs, asked after the programs' own.
    """

    name: str
    provenance: str
    gaps: str
    rules: tuple[Rule, ...]
    samples: tuple[Sample, ...]
    each: str = ""
    is_common: bool = False


def any_of(texts: str) -> frozenset[str]:
    """A condition's texts, written with spaces between them.

    >>> sorted(any_of("LOGIN LOGIN_ERROR"))
    ['login', 'login_error']
    """
    return frozenset(texts.lower().split())


def codes(meanings: Mapping[str, str]) -> dict[str, object]:
    """A table of ``values`` from its inverse: what the codes, separated by spaces, mean.

    >>> codes({"credentials": "50126 InvalidUserNameOrPassword"})
    {'50126': 'credentials', 'invalidusernameorpassword': 'credentials'}
    """
    return {code.lower(): meaning for meaning, listed in meanings.items() for code in listed.split()}
