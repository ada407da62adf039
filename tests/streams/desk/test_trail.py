"""streams.desk.trail: nothing waits for the broker, and nothing is lost while it is away for a while."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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


def test_notes_wait_for_the_broker_in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that fails is tried again before the next; of very many the oldest go."""
    taken: list[str] = []
    room = [0]

    def send(_writer: TopicWriter, records: Sequence[Written]) -> None:
        if len(taken) >= room[0]:
            raise CribleError("the broker did not take a record")
        taken.extend(record.key for record in records)

    monkeypatch.setattr(TopicWriter, "send", send)
    monkeypatch.setattr(trail_module, "_MOST_WAITING", 20)
    trail = Trail(Settings(), tmp_path / "notes")
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


def test_notes_wait_over_a_restart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Once written they do not come again; what is damaged is left out, and no disk is needed to go on."""
    taken: list[str] = []
    file = tmp_path / "state" / "notes"
    for number in range(2):
        Trail(Settings(), file).note(note(number))
    with file.open("ab") as damaged:
        damaged.write(b'{"ts":')
    monkeypatch.setattr(TopicWriter, "send", lambda _writer, records: taken.extend(record.key for record in records))
    for _ in range(2):
        Trail(Settings(), file).write()
    assert taken == ["stop/0", "stop/1"]
    (tmp_path / "file").write_bytes(b"")
    without_disk = Trail(Settings(), tmp_path / "file" / "notes")
    without_disk.note(note(2))
    without_disk.write()
    assert taken == ["stop/0", "stop/1", "stop/2"]
