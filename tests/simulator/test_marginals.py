"""The figures of a stream beside published ones."""

from __future__ import annotations

from models.events import AuthEvent
from simulator.labels import Label
from simulator.marginals import Marginals
from simulator.timeline import Step
from tests.simulator.plays import LAPOSTE_ACCOUNTS


def _event(ts: float, login: str, remote: str, *, success: bool, country: str = "FR", device: str = "a") -> AuthEvent:
    return AuthEvent(ts=ts, login=login, remote=remote, success=success, country=country, device_id=device)


def test_the_figures_are_those_of_the_stream() -> None:
    """Four attempts of two owners in a day, one of them in two countries and with two clients; eight failures of an attacker."""
    marginals = Marginals(accounts=4, hours=24)
    marginals.add(_event(0.0, "anne", "192.0.2.1", success=True), Label("benign", "anne"))
    marginals.add(_event(1.0, "anne", "192.0.2.2", success=True, country="PT", device="b"), Label("benign", "anne"))
    marginals.add(_event(2.0, "bob", "192.0.2.3", success=True), Label("benign", "bob"))
    marginals.add(_event(3.0, "bob", "192.0.2.3", success=False), Label("benign", "bob"))
    for n in range(8):
        marginals.add(_event(4.0 + n, "anne", "192.0.2.9", success=False), Label("brute_force", "x"))
    here = {row.name: row.here for row in marginals.rows()}
    assert here == {
        "accounts": "4",
        "opened by their owner": "50.0 %",
        "attempts": "12",
        "of owners, per account and month": "30.0",
        "attempts that fail": "75.0 %",
        "attempts of owners that fail": "25.0 %",
        "attempts that are attacks": "66.7 %",
        "takeovers per million attempts": "0",
        "clients per account": "1.50",
        "countries per account": "1.50",
        "accounts in two countries or more": "50.0 %",
        "countries of owners": "2",
        "address-days with >= 7 attempts, >= 80 % fail": "25.0 %",
        "of them an attacker's": "100.0 %",
        "attack attempts in them": "100.0 %",
    }


def test_nothing_at_all_divides_nothing_by_zero() -> None:
    """An empty stream has dashes."""
    assert {"-"} <= {row.here for row in Marginals(accounts=1, hours=1).rows()}


def test_an_addresss_days_are_counted_apart() -> None:
    """Seven failures over midnight are not an address-day worth looking at."""
    marginals = Marginals(accounts=1, hours=48)
    for n in range(7):
        marginals.add(_event(86_397.0 + n, "anne", "192.0.2.9", success=False), Label("brute_force", "x"))
    assert next(row.here for row in marginals.rows() if row.name.startswith("address-days")) == "0.0 %"


def test_the_incident_is_as_far_from_the_papers_as_it_should_be(laposte: list[Step]) -> None:
    """As many failures as RBA has, a fourth of the accounts dormant or more, busy addresses hold less than half of the attack."""
    marginals = Marginals(LAPOSTE_ACCOUNTS, 192)
    for step in laposte:
        marginals.add(*step)
    here = {row.name: float(row.here.split()[0].replace(",", "")) for row in marginals.rows()}
    assert 45 < here["attempts that fail"] < 65
    assert 3 < here["attempts of owners that fail"] < 8
    assert 40 < here["opened by their owner"] < 60
    assert 1.2 < here["clients per account"] < 2.0
    assert 1.02 < here["countries per account"] < 1.2
    assert here["attack attempts in them"] < 50
