"""What every habit needs: an attempt of an owner, patience when it is turned away, and the times of visits and polls."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Final, NamedTuple

from simulator.clients import Client
from simulator.habits import Habits
from simulator.labels import Label, Trait
from simulator.networks import Source, utc_offset_h
from simulator.places import Places
from simulator.provider import DAY_S, HOUR_S, Account, Provider
from simulator.timeline import Actor, Step, Timeline
from simulator.week import HOURS_PER_WEEK, is_weekend, week_profile

__all__ = ["Scene", "Update", "Visitor", "WorkingHours"]

_PERIOD_JITTER: Final = (0.97, 1.03)
_RETRY_JITTER: Final = (0.8, 1.2)
_CONNECTION_GAP_S: Final = 0.25
_ON_FOR_H: Final = (10.0, 2.0)
#: An owner's number times this, modulo one, is spread evenly.
_GOLDEN: Final = 0.618033988749895

#: An owner and the client that he looks with.
Visitor = tuple[Account, Client]


class WorkingHours(NamedTuple):
    """When a program is switched on, local time: mean and standard deviation; which share of them also at weekends."""

    on_at_h: float
    deviation_h: float
    weekend_share: float = 1.0


class Update(NamedTuple):
    """A new version of a client that spreads over its users from ``from_ts`` on."""

    client: Client
    from_ts: float
    spread_s: float


@dataclass(slots=True)
class Scene:
    """The provider, its customers' time and places, and the figures they live by.

    ``draw`` is shared by all programs that poll, ``patience`` decides when those come back that were turned away.
    """

    provider: Provider
    timeline: Timeline
    habits: Habits
    places: Places
    start_ts: float
    end_ts: float
    draw: Random
    patience: Random
    updates: dict[Client, Update] = field(default_factory=dict)

    # One attempt

    def step(
        self, ts: float, account: Account, source: Source, client: Client, password: str | None = None, login: str | None = None
    ) -> Step:
        """One attempt of the owner, with the right password unless another is given."""
        event = self.provider.attempt(ts, login or account.login, password or account.password(ts), source, client)
        trait: Trait | None = "shared_source" if source.shared else None
        if not event.success and event.fail_type in {None, "internal"}:
            trait = "backend_outage"
        return event, Label("benign", account.login, trait=trait)

    def attempt(
        self, ts: float, account: Account, source: Source, client: Client, password: str | None = None, login: str | None = None
    ) -> Actor:
        """One attempt; if it is turned away, for whatever reason of ours, the client comes back as it is made to."""
        step = self.step(ts, account, source, client, password, login)
        if (yield step) or step[1].trait == "backend_outage":
            self.timeline.start(self._again(ts, account, source, client, password, login))

    def _again(self, ts: float, account: Account, source: Source, client: Client, password: str | None, login: str | None) -> Actor:
        for pause_s in client.retries_s:
            ts += pause_s * self.patience.uniform(*_RETRY_JITTER)
            step = self.step(ts, account, source, client, password, login)
            if not (yield step) and step[1].trait != "backend_outage":
                return

    def program(self, ts: float, account: Account, source: Source, client: Client, connections: int = 1) -> Actor:
        """A program logs in with what it has stored: the alias and the password of its own, if there are any.

        It opens up to ``connections`` at once, the same number each time.
        """
        client = self.version(account, client, ts)
        for n in range(1 + account.number * 7 % connections):
            yield from self.attempt(ts + n * _CONNECTION_GAP_S, account, source, client, account.app_password, account.alias)

    def version(self, account: Account, client: Client, ts: float) -> Client:
        """``client`` as it is at ``ts``, updates included."""
        update = self.updates.get(client)
        if update is None or ts < update.from_ts + account.number * _GOLDEN % 1 * update.spread_s:
            return client
        return update.client

    # Times

    def visits(self, people: list[Visitor], per_h: float, offset_h: int, draw: Random) -> Iterator[tuple[float, Account, Client]]:
        """Who of those in one time zone visits when: a Poisson process thinned by the hour of the week."""
        habits = self.habits
        profile = week_profile(habits.weekend, habits.monday_morning)
        busiest = max(profile)
        profile = [share / busiest for share in profile]
        weights = list(accumulate(draw.lognormvariate(0, habits.visit_spread) for _ in people))
        rate_per_s = habits.activity * busiest * per_h * len(people) / HOUR_S
        ts = self.start_ts
        while True:
            ts += draw.expovariate(rate_per_s)
            if draw.random() < profile[int(ts / HOUR_S + offset_h) % HOURS_PER_WEEK]:
                account, client = people[bisect(weights, draw.random() * weights[-1])]
                yield ts, account, client

    def ticks(self, account: Account, period_s: float, hours: WorkingHours | None) -> Iterator[float]:
        """When a program logs in: every ``period_s`` while it is on; without ``hours`` it always is."""
        draw, spread_s = self.draw, self.habits.switch_on_spread_s
        offset_h = self.utc_offset_h(account)
        on_h, on_for_h = (draw.gauss(hours.on_at_h, hours.deviation_h), draw.gauss(*_ON_FOR_H)) if hours else (0.0, 24.0)
        closes = hours is not None and account.number * _GOLDEN % 1 >= hours.weekend_share
        ts = self.start_ts + draw.random() * period_s
        while True:
            hours_since_on = (ts / HOUR_S + offset_h - on_h) % 24
            if hours_since_on >= on_for_h:
                ts += (24 - hours_since_on) * HOUR_S
                if spread_s:
                    ts += draw.random() * spread_s
            while closes and is_weekend(ts / HOUR_S + offset_h):
                ts += DAY_S
            yield ts
            ts += period_s * draw.uniform(*_PERIOD_JITTER)

    def utc_offset_h(self, account: Account) -> int:
        """Hours to add to UTC for the local time of an owner."""
        return utc_offset_h(account.access.country, summer=self.habits.summer_time)
