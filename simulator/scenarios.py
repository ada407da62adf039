"""Named scenarios: which customers, which attacks and when, and the one call that plays them.

To add a scenario: one entry in ``SCENARIOS``. Its attacks are written for a number of accounts, so that a larger
provider sees more of the same and not a thinner attack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from models.events import AuthEvent
from models.ids import stable_id
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
from simulator.customers import Customers, Habits
from simulator.labels import Label
from simulator.provider import HOUR_S, Provider
from simulator.timeline import Timeline

__all__ = ["SCENARIOS", "Scenario", "simulate"]

_RUN_ID_LENGTH: Final = 22  #: with the ten digits of the place, as long as every other id


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story. ``attacks`` gives, for a number of accounts, (minute after the start, name, attack) of each campaign."""

    story: str
    attacks: Callable[[int], tuple[tuple[float, str, Attack], ...]]
    habits: Habits
    accounts: int = 5000
    hours: float = 2.5
    start_ts: float = 1_772_524_800.0  #: Tuesday 3 March 2026, 09:00 in Paris


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


SCENARIOS: Final = {
    "demo": Scenario("an ordinary morning, then every kind of attack within the hour, some of them at once", _demo, Habits()),
    "quiet": Scenario("the same morning without any attack", _no_attack, Habits()),
}


def simulate(
    scenario: str, seed: int, accounts: int | None = None, hours: float | None = None, start_ts: float | None = None
) -> Iterator[tuple[AuthEvent, Label]]:
    """Play ``scenario``: every attempt with its truth, in ``ts`` order, as a stream.

    The same arguments give the same stream everywhere. More ``hours`` continue it; attacks do not change what
    customers do, so ``quiet`` is ``demo`` without its attackers. What is left out is the scenario's own.

    Args:
        scenario: A name in ``SCENARIOS``.
        seed: Decides everything that is drawn.
        accounts: Mailboxes of the provider.
        hours: Event time to cover.
        start_ts: The first moment, UTC seconds.

    Raises:
        KeyError: no such scenario.
        ValueError: fewer than one account.

    >>> event, label = next(simulate("quiet", seed=1, accounts=50))
    >>> label.label, event.event_id == label.event_id
    ('benign', True)
    """
    plan = SCENARIOS[scenario]
    accounts = plan.accounts if accounts is None else accounts
    hours = plan.hours if hours is None else hours
    start_ts = plan.start_ts if start_ts is None else start_ts
    if accounts < 1:
        raise ValueError(f"{accounts} accounts: a provider has at least one")
    timeline = Timeline(start_ts)
    provider = Provider(seed, accounts)
    Customers(provider, timeline, plan.habits, start_ts).start()
    for number, (minute, name, attack) in enumerate(plan.attacks(accounts)):
        campaign = Campaign(name, number, attack.kind, start_ts + minute * 60, provider, timeline, provider.draws(f"attack {name}"))
        timeline.start(attack.run(campaign))
    run_id = stable_id(scenario, seed, accounts, start_ts)[:_RUN_ID_LENGTH]
    return timeline.run(start_ts + hours * HOUR_S, run_id)
