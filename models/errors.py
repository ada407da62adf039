"""What goes wrong, where, and what to do about it.

Every error that can reach a person is a :class:`CribleError`: one line that names the thing, its place
(file and line, or topic/partition/offset) and the way out.
"""

from __future__ import annotations

__all__ = ["CribleError", "InputError"]


class CribleError(Exception):
    """The job failed (exit code 1).

    Args:
        what: What happened, without a full stop.
        where: The place: ``file:line``, ``topic/partition/offset``, a setting's name.
        hint: What the reader can do.

    >>> str(CribleError("no answer", where="127.0.0.1:9092", hint="start it with 'make kafka-up'"))
    "127.0.0.1:9092: no answer; start it with 'make kafka-up'"
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__((f"{where}: " if where else "") + what + (f"; {hint}" if hint else ""))


class InputError(CribleError):
    """The call or its input is wrong (exit code 2)."""

    exit_code = 2
