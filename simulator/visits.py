"""What people do: they open the webmail, they look at the telephone, they forget one.

Visits are Poisson at a rate that follows the hour of the week. One actor serves everybody who shares a habit and a time
zone, so an idle account costs nothing.
"""

from __future__ import annotations

from random import Random
from typing import Final

from simulator.clients import Client
from simulator.provider import Account
from simulator.scene import Scene, Visitor
from simulator.timeline import Actor

__all__ = ["forgotten_phone", "phones", "returning", "webmail"]

_PHONE_JITTER: Final = (0.8, 1.2)
_SECOND_TYPO_SHARE: Final = 0.35
_TYPO_PAUSE_S: Final = (3.0, 20.0)


def webmail(scene: Scene, people: list[Visitor], offset_h: int) -> Actor:
    """People who type their password into the webmail."""
    draw = scene.provider.draws(f"webmail {offset_h}")
    for ts, account, client in scene.visits(people, scene.habits.webmail_visits_per_h, offset_h, draw):
        yield from scene.timeline.launch(_typed(scene, ts, account, client, draw))


def _typed(scene: Scene, ts: float, account: Account, client: Client, draw: Random) -> Actor:
    """One visit: sometimes a wrong password or two before the right one."""
    source = scene.places.away(account, ts) or account.home(ts)
    if draw.random() < scene.habits.typo_share:
        for _ in range(2 if draw.random() < _SECOND_TYPO_SHARE else 1):
            yield scene.step(ts, account, source, client, password=f"slip {draw.getrandbits(16)}")
            ts += draw.uniform(*_TYPO_PAUSE_S)
    yield from scene.attempt(ts, account, source, client)


def phones(scene: Scene, people: list[Visitor], offset_h: int) -> Actor:
    """Telephones that log in when somebody looks at them."""
    draw = scene.provider.draws(f"phones {offset_h}")
    for ts, account, client in scene.visits(people, scene.habits.phone_visits_per_h, offset_h, draw):
        source = scene.places.of_phone(account, ts, draw)
        yield from scene.timeline.launch(scene.program(ts, account, source, client, scene.habits.phone_connections))


def returning(scene: Scene, people: list[Visitor]) -> Actor:
    """Owners of dormant mailboxes who look in once after a long time."""
    draw = scene.provider.draws("returning")
    moments = sorted(draw.uniform(scene.start_ts, scene.end_ts) for _ in people)
    for ts, (account, client) in zip(moments, people, strict=True):
        yield from scene.timeline.launch(_typed(scene, ts, account, client, draw))


def forgotten_phone(scene: Scene, account: Account, client: Client) -> Actor:
    """A telephone on which nobody enters the new password: it works, then fails with the same one for ever."""
    draw, habits = scene.draw, scene.habits
    ts = scene.start_ts + draw.random() * habits.phone_period_s
    while True:
        event, label = scene.step(ts, account, scene.places.of_phone(account, ts, draw), client, account.first_password)
        if event.fail_type == "credentials":
            label.trait = "stale_password"
        yield event, label
        ts += (habits.phone_period_s if event.success else habits.stale_retry_s) * draw.uniform(*_PHONE_JITTER)
