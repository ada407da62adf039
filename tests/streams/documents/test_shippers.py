"""Records of shippers: the line in them is read as in its own file."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest

from models.events import decode_event
from models.geo import Geo
from streams.documents.shippers import shipped_line
from streams.ingest import FileSink, Ingest, Options

LINE = "Apr 12 06:00:01 gw sshd[501]: Failed password for root from 192.0.2.20 port 40100 ssh2"
DOCKER = {"log": LINE + "\n", "stream": "stdout", "time": "2022-04-12T06:00:09.125000000Z"}
FILEBEAT = {
    "@timestamp": "2022-04-12T06:00:09.123Z",
    "message": LINE,
    "input": {"type": "log"},
    "log": {"file": {"path": "/var/log/auth.log"}},
}
WAZUH = {"timestamp": "2022-04-12T06:00:09.123+0000", "rule": {"id": "5716"}, "decoder": {"name": "sshd"}, "full_log": LINE}


def events_of(*records: dict[str, Any]) -> list[tuple[str, str, bool, float]]:
    """What ingest makes of a file of records; the figures add up."""
    out = BytesIO()
    job = Ingest(FileSink(out, None), Options(year=2022), Geo(), "ingest", live=False)
    reading = job.reading("in.json", "p")
    for number, record in enumerate(records, 1):
        reading.take(json.dumps(record).encode(), number)
    reading.close()
    found = job.summary
    assert found.lines == found.logins + found.joined + found.refused.total() + found.not_logins == len(records)
    return [(event.login, event.remote, event.success, event.ts) for event in map(decode_event, out.getvalue().splitlines())]


@pytest.mark.parametrize("record", [DOCKER, FILEBEAT, WAZUH])
def test_the_line_is_read_with_its_own_time(record: dict[str, Any]) -> None:
    """As in the file that was shipped."""
    assert events_of(record) == [("root", "192.0.2.20", False, 1_649_743_201.0)]


def test_a_line_without_a_time_has_the_shippers() -> None:
    """Containers write no header of syslog."""
    assert events_of(DOCKER | {"log": "sshd[501]: " + LINE[30:]}) == [("root", "192.0.2.20", False, 1_649_743_209.125)]
    assert events_of(DOCKER | {"log": "sshd[501]: " + LINE[30:], "time": "soon"}) == []


def test_json_in_a_line_is_read() -> None:
    """A container whose program writes records."""
    record = {"ts": 1_649_743_205.0, "login": "bob", "remote": "192.0.2.7", "success": True}
    assert events_of(DOCKER | {"log": json.dumps(record)}) == [("bob", "192.0.2.7", True, 1_649_743_205.0)]
    assert events_of(DOCKER | {"log": json.dumps(DOCKER)}) == [("root", "192.0.2.20", False, 1_649_743_201.0)]


def test_what_an_unknown_program_says_is_no_line() -> None:
    """A field that only looks like one could be a client's words."""
    assert shipped_line({"message": LINE, "@timestamp": DOCKER["time"]}) is None
    assert shipped_line({"log": {"level": "info"}, "stream": "x", "time": 1}) is None
    assert events_of({"message": LINE, "time": DOCKER["time"]}, {"log": LINE, "time": DOCKER["time"]}) == []
