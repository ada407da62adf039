"""The drill of a wrong geo file, live: a cut that was to hit hardly anybody refuses everybody, and the breaker opens."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from models import profiles
from models.profiles import Profile, encode_profile, network_number
from streams.local_kafka import free_port
from streams.writing import TopicWriter, Written
from tests.block_service import Topics, block_service, wait_for
from tests.gate_service import asked, gate_service
from tests.streams.desk.test_desk import Desk

POLICY = 'version = "1"\nenforce_delay_s = 0\nbudget = { hour = 100, day = 200 }\n'
CUSTOMERS = 150


def know_customers(channel: Topics) -> None:
    """Each has logged in from a network of his own for a week."""
    day, now = int(time.time()) // 86_400 - 8, time.time()
    writer = TopicWriter(channel.settings, "auth.profiles", profiles.SCHEMA)
    written = []
    for number in range(CUSTOMERS):
        home = Profile({network_number(f"198.18.{number}.0/24"): day}, {64500: day}, {"FR": day}, {})
        written.append(Written(f"customer{number}@example.org", encode_profile(home), now))
    writer.send(written)
    writer.close()


@pytest.mark.kafka
def test_geo_file_shifted_by_a_row_opens_the_breaker(kafka_broker: str, topic_prefix: str, tmp_path: Path) -> None:
    """Brazil is cut; then a file comes that has all customers there. Of 150 who log in at home about a hundred are refused.

    Then the breaker opens: the cut goes to shadow, everybody is let in, and it is all in ``auth.audit``.
    """
    channel, port = Topics(kafka_broker, topic_prefix), free_port()
    know_customers(channel)
    desk = Desk(tmp_path, [port])
    with (
        block_service(channel.settings, tmp_path, port, POLICY) as block,
        gate_service(channel.settings, tmp_path, free_port()) as gate,
    ):

        def refused(country: str, number: int) -> bool:
            body = asked(login=f"customer{number}@example.org", remote=f"198.18.{number}.7", country=country)
            return gate.ask("allow", body).json()["status"] == -1

        wait_for(lambda: block.leads() and block.is_ready() and gate.is_ready(), f"a leader; it said {block.said()}")
        cut = ("decisions", "add", "--scope", "country", "--value", "BR", "--for", "1h", "--reason", "a botnet", "--yes")
        decision_id = desk.told(*cut)["decision"]["decision_id"]
        wait_for(lambda: gate.ask("allow", asked(country="BR")).json()["status"] == -1, f"the cut; it said {gate.said()}")
        assert not any(refused("FR", number) for number in range(CUSTOMERS))
        assert desk.told("decisions", "list")["breaker"] is None

        assert sum(refused("BR", number) for number in range(CUSTOMERS)) > 100
        wait_for(lambda: desk.told("decisions", "list")["breaker"], f"the breaker; it said {block.said()}")
        wait_for(lambda: not any(refused("BR", number) for number in range(CUSTOMERS)), f"everybody let in; it said {gate.said()}")
        modes = {each["mode"] for each in desk.told("decisions", "list")["decisions"]}
        assert modes == {"shadow"}
    (opened,) = (note for note in channel.notes() if note["action"] == "open_breaker")
    assert (opened["decision_id"], opened["by"]) == (decision_id, "breaker")
    assert re.fullmatch(r"1\d\d accounts refused by the cut of country BR, 0 expected", opened["reason"])
    channel.close()
