"""What a log format is: data that says how the lines of one program become attempts.

A format names its rules in order; the first rule whose pattern matches the start of a message decides. Patterns take
linear time (no two quantifiers that can share a text) and are anchored at both ends of what the program writes, because a
user name may look like the rest of the line. Where a line can still be read in two ways it is refused: a wrong address is
worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from re import Pattern
from typing import Final, Literal

__all__ = ["ADDRESS", "HOST", "Format", "Role", "Rule", "Sample"]

#: What may be an address; the event's own check decides. A full stop or colon behind it is the sentence's.
ADDRESS: Final = r"[0-9A-Fa-f.:]{0,45}(?:[0-9A-Fa-f]|::)(?:%[\w.-]{1,16})?"
#: The same where a port may follow, ``\[?(?P<remote>{HOST})\]?(?::\d+)?``: of ``192.0.2.1:80`` the port is no part.
HOST: Final = rf"(?:::[Ff]{{4}}:)?\d+\.\d+\.\d+\.\d+|{ADDRESS}"

#: One attempt can leave several lines. Of one connection, in this order and each optional: ``opening`` (a name was given),
#: ``asked`` (a password was asked for), ``checked`` (a part of the program found it wrong), ``attempt`` (the outcome); the
#: first of them counts, and the first of each later kind is the same attempt. ``closing``: an attempt only if its connection
#: has shown none; ``end``: the same, and the process takes the next. ``repeated``: said again with each message that the
#: connection brings. ``echo``: written for another program about an attempt at it; an attempt only if that program stays
#: silent, and without an address only the reason of one. ``told``: no attempt; what it captures belongs to later lines with the
#: same ``conn``. ``over``: no attempt; there are no more lines with this ``conn``.
Role = Literal["opening", "asked", "checked", "attempt", "closing", "end", "repeated", "echo", "told", "over"]


@dataclass(frozen=True, slots=True)
class Rule:
    """How one kind of line is read.

    Attributes:
        role: What the line means among the others about the same attempt.
        pattern: Its groups are named like AuthEvent's fields; ``times`` is a number of equal attempts, ``time`` a time that
            does not start the line, ``forwarded`` the hops behind ``remote``, ``conn`` the program's own number of a connection.
        fields: What holds for every such line.
        values: By field, what a captured text stands for. Other texts are taken as they are, but a protocol that is not
            named is the format's, and a reason that is not named is unknown.
        front: Clients reach another server through this one, whose lines about the same attempt are left out. An ``echo`` of a
            front is the second of its own lines about an attempt.
        ambiguous: Where this is found in the line, the line could name two addresses and is refused.
    """

    role: Role
    pattern: Pattern[str]
    fields: Mapping[str, object] = field(default_factory=dict)
    values: Mapping[str, Mapping[str | None, object]] = field(default_factory=dict)
    front: bool = False
    ambiguous: Pattern[str] | None = None


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
        protocol: What clients speak with it, where neither the tag nor the line says so.
        tags: Matches the syslog tags of the program in full; a group that took part is named like the protocol.
        words: Each line that counts has one of them; lines without a known tag are tried if they have.
        rules: In the order in which they are tried; they see the message after the tag.
        samples: Written by us, for tests and documentation.
        own_tags: The same for tags that the rules see too, because the program's own file starts its lines with them.
        anywhere: Matches the start of its messages, whatever program logs them.
        connection: What lines of one connection have in common: the logging process or ``session_id``; None if nothing.
        is_common: What many programs write, tried after the programs' own.
    """

    name: str
    provenance: str
    gaps: str
    protocol: str
    tags: Pattern[str]
    words: tuple[str, ...]
    rules: tuple[Rule, ...]
    samples: tuple[Sample, ...]
    own_tags: Pattern[str] | None = None
    anywhere: Pattern[str] | None = None
    connection: Literal["process", "session_id"] | None = None
    is_common: bool = False
