"""Questions about a play that several tests ask."""

from __future__ import annotations

from models.events import AuthEvent
from simulator.timeline import Step

__all__ = ["LAPOSTE_ACCOUNTS", "made", "unknown_share"]

#: Accounts of the fixture ``laposte``.
LAPOSTE_ACCOUNTS = 4000


def made(steps: list[Step], campaign: str, kind: str) -> list[AuthEvent]:
    """The attempts of a campaign that are labelled ``kind``."""
    return [event for event, label in steps if label.campaign == campaign and label.label == kind]


def unknown_share(events: list[AuthEvent]) -> float:
    """How many of those that were answered are for accounts that do not exist."""
    answered = [event for event in events if event.success or event.fail_type in {"account", "credentials"}]
    return sum(event.fail_type == "account" for event in answered) / len(answered)
