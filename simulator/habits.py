"""The figures of ordinary behaviour, in one place. Their defaults are the small provider of ``demo`` and ``quiet``."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

__all__ = ["Habits"]


@dataclass(frozen=True, slots=True)
class Habits:
    """How customers behave. Shares are of all accounts that are not dormant unless said; visits per hour are at the busiest hour.

    A Monday morning may be busier than that. Nobody is dormant who is a health professional.
    """

    # Whose mailbox
    dormant_share: float = 0.0  #: of all accounts: nobody logs in
    returning_share: float = 0.0  #: of the dormant: somebody does, once
    alias_share: float = 0.0  #: programs log in under a second name
    app_password_share: float = 0.0  #: programs have a password of their own
    family_share: float = 0.0  #: mailboxes that several households read
    family_size: int = 4

    # When
    activity: float = 1.0  #: scales all visits
    weekend: float = 1.0  #: of a working day's visits
    monday_morning: float = 1.0  #: of another morning's visits
    weekend_share: float = 1.0  #: of programs at work, and of practices, that are switched on at weekends
    summer_time: bool = False
    switch_on_spread_s: float = 0.0  #: a program is not switched on at the same second every day

    # Visits
    visit_spread: float = 0.8  #: sigma of the log-normal weights: a few people look all the time
    webmail_share: float = 0.60
    webmail_visits_per_h: float = 1.3
    typo_share: float = 0.14  #: of webmail visits
    phone_share: float = 0.50
    phone_visits_per_h: float = 1.9
    phone_connections: int = 1  #: at most, at once

    # Where
    away_share: float = 0.5  #: of telephone visits
    nat_share: float = 0.5  #: of telephones away from home; the others get a new IPv6 /64 every ``attach_s``
    phones_per_nat: int = 400
    attach_s: float = 7200.0
    travel_share: float = 0.01  #: leave within half a day of the start, before or after it
    holiday_share: float = 0.0  #: leave when the holidays begin, most to relatives, some abroad
    vpn_share: float = 0.0

    # Programs that poll
    desktop_share: float = 0.20
    desktop_period_s: float = 900.0
    desktop_connections: int = 1  #: at most, at once
    sends_share: float = 0.08
    office_share: float = 0.03
    pop_share: float = 0.05
    pop_period_s: float = 600.0
    health_period_s: float = 300.0
    fetcher_share: float = 0.02
    fetcher_period_s: float = 1800.0
    fetcher_hosts: int = 4
    cloud_share: float = 0.0  #: read through the cloud-sync vendor
    cloud_period_s: float = 7200.0
    token_share: float = 0.0  #: read through an OAuth app on a telephone
    token_period_s: float = 5400.0
    late_refresh_share: float = 0.3  #: of expired tokens that are tried once more before they are renewed
    broken_token_share: float = 0.05  #: of OAuth apps whose grant ends some day: they fail from then on
    monitor_period_s: float = inf  #: between two log-ins of a monitoring robot

    # Passwords that change
    stale_share: float = 0.006  #: the owner changes the password and forgets a telephone
    phone_period_s: float = 600.0  #: between its attempts, while they work
    stale_retry_s: float = 200.0  #: and once they fail
    changes_within_s: float = 7200.0  #: of the start; 0: at any time
