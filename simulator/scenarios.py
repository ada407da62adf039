"""Named scenarios: which customers, which incidents and attacks and when, and the one call that plays them.

A scenario may have a *history* before its *judged* time. Minutes and hours count from the start of the judged time, those of the
history are negative. To add one: one entry in ``SCENARIOS``. Its attacks are written for a number of accounts, so that
a larger provider sees more of the same and not a thinner attack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from models.ids import stable_id
from simulator import laposte
from simulator.attacks import (
    Attack,
    BotnetStuffing,
    BruteForce,
    Campaign,
    DistributedBruteForce,
    HostedStuffing,
    LoginFlood,
    PasswordSpray,
)
from simulator.customers import Customers
from simulator.habits import Habits
from simulator.incidents import NOTHING, Incidents
from simulator.places import Places
from simulator.provider import HOUR_S, Provider
from simulator.scene import Scene
from simulator.timeline import Refused, Step, Timeline

__all__ = ["SCENARIOS", "Scenario", "simulate"]

_RUN_ID_LENGTH: Final = 22  #: with the ten digits of the place, as long as every other id
_MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story. ``attacks`` gives, for a number of accounts, (minute, name, attack) of each campaign; ``habits`` the customers.

    ``hours`` is all of it; ``history_h`` of them come before ``judged_ts``.
    """

    story: str
    attacks: Callable[[int], tuple[tuple[float, str, Attack], ...]]
    habits: Callable[[int], Habits]
    incidents: Incidents = NOTHING
    accounts: int = 5000
    hours: float = 2.5
    history_h: float = 0.0
    judged_ts: float = 1_772_524_800.0  #: Tuesday 3 March 2026, 09:00 in Paris

    @property
    def start_ts(self) -> float:
        """The first moment, UTC seconds."""
        return self.judged_ts - self.history_h * HOUR_S

    def over(self, hours: float) -> Scenario:
        """The same in so many hours: a scenario that has a history has more or less of it, another one goes on or ends early."""
        judged_h = self.hours - self.history_h
        return replace(self, hours=hours, history_h=max(0.0, hours - judged_h) if self.history_h else 0.0)

    def starting(self, start_ts: float) -> Scenario:
        """The same at another time."""
        return replace(self, judged_ts=self.judged_ts + start_ts - self.start_ts)


def _demo(accounts: int) -> tuple[tuple[float, str, Attack], ...]:
    return (
        (45, "spray", PasswordSpray(accounts=accounts // 5)),
        (52, "brute-force-1", BruteForce()),
        (60, "hosted-stuffing", HostedStuffing(pairs=accounts * 3 // 5, addresses=max(2, accounts // 625))),
        (70, "distributed-brute-force", DistributedBruteForce()),
        (80, "flood", LoginFlood()),
        (90, "botnet-stuffing", BotnetStuffing(pairs=accounts)),
        (100, "brute-force-2", BruteForce(tries=300, over_s=1800)),
    )


def _no_attack(_accounts: int) -> tuple[tuple[float, str, Attack], ...]:
    return ()


def _demo_habits(_accounts: int) -> Habits:
    return Habits()


_LAPOSTE: Final = Scenario(
    "laposte.net in April 2022: a week of history, then a Monday with a restart, outages and every attack",
    laposte.attacks,
    laposte.habits,
    laposte.INCIDENTS,
    accounts=200_000,
    hours=8 * 24,
    history_h=7 * 24,
    judged_ts=1_649_628_000.0,  # Monday 11 April 2022, 00:00 in Paris; school holidays began on Saturday
)

SCENARIOS: Final = {
    "demo": Scenario("an ordinary morning, then every kind of attack within the hour, some of them at once", _demo, _demo_habits),
    "week-and-demo": Scenario(
        "a week of history, then the same morning and attacks", _demo, _demo_habits, accounts=800, hours=170.5, history_h=168
    ),
    "quiet": Scenario("the same morning without any attack", _no_attack, _demo_habits),
    "laposte-2022": _LAPOSTE,
    "quiet-week": replace(_LAPOSTE, story="the same eight days without any attack", attacks=_no_attack),
    "poisoned": replace(
        _LAPOSTE,
        story="the same Monday after two weeks in which attackers have taught the models",
        attacks=laposte.poisoned,
        accounts=20_000,
        hours=15 * 24,
        history_h=14 * 24,
    ),
}


def simulate(
    scenario: str,
    seed: int,
    accounts: int | None = None,
    hours: float | None = None,
    start_ts: float | None = None,
    refused: Refused | None = None,
) -> Iterator[Step]:
    """Play ``scenario``: every attempt with its truth, in ``ts`` order, as a stream.

    The same arguments give the same stream everywhere. Attacks do not change what customers do, so ``quiet`` is ``demo``
    without its attackers. More ``hours`` continue a scenario that has no history; in one that has, they make the history longer.
    What is left out is the scenario's own.

    Args:
        scenario: A name in ``SCENARIOS``.
        seed: Decides everything that is drawn.
        accounts: Mailboxes of the provider.
        hours: Event time to cover.
        start_ts: The first moment, UTC seconds.
        refused: Closes the loop. It is asked once about each attempt, in order, before the provider looks at the password;
            an attempt that it refuses is a ``policy_reject``, and whoever made it acts accordingly.

    Raises:
        KeyError: no such scenario.
        ValueError: fewer than one account.

    >>> event, label = next(simulate("quiet", seed=1, accounts=50))
    >>> label.label, event.event_id == label.event_id
    ('benign', True)
    >>> event, label = next(simulate("quiet", seed=1, accounts=50, refused=lambda event: True))
    >>> event.success, event.policy_reject, event.fail_type
    (False, True, 'policy')
    """
    full = SCENARIOS[scenario]
    plan = full if hours is None else full.over(hours)
    plan = plan if start_ts is None else plan.starting(start_ts)
    start_ts = plan.start_ts
    accounts = plan.accounts if accounts is None else accounts
    if accounts < 1:
        raise ValueError(f"{accounts} accounts: a provider has at least one")

    def moment(minute: float) -> float:
        """What happens in a shorter or longer history moves closer together or apart."""
        if minute < 0:
            minute *= plan.history_h / full.history_h
        return plan.judged_ts + minute * _MINUTE_S

    timeline = Timeline(start_ts)
    provider, habits = Provider(seed, accounts), plan.habits(accounts)
    places = Places(habits, accounts)
    scene = Scene(
        provider,
        timeline,
        habits,
        places,
        start_ts,
        start_ts + plan.hours * HOUR_S,
        provider.draws("customers"),
        provider.draws("patience"),
    )
    Customers(scene, plan.incidents, moment).start()
    for number, (minute, name, attack) in enumerate(plan.attacks(accounts)):
        draw = provider.draws(f"attack {name}")
        campaign = Campaign(name, number, attack.kind, moment(minute), provider, places, timeline, moment, draw)
        timeline.start(attack.run(campaign))
    run_id = stable_id(scenario, seed, accounts, start_ts)[:_RUN_ID_LENGTH]
    return timeline.run(scene.end_ts, run_id, refused)
