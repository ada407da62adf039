"""One small demo, played once for all tests that read it."""

from __future__ import annotations

import pytest

from simulator import simulate
from simulator.timeline import Step


@pytest.fixture(scope="session")
def demo() -> list[Step]:
    """The demo with 2,000 accounts."""
    return list(simulate("demo", seed=7, accounts=2000))
