"""What befalls the provider itself on an ordinary day: restarts, updates, outages. None of it is an attack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

from simulator.clients import UPDATES, Client
from simulator.programs import Desk
from simulator.provider import HOUR_S, Account, Outage
from simulator.scene import Scene, Update
from simulator.timeline import Actor

__all__ = ["NOTHING", "Connected", "Failing", "Incidents", "proxy_restart", "schedule"]

_BACK_AFTER_S: Final = 45.0  #: mean, of clients whose connection was cut
_CONNECTED_SHARE: Final = 0.6  #: of the programs and telephones that hold connections, those that do at the moment
_UPDATE_SPREAD_S: Final = 12 * HOUR_S


class Failing(NamedTuple):
    """A fault of our own, see :class:`~simulator.provider.Outage`; ``minute`` is when it begins."""

    minute: float
    minutes: float
    shards: int
    fail_type: str | None


@dataclass(frozen=True, slots=True)
class Incidents:
    """When what happens, in minutes of the scenario."""

    proxy_restarts_min: tuple[float, ...] = ()
    update_min: float = inf  #: popular clients are updated within half a day
    cloud_move_min: float = inf  #: a vendor moves the users of its desktop program to its cloud
    holidays_min: float = inf  #: school holidays begin
    outages: tuple[Failing, ...] = ()


#: An uneventful time.
NOTHING: Final = Incidents()


class Connected(NamedTuple):
    """A client that holds up to so many connections: on a computer, or (``None``) on a telephone."""

    account: Account
    client: Client
    connections: int
    desk: Desk | None


def schedule(scene: Scene, incidents: Incidents, moment: Callable[[float], float]) -> None:
    """Prepare updates and outages; ``moment`` gives the time of a minute of the scenario."""
    if incidents.update_min < inf:
        from_ts = moment(incidents.update_min)
        scene.updates = {old: Update(new, from_ts, _UPDATE_SPREAD_S) for old, new in UPDATES.items()}
    scene.provider.outages = tuple(
        Outage(moment(each.minute), moment(each.minute) + each.minutes * 60, each.shards, each.fail_type)
        for each in incidents.outages
    )


def proxy_restart(scene: Scene, connected: list[Connected], ts: float) -> Actor:
    """A proxy is restarted at ``ts``: all who were connected come back at once."""
    draw = scene.provider.draws(f"restart {ts}")
    cut = [each for each in connected if draw.random() < _CONNECTED_SHARE and not (each.desk and each.desk.moves_ts <= ts)]
    back = sorted((ts + draw.expovariate(1 / _BACK_AFTER_S), number) for number in range(len(cut)))
    for back_ts, number in back:
        account, client, connections, desk = cut[number]
        source = desk.place(back_ts) if desk else scene.places.of_phone(account, back_ts, draw)
        yield from scene.timeline.launch(scene.program(back_ts, account, source, client, connections))
