"""No point is given what it cannot express."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from models.decisions import Except
from models.policy import Scope
from models.reopening import WIDE_SCOPES
from streams.enforcement.express import EXPRESSES, Point, count_withheld, withheld
from streams.telemetry import DECISIONS_WITHHELD
from tests.enforcing import ATTACKER, RANGE, RANGE_6, decision

ADDRESS_POINTS: tuple[Point, ...] = ("crowdsec", "haproxy", "nftables", "nginx", "list")
VALUES: dict[str, str] = {
    "ip": ATTACKER,
    "range": RANGE,
    "account_ip": f"{ATTACKER}|a@example.org",
    "range_device": f"{RANGE}|id:1",
    "asn_device": "64500|id:1",
    "account_device": "a@example.org|id:1",
    "account_protocol": "a@example.org|imap",
}


def test_every_point_has_its_row() -> None:
    """The table names every point, and every scope is a scope of the contract."""
    assert set(EXPRESSES) == set(get_args(Point))
    assert all(row.scopes <= set(get_args(Scope)) for row in EXPRESSES.values())


@pytest.mark.parametrize("point", ADDRESS_POINTS)
def test_address_points_get_addresses_only(point: Point) -> None:
    """Nothing about accounts, devices, countries or protocols reaches a point that sees addresses."""
    given = {scope for scope in get_args(Scope) if withheld(point, decision(VALUES.get(scope, "x"), scope=scope)) is None}
    assert given == {"ip", "range"}


@pytest.mark.parametrize("point", get_args(Point))
def test_what_is_opened_again_by_accounts_is_given_to_nobody(point: Point) -> None:
    """A point would go on refusing whom the re-opening lets in."""
    assert {withheld(point, decision(VALUES.get(scope, "x"), scope=scope)) for scope in WIDE_SCOPES} == {"scope"}


@pytest.mark.parametrize("point", get_args(Point))
def test_exceptions_are_never_given(point: Point) -> None:
    """A ban with an exception would refuse more people without it."""
    assert withheld(point, decision(except_=(Except(networks=("192.0.2.0/24",)),))) == "except"


@pytest.mark.parametrize(
    ("point", "changes", "reason"),
    [
        ("haproxy", {"protocols": ("imap",)}, "protocols"),
        ("postfix", {"protocols": ("imap",)}, "protocols"),
        ("postfix", {"protocols": ("imap", "smtp")}, None),
        ("postfix", {"value": f"{RANGE}|id:1", "scope": "range_device"}, "scope"),
        ("postfix", {"value": VALUES["account_ip"], "scope": "account_ip"}, None),
        ("lapi", {"value": RANGE_6}, None),
        ("lapi_addresses", {"value": RANGE_6}, "ipv6"),
        ("lapi_addresses", {"value": "198.51.0.0/16"}, "wide"),
        ("lapi_addresses", {"value": RANGE}, None),
        ("lapi_addresses", {}, None),
    ],
)
def test_the_reason_is_told(point: Point, changes: dict[str, Any], reason: str | None) -> None:
    """One word says why."""
    assert withheld(point, decision(**changes)) == reason


def test_what_is_withheld_is_counted() -> None:
    """Prometheus sees by point and reason how many decisions act elsewhere only; what is gone is zero again."""
    held = [decision(RANGE_6), decision("2001:db8:9::/48"), decision(RANGE), decision(ATTACKER)]
    count_withheld("lapi_addresses", held, lambda identifier: identifier != held[2].decision_id)

    def count(reason: str) -> float:
        return DECISIONS_WITHHELD.labels("lapi_addresses", reason)._value.get()

    assert {reason: count(reason) for reason in ("ipv6", "full", "scope")} == {"ipv6": 2, "full": 1, "scope": 0}
    count_withheld("lapi_addresses", [])
    assert count("ipv6") == 0
