"""The attacks: one small class each, and how to add one.

An attack is a frozen dataclass with what it does as fields (units in the names) and a ``run`` that yields one attempt
after the other, in time order::

    @dataclass(frozen=True, slots=True)
    class PinGuessing:
        '''Ten PINs against one account.'''

        kind: ClassVar[Kind] = "brute_force"
        tries: int = 10

        def run(self, campaign: Campaign) -> Actor:
            login = campaign.a_customer().login
            for i in range(self.tries):
                yield campaign.attempt(campaign.start_ts + i, login, f"{i:04}", campaign.server(0), CHECKER)

Whether a password is right is the provider's answer, not the attack's claim; the label follows from it. ``campaign.draw``
gives random numbers of its own. A ``yield`` gives back whether the attempt was refused: a ``Cover`` moves on to other
addresses under another name, and ``Campaign.pursue`` comes back with the guess. Put the attack into a scenario
(``scenarios.py``) and test its marginals.
"""

from __future__ import annotations

from simulator.attacks.campaign import Attack, Campaign
from simulator.attacks.deceit import FramedCustomers, FramedNat, PosedFetcher, SlowTraining
from simulator.attacks.flood import LoginFlood
from simulator.attacks.guessing import BruteForce, DistributedBruteForce, PasswordSpray, SlowSpray
from simulator.attacks.stuffing import BotnetStuffing, Copycat, HostedStuffing, ResidentialStuffing
from simulator.attacks.takeover import Resale, Takeover

__all__ = [
    "Attack",
    "BotnetStuffing",
    "BruteForce",
    "Campaign",
    "Copycat",
    "DistributedBruteForce",
    "FramedCustomers",
    "FramedNat",
    "HostedStuffing",
    "LoginFlood",
    "PasswordSpray",
    "PosedFetcher",
    "Resale",
    "ResidentialStuffing",
    "SlowSpray",
    "SlowTraining",
    "Takeover",
]
