"""Journal entries: a line of text in JSON goes to the text formats as if it came by syslog."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.documents.journald import journal_line

ENTRY = {
    "__REALTIME_TIMESTAMP": "1649743201123456",
    "_HOSTNAME": "gw",
    "SYSLOG_IDENTIFIER": "sshd",
    "_PID": "501",
    "MESSAGE": "Failed password for root from 192.0.2.20 port 40100 ssh2",
}


def test_an_entry_is_a_line() -> None:
    """Time, host, program and process become a header."""
    line = b"<38>1 2022-04-12T06:00:01.123456Z gw sshd 501 - - Failed password for root from 192.0.2.20 port 40100 ssh2"
    assert journal_line(ENTRY) == line


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"_SOURCE_REALTIME_TIMESTAMP": "1649743200000001"}, b"<38>1 2022-04-12T06:00:00.000001Z gw sshd 501 - - hi"),
        ({"SYSLOG_IDENTIFIER": None, "_COMM": "dovecot"}, b"<38>1 2022-04-12T06:00:01.123456Z gw dovecot 501 - - hi"),
        ({"SYSLOG_PID": "7"}, b"<38>1 2022-04-12T06:00:01.123456Z gw sshd 7 - - hi"),
        ({"_HOSTNAME": None, "_PID": None}, b"<38>1 2022-04-12T06:00:01.123456Z - sshd - - - hi"),
        ({"SYSLOG_IDENTIFIER": "a b\n<c"}, b"<38>1 2022-04-12T06:00:01.123456Z gw a_b_<c 501 - - hi"),
        ({"__REALTIME_TIMESTAMP": "soon"}, b"<38>1 - gw sshd 501 - - hi"),
        ({"__REALTIME_TIMESTAMP": "9" * 18}, b"<38>1 - gw sshd 501 - - hi"),
        ({"MESSAGE": [104, 255]}, b"<38>1 2022-04-12T06:00:01.123456Z gw sshd 501 - - h\xff"),
        ({"MESSAGE": ["first", "second"]}, b"<38>1 2022-04-12T06:00:01.123456Z gw sshd 501 - - first"),
        ({"MESSAGE": None}, b"<38>1 2022-04-12T06:00:01.123456Z gw sshd 501 - - "),
    ],
)
def test_fields_of_an_entry(changes: dict[str, Any], line: bytes) -> None:
    """The time at which the program wrote wins; what is missing is a dash; names cannot break the header."""
    assert journal_line(ENTRY | {"MESSAGE": "hi"} | changes) == line


@pytest.mark.parametrize("record", [{}, {"MESSAGE": "hi"}, {"__REALTIME_TIMESTAMP": "1649743201123456"}])
def test_other_records_are_no_entries(record: dict[str, Any]) -> None:
    """Without time or message it is none."""
    assert journal_line(record) is None


@given(st.dictionaries(st.sampled_from(sorted(ENTRY)), st.none() | st.integers() | st.text() | st.lists(st.integers() | st.text())))
def test_any_entry_is_one_header(changes: dict[str, Any]) -> None:
    """Whatever stands in the fields, the header keeps its seven parts."""
    line = journal_line(json.loads(json.dumps(ENTRY | changes)))
    assert line is not None
    header = line.split(b" ", 7)
    assert header[0] == b"<38>1"
    assert header[5:7] == [b"-", b"-"]
