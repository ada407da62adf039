"""A mail provider under attack, made up: labelled log-in attempts for the demo, the tests and the evaluation.

Read in this order::

    labels       the truth about an event: who made it, in which campaign
    timeline     actors (generators of attempts) merged in time order; tells each whether it was refused
    networks     the address plan: access providers, carrier NATs, clouds, hosting, bots
    clients      mail programs, browsers and attack tools, and what they do when they are turned away
    provider     mailboxes, passwords and tokens; answers every attempt
    week         the hours of a day and the days of a week
    habits       the figures of ordinary behaviour
    places       where somebody is
    scene        what every habit needs: one attempt, patience, the times of visits and polls
    visits       what people do
    programs     what programs do
    incidents    restarts, updates, outages: nobody's attack
    customers    who has which habits
    attacks      one class per attack; the package's text says how to add one
    laposte      the incident of April 2022
    scenarios    which customers and attacks when; simulate() plays a scenario
    marginals    the figures of a stream beside published ones

Everything is drawn from ``Random`` objects seeded by text, so a seed means the same stream on every machine. Nothing is
stored but accounts, one pending attempt per live actor, and the log-ins a spray goes through.
"""

from __future__ import annotations

from simulator.labels import Label, encode_label
from simulator.marginals import Marginal, Marginals
from simulator.provider import groups
from simulator.scenarios import SCENARIOS, Scenario, simulate

__all__ = ["SCENARIOS", "Label", "Marginal", "Marginals", "Scenario", "encode_label", "groups", "simulate"]
