"""A mail provider under attack, made up: labelled log-in attempts for the demo, the tests and the evaluation.

Read in this order::

    labels      the truth about an event: who made it, in which campaign
    timeline    actors (generators of attempts) merged in time order
    networks    the address plan: access providers, carrier NATs, hosting, bots
    clients     mail programs, browsers and attack tools
    provider    mailboxes and passwords; answers every attempt
    customers   what owners and their programs do on an ordinary day
    attacks     one class per attack; its text says how to add one
    scenarios   which attacks when; simulate() plays a scenario

Everything is drawn from ``Random`` objects seeded by text, so a seed means the same stream on every machine. Nothing is
stored but accounts, one pending attempt per live actor, and the log-ins a spray goes through.
"""

from __future__ import annotations

from simulator.labels import Label, encode_label
from simulator.provider import groups
from simulator.scenarios import SCENARIOS, Scenario, simulate

__all__ = ["SCENARIOS", "Label", "Scenario", "encode_label", "groups", "simulate"]
