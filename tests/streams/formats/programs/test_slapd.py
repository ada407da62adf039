"""slapd tells of one bind in three lines: who connects, as whom, and how it ends."""

from __future__ import annotations

import pytest

from tests.streams.formats.lines import read_messages, reader, told, what

ACCEPT = "conn={} fd=21 ACCEPT from IP={}:45011 (IP=0.0.0.0:636)"
BIND = 'conn={} op=1 BIND dn="{}" method=128'
RESULT = "conn={} op=1 RESULT tag=97 err={} text="
ANNA = "uid=anna,ou=people,dc=example,dc=org"


def test_a_bind_is_told_by_three_lines() -> None:
    """Address, name and outcome come together; connections do not mix."""
    events = read_messages(
        "slapd[7]",
        ACCEPT.format(1, "192.0.2.1"),
        ACCEPT.format(2, "192.0.2.2"),
        BIND.format(1, ANNA),
        BIND.format(2, "mail=bob@example.org,dc=example"),
        RESULT.format(2, 0),
        RESULT.format(1, 49),
    )
    assert what(events) == [("bob@example.org", "192.0.2.2", True, None), ("anna", "192.0.2.1", False, "credentials")]


def test_a_connection_that_binds_again_has_the_new_name() -> None:
    """Several binds on one connection are as many attempts."""
    events = read_messages(
        "slapd[7]",
        ACCEPT.format(1, "192.0.2.1"),
        *(line for name in ("a", "b") for line in (BIND.format(1, f"cn={name},dc=x"), RESULT.format(1, 49))),
    )
    assert [event.login for event in events] == ["a", "b"]


def test_what_nobody_is_named_in_is_no_log_in() -> None:
    """Anonymous binds, and results of connections whose start was not read."""
    assert read_messages("slapd[7]", RESULT.format(9, 49), ACCEPT.format(1, "192.0.2.1"), RESULT.format(1, 0)) == []
    lines = (ACCEPT.format(1, "192.0.2.1"), BIND.format(1, ANNA), BIND.format(1, ""), RESULT.format(1, 0))
    assert read_messages("slapd[7]", *lines) == []


def test_a_bind_by_sasl_is_not_taken_for_the_one_before() -> None:
    """Its result is no log-in of who bound with a password before it on the same connection."""
    lines = (ACCEPT.format(1, "192.0.2.1"), BIND.format(1, ANNA), RESULT.format(1, 0))
    sasl = (BIND.format(1, "").replace("128", "163"), RESULT.format(1, 0))
    assert what(read_messages("slapd[7]", *lines, *sasl)) == [("anna", "192.0.2.1", True, None)]


def test_what_is_over_is_forgotten() -> None:
    """Numbers begin again when slapd does; a new connection has nothing of an old one."""
    log = reader()
    lines = (ACCEPT.format(1, "192.0.2.1"), BIND.format(1, ANNA), "conn=1 fd=21 closed")
    told(log, (f"Apr 12 06:00:01 ldap1 slapd[7]: {line}" for line in lines))
    assert log.connections == []
    assert read_messages("slapd[7]", *lines[:2], ACCEPT.format(1, "192.0.2.2"), RESULT.format(1, 0)) == []


def test_connections_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens many connections cannot fill the memory."""
    monkeypatch.setattr("streams.formats.reader._CONNECTIONS", 3)
    log = reader()
    told(log, (f"Apr 12 06:00:01 ldap1 slapd[7]: {ACCEPT.format(number, '192.0.2.1')}" for number in range(20)))
    assert len(log._told) == 3


def test_a_name_is_not_the_address_of_another() -> None:
    """Names are quoted by slapd, and what looks like the start of a connection is only a name."""
    forged = "uid=x fd=21 ACCEPT from IP=203.0.113.66:1 (IP=,dc=x"
    events = read_messages("slapd[7]", ACCEPT.format(1, "192.0.2.1"), BIND.format(1, forged), RESULT.format(1, 49))
    assert [event.remote for event in events] == ["192.0.2.1"]
