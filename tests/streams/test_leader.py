"""streams.leader: what needs no broker; the rest is in tests/streams/test_block.py, with processes."""

from __future__ import annotations

import pytest

from models.errors import CribleError
from streams.leader import Brake


def test_brake_stops_after_failures_in_a_row() -> None:
    """Five failures of our own code in a row end the process; a success in between starts the count anew."""
    brake, error = Brake(), KeyError("x")
    for _ in range(4):
        brake.failed(error, "t/0/1")
    brake.worked()
    for _ in range(4):
        brake.failed(error, "t/0/2")
    with pytest.raises(CribleError, match=r"^t/0/3: deciding failed on 5 alerts in a row, at last with KeyError"):
        brake.failed(error, "t/0/3")
