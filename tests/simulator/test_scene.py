"""What every habit needs."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise
from random import Random

import pytest

from models.events import AuthEvent
from simulator.clients import APPS, BROWSERS, HEALTH
from simulator.habits import Habits
from simulator.places import Places
from simulator.provider import Outage, Provider
from simulator.scene import Scene, Update, WorkingHours
from simulator.timeline import Step, Timeline
from simulator.week import is_weekend

#: Thursday, 6 January 2022, 00:00 UTC.
_START_TS = 1_641_427_200.0
_APP, _NEW_APP = APPS[0], APPS[1]


def _scene(**habits: float) -> Scene:
    provider, figures = Provider(seed=1, accounts=200), Habits(**habits)  # type: ignore[arg-type]
    places, timeline = Places(figures, 200), Timeline(_START_TS)
    return Scene(provider, timeline, figures, places, _START_TS, _START_TS + 7 * 86_400, Random(1), Random(2))


def _attempts(scene: Scene, client: object = _APP, refuse: int = 0) -> list[Step]:
    """What comes of one attempt when the first ``refuse`` are refused."""
    account, asked = scene.provider.accounts[5], []

    def refuses(event: AuthEvent) -> bool:
        asked.append(event)
        return len(asked) <= refuse

    scene.timeline.start(scene.attempt(_START_TS, account, account.home(_START_TS), client, None))  # type: ignore[arg-type]
    return list(scene.timeline.run(1e12, "run", refuses))


def test_a_client_that_is_refused_tries_again_as_it_is_made_to() -> None:
    """A telephone after a minute, then after five; once it is let in it stops."""
    steps = _attempts(_scene(), refuse=2)
    assert [event.policy_reject for event, _ in steps] == [True, True, False]
    pauses = [after[0].ts - before[0].ts for before, after in pairwise(steps)]
    assert 48 <= pauses[0] <= 72
    assert 240 <= pauses[1] <= 360
    assert [label.password_ok for _, label in steps] == [True, True, None]


def test_a_client_gives_up_in_the_end() -> None:
    """A browser's user tries four times in all."""
    assert len(_attempts(_scene(), BROWSERS[0], refuse=99)) == 1 + len(BROWSERS[0].retries_s)


def test_practice_software_just_keeps_its_period() -> None:
    """No retries: its next poll comes whatever the answer was."""
    assert len(_attempts(_scene(), HEALTH, refuse=99)) == 1


@pytest.mark.parametrize("fail_type", ["internal", None])
def test_an_outage_turns_clients_away_too(fail_type: str | None) -> None:
    """They come back until it is over; what failed is a fault of ours, said or not."""
    scene = _scene()
    scene.provider.outages = (Outage(_START_TS - 1, _START_TS + 100, 10, fail_type),)
    steps = _attempts(scene)
    assert [event.success for event, _ in steps] == [False, False, True]
    assert [event.fail_type for event, _ in steps] == [fail_type, fail_type, None]
    assert [label.trait for _, label in steps] == ["backend_outage", "backend_outage", None]


def test_an_outage_of_some_servers_shuts_some_mailboxes() -> None:
    """Three in ten."""
    scene = _scene()
    scene.provider.outages = (Outage(_START_TS - 1, _START_TS + 100, 3, "internal"),)
    steps = [scene.step(_START_TS, account, account.home(_START_TS), _APP) for account in scene.provider.accounts]
    assert sum(event.success for event, _ in steps) == 0.7 * len(steps)


def test_a_program_logs_in_with_its_own_password_under_the_alias() -> None:
    """The event names the mailbox, and the credential that opened it; a change of the password does not matter to it."""
    scene = _scene()
    account = scene.provider.accounts[5]
    scene.provider.give_alias(account, "other@courrier.example")
    account.app_password, account.new_password_ts = "app", _START_TS
    scene.timeline.start(scene.program(_START_TS, account, account.home(_START_TS), _APP))
    ((event, label),) = scene.timeline.run(1e12, "run")
    assert event.success
    assert (event.login, event.account, event.credential_id) == ("other@courrier.example", account.login, "app:5")
    assert label.actor == account.login


def test_a_program_opens_several_connections_at_once() -> None:
    """Each account the same number every time, up to four, within a second."""
    scene = _scene()
    for account in scene.provider.accounts:
        scene.timeline.start(scene.program(_START_TS, account, account.home(_START_TS), _APP, connections=4))
    steps = list(scene.timeline.run(1e12, "run"))
    assert Counter(Counter(event.login for event, _ in steps).values()) == {1: 50, 2: 50, 3: 50, 4: 50}
    assert steps[-1][0].ts - steps[0][0].ts < 1


def test_an_update_spreads_over_the_users_of_a_client() -> None:
    """Nobody has it before, half in the middle, everybody at the end."""
    scene = _scene()
    scene.updates = {_APP: Update(_NEW_APP, _START_TS, 1000.0)}

    def updated(ts: float) -> int:
        return sum(scene.version(account, _APP, ts) == _NEW_APP for account in scene.provider.accounts)

    assert updated(_START_TS - 1) == 0
    assert 90 < updated(_START_TS + 500) < 110
    assert updated(_START_TS + 1000) == 200


def test_visits_have_the_rate_of_the_week() -> None:
    """Thirteen times the busiest hour a day, half as many at weekends, more on Monday; within 7 %."""
    scene = _scene(weekend=0.5, monday_morning=2.0)
    people = [(account, BROWSERS[0]) for account in scene.provider.accounts]
    days: Counter[int] = Counter()
    for ts, _, _ in scene.visits(people, 1.0, 0, Random(3)):
        if ts >= scene.end_ts:
            break
        days[int((ts - _START_TS) // 86_400)] += 1
    per_day, monday_morning = 200 * 13.69, 200 * (0.95 + 1.00 + 0.95)  # the sum of a day's profile, and of three hours in it
    expected = [per_day, per_day, per_day / 2, per_day / 2, per_day + monday_morning, per_day, per_day]
    assert [abs(days[day] / expected[day] - 1) < 0.07 for day in range(7)] == [True] * 7


def test_a_few_people_visit_most() -> None:
    """The spread of the weights decides: the busiest tenth has a fifth of the visits, or more than a half."""

    def share_of_the_busiest(spread: float) -> float:
        scene = _scene(visit_spread=spread)
        people = [(account, BROWSERS[0]) for account in scene.provider.accounts]
        visits = Counter(account.number for _, account, _ in islice(scene.visits(people, 1.0, 0, Random(3)), 20_000))
        return sum(count for _, count in visits.most_common(20)) / 20_000

    assert 0.1 < share_of_the_busiest(0.3) < 0.25
    assert 0.4 < share_of_the_busiest(1.5) < 0.7


def test_a_program_at_work_ticks_in_working_hours_on_working_days() -> None:
    """Every quarter of an hour from eight o'clock on for about ten hours; this one is closed at weekends."""
    scene = _scene()
    account = scene.provider.accounts[1]
    hours = WorkingHours(8.0, 0.0, weekend_share=0.0)
    ticks = [ts for ts in islice(scene.ticks(account, 900.0, hours), 300) if ts < scene.end_ts]
    offset_h = scene.utc_offset_h(account)
    local_h = [ts / 3600 + offset_h for ts in ticks]
    assert not any(map(is_weekend, local_h))
    assert all(7.9 <= hour % 24 <= 24 for hour in local_h)
    gaps = [after - before for before, after in pairwise(ticks)]
    assert sum(870 <= gap <= 930 for gap in gaps) > 0.95 * len(gaps)
    assert max(gaps) > 2.4 * 86_400  # the weekend


def test_a_program_that_is_always_on_never_pauses() -> None:
    """Day and night."""
    scene = _scene()
    ticks = list(islice(scene.ticks(scene.provider.accounts[1], 900.0, None), 300))
    assert all(870 <= after - before <= 930 for before, after in pairwise(ticks))
