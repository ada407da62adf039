"""Who the customers are, and which of the habits each has; everything they do is benign, and some of it does not look so.

Hard to tell from an attack: typing errors, a telephone that keeps the old password, carrier NATs, offices, fetchers and clouds
that open many mailboxes, owners abroad, tokens that expire, health professionals with one old program that never backs off.

To add a habit: write a generator of steps (``visits.py``, ``programs.py``), start it in ``Customers``, and give its figures
a field in ``Habits``. Draw from random numbers of its own, so that what others do stays as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from math import inf
from typing import Final

from simulator import programs, visits
from simulator.clients import APPS, BROWSERS, DESKTOPS, MOVING, POP_CLIENTS, Client
from simulator.incidents import Connected, Incidents, proxy_restart, schedule
from simulator.networks import Source, office
from simulator.programs import Desk
from simulator.provider import DAY_S, HOUR_S, SECOND_DOMAIN, Account, is_health
from simulator.scene import Scene, Visitor

__all__ = ["Customers"]

_WORKERS_PER_OFFICE: Final = 60
_HOLIDAY_LEAVE_H: Final = (-12.0, 36.0)  #: around the beginning of the holidays
_FAMILY_STRIDE: Final = 977


class Customers:
    """All owners with their programs.

    Args:
        scene: Whose customers they are, when they act, and how.
        incidents: What befalls all of them.
        moment: Gives the time of a minute of the scenario.
    """

    def __init__(self, scene: Scene, incidents: Incidents, moment: Callable[[float], float]) -> None:
        self._scene, self._incidents, self._moment = scene, incidents, moment
        self._start, self._draw = scene.timeline.start, scene.draw
        self._office_workers = 0
        self._connected: list[Connected] = []
        self._moves_ts = moment(incidents.cloud_move_min)

    def start(self) -> None:
        """Give every account its programs and start them all."""
        scene, draw, habits = self._scene, self._draw, self._scene.habits
        schedule(scene, self._incidents, self._moment)
        browsing: dict[int, list[Visitor]] = defaultdict(list)
        glancing: dict[int, list[Visitor]] = defaultdict(list)
        awake = self._awake()
        self._name_and_lock(awake)
        for account in awake:
            offset_h = scene.utc_offset_h(account)
            if draw.random() < habits.travel_share:
                scene.places.travel(account, scene.start_ts + draw.uniform(-DAY_S, DAY_S) / 2, draw)
            if draw.random() < habits.webmail_share:
                browsing[offset_h].append((account, draw.choice(BROWSERS)))
            if draw.random() < habits.phone_share:
                glancing[offset_h].append((account, draw.choice(APPS)))
            self._equip(account)
        self._equip_more(awake)
        for offset_h, people in browsing.items():
            self._start(visits.webmail(scene, people, offset_h))
        for offset_h, people in glancing.items():
            self._start(visits.phones(scene, people, offset_h))
        self._cut_off(person for people in glancing.values() for person in people)
        if habits.monitor_period_s < inf:
            self._start(programs.monitors(scene))

    # Whose mailbox

    def _awake(self) -> list[Account]:
        """The accounts that somebody uses; of the others a few are looked at once."""
        scene, habits, accounts = self._scene, self._scene.habits, self._scene.provider.accounts
        if not habits.dormant_share:
            return accounts
        draw = scene.provider.draws("dormant")
        awake: list[Account] = []
        returning: list[Visitor] = []
        for account in accounts:
            if is_health(account.number) or draw.random() >= habits.dormant_share:
                awake.append(account)
            elif draw.random() < habits.returning_share:
                returning.append((account, draw.choice(BROWSERS)))
        draw.shuffle(returning)
        self._start(visits.returning(scene, returning))
        return awake

    def _name_and_lock(self, accounts: list[Account]) -> None:
        """Aliases and passwords of programs."""
        provider, habits = self._scene.provider, self._scene.habits
        draw = provider.draws("names and locks")
        for account in accounts:
            if draw.random() < habits.alias_share:
                name, _, domain = account.login.partition("@")
                provider.give_alias(
                    account, draw.choice((f"{name}@{SECOND_DOMAIN}", f"{name}+mail@{domain}", account.login.title()))
                )
            if draw.random() < habits.app_password_share:
                account.app_password = f"app {draw.getrandbits(64):x}"

    # Programs

    def _equip(self, account: Account) -> None:
        """Start the programs of ``account`` that poll."""
        scene, draw, habits, start = self._scene, self._draw, self._scene.habits, self._start
        if is_health(account.number):
            start(programs.health(scene, account))
        if draw.random() < habits.office_share:
            desk = office(self._office_workers // _WORKERS_PER_OFFICE)
            self._office_workers += 1
            self._desktop(account, draw.choice(DESKTOPS), desk, account)
        elif draw.random() < habits.desktop_share:
            self._desktop(account, draw.choice(DESKTOPS), None, account)
        if draw.random() < habits.pop_share:
            start(programs.pop(scene, account, draw.choice(POP_CLIENTS)))
        if draw.random() < habits.fetcher_share:
            start(programs.fetched(scene, account))
        if draw.random() < habits.stale_share:
            account.new_password_ts = scene.start_ts + draw.random() * (habits.changes_within_s or scene.end_ts - scene.start_ts)
            start(visits.forgotten_phone(scene, account, draw.choice(APPS)))

    def _equip_more(self, accounts: list[Account]) -> None:
        """Programs and journeys that only a large provider has."""
        scene, habits, start = self._scene, self._scene.habits, self._start
        draw = scene.provider.draws("more programs")
        holidays_ts = self._moment(self._incidents.holidays_min)
        for place, account in enumerate(accounts):
            if draw.random() < habits.holiday_share:
                scene.places.holiday(account, holidays_ts + draw.uniform(*_HOLIDAY_LEAVE_H) * HOUR_S, draw)
            if draw.random() < habits.cloud_share:
                start(programs.cloud_sync(scene, account, scene.start_ts))
            if draw.random() < habits.token_share:
                broken = draw.random() < habits.broken_token_share
                start(programs.token_app(scene, account, draw.uniform(scene.start_ts, scene.end_ts) if broken else inf))
            if draw.random() < habits.family_share:
                for member in range(1, habits.family_size):
                    relative = accounts[(place + member * _FAMILY_STRIDE) % len(accounts)]
                    self._desktop(account, draw.choice(DESKTOPS), None, relative)

    def _desktop(self, account: Account, client: Client, source: Source | None, home_of: Account) -> None:
        """A computer at ``source``, or at somebody's home, and what is on it."""
        desk = Desk(home_of, source, self._moves_ts if client in MOVING else inf)
        self._start(programs.desktop(self._scene, account, client, desk))
        self._connected.append(Connected(account, client, self._scene.habits.desktop_connections, desk))

    def _cut_off(self, telephones: Iterable[Visitor]) -> None:
        """Bring everybody back when a proxy is restarted."""
        most = self._scene.habits.phone_connections
        self._connected += [Connected(account, client, most, None) for account, client in telephones]
        for minute in self._incidents.proxy_restarts_min:
            self._start(proxy_restart(self._scene, self._connected, self._moment(minute)))
