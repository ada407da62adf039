"""Stuffing of all sorts has the marginals it claims."""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import mean

import pytest

from simulator.clients import HEALTH, POP_BOT
from simulator.timeline import Step
from tests.simulator.plays import made, unknown_share


@pytest.mark.parametrize("campaign", ["hosted-stuffing", "botnet-stuffing"])
def test_stuffing_tries_each_pair_once_with_a_quarter_unknown_and_few_hits(demo: list[Step], campaign: str) -> None:
    """About one try per account, 25 % unknown accounts, 0.5 to 2 % hits."""
    events = made(demo, campaign, "credential_stuffing")
    assert mean(Counter(event.login for event in events).values()) < 1.1
    assert 0.21 < unknown_share(events) < 0.29
    assert 0.005 <= sum(event.success for event in events) / len(events) <= 0.02


@pytest.mark.parametrize(
    ("campaign", "pairs", "unknown", "hits"),
    [
        ("botnet", 20_800, 0.6, 0.003),
        ("residential", 4800, 0.3, 0.008),
        ("hosted", 4800, 0.5, 0.001),
        ("copycat", 3200, 0.4, 0.004),
        ("pop-botnet", 9600, 0.5, 0.002),
        ("verified-pairs", 400, 0.3, 0.008),
        ("fresh-leak", 266, 0.05, 0.02),
    ],
)
def test_the_lists_of_the_incident_differ(laposte: list[Step], campaign: str, pairs: int, unknown: float, hits: float) -> None:
    """Share of unknown accounts and of hits as planned, within three standard deviations of a share."""
    events = made(laposte, campaign, "credential_stuffing")
    assert len(events) == pairs
    assert abs(unknown_share(events) - unknown) < 3 * (unknown * (1 - unknown) / pairs) ** 0.5
    right = [label.password_ok for _, label in laposte if (label.campaign, label.label) == (campaign, "credential_stuffing")]
    assert abs(sum(map(bool, right)) / pairs - hits) < 3 * (hits / pairs) ** 0.5


def test_hosted_stuffing_has_hundreds_of_pairs_for_each_of_a_few_addresses(demo: list[Step]) -> None:
    """The servers share the work equally."""
    tries = Counter(event.remote for event in made(demo, "hosted-stuffing", "credential_stuffing"))
    assert len(tries) == 3
    assert min(tries.values()) >= 300


def test_a_botnet_makes_one_to_three_tries_per_address(demo: list[Step]) -> None:
    """No address is ever seen often; tries of one bot are far apart in time, and bots live in many countries."""
    events = made(demo, "botnet-stuffing", "credential_stuffing")
    moments: dict[str, list[float]] = defaultdict(list)
    for event in events:
        moments[event.remote].append(event.ts)
    assert max(map(len, moments.values())) <= 3
    assert len(moments) > len(events) / 3
    assert mean(ts[-1] - ts[0] for ts in moments.values() if len(ts) > 1) > 60
    assert len({event.country for event in events}) >= 8


def test_a_botnet_may_speak_pop(laposte: list[Step]) -> None:
    """The second one does, with a fingerprint of its own."""
    assert {(event.protocol, event.ja3) for event in made(laposte, "pop-botnet", "credential_stuffing")} == {("pop3", POP_BOT.ja3)}


def test_the_copycat_shows_the_protected_groups_fingerprint_from_the_middle_on(laposte: list[Step]) -> None:
    """First none, then all of its attempts look like practice software; about half of them in all."""
    copied = [event.ja3 == HEALTH.ja3 for event in made(laposte, "copycat", "credential_stuffing")]
    assert copied == sorted(copied)
    assert 0.45 < mean(copied) < 0.55


def test_residential_proxies_are_in_the_country_on_customers_lines_and_behind_carrier_nats(
    demo: list[Step], laposte: list[Step]
) -> None:
    """Hardly any is abroad; 5 % are behind a carrier NAT that customers use, some on lines that are customers' own."""
    events = made(laposte, "residential", "credential_stuffing")
    assert sum(event.country == "FR" for event in events) > 0.99 * len(events)
    behind_nat = [event.remote for event in events if event.remote.startswith("198.18.")]
    assert 0.04 < len(behind_nat) / len(events) < 0.07
    customers = {event.remote for event, label in laposte if label.label == "benign"}
    assert set(behind_nat) <= customers
    assert sum(event.remote in customers for event in events) > len(behind_nat) + 50
    assert max(Counter(event.remote for event in events if event.remote not in behind_nat).values()) <= 3
