"""Small plays of the two large scenarios, each once for all tests that read it."""

from __future__ import annotations

import pytest

from simulator import simulate
from simulator.timeline import Step
from tests.simulator.plays import LAPOSTE_ACCOUNTS


@pytest.fixture(scope="session")
def demo() -> list[Step]:
    """The demo with 2,000 accounts."""
    return list(simulate("demo", seed=7, accounts=2000))


@pytest.fixture(scope="session")
def laposte() -> list[Step]:
    """The incident with 4,000 accounts, history and all."""
    return list(simulate("laposte-2022", seed=7, accounts=LAPOSTE_ACCOUNTS))
