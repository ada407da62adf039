"""Decisions for the tests of the gate."""

from __future__ import annotations

from typing import Any

from models.decisions import Decision, Impact, Interval, go_duration, uuid_of
from models.ids import stable_id
from tests.factories import T0

__all__ = ["ban"]


def ban(value: str = "203.0.113.7", start: float = T0 - 60, until: float = T0 + 3600, **changes: Any) -> Decision:
    """An enforced ban of an address or a range, unless ``changes`` say otherwise."""
    identifier = stable_id(value, start, until, sorted(map(str, changes.items())))
    fields: dict[str, Any] = {
        "decision_id": identifier,
        "uuid": uuid_of(identifier),
        "origin": "crible",
        "type": "ban",
        "scope": "range" if "/" in value else "ip",
        "value": value,
        "start": start,
        "until": until,
        "duration": go_duration(until - start),
        "scenario": "password_spray",
        "mode": "enforce",
        "alert_ids": ("a",),
        "reason": "",
        "policy_version": "1",
        "impact": Impact(attack_attempts=1, attack_accounts=1, legit_accounts=Interval(0, 0, 0)),
    }
    return Decision(**(fields | changes))
