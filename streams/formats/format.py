"""What a log format is: data that says how the lines of one program become attempts.

A format names its rules in order; the first rule whose pattern matches the start of a message decides. Patterns take
linear time (no quantifier inside another over the same text) and are anchored from the end of the line where a client's
text stands in front of the address, because a user name may look like the rest of the line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from re import Pattern
from typing import Literal

__all__ = ["Format", "Role", "Rule", "Sample"]

#: One attempt can leave several lines, which share a connection. ``attempt``: the line is a whole attempt. ``opening``:
#: it is one too, and the first failure after it is the same one. ``closing``: it is an attempt only if the connection
#: has shown none. ``hint``: no attempt, but says why the connection's next one fails.
Role = Literal["attempt", "opening", "closing", "hint"]


@dataclass(frozen=True, slots=True)
class Rule:
    """How one kind of line is read.

    Attributes:
        role: What the line means among the others of its connection.
        pattern: Its groups are named like AuthEvent's fields; ``times`` is a number of equal attempts.
        fields: What holds for every such line.
        values: By field, what a captured text stands for; other texts are taken as they are.
    """

    role: Role
    pattern: Pattern[str]
    fields: Mapping[str, object] = field(default_factory=dict)
    values: Mapping[str, Mapping[str | None, object]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """A line and the fields that come out of it; ``None``: it is no log-in."""

    line: str
    fields: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Format:
    """One program's log.

    Attributes:
        name: Value of ``crible ingest --format``.
        provenance: Where the patterns come from.
        gaps: What the log does not say or we do not read.
        tags: Syslog tags of the program; the rules see the message after the tag.
        own_tags: Words that start a line in the program's own log file; the rules see them too.
        connection: What lines of one connection have in common: the logging process or ``session_id``.
        rules: In the order in which they are tried.
        samples: Written by us, for tests and documentation.
    """

    name: str
    provenance: str
    gaps: str
    tags: frozenset[str]
    own_tags: frozenset[str]
    connection: Literal["process", "session_id"]
    rules: tuple[Rule, ...]
    samples: tuple[Sample, ...]
