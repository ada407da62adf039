"""So many log-ins that the service suffers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simulator.attacks.campaign import Campaign
from simulator.attacks.cover import Pool
from simulator.clients import FLOOD_TOOL
from simulator.labels import Kind
from simulator.timeline import Actor

__all__ = ["LoginFlood"]


@dataclass(frozen=True, slots=True)
class LoginFlood:
    """One address that logs in far faster than any customer; the password does not matter, the load does."""

    kind: ClassVar[Kind] = "login_flood"
    per_min: float = 600.0
    minutes: float = 6.0
    patience: int = 2000

    def run(self, campaign: Campaign) -> Actor:
        """See the class. Its tool does not look at answers: somebody changes the server by hand."""
        cover = Pool(campaign.servers(), 1, FLOOD_TOOL, self.patience, campaign.draw)
        login = campaign.a_customer().login
        for ts in campaign.times(round(self.per_min * self.minutes), self.minutes * 60):
            desk = cover.next(ts)
            if (yield campaign.attempt(ts, login, "anything", desk.source, desk.client)):
                cover.refused(desk)
