"""What follows a hit."""

from __future__ import annotations

from collections import defaultdict

from models.events import AuthEvent
from simulator import SCENARIOS, simulate
from simulator.timeline import Step


def test_a_takeover_follows_a_hit_from_a_new_network_abroad(demo: list[Step]) -> None:
    """Minutes after stuffing found the password somebody logs in from a country and address the owner never used."""
    found = {e.login: e.ts for e, label in demo if label.label == "credential_stuffing" and e.success}
    own = {(e.login, e.country) for e, label in demo if label.label == "benign"}
    entered: dict[str, list[AuthEvent]] = defaultdict(list)
    for event, label in demo:
        if label.label == "account_takeover":
            assert label.cause == "credential_stuffing"
            entered[label.actor].append(event)
    assert len(entered) >= 10
    for events in entered.values():
        assert all(event.success for event in events)
        assert len({event.login for event in events}) == len({event.remote for event in events}) == 1
        assert events[0].ts - found[events[0].login] >= 120
        assert (events[0].login, events[0].country) not in own


def test_verified_pairs_are_used_days_later(laposte: list[Step]) -> None:
    """Found on one day of the history, entered on the judged one, by as many buyers as there were pairs."""
    judged_ts = SCENARIOS["laposte-2022"].judged_ts
    mine = [(event, label) for event, label in laposte if label.campaign == "verified-pairs"]
    found = {event.login for event, label in mine if label.label == "credential_stuffing" and event.success}
    entered = [(event, label) for event, label in mine if label.label == "account_takeover"]
    assert {event.login for event, _ in entered} == found
    assert len({label.actor for _, label in entered}) == len(found) > 1
    assert all(event.ts < judged_ts - 4 * 86_400 for event, label in mine if label.label == "credential_stuffing")
    assert all(event.ts >= judged_ts + 9 * 3600 for event, _ in entered)


def test_a_buyer_who_is_refused_comes_back_from_elsewhere() -> None:
    """Where whoever entered a mailbox is refused from then on, his second visit is, and his third has another address."""
    blocked: set[str] = set()
    entered: dict[str, list[AuthEvent]] = defaultdict(list)
    for event, label in simulate("demo", 7, accounts=1000, refused=lambda event: event.remote in blocked):
        if label.label == "account_takeover":
            blocked.add(event.remote)
            entered[label.actor].append(event)
    complete = [events for events in entered.values() if len(events) == 3]
    assert len(complete) >= 5
    for first, second, third in complete:
        assert (first.policy_reject, second.policy_reject, third.policy_reject) == (False, True, False)
        assert first.remote == second.remote != third.remote
