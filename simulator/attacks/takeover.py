"""What follows a password that was found: somebody opens the mailbox from a new network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from models.events import AuthEvent
from simulator.attacks.campaign import Campaign
from simulator.clients import BROWSERS, READER
from simulator.timeline import Actor

__all__ = ["SOON", "Resale", "Takeover"]

_BUYERS_FROM: Final = 1_000_000  #: bots from here on enter accounts; those before search for passwords
_NEXT_BUYER: Final = 100_000  #: a buyer who is refused comes back from the bot that is so many further on


@dataclass(frozen=True, slots=True)
class Takeover:
    """Minutes after stuffing found a password the mailbox is opened from a new network abroad."""

    share: float = 0.7  #: of the passwords found
    earliest_s: float = 120.0
    later_s: float = 600.0  #: mean, beyond the earliest
    visits: int = 3
    pause_s: float = 240.0

    def run(self, campaign: Campaign, found: AuthEvent, password: str, number: int) -> Actor:
        """Enter the account of ``found``; ``number`` tells the takeovers of a campaign apart."""
        draw = campaign.draw
        bot = _BUYERS_FROM + number
        source, client = campaign.bot(bot), draw.choice((READER, *BROWSERS))
        ts = self.earliest_ts(campaign, found) + draw.expovariate(1 / self.later_s)
        for _ in range(self.visits):
            event, label = campaign.attempt(ts, found.login, password, source, client)
            label.label, label.actor = "account_takeover", f"{campaign.name}/takeover-{number}"
            if (yield event, label):
                bot += _NEXT_BUYER
                source, client = campaign.bot(bot), draw.choice((READER, *BROWSERS))
            ts += draw.expovariate(1 / self.pause_s)

    def earliest_ts(self, _campaign: Campaign, found: AuthEvent) -> float:
        """When the first of them may come."""
        return found.ts + self.earliest_s


#: By whoever found the password, at once.
SOON: Final = Takeover()


@dataclass(frozen=True, slots=True)
class Resale(Takeover):
    """Verified pairs are collected, sold on a day, and used by the buyers."""

    share: float = 1.0
    later_s: float = 3 * 3600.0
    pause_s: float = 900.0
    sale_min: float = 0.0  #: in the reckoning of the scenario

    def earliest_ts(self, campaign: Campaign, found: AuthEvent) -> float:
        """The sale."""
        return max(found.ts, campaign.moment(self.sale_min))
