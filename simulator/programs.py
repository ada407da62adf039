"""What programs do: they poll. One actor for each program that logs in at a fixed period while it is switched on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from typing import Final, NamedTuple

from simulator.clients import API_APP, CLOUD_SYNC, CLOUD_TOKEN, FETCHER, HEALTH, MONITORS, SUBMISSION, Client
from simulator.networks import Source, cloud, fetcher, monitor
from simulator.provider import DOMAIN, TOKEN_S, Account, token
from simulator.scene import Scene, WorkingHours
from simulator.timeline import Actor

__all__ = ["Desk", "cloud_sync", "desktop", "fetched", "health", "monitors", "pop", "token_app"]

_ON_AT_H: Final = 8.3
_ON_DEVIATION_H: Final = 0.8
_HOME_HOURS: Final = WorkingHours(_ON_AT_H, _ON_DEVIATION_H)
_PRACTICE_ON_AT_H: Final = 7.5
_PRACTICE_DEVIATION_H: Final = 0.5
_SEND_PAUSE_S: Final = (1.0, 60.0)
_RENEWAL_PAUSE_S: Final = 1.5
_CLOUD_TOKEN_SHARE: Final = 3  #: every so many of the vendor's customers let it in by OAuth


class Desk(NamedTuple):
    """Where a computer stands: at ``source``, or at the home of ``owner``. Its mail moves to the vendor's cloud at ``moves_ts``."""

    owner: Account
    source: Source | None
    moves_ts: float

    def place(self, ts: float) -> Source:
        """Its address at ``ts``."""
        return self.source or self.owner.home(ts)


def health(scene: Scene, account: Account) -> Actor:
    """Practice software: POP at a fixed period through the working day, whatever the answer."""
    hours = WorkingHours(_PRACTICE_ON_AT_H, _PRACTICE_DEVIATION_H, scene.habits.weekend_share)
    for ts in scene.ticks(account, scene.habits.health_period_s, hours):
        yield from scene.attempt(ts, account, account.home(ts), HEALTH)


def desktop(scene: Scene, account: Account, client: Client, desk: Desk) -> Actor:
    """A mail program on a computer; now and then it sends a message."""
    draw, habits = scene.draw, scene.habits
    hours = WorkingHours(_ON_AT_H, _ON_DEVIATION_H, habits.weekend_share) if desk.source else _HOME_HOURS
    for ts in scene.ticks(account, habits.desktop_period_s, hours):
        if ts >= desk.moves_ts:
            yield from cloud_sync(scene, account, ts)
            return
        source = desk.place(ts)
        yield from scene.program(ts, account, source, client, habits.desktop_connections)
        if draw.random() < habits.sends_share:
            yield from scene.attempt(ts + draw.uniform(*_SEND_PAUSE_S), account, source, SUBMISSION, account.app_password)


def pop(scene: Scene, account: Account, client: Client) -> Actor:
    """An old-fashioned POP program at home."""
    for ts in scene.ticks(account, scene.habits.pop_period_s, _HOME_HOURS):
        yield from scene.program(ts, account, account.home(ts), client)


def fetched(scene: Scene, account: Account) -> Actor:
    """A mailbox that another provider collects, day and night, with the password its owner left there."""
    for ts in scene.ticks(account, scene.habits.fetcher_period_s, None):
        yield from scene.program(ts, account, fetcher(scene.draw.randrange(scene.habits.fetcher_hosts)), FETCHER)


def cloud_sync(scene: Scene, account: Account, from_ts: float) -> Actor:
    """A mailbox that the cloud-sync vendor reads day and night since ``from_ts``, by password or by OAuth."""
    source, period_s = cloud(account.number), scene.habits.cloud_period_s
    if account.number % _CLOUD_TOKEN_SHARE == 0:
        yield from _by_token(scene, account, CLOUD_TOKEN, lambda _ts: source, from_ts, period_s)
        return
    for ts in scene.ticks(account, period_s, None):
        if ts >= from_ts:
            yield from scene.program(ts, account, source, CLOUD_SYNC)


def token_app(scene: Scene, account: Account, broken_ts: float) -> Actor:
    """Somebody else's app on the telephone, by OAuth; its grant ends at ``broken_ts``, and it does not notice."""
    place = partial(scene.places.of_phone, account, draw=scene.provider.draws(f"token {account.number}"))
    return _by_token(scene, account, API_APP, place, scene.start_ts, scene.habits.token_period_s, broken_ts)


def _by_token(
    scene: Scene,
    account: Account,
    client: Client,
    place: Callable[[float], Source],
    from_ts: float,
    period_s: float,
    broken_ts: float = inf,
) -> Actor:
    """Tokens expire every hour: sometimes the old one is tried once more before it is renewed."""
    draw, issued_ts = scene.draw, from_ts
    for ts in scene.ticks(account, period_s, None):
        if ts < from_ts:
            continue
        source = place(ts)
        expired = ts - issued_ts >= TOKEN_S
        if expired and ts < broken_ts:
            late = draw.random() < scene.habits.late_refresh_share
            if late:
                yield from scene.attempt(ts, account, source, client, token(issued_ts))
            issued_ts = ts
            yield from scene.attempt(ts + late * _RENEWAL_PAUSE_S, account, source, client, token(issued_ts))
        else:
            yield from scene.attempt(ts, account, source, client, token(issued_ts))


def monitors(scene: Scene) -> Actor:
    """Robots that log in day and night to see whether one can, each protocol with a mailbox of its own."""
    period_s = scene.habits.monitor_period_s
    accounts = [scene.provider.register(f"monitor-{client.protocol}@{DOMAIN}") for client in MONITORS]
    ts, turn = scene.start_ts, 0
    while True:
        client, account = MONITORS[turn % len(MONITORS)], accounts[turn % len(MONITORS)]
        yield scene.step(ts, account, monitor(turn // len(MONITORS)), client)
        ts += period_s
        turn += 1
