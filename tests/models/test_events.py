"""Events: only four things refuse one; everything else is read, repaired or left out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.addresses import Proxies
from models.events import (
    FAIL_TYPES,
    MAX_LINE_BYTES,
    MAX_TEXT,
    PROTOCOLS,
    AuthEvent,
    EventIds,
    Refused,
    decode_event,
    decode_fields,
    device_of,
    encode_event,
    event_from_fields,
    event_id,
    set_client,
)
from models.ids import stable_id

GOOD: dict[str, Any] = {"ts": 1_650_000_000.5, "login": "bob", "remote": "192.0.2.7", "success": False}


def read(**changes: Any) -> AuthEvent:
    """Decode the good event with ``changes``; ``...`` leaves a field out."""
    fields = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    return decode_event(json.dumps(fields).encode())


def test_contract_table_of_fields() -> None:
    """The wire fields are those of the contract, in its order."""
    assert list(AuthEvent.__struct_fields__) == [
        *["ts", "login", "remote", "success", "protocol", "account", "realm", "mech", "credential_id", "fail_type", "pwhash"],
        *["device_id", "ja3", "user_agent", "policy_reject", "session_id", "server", "tls", "country", "asn", "geo_build"],
        *["event_id", "attrs"],
    ]
    assert {"imap", "pop3", "smtp", "sieve", "http", "mobileapi", "ssh", "ftp", "other"} == PROTOCOLS
    assert {"credentials", "account", "token", "expired", "disabled", "policy", "internal"} == FAIL_TYPES


def test_small_event() -> None:
    """Four fields make an event; nothing else is written back."""
    event = read()
    assert (event.protocol, event.fail_type, event.policy_reject) == ("other", None, False)
    assert json.loads(encode_event(event)) == GOOD


def test_every_field_is_kept() -> None:
    """A complete event survives reading and writing."""
    texts = [
        "account",
        "realm",
        "mech",
        "credential_id",
        "pwhash",
        "device_id",
        "ja3",
        "user_agent",
        "session_id",
        "server",
        "event_id",
    ]
    attrs = {"source": "mail.log:7", "port": 993, "ratio": 0.5, "secured": True, "note": None}
    full = GOOD | {name: f"some {name}" for name in texts} | {"protocol": "imap", "fail_type": "credentials", "policy_reject": True}
    full |= {"tls": True, "country": "FR", "asn": 3215, "geo_build": 1_781_725_900, "attrs": attrs}
    assert set(full) == set(AuthEvent.__struct_fields__)
    assert json.loads(encode_event(decode_event(json.dumps(full).encode()))) == full


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b'{"ts": 1', "not_json"),
        (b"Apr 12 06:00:00 mx1 dovecot: x", "not_json"),
        (b"[" * 20_000, "not_json"),
        (b"[]", "not_an_object"),
        (b"7", "not_an_object"),
        (b"null", "not_an_object"),
        (b" " * MAX_LINE_BYTES + b"{}", "too_long"),
    ],
)
def test_lines_that_are_no_object(raw: bytes, reason: str) -> None:
    """What is not a JSON object of bounded size is refused with a reason."""
    with pytest.raises(Refused) as caught:
        decode_event(raw)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ts": ...}, "no_ts"),
        ({"ts": None}, "no_ts"),
        ({"ts": True}, "bad_ts"),
        ({"ts": -1}, "bad_ts"),
        ({"ts": 1_650_000_000_000}, "bad_ts"),
        ({"ts": float("nan")}, "bad_ts"),
        ({"ts": float("inf")}, "bad_ts"),
        ({"ts": 10**30}, "bad_ts"),
        ({"ts": [1]}, "bad_ts"),
        ({"ts": "yesterday"}, "bad_ts"),
        ({"ts": "2022-04-12T06:00:00"}, "bad_ts"),
        ({"ts": "2022-13-12T06:00:00Z"}, "bad_ts"),
        ({"ts": "2022-04-12T06:00:61Z"}, "bad_ts"),
        ({"remote": ...}, "no_remote"),
        ({"remote": None}, "no_remote"),
        ({"remote": ""}, "bad_remote"),
        ({"remote": "mail.example.org"}, "bad_remote"),
        ({"remote": "1" * 300}, "bad_remote"),
        ({"remote": 1}, "bad_remote"),
        ({"success": ...}, "no_success"),
        ({"success": None}, "no_success"),
        ({"success": 1}, "no_success"),
        ({"success": "true"}, "no_success"),
    ],
)
def test_the_four_reasons(changes: dict[str, Any], reason: str) -> None:
    """No time, no address and no outcome refuse an event, whether read from a line or from fields."""
    fields = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    with pytest.raises(Refused) as caught:
        decode_event(json.dumps(fields).encode())
    assert caught.value.reason == reason
    with pytest.raises(Refused) as caught:
        event_from_fields(fields)
    assert caught.value.reason == reason


def test_number_too_large_for_a_float_is_no_time() -> None:
    """A number beyond IEEE doubles is refused as a time."""
    with pytest.raises(Refused) as caught:
        decode_event(b'{"ts": 1e999, "login": "bob", "remote": "192.0.2.7", "success": true}')
    assert caught.value.reason == "bad_ts"


def test_only_live_reading_judges_the_future() -> None:
    """Five minutes ahead is accepted, more is refused, and without a clock any time is read."""
    raw = json.dumps(GOOD).encode()
    assert decode_event(raw, now=GOOD["ts"] - 300).ts == GOOD["ts"]
    with pytest.raises(Refused) as caught:
        decode_event(raw, now=GOOD["ts"] - 300.001)
    assert caught.value.reason == "future_ts"
    assert decode_event(raw).ts == GOOD["ts"]


@pytest.mark.parametrize(
    ("text", "ts"),
    [
        ("2022-04-12T06:00:00Z", 1_649_743_200.0),
        ("2022-04-12t06:00:00z", 1_649_743_200.0),
        ("2022-04-12 08:00:00.25+02:00", 1_649_743_200.25),
        ("2022-04-12T06:00:00.123456789Z", 1_649_743_200.123456789),
        ("2016-12-31T23:59:60Z", 1_483_228_800.0),
    ],
)
def test_rfc3339(text: str, ts: float) -> None:
    """RFC 3339 times are read, with offset, fraction and leap second."""
    assert read(ts=text).ts == ts


def test_remote_is_normalised() -> None:
    """Addresses are written in one way."""
    assert read(remote="::FFFF:192.0.2.7").remote == "192.0.2.7"
    assert read(remote="2001:DB8:0:0::1").remote == "2001:db8::1"


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"account": 7}, {"account": "7"}),
        ({"session_id": 1.5}, {"session_id": "1.5"}),
        ({"server": ["a"]}, {}),
        ({"realm": True}, {}),
        ({"mech": None}, {}),
        ({"protocol": "IMAP"}, {"protocol": "imap"}),
        ({"protocol": "gopher"}, {}),
        ({"protocol": 5}, {}),
        ({"fail_type": "credentials"}, {"fail_type": "credentials"}),
        ({"fail_type": "weather"}, {}),
        ({"fail_type": 1}, {}),
        ({"tls": "TLSv1.3"}, {}),
        ({"policy_reject": "yes"}, {}),
        ({"country": "fr"}, {"country": "FR"}),
        ({"country": "France"}, {}),
        ({"country": "F1"}, {}),
        ({"country": "ÉÉ"}, {}),
        ({"asn": "3215"}, {"asn": 3215}),
        ({"asn": 3215.0}, {"asn": 3215}),
        ({"asn": -1}, {}),
        ({"asn": 2**40}, {}),
        ({"asn": 10**30}, {}),
        ({"asn": "many"}, {}),
        ({"attrs": "x"}, {}),
        ({"attrs": {"a": {"b": [1, "é"]}, "n": 2**60}}, {"attrs": {"a": '{"b":[1,"é"]}', "n": str(2**60)}}),
        ({"attrs": {"x": float("inf")}}, {"attrs": {"x": None}}),
        ({"never heard of": 1}, {}),
    ],
)
def test_other_fields_are_repaired_or_dropped(changes: dict[str, Any], kept: dict[str, Any]) -> None:
    """An ill-typed optional field never refuses the event."""
    assert json.loads(encode_event(read(**changes))) == GOOD | kept


def test_overlong_text_is_cut_with_its_hash() -> None:
    """Different long texts stay different, and reading the result again changes nothing."""
    one, other = read(user_agent="x" * 300 + "1"), read(user_agent="x" * 300 + "2")
    assert one.user_agent is not None
    assert len(one.user_agent) == MAX_TEXT
    assert one.user_agent.startswith("x" * 200)
    assert one.user_agent != other.user_agent
    assert decode_event(encode_event(one)) == one
    assert read(login="y" * MAX_TEXT).login == "y" * MAX_TEXT
    assert len(read(login="y" * (MAX_TEXT + 1)).login) == MAX_TEXT


@pytest.mark.parametrize("text", [b"bo\xffb", b"bo\\ud800b"])
def test_undecodable_text_is_cut_with_its_hash(text: bytes) -> None:
    """Invalid UTF-8 and lone surrogates are cut where they start; the event is kept and can be written."""
    event = decode_event(
        b'{"ts": 1, "login": "%b", "remote": "192.0.2.7", "success": true, "attrs": {"%b": "%b"}}' % (text, text, text)
    )
    assert event.login.startswith("bo~")
    assert len(event.login) == 2 + 1 + 32
    assert decode_event(encode_event(event)) == event


@pytest.mark.parametrize("login", [..., None, 7, "", " \t", "\x00\x07", "\u200b", ["bob"], {"a": 1}])
def test_unusable_login_is_a_hash(login: object) -> None:
    """A login with nothing to show still counts against its source."""
    event = read(login=login)
    assert event.login[0] == "~"
    assert len(event.login) == 33
    assert decode_event(encode_event(event)) == event


def test_different_unusable_logins_stay_different() -> None:
    """The hash is of what was sent."""
    assert len({read(login=login).login for login in ["", "\x00", "\x01", 7, 8]}) == 5


def test_strange_but_usable_logins_are_kept() -> None:
    """Control characters beside readable ones stay: they are what was typed."""
    assert read(login="bob\x1b[31m\n").login == "bob\x1b[31m\n"


@pytest.mark.parametrize(
    ("fields", "device"),
    [
        ({}, ""),
        ({"user_agent": "UA"}, "ua:UA"),
        ({"user_agent": "UA", "ja3": "e7"}, "ja3:e7"),
        ({"user_agent": "UA", "ja3": "e7", "device_id": "d"}, "id:d"),
        ({"device_id": "", "user_agent": "UA"}, "ua:UA"),
    ],
)
def test_device(fields: dict[str, str], device: str) -> None:
    """The device is the first claim that is present."""
    assert device_of(read(**fields)) == device


def with_id(**changes: Any) -> str:
    """The id that the event with ``changes`` gets first."""
    event = read(**changes)
    EventIds().assign(event)
    return event.event_id


def test_given_id_is_kept() -> None:
    """An event that has an id keeps it."""
    assert with_id(event_id="given") == "given"


def test_id_leaves_out_where_it_was_read_and_geography() -> None:
    """Neither the file nor the geo file changes an id; everything else does."""
    plain = with_id()
    assert plain == with_id(attrs={"source": "a.log:1"}, country="FR", asn=1, geo_build=2)
    assert with_id(attrs={"source": "a.log:1", "x": 1}) == with_id(attrs={"source": "b.log:2", "x": 1}) != plain
    assert with_id(login="carol") != plain
    assert with_id(server="mx2") != plain


def test_identical_records_get_different_ids() -> None:
    """The n-th identical record has the same id in every run."""

    def run() -> list[str]:
        ids, events = EventIds(), [read(), read(login="carol"), read(), read(), read(login="carol")]
        for event in events:
            ids.assign(event)
        return [event.event_id for event in events]

    assert len(set(run())) == 5
    assert run() == run()


def test_memory_of_ids_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only recent ids are remembered, the oldest goes first."""
    monkeypatch.setattr("models.events._RECENT_IDS", 2)
    ids = EventIds()
    for login in ["a", "b", "c"]:
        ids.assign(read(login=login))
    again_a, again_c = read(login="a"), read(login="c")
    ids.assign(again_c)
    ids.assign(again_a)
    assert again_a.event_id == event_id(again_a, 0)
    assert again_c.event_id == event_id(again_c, 1)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
NUMBERS = st.integers(1 - 2**53, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
EVENTS = st.builds(
    AuthEvent,
    ts=st.floats(0, 253_402_300_799) | st.integers(0, 253_402_300_799).map(float),
    login=TEXT,
    remote=st.just("2001:db8::1"),
    success=st.booleans(),
    protocol=st.sampled_from(["other", "".join(["oth", "er"]), "imap"]),
    user_agent=st.none() | TEXT,
    tls=st.none() | st.booleans(),
    country=st.none() | st.just("FR"),
    asn=st.none() | st.just(7),
    event_id=st.just("x"),
    attrs=st.none() | st.dictionaries(TEXT | st.just("source"), TEXT | NUMBERS | st.booleans() | st.none(), max_size=4),
)


@settings(max_examples=400)
@given(EVENTS, st.integers(0, 3))
def test_fast_id_equals_the_canonical_one(event: AuthEvent, n: int) -> None:
    """The fast way writes the bytes of RFC 8785, whatever is in the event."""
    absent: dict[str, object] = {"protocol": "other", "policy_reject": False}
    content = {name: getattr(event, name) for name in event.__struct_fields__ if name not in ("country", "asn", "event_id")}
    content["attrs"] = {name: value for name, value in (event.attrs or {}).items() if name != "source"} or None
    content = {name: value for name, value in content.items() if value is not None and value != absent.get(name)}
    assert event_id(event, n) == stable_id(content, n)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=6
)
OTHER_FIELDS = [name for name in AuthEvent.__struct_fields__ if name not in ("ts", "remote", "success")]


@settings(max_examples=300)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(OTHER_FIELDS, JSON)))
def test_no_other_field_refuses(fields: dict[str, Any]) -> None:
    """With time, address and outcome, any JSON whatsoever elsewhere gives an event that reads back as itself and has an id."""
    event = decode_event(json.dumps(GOOD | fields).encode())
    assert decode_event(encode_event(event)) == event
    EventIds().assign(event)
    assert event.event_id


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_event(raw: bytes) -> None:
    """Bytes of no meaning are refused, and nothing else happens."""
    with pytest.raises(Refused):
        decode_event(raw)


PROXIES = Proxies(["10.0.0.0/8"])


@pytest.mark.parametrize(
    ("remote", "attrs", "client", "then"),
    [
        ("192.0.2.7", None, "192.0.2.7", None),
        ("192.0.2.7", {"x-forwarded-for": "198.51.100.9"}, "192.0.2.7", {"x-forwarded-for": "198.51.100.9"}),
        ("10.0.0.1", {"X-Forwarded-For": "198.51.100.9, 192.0.2.7"}, "192.0.2.7", {"peer": "10.0.0.1"}),
        ("10.0.0.1", {"x_forwarded_for": ["198.51.100.9", "192.0.2.7"]}, "192.0.2.7", {"peer": "10.0.0.1"}),
        ("10.0.0.1", {"x-forwarded-for": 7}, "10.0.0.1", {"address_unknown": True}),
        ("10.0.0.1", {"n": 1}, "10.0.0.1", {"n": 1, "address_unknown": True}),
        ("127.0.0.1", None, "127.0.0.1", {"address_unknown": True}),
    ],
)
def test_the_client_behind_our_proxies(remote: str, attrs: dict[str, Any] | None, client: str, then: dict[str, Any] | None) -> None:
    """The address is the client's where a hop that we trust names it; else it is marked as nobody's."""
    event = read(remote=remote, attrs=attrs)
    set_client(event, PROXIES)
    assert event.remote == client
    assert event.attrs == then or (then and event.attrs == (read(attrs=attrs).attrs or {}) | then)


def test_the_place_of_a_proxy_is_not_the_clients() -> None:
    """What was stamped for another address goes; what was stamped for the client's stays."""
    stamps = {"country": "FR", "asn": 64500, "geo_build": 1}
    for remote, attrs, kept in [
        ("192.0.2.7", None, True),
        ("10.0.0.1", {"x-forwarded-for": "192.0.2.7"}, False),
        ("10.0.0.1", None, False),
    ]:
        event = read(remote=remote, attrs=attrs, **stamps)
        set_client(event, PROXIES)
        assert (event.country, event.asn, event.geo_build) == (("FR", 64500, 1) if kept else (None, None, None))


def test_finding_the_client_again_changes_nothing() -> None:
    """What ingest wrote may be read again."""
    for remote, attrs in [("10.0.0.1", {"x-forwarded-for": "192.0.2.7"}), ("10.0.0.1", None)]:
        event = read(remote=remote, attrs=attrs)
        set_client(event, PROXIES)
        again = decode_event(encode_event(event))
        set_client(again, PROXIES)
        assert again == event


def test_a_long_list_of_hops_keeps_our_end() -> None:
    """A client cannot hide his address by sending a long header: what he made up is cut first, at a comma."""
    made_up = ", ".join(f"198.51.100.{n}" for n in range(200))
    event = read(remote="10.0.0.1", attrs={"x-forwarded-for": made_up + ", 192.0.2.7, 10.0.0.2"})
    set_client(event, PROXIES)
    assert event.remote == "192.0.2.7"
    kept = str((event.attrs or {})["x-forwarded-for"])
    assert len(kept) <= MAX_TEXT
    assert kept.split(",", maxsplit=1)[0].strip() in made_up.split(", ")
    one_long = read(remote="10.0.0.1", attrs={"x-forwarded-for": "9" * 5000})
    set_client(one_long, PROXIES)
    assert (one_long.attrs or {}).get("address_unknown") is True


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(b"nonsense", "not_json"), (b"[1]", "not_an_object"), (b"[" * 5000, "not_json"), (b" " * 70_000, "too_long")],
)
def test_fields_of_what_is_no_object(raw: bytes, reason: str) -> None:
    """Refused for the reasons of an event."""
    with pytest.raises(Refused) as refusal:
        decode_fields(raw)
    assert refusal.value.reason == reason


def test_fields_are_read_as_an_event_would_be() -> None:
    """Text that is not UTF-8 and numbers out of range are no obstacle."""
    assert decode_fields(b'{"login":"bob","n":1}') == {"login": "bob", "n": 1}
    raw = b'{"ts":1,"login":"b\xffb","remote":"192.0.2.7","success":true,"asn":' + b"9" * 400 + b"}"
    assert event_from_fields(decode_fields(raw)) == decode_event(raw)
