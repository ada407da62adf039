"""What customers do on an ordinary day; everything here is benign, and some of it does not look so.

People *visit*: they open the webmail, they look at the telephone. Visits are Poisson, at a rate that follows the hour of
the day, and one actor serves everybody who shares a habit and a time zone, so an idle account costs nothing. Programs
*poll*: one actor for each program that logs in at a fixed period while it is switched on.

Hard to tell from an attack: typing errors, a telephone that keeps the old password, carrier NATs, offices, a fetcher
that opens many mailboxes, owners abroad, health professionals with one old program that never backs off.

To add a habit: write a generator of steps, start it in ``Customers._equip``, and give its figures a field in ``Habits``.
"""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Final, NamedTuple

from simulator.clients import APPS, BROWSERS, DESKTOPS, FETCHER, HEALTH, POP_CLIENTS, SUBMISSION, Client
from simulator.labels import Label
from simulator.networks import HOLIDAY, MOBILE, UTC_OFFSET_H, Source, carrier_nat, fetcher, office
from simulator.provider import DAY_S, HOUR_S, Account, Provider, is_health
from simulator.timeline import Actor, Step, Timeline

__all__ = ["Customers", "Habits"]


@dataclass(frozen=True, slots=True)
class Habits:
    """How customers behave. Shares are of all accounts unless said; visits per hour are at the busiest hour.

    ``activity`` scales all visits. ``typo_share`` is of webmail visits. ``away_share`` is of telephone visits,
    ``nat_share`` of telephones away from home (the others get a new IPv6 /64 every ``attach_s``). Owners in
    ``stale_share`` change their password within ``changes_within_s`` of the start and forget a telephone, which polls
    every ``phone_period_s`` while it works and every ``stale_retry_s`` once it fails. Those in ``travel_share`` leave
    within half a day of the start, before or after it.
    """

    activity: float = 1.0
    webmail_share: float = 0.60
    webmail_visits_per_h: float = 1.3
    typo_share: float = 0.14
    phone_share: float = 0.50
    phone_visits_per_h: float = 1.9
    away_share: float = 0.5
    nat_share: float = 0.5
    attach_s: float = 7200.0
    desktop_share: float = 0.20
    desktop_period_s: float = 900.0
    sends_share: float = 0.08
    office_share: float = 0.03
    pop_share: float = 0.05
    pop_period_s: float = 600.0
    health_period_s: float = 300.0
    fetcher_share: float = 0.02
    fetcher_period_s: float = 1800.0
    stale_share: float = 0.006
    phone_period_s: float = 600.0
    stale_retry_s: float = 200.0
    changes_within_s: float = 7200.0
    travel_share: float = 0.01


#: Relative number of visits by local hour: few at night, a peak in the morning.
_DAY_PROFILE: Final = (
    0.10, 0.05, 0.04, 0.04, 0.06, 0.15, 0.40, 0.70, 0.95, 1.00, 0.95, 0.85,
    0.75, 0.80, 0.80, 0.75, 0.75, 0.80, 0.85, 0.80, 0.75, 0.65, 0.45, 0.25,
)  # fmt: skip
_VISIT_SPREAD: Final = 0.8  #: sigma of the log-normal weights: a few people look all the time

#: When a program is switched on, local time, and for how long: mean and standard deviation.
_ON_AT_H: Final = (8.3, 0.8)
_ON_FOR_H: Final = (10.0, 2.0)
_HEALTH_ON_AT_H: Final = (7.5, 0.5)
_PERIOD_JITTER: Final = (0.97, 1.03)
_PHONE_JITTER: Final = (0.8, 1.2)
_SECOND_TYPO_SHARE: Final = 0.35
_TYPO_PAUSE_S: Final = (3.0, 20.0)
_SEND_PAUSE_S: Final = (1.0, 60.0)
_TRIP_DAYS: Final = (3.0, 10.0)
_PHONES_PER_NAT: Final = 400
_WORKERS_PER_OFFICE: Final = 60
_FETCHER_HOSTS: Final = 4


class _Trip(NamedTuple):
    leaves_ts: float
    returns_ts: float


class Customers:
    """All owners with their programs.

    Args:
        provider: Whose customers they are.
        timeline: Where they act.
        habits: How they behave.
        start_ts: When the simulation starts, UTC seconds.
    """

    def __init__(self, provider: Provider, timeline: Timeline, habits: Habits, start_ts: float) -> None:
        self._provider, self._timeline, self._habits, self._start_ts = provider, timeline, habits, start_ts
        self._trips: dict[int, _Trip] = {}
        phones_behind_nat = len(provider.accounts) * habits.phone_share * habits.nat_share
        self._nats_per_operator = max(1, round(phones_behind_nat / len(MOBILE) / _PHONES_PER_NAT))
        self._office_workers = 0
        self._draw = provider.draws("customers")

    def start(self) -> None:
        """Give every account its programs and start them all."""
        browsing: dict[int, list[tuple[Account, Client]]] = defaultdict(list)
        glancing: dict[int, list[tuple[Account, Client]]] = defaultdict(list)
        draw, habits = self._draw, self._habits
        for account in self._provider.accounts:
            zone = UTC_OFFSET_H[account.access.country]
            if draw.random() < habits.travel_share:
                leaves_ts = self._start_ts + draw.uniform(-DAY_S, DAY_S) / 2
                self._trips[account.number] = _Trip(leaves_ts, leaves_ts + draw.uniform(*_TRIP_DAYS) * DAY_S)
            if draw.random() < habits.webmail_share:
                browsing[zone].append((account, draw.choice(BROWSERS)))
            if draw.random() < habits.phone_share:
                glancing[zone].append((account, draw.choice(APPS)))
            self._equip(account)
        for zone, people in browsing.items():
            self._timeline.start(self._webmail(people, zone))
        for zone, people in glancing.items():
            self._timeline.start(self._phones(people, zone))

    def _equip(self, account: Account) -> None:
        """Start the programs of ``account`` that poll."""
        draw, habits, start = self._draw, self._habits, self._timeline.start
        if is_health(account.number):
            start(self._health(account))
        if draw.random() < habits.office_share:
            desk = office(self._office_workers // _WORKERS_PER_OFFICE)
            self._office_workers += 1
            start(self._desktop(account, draw.choice(DESKTOPS), desk))
        elif draw.random() < habits.desktop_share:
            start(self._desktop(account, draw.choice(DESKTOPS), None))
        if draw.random() < habits.pop_share:
            start(self._pop(account, draw.choice(POP_CLIENTS)))
        if draw.random() < habits.fetcher_share:
            start(self._fetched(account))
        if draw.random() < habits.stale_share:
            account.new_password_ts = self._start_ts + draw.random() * habits.changes_within_s
            start(self._forgotten_phone(account, draw.choice(APPS)))

    # Visits

    def _webmail(self, people: list[tuple[Account, Client]], zone: int) -> Actor:
        """People who type their password into the webmail."""
        draw = self._provider.draws(f"webmail {zone}")
        for ts, account, client in self._visits(people, self._habits.webmail_visits_per_h, zone, draw):
            visit = self._typed(ts, account, client, draw)
            yield next(visit)
            self._timeline.start(visit)

    def _typed(self, ts: float, account: Account, client: Client, draw: Random) -> Actor:
        """One visit: sometimes a wrong password or two before the right one."""
        source = self._abroad(account, ts) or account.home(ts)
        if draw.random() < self._habits.typo_share:
            for _ in range(2 if draw.random() < _SECOND_TYPO_SHARE else 1):
                yield self._step(ts, account, source, client, password=f"slip {draw.getrandbits(16)}")
                ts += draw.uniform(*_TYPO_PAUSE_S)
        yield self._step(ts, account, source, client)

    def _phones(self, people: list[tuple[Account, Client]], zone: int) -> Actor:
        """Telephones that log in when somebody looks at them."""
        draw = self._provider.draws(f"phones {zone}")
        for ts, account, client in self._visits(people, self._habits.phone_visits_per_h, zone, draw):
            yield self._step(ts, account, self._phone_place(account, ts, draw), client)

    def _visits(
        self, people: list[tuple[Account, Client]], per_h: float, zone: int, draw: Random
    ) -> Iterator[tuple[float, Account, Client]]:
        """Who visits when: a Poisson process thinned by the hour of the day."""
        weights = list(accumulate(draw.lognormvariate(0, _VISIT_SPREAD) for _ in people))
        rate_per_s = self._habits.activity * per_h * len(people) / HOUR_S
        ts = self._start_ts
        while True:
            ts += draw.expovariate(rate_per_s)
            if draw.random() < _DAY_PROFILE[int(ts / HOUR_S + zone) % 24]:
                account, client = people[bisect(weights, draw.random() * weights[-1])]
                yield ts, account, client

    # Programs that poll

    def _health(self, account: Account) -> Actor:
        """Practice software: POP at a fixed period through the working day, whatever the answer."""
        for ts in self._ticks(account, self._habits.health_period_s, _HEALTH_ON_AT_H):
            yield self._step(ts, account, account.home(ts), HEALTH)

    def _desktop(self, account: Account, client: Client, desk: Source | None) -> Actor:
        """A mail program on a computer at home, or at ``desk``; now and then it sends a message."""
        draw = self._draw
        for ts in self._ticks(account, self._habits.desktop_period_s, _ON_AT_H):
            source = desk or account.home(ts)
            yield self._step(ts, account, source, client)
            if draw.random() < self._habits.sends_share:
                yield self._step(ts + draw.uniform(*_SEND_PAUSE_S), account, source, SUBMISSION)

    def _pop(self, account: Account, client: Client) -> Actor:
        """An old-fashioned POP program at home."""
        for ts in self._ticks(account, self._habits.pop_period_s, _ON_AT_H):
            yield self._step(ts, account, account.home(ts), client)

    def _fetched(self, account: Account) -> Actor:
        """A mailbox that another provider collects, day and night, with the password its owner left there."""
        for ts in self._ticks(account, self._habits.fetcher_period_s, None):
            yield self._step(ts, account, fetcher(self._draw.randrange(_FETCHER_HOSTS)), FETCHER)

    def _forgotten_phone(self, account: Account, client: Client) -> Actor:
        """A telephone on which nobody enters the new password: it works, then fails with the same one for ever."""
        draw, habits = self._draw, self._habits
        ts = self._start_ts + draw.random() * habits.phone_period_s
        while True:
            event, label = self._step(ts, account, self._phone_place(account, ts, draw), client, account.first_password)
            if not event.success:
                label.trait = "stale_password"
            yield event, label
            ts += (habits.phone_period_s if event.success else habits.stale_retry_s) * draw.uniform(*_PHONE_JITTER)

    def _ticks(self, account: Account, period_s: float, on_at_h: tuple[float, float] | None) -> Iterator[float]:
        """When a program logs in: every ``period_s`` while it is on (``on_at_h``: mean and deviation; ``None`` is always)."""
        draw = self._draw
        zone = UTC_OFFSET_H[account.access.country]
        on_h, on_for_h = (draw.gauss(*on_at_h), draw.gauss(*_ON_FOR_H)) if on_at_h else (0.0, 24.0)
        ts = self._start_ts + draw.random() * period_s
        while True:
            hours_since_on = (ts / HOUR_S + zone - on_h) % 24
            if hours_since_on >= on_for_h:
                ts += (24 - hours_since_on) * HOUR_S
            yield ts
            ts += period_s * draw.uniform(*_PERIOD_JITTER)

    # Places

    def _abroad(self, account: Account, ts: float) -> Source | None:
        """The hotel of an owner who is travelling."""
        trip = self._trips.get(account.number)
        if trip is None or not trip.leaves_ts <= ts < trip.returns_ts:
            return None
        return HOLIDAY[account.number % len(HOLIDAY)].ipv4(account.number * 101)

    def _phone_place(self, account: Account, ts: float, draw: Random) -> Source:
        """A telephone abroad, at home, behind a carrier NAT, or in the /64 of its last attach."""
        habits, number = self._habits, account.number
        if hotel := self._abroad(account, ts):
            return hotel
        if draw.random() >= habits.away_share:
            return account.home(ts)
        operator = MOBILE[number % len(MOBILE)]
        place = number // len(MOBILE)
        if place % 100 < habits.nat_share * 100:
            return carrier_nat(operator, place % self._nats_per_operator)
        attach = int(ts / habits.attach_s + number * 0.618)
        return operator.ipv6((number * 7919 + attach) * 2_654_435_761 >> 8, number)

    def _step(self, ts: float, account: Account, source: Source, client: Client, password: str | None = None) -> Step:
        """One attempt of the owner, with the right password unless another is given."""
        event = self._provider.attempt(ts, account.login, password or account.password(ts), source, client)
        return event, Label("benign", account.login, trait="shared_source" if source.shared else None)
