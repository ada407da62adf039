"""The incident of April 2022: what is frozen, and what its customers and its day look like."""

from __future__ import annotations

from collections import Counter, defaultdict
from hashlib import blake2b
from itertools import islice

import pytest

from models.events import encode_event
from simulator import SCENARIOS, encode_label, simulate
from simulator.timeline import Step
from tests.simulator.plays import LAPOSTE_ACCOUNTS

_JUDGED_TS = SCENARIOS["laposte-2022"].judged_ts


@pytest.mark.parametrize(
    ("accounts", "first", "events", "labels"),
    [
        (200_000, 100_000, "09eb2ce278ecb02a046dd9319f1ce017", "fe48cba17b04b6a2a997fd599db5e0f3"),
        (2000, None, "af4841382a435d578095875315bd245a", "36a5b4154044bae141d6af653939b139"),
    ],
)
def test_the_incident_is_frozen(accounts: int, first: int | None, events: str, labels: str) -> None:
    """Figures of detectors are comparable only while this holds: a change here means that every earlier one is taken again.

    BLAKE2b-128 of the first lines of both files with seed 1, as the README has them: ``head -n 100000 FILE | b2sum -l 128``.
    """
    of_events, of_labels = blake2b(digest_size=16), blake2b(digest_size=16)
    for event, label in islice(simulate("laposte-2022", seed=1, accounts=accounts), first):
        of_events.update(encode_event(event) + b"\n")
        of_labels.update(encode_label(label) + b"\n")
    assert (of_events.hexdigest(), of_labels.hexdigest()) == (events, labels)


def test_the_size_is_the_one_planned(laposte: list[Step]) -> None:
    """Two million attempts of history and three million on the judged day at full size, 10 and 15 per account; a little
    more in a small play, as robots and bought mailboxes do not become fewer.
    """
    judged = [label.label for event, label in laposte if event.ts >= _JUDGED_TS]
    assert 9 < (len(laposte) - len(judged)) / LAPOSTE_ACCOUNTS < 14
    assert 14 < len(judged) / LAPOSTE_ACCOUNTS < 19
    assert 0.75 < sum(label != "benign" for label in judged) / len(judged) < 0.9


def test_the_judged_day_has_every_kind_of_attack_and_the_history_few(laposte: list[Step]) -> None:
    """All five kinds and takeovers on the day; before it a few in a hundred attempts belong to attackers who prepare."""
    kinds: dict[bool, Counter[str]] = defaultdict(Counter)
    for event, label in laposte:
        kinds[event.ts >= _JUDGED_TS][label.label] += 1
    assert len(kinds[True]) == 6
    assert set(kinds[False]) == {"benign", "credential_stuffing", "password_spray"}
    assert kinds[False]["benign"] > 0.9 * kinds[False].total()


def test_a_third_of_the_accounts_is_dormant_and_some_come_back(laposte: list[Step]) -> None:
    """Fewer than 60 % of the accounts are ever used by their owners; attackers try the others all the same."""
    used = {label.actor for _, label in laposte if label.label == "benign"}
    attacks = [event for event, label in laposte if label.label != "benign"]
    attacked = {event.account or event.login for event in attacks if event.fail_type != "account"}
    assert 0.45 < len(used) / LAPOSTE_ACCOUNTS < 0.6
    assert len(attacked - used) > 0.3 * LAPOSTE_ACCOUNTS


def test_mondays_are_busier_than_tuesdays_and_weekends_quieter(laposte: list[Step]) -> None:
    """People only: visits to the webmail between eight and eleven."""
    visits: Counter[int] = Counter()
    for event, label in laposte:
        day, second = divmod(event.ts - _JUDGED_TS, 86_400)
        if label.label == "benign" and event.protocol == "http" and event.user_agent and 8 * 3600 <= second < 11 * 3600:
            visits[int(day)] += 1
    assert visits[-7] > 1.25 * visits[-6]
    assert visits[-1] < 0.8 * visits[-6]


def test_holidays_begin_on_the_last_saturday(laposte: list[Step]) -> None:
    """More owners are seen abroad on the judged Monday than a week before."""
    abroad: dict[int, set[str]] = defaultdict(set)
    for event, label in laposte:
        if label.label == "benign" and event.asn and 64550 <= event.asn < 64560:
            abroad[int((event.ts - _JUDGED_TS) // 86_400)].add(label.actor)
    assert len(abroad[0]) > 1.5 * len(abroad[-7])


def test_mailboxes_have_aliases_and_passwords_for_programs(laposte: list[Step]) -> None:
    """Some owners' programs use another name or a password of their own; the mailbox is told in ``account``."""
    aliased = {event.login: event.account for event, label in laposte if event.account and label.label == "benign"}
    assert 100 < len(aliased) < 400
    assert all(login.lower() != login or login != account for login, account in aliased.items())
    own_password = {label.actor for event, label in laposte if event.credential_id and event.credential_id.startswith("app:")}
    assert 20 < len(own_password) < 120
    tried = {event.login for event, label in laposte if label.label == "credential_stuffing"}
    assert tried & set(aliased)


def test_some_mailboxes_are_read_by_several_households(laposte: list[Step]) -> None:
    """Desktop programs of one mailbox on four lines or more on the same Tuesday."""
    lines: dict[str, set[str]] = defaultdict(set)
    for event, label in laposte:
        desktop = event.device_id and event.device_id.startswith(("Thunderbird", "Mac", "Outlook"))
        if label.label == "benign" and desktop and -6 * 86_400 <= event.ts - _JUDGED_TS < -5 * 86_400:
            lines[label.actor].add(event.remote)
    assert 3 <= sum(len(remotes) >= 3 for remotes in lines.values()) <= 30


def test_forgotten_telephones_fail_more_every_day(laposte: list[Step]) -> None:
    """Passwords change all week, and nobody repairs what fails since."""
    days = Counter(int((event.ts - _JUDGED_TS) // 86_400) for event, label in laposte if label.trait == "stale_password")
    assert days[-6] < days[-4] < days[-2] < days[0]
