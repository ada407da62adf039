"""streams.desk.trail: nothing waits for the broker, and nothing is lost while it is away for a while."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from models.errors import CribleError
from models.orders import Audit
from streams.desk import trail as trail_module
from streams.desk.trail import Trail
from streams.settings import Settings
from streams.writing import TopicWriter, Written
from tests.factories import T0


def note(number: int) -> Audit:
    return Audit(ts=T0, decision_id=f"stop/{number}", action="stop", by="ops", reason="a drill")


def test_notes_wait_for_the_broker_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails is tried again before the next; of very many the oldest go."""
    taken: list[str] = []
    room = [0]

    def send(_writer: TopicWriter, records: Sequence[Written]) -> None:
        if len(taken) >= room[0]:
            raise CribleError("the broker did not take a record")
        taken.extend(record.key for record in records)

    monkeypatch.setattr(TopicWriter, "send", send)
    trail = Trail(Settings())
    for number in range(3):
        trail.note(note(number))
    trail.write()
    assert taken == []
    for room[0] in (2, 9):
        trail.write()
    assert taken == ["stop/0", "stop/1", "stop/2"]
    for number in range(trail_module._MOST_WAITING + 5):
        trail.note(note(number))
    room[0] = 10**6
    trail.write()
    assert taken[3] == "stop/5"
