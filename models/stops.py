"""The kill switch: what a person has suspended. A suspended decision is not lifted; it is carried out again after ``resume``."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from models.alerts import Kind
from models.policy import Scope

__all__ = ["MAX_REASON", "NO_STOPS", "SCHEMA", "Reason", "Stop", "Stops"]

SCHEMA: Final = "stops/1"
MAX_REASON: Final = 300

#: What a person says about an order; whoever shows it escapes it.
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_REASON)]


class Stop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One order to stop: decisions of ``kind`` or of ``scope``, everything where it names neither.

    ``ts`` is UTC seconds, ``by`` the name of the key with which it was ordered.

    Raises:
        ValueError: It names a kind and a scope; two orders can do that.

    >>> Stop(ts=0, by="ops", reason="drill", scope="range").target
    'scope range'
    """

    ts: float
    by: str
    reason: Reason
    kind: Kind | None = None
    scope: Scope | None = None

    def __post_init__(self) -> None:
        if self.kind is not None and self.scope is not None:
            raise ValueError("a stop names a kind or a scope, not both")

    @property
    def target(self) -> str:
        """What it stops, in words."""
        return f"kind {self.kind}" if self.kind else f"scope {self.scope}" if self.scope else "all"


class Stops(msgspec.Struct, frozen=True):
    """The orders in force, one for each target."""

    stops: tuple[Stop, ...] = ()

    @property
    def everything(self) -> bool:
        """Whether nothing at all may be carried out."""
        return any(stop.kind is None and stop.scope is None for stop in self.stops)

    @property
    def targets(self) -> list[str]:
        """What is stopped, in words."""
        return [stop.target for stop in self.stops]

    def with_stop(self, stop: Stop) -> Stops:
        """These and ``stop``, which takes the place of an earlier one on the same target.

        >>> twice = NO_STOPS.with_stop(Stop(ts=0, by="a", reason="x")).with_stop(Stop(ts=1, by="b", reason="y"))
        >>> twice.targets, twice.stops[0].by
        (['all'], 'b')
        """
        return Stops((*(old for old in self.stops if old.target != stop.target), stop))

    def suspend(self, kind: Kind, scope: Scope) -> bool:
        """Whether a decision about an alert of ``kind``, on ``scope``, is suspended.

        >>> ranges = Stops((Stop(ts=0, by="ops", reason="a geo file is wrong", scope="range"),))
        >>> ranges.suspend("password_spray", "range"), ranges.suspend("password_spray", "ip")
        (True, False)
        """
        return self.everything or any(kind == stop.kind or scope == stop.scope for stop in self.stops)


NO_STOPS: Final = Stops()
