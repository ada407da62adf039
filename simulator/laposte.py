"""The incident of April 2022, put together: customers, what else happened, and the attacks.

Sized for 200,000 accounts: about two million attempts in a week, then three million on one Monday, four fifths of them attacks.
Everything scales with the number of accounts but what one address or one robot does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from simulator.attacks import (
    Attack,
    BotnetStuffing,
    BruteForce,
    Copycat,
    DistributedBruteForce,
    FramedCustomers,
    FramedNat,
    HostedStuffing,
    LoginFlood,
    PasswordSpray,
    PosedFetcher,
    Resale,
    ResidentialStuffing,
    SlowSpray,
    SlowTraining,
)
from simulator.clients import POP_BOT
from simulator.habits import Habits
from simulator.incidents import Failing, Incidents

__all__ = ["INCIDENTS", "attacks", "habits", "poisoned"]

_FULL_SIZE: Final = 200_000
_HOUR_MIN: Final = 60.0
_DAY_MIN: Final = 24 * _HOUR_MIN
_HOUR_S: Final = 3600.0
_MONITOR_S: Final = (8.0, 300.0)  #: between log-ins of a robot: at full size, and at most

_HABITS: Final = Habits(
    dormant_share=0.30,
    returning_share=0.03,
    alias_share=0.12,
    app_password_share=0.04,
    family_share=0.004,
    weekend=0.6,
    monday_morning=1.7,
    weekend_share=0.2,
    summer_time=True,
    switch_on_spread_s=900.0,
    visit_spread=1.2,
    webmail_share=0.50,
    webmail_visits_per_h=0.030,
    phone_share=0.50,
    phone_visits_per_h=0.032,
    phone_connections=3,
    away_share=0.5,
    nat_share=0.6,
    phones_per_nat=4000,
    attach_s=5400.0,
    travel_share=0.008,
    holiday_share=0.08,
    vpn_share=0.004,
    desktop_share=0.03,
    desktop_period_s=9000.0,
    desktop_connections=3,
    office_share=0.012,
    pop_share=0.008,
    pop_period_s=1800.0,
    health_period_s=1500.0,
    fetcher_share=0.006,
    fetcher_period_s=5400.0,
    fetcher_hosts=40,
    cloud_share=0.006,
    token_share=0.005,
    stale_share=0.003,
    phone_period_s=7200.0,
    stale_retry_s=2400.0,
    changes_within_s=0.0,
)

INCIDENTS: Final = Incidents(
    proxy_restarts_min=(10.6 * _HOUR_MIN,),
    update_min=-86 * _HOUR_MIN,
    cloud_move_min=-2 * _HOUR_MIN,
    holidays_min=-42 * _HOUR_MIN,
    outages=(
        Failing(-60.0 * _HOUR_MIN, 12, 3, "internal"),
        Failing(14.2 * _HOUR_MIN, 15, 10, "internal"),
        Failing(16.5 * _HOUR_MIN, 12, 4, None),
    ),
)


def habits(accounts: int) -> Habits:
    """What customers do; only robots do not multiply with them."""
    shortest_s, longest_s = _MONITOR_S
    return replace(_HABITS, monitor_period_s=min(longest_s, shortest_s * _FULL_SIZE / accounts))


def attacks(accounts: int) -> tuple[tuple[float, str, Attack], ...]:
    """(minute after the start of the judged day, name, attack) of each campaign."""
    flood_per_min, flood_min = max(600.0, 3000.0 * accounts / _FULL_SIZE), min(30.0, max(6.0, 60.0 * accounts / _FULL_SIZE))
    few = max(2, accounts // 20_000)  # attackers who do the same
    return (
        # Under way before the day
        (
            -5 * _DAY_MIN,
            "verified-pairs",
            BotnetStuffing(
                pairs=accounts // 10,
                unknown_share=0.3,
                hit_share=0.008,
                over_s=10 * _HOUR_S,
                takeover=Resale(sale_min=9 * _HOUR_MIN),
            ),
        ),
        (-6 * _DAY_MIN, "slow-spray", SlowSpray(accounts=accounts // 4, until_min=22 * _HOUR_MIN)),
        (
            -6 * _DAY_MIN,
            "posed-fetcher",
            PosedFetcher(period_s=3 * _HOUR_S, strike_min=9.5 * _HOUR_MIN, pairs=accounts // 25),
        ),
        (
            -6.5 * _DAY_MIN,
            "slow-training",
            SlowTraining(lessons=accounts // 20, strike_min=12 * _HOUR_MIN, pairs=accounts // 20),
        ),
        # Stuffing
        (
            5.5 * _HOUR_MIN,
            "botnet",
            BotnetStuffing(pairs=accounts * 26 // 5, unknown_share=0.6, hit_share=0.003, over_s=15 * _HOUR_S),
        ),
        (
            7.2 * _HOUR_MIN,
            "residential",
            ResidentialStuffing(pairs=accounts * 6 // 5, unknown_share=0.3, hit_share=0.008, over_s=13 * _HOUR_S),
        ),
        (
            8.1 * _HOUR_MIN,
            "hosted",
            HostedStuffing(
                pairs=accounts * 6 // 5, unknown_share=0.5, hit_share=0.001, addresses=max(3, accounts // 2500), over_s=6 * _HOUR_S
            ),
        ),
        (
            9.2 * _HOUR_MIN,
            "fresh-leak",
            BotnetStuffing(pairs=accounts // 15, unknown_share=0.05, hit_share=0.02, over_s=2 * _HOUR_S),
        ),
        (10 * _HOUR_MIN, "copycat", Copycat(pairs=accounts * 4 // 5, unknown_share=0.4, hit_share=0.004, over_s=9 * _HOUR_S)),
        (
            11.1 * _HOUR_MIN,
            "pop-botnet",
            BotnetStuffing(pairs=accounts * 12 // 5, unknown_share=0.5, hit_share=0.002, over_s=11 * _HOUR_S, client=POP_BOT),
        ),
        # Guessing
        (9.4 * _HOUR_MIN, "spray", PasswordSpray(accounts=accounts // 10, addresses=max(4, accounts // 4000), over_s=2700.0)),
        *((8.5 * _HOUR_MIN + 47 * n, f"brute-force-{n}", BruteForce()) for n in range(few)),
        *((8.9 * _HOUR_MIN + 53 * n, f"distributed-brute-force-{n}", DistributedBruteForce()) for n in range(few)),
        # Against the service and its defence
        *((13.0 * _HOUR_MIN + 90 * n, f"flood-{n}", LoginFlood(per_min=flood_per_min, minutes=flood_min)) for n in range(3)),
        (8.2 * _HOUR_MIN, "framed-practices", FramedCustomers(victims=max(3, accounts // 10_000))),
        (11.7 * _HOUR_MIN, "framed-nat", FramedNat(tries=max(200, accounts // 50))),
    )


def poisoned(accounts: int) -> tuple[tuple[float, str, Attack], ...]:
    """The same day after two weeks in which attackers have taught the models what they are going to do."""
    return (
        *attacks(accounts),
        (
            -14 * _DAY_MIN,
            "long-training",
            SlowTraining(addresses=120, lessons=accounts, strike_min=8 * _HOUR_MIN, pairs=accounts // 4),
        ),
        (-14 * _DAY_MIN, "long-spray", SlowSpray(accounts=accounts, addresses=600, until_min=22 * _HOUR_MIN)),
    )
