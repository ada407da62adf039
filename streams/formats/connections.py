"""What the lines of one connection have told: a process writes several lines about one attempt, and the first counts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, NamedTuple

from models.events import AuthEvent
from streams.formats.format import Role

__all__ = ["Connections", "Process"]

#: Host and process number.
Process = tuple[str, str]

#: Connections that are remembered at a time; each takes a few hundred bytes.
_REMEMBERED: Final = 65_536
#: sshd ends an unfinished log-in after two minutes; process numbers come back much later than this.
_KEPT_S: Final = 600.0
#: Kinds of line in which a connection tells of one attempt, first to last.
_STAGES: Final[Mapping[Role, int]] = {"opening": 0, "asked": 1, "checked": 2, "attempt": 3}
#: By stage, a bit for each later one: its next line is about the same attempt.
_LATER: Final = (0b1110, 0b1100, 0b1000, 0)


class _Shown(NamedTuple):
    """What a connection has shown last; ``told``: a bit per stage whose next line is about an attempt that is counted."""

    login: str
    remote: str
    success: bool
    ts: float
    fail_type: str | None
    told: int

    def is_of(self, event: AuthEvent) -> bool:
        """Can ``event`` be of this connection? Process numbers come back, and the end of a connection may name nobody."""
        return (
            self.remote == event.remote
            and self.success == event.success
            and (self.login == event.login or not event.login)
            and abs(event.ts - self.ts) <= _KEPT_S
        )


class Connections:
    """The connections of one file, by process."""

    def __init__(self) -> None:
        self._shown: OrderedDict[Process, _Shown] = OrderedDict()

    def __len__(self) -> int:
        return len(self._shown)

    def has_shown(self, process: Process, ts: float) -> bool:
        """Whether the connection has told of an attempt around ``ts``."""
        shown = self._shown.get(process)
        return shown is not None and abs(ts - shown.ts) <= _KEPT_S

    def new_attempts(self, role: Role, event: AuthEvent, process: Process, times: int) -> int:
        """How many of ``times`` attempts the connection has not told of yet; completes ``event`` by the reason it gave."""
        shown = self._shown.get(process)
        if shown is not None and not shown.is_of(event):
            shown = None
        stage = _STAGES.get(role)
        if stage is None:  # said once: "closing", "end", "repeated"
            if role == "end":
                self._shown.pop(process, None)
            elif shown is None:
                self._remember(process, event, 0)
            return 0 if shown is not None else times
        if event.success:
            self._shown.pop(process, None)
            return times
        told = 0
        if shown is not None:
            told = shown.told
            event.fail_type = shown.fail_type or event.fail_type
        is_told = told >> stage & 1
        self._remember(process, event, told & _LATER[stage] if is_told else _LATER[stage])
        return times - is_told

    def _remember(self, process: Process, event: AuthEvent, told: int) -> None:
        """The oldest goes when the memory is full."""
        shown = self._shown
        shown[process] = _Shown(event.login, event.remote, event.success, event.ts, event.fail_type, told)
        shown.move_to_end(process)
        if len(shown) > _REMEMBERED:
            shown.popitem(last=False)
