"""Keeps every enforcement point of this instance equal to the decisions, each in a thread of its own.

A point that is slow or away holds up no other. What it was told holds there until its own end; it is told again once a
second until it answers. Nothing is told before all decisions have been read, so that no list is ever empty by mistake; where
everything is stopped an empty list is none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from models.attempts import Resolver
from models.decisions import Decision
from models.errors import CribleError
from models.policy import Policy
from streams import telemetry
from streams.enforcement.crowdsec import CrowdSecPoint
from streams.enforcement.express import Point, count_withheld, withheld
from streams.enforcement.haproxy import HaProxyPoint
from streams.enforcement.nftables import NftablesPoint
from streams.enforcement.nginx import NginxPoint
from streams.enforcement.plain_list import ListPoint
from streams.enforcement.postfix import PostfixPoint
from streams.serve import listen
from streams.settings import CrowdSec, EnforcementPoint, HaProxy, Nftables, Nginx, PlainList, PostfixPolicy
from streams.store import DecisionStore

__all__ = ["Feeder", "feeders"]

_POLL_S: Final = 0.5
#: A point is told again after so long even if nothing changed: it knows what that is good for.
_AGAIN_S: Final = 10.0


class _Point(Protocol):
    @property
    def name(self) -> Point: ...

    @property
    def pause_s(self) -> float:
        """Least time between two changes."""

    def apply(self, decisions: Sequence[Decision], now: float) -> None:
        """Make ``decisions``, and no others of ours, hold at ``now``."""


class Feeder:
    """Tells one point what holds, from the start of a decision to its end.

    Args:
        point: Whom to tell.
        store: What holds.
        clock: The present, UTC seconds.
        ready: Set once the store is complete.
    """

    def __init__(self, point: _Point, store: DecisionStore, clock: Callable[[], float], ready: threading.Event) -> None:
        self.point, self._store, self._clock, self._ready = point, store, clock, ready
        self._told: int | None = None
        self._again_at = 0.0
        self._fails = False

    def run(self, stop: threading.Event) -> None:
        """Tell the point until ``stop``."""
        while not stop.is_set():
            knows = self._ready.is_set() or self._store.stops.everything
            changed = knows and self.step()
            stop.wait(self.point.pause_s if changed else _POLL_S)

    def step(self) -> bool:
        """Tell the point where there is something to tell; whether there was."""
        now = self._clock()
        version = self._store.version(now)
        if version == self._told and now < self._again_at:
            return False
        active = self._store.active(now, lambda _: True)
        given = [decision for decision in active if withheld(self.point.name, decision) is None]
        count_withheld(self.point.name, active)
        try:
            self.point.apply([decision for decision in given if decision.start < now], now)
        except Exception as error:  # whatever it is, the other points and the list over HTTP go on
            self._failed(error)
            return True
        telemetry.POINT_TIMESTAMP_SECONDS.labels(self.point.name).set(now)
        if self._fails:
            self._fails = False
            telemetry.info("point.works", name=self.point.name)
        self._told = version
        starts = (decision.start for decision in given if decision.start >= now)
        self._again_at = min(now + _AGAIN_S, min(starts, default=now + _AGAIN_S))
        return True

    def _failed(self, error: Exception) -> None:
        self._told = None
        telemetry.POINT_FAILURES.labels(self.point.name).inc()
        if not self._fails:
            self._fails = True
            known = isinstance(error, CribleError)  # whose text is ours; another's may quote an address
            telemetry.error("point.failed", error, name=self.point.name, reason=str(error) if known else "")


Work = Callable[[threading.Event], None]


def feeders(
    points: Sequence[EnforcementPoint],
    store: DecisionStore,
    policy: Callable[[], Policy],
    resolver: Resolver,
    clock: Callable[[], float],
    ready: threading.Event,
) -> list[Work]:
    """What has to run, each in its thread until its event is set, for ``points`` to follow ``store``.

    Raises:
        CribleError: A port cannot be listened on.
        InputError: A password file cannot be read.
    """
    work: list[Work] = []
    for settings in points:
        if isinstance(settings, PostfixPolicy):
            postfix = PostfixPoint(policy, resolver, clock)
            work.append(partial(postfix.serve, listen(settings.host, settings.port, "block.points")))
            work.append(Feeder(postfix, store, clock, ready).run)
        else:
            work.append(Feeder(_point(settings), store, clock, ready).run)
    return work


def _point(settings: PlainList | HaProxy | Nginx | Nftables | CrowdSec) -> _Point:
    match settings:
        case PlainList():
            return ListPoint(settings)
        case HaProxy():
            return HaProxyPoint(settings)
        case Nginx():
            return NginxPoint(settings)
        case Nftables():
            return NftablesPoint(settings)
        case CrowdSec():
            return CrowdSecPoint(settings)
