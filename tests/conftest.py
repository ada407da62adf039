"""Fixtures of all tests: a real Kafka broker, and the data folder beside the project."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path
from uuid import uuid4

import pytest

from models.errors import CribleError
from streams import local_kafka
from streams.local_kafka import LocalKafka

_SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``host:port`` of a broker that all tests share: ``CRIBLE_KAFKA`` if set, else one started for this run."""
    given = os.environ.get("CRIBLE_KAFKA")
    if given:
        yield given
        return
    parallel = "PYTEST_XDIST_WORKER" in os.environ  # then the base directory is one of several beside each other
    base = tmp_path_factory.getbasetemp()
    directory = (base.parent if parallel else base) / "kafka"
    with _users_of(directory) as users:
        kafka = local_kafka.find(directory) or _start(directory)
        users.append(os.getpid())
    yield kafka.bootstrap
    with _users_of(directory) as users:
        users.remove(os.getpid())
        if not users:
            kafka.stop()


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[LocalKafka]:
    """A broker of this test alone, which it may pause, stop and restart (on the same port)."""
    directory = tmp_path / "kafka"
    yield _start(directory)
    running = local_kafka.find(directory)
    if running is not None:
        running.stop()


@pytest.fixture
def topic_prefix() -> str:
    """A prefix that no other test's topics have."""
    return f"t{uuid4().hex[:12]}."


@pytest.fixture
def shared_data() -> Path:
    """The folder of real logs and geo files beside the project; for tests marked ``shared_data``."""
    if not _SHARED_DATA.is_dir():
        pytest.skip("no ../shared/data beside the project")
    return _SHARED_DATA


@contextmanager
def _users_of(directory: Path) -> Iterator[list[int]]:
    """The processes of this run that use the broker in ``directory``, to be changed while nobody else does."""
    directory.mkdir(exist_ok=True)
    with (directory / "users").open("a+") as file:
        flock(file, LOCK_EX)
        file.seek(0)
        users = [int(pid) for pid in file.read().split()]
        yield users
        file.truncate(0)
        file.write(" ".join(map(str, users)))


def _start(directory: Path) -> LocalKafka:
    try:
        return local_kafka.start(directory, local_kafka.free_port())
    except CribleError as error:
        reason = f"no Kafka broker: {error}"
    if os.environ.get("CRIBLE_REQUIRE_KAFKA") == "1":
        pytest.fail(f"CRIBLE_REQUIRE_KAFKA=1, and {reason}", pytrace=False)
    pytest.skip(reason)
