"""Programs that poll, in the incident's provider."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

from simulator import SCENARIOS, groups, simulate
from simulator.clients import API_APP, CLOUD_SYNC, HEALTH, MONITORS, MOVING
from simulator.timeline import Step
from tests.simulator.plays import LAPOSTE_ACCOUNTS

_JUDGED_TS = SCENARIOS["laposte-2022"].judged_ts


def test_practices_poll_on_working_days_and_some_at_weekends(laposte: list[Step]) -> None:
    """All of the group with one fingerprint, every 25 minutes; a fifth is open on Sunday."""
    moments: dict[str, list[float]] = defaultdict(list)
    for event, label in laposte:
        if event.ja3 == HEALTH.ja3 and label.label == "benign":
            moments[event.login].append(event.ts)
    assert set(moments) == {login for login, _ in groups(LAPOSTE_ACCOUNTS)}
    gaps = [after - before for ts in moments.values() for before, after in pairwise(ts)]
    assert sum(1455 <= gap <= 1545 for gap in gaps) > 0.9 * len(gaps)
    sunday = sum(any(-86_400 < ts - _JUDGED_TS < 0 for ts in times) for times in moments.values())
    assert 0.1 < sunday / len(moments) < 0.3


def test_robots_log_in_day_and_night_with_mailboxes_of_their_own(laposte: list[Step]) -> None:
    """Four protocols in turn from three sites at a fixed period, for no customer; an outage is all that stops them."""
    robots = [event for event, _ in laposte if event.ja3 == MONITORS[0].ja3]
    assert {event.protocol for event in robots} == {"imap", "pop3", "smtp", "http"}
    assert len({event.remote for event in robots}) == 3
    assert {round(after.ts - before.ts) for before, after in pairwise(robots)} == {300}
    assert all(event.success or event.fail_type in {"internal", None} for event in robots)
    assert {event.login for event in robots}.isdisjoint(
        event.login for event, label in laposte if label.label == "benign" and event.ja3 != MONITORS[0].ja3
    )


def test_tokens_expire_hourly_and_are_renewed(laposte: list[Step]) -> None:
    """Apps show a credential; their failures are of the token, and most are followed by a success within two seconds."""
    by_login: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for event, label in laposte:
        if event.device_id == API_APP.device_id and label.label == "benign":
            assert event.credential_id == API_APP.credential_id
            assert event.mech == "OAUTHBEARER"
            assert event.fail_type in {None, "token", "internal"}
            by_login[event.login].append((event.ts, event.success))
    renewed = sum(
        not ok and then_ok and then_ts - ts < 2 for times in by_login.values() for (ts, ok), (then_ts, then_ok) in pairwise(times)
    )
    failed = sum(not ok for times in by_login.values() for _, ok in times)
    assert 0.1 < failed / sum(map(len, by_login.values())) < 0.5
    assert renewed > 100


def test_a_grant_that_ended_fails_for_ever() -> None:
    """A few apps end with many failures of the token in a row."""
    outcomes: dict[str, list[bool]] = defaultdict(list)
    for event, _ in simulate("quiet-week", seed=7, accounts=20_000, hours=100):
        if event.device_id == API_APP.device_id and event.fail_type in {None, "token"}:
            outcomes[event.login].append(event.success)
    broken = [login for login, each in outcomes.items() if len(each) > 20 and not any(each[-10:])]
    assert 1 <= len(broken) <= 12
    assert len(outcomes) > 50


def test_a_vendor_moves_its_users_to_its_cloud_overnight(laposte: list[Step]) -> None:
    """On Monday its program is seen nowhere, and its users log in from one other network, some with a token."""
    old = {client.device_id for client in MOVING}
    before: set[str] = set()
    after: set[str] = set()
    mechs: Counter[str | None] = Counter()
    for event, label in laposte:
        if label.label != "benign":
            continue
        account = event.account or event.login
        if event.device_id in old:
            before.add(account)
            assert event.ts < _JUDGED_TS
        elif event.device_id == CLOUD_SYNC.device_id and event.ts >= _JUDGED_TS:
            after.add(account)
            mechs[event.mech] += 1
            assert event.remote.startswith("198.51.100.")
            assert label.trait in {"shared_source", "backend_outage"}
    assert len(before) > 15
    assert len(before & after) > 0.8 * len(before)
    assert {"PLAIN", "XOAUTH2"} <= set(mechs)
