"""Records: paths, tables, times, envelopes; and no record, however strange, does more than be refused."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, timedelta, timezone
from time import process_time
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.events import MAX_LINE_BYTES, AuthEvent, Refused, encode_event
from streams.documents import DOCUMENTS
from streams.documents.document import OTHER, Document, Rule
from streams.documents.reader import DocumentReader, records_of

FOUND = {"when": "2022-04-12T06:00:00Z", "who": {"name": "bob"}, "from": "192.0.2.7", "how": "ok"}


def document(**changes: Any) -> Document:
    """A small document; ``changes`` are those of its one rule."""
    rule: dict[str, Any] = {
        "when": {"how": None},
        "fields": {
            "ts": "when",
            "login": "who.name",
            "remote": ("via", "from"),
            "success": "how",
            "fail_type": "why",
            "note": "note",
        },
        "values": {"success": {"ok": True, "no": False, "pending": None}, "fail_type": {"pw": "credentials", OTHER: "policy"}},
        "constants": {"protocol": "imap"},
    }
    return Document("small", "made up", "none", (Rule(**rule | changes),), ())


def read(record: dict[str, Any], **changes: Any) -> AuthEvent:
    """The one event of a record."""
    events = DocumentReader([document(**changes)]).read(record)
    assert events is not None
    (event,) = events
    return event


def test_a_record_becomes_an_event() -> None:
    """Fields stand where the rule says, constants where the record says nothing, other names become attributes."""
    event = read(FOUND | {"note": "n"})
    assert (event.ts, event.login, event.remote, event.success) == (1_649_743_200.0, "bob", "192.0.2.7", True)
    assert (event.protocol, event.attrs) == ("imap", {"note": "n"})


@pytest.mark.parametrize(
    ("record", "login"),
    [
        ({"who": {"name": "bob"}}, "bob"),
        ({"who.name": "bob"}, "bob"),
        ({"who": '{"name": "bob"}'}, "bob"),
        ({"who": 'id="7", name="b\\"ob", name="eve"'}, 'b"ob'),
        ({"who": [{"name": "name", "value": "bob"}]}, "bob"),
        ({"who": [{"Name": "other", "Value": "x"}, {"Name": "name", "Value": "bob"}]}, "bob"),
    ],
)
def test_paths(record: dict[str, Any], login: str) -> None:
    """A path goes through objects, dotted names, JSON and pairs in text, and lists of named values."""
    assert read({name: value for name, value in FOUND.items() if name != "who"} | record).login == login


@pytest.mark.parametrize(
    ("how", "why", "outcome"),
    [
        ("ok", "pw", (True, None)),
        (" OK ", None, (True, None)),
        ("no", "PW", (False, "credentials")),
        ("no", "rain", (False, "policy")),
        ("no", None, (False, None)),
    ],
)
def test_outcomes(how: str, why: str | None, outcome: tuple[bool, str | None]) -> None:
    """Texts are compared without case; what is not listed is other; a success has no reason to fail."""
    event = read(FOUND | {"how": how, "why": why})
    assert (event.success, event.fail_type) == outcome


def test_what_is_no_end_of_an_attempt_is_no_event() -> None:
    """An outcome that stands for nothing gives no event, and is still this document's."""
    assert DocumentReader([document()]).read(FOUND | {"how": "pending"}) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"how": "perhaps"}, "no_success"),
        ({"when": None}, "no_ts"),
        ({"when": "soon"}, "bad_ts"),
        ({"when": True}, "bad_ts"),
        ({"when": -1}, "bad_ts"),
        ({"when": 10**400}, "bad_ts"),
        ({"when": float("nan")}, "bad_ts"),
        ({"when": "2022-02-31T06:00:00Z"}, "bad_ts"),
        ({"when": "0001-01-01T00:00:00+14:00"}, "bad_ts"),
        ({"from": None}, "no_remote"),
        ({"from": "-"}, "no_remote"),
        ({"from": "mail.example.org"}, "bad_remote"),
        ({"from": ["192.0.2.7", "192.0.2.8"]}, "bad_remote"),
    ],
)
def test_a_login_that_lacks_something_is_refused(changes: dict[str, Any], reason: str) -> None:
    """A log-in without outcome, time or address goes to the dead letters with its reason."""
    with pytest.raises(Refused) as refused:
        read(FOUND | changes)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("said", "ts"),
    [
        ("2022-04-12T06:00:00Z", 0.0),
        ("2022-04-12T06:00:00.123456789Z", 0.123456789),
        ("2022-04-12 06:00:00.500000000", 0.5),
        ("2022-04-12T08:00:00.5+0200", 0.5),
        ("2022-04-12 08:00:00 +02:00", 0.0),
        ("2022-04-12 06:00:00 UTC", 0.0),
        (1_649_743_200, 0.0),
        (1_649_743_200_250, 0.25),
        ("1649743200250", 0.25),
        ("1649743200.25", 0.25),
    ],
)
def test_times(said: object, ts: float) -> None:
    """Seconds, milliseconds, and dates with and without zone, fraction and the letter T."""
    assert read(FOUND | {"when": said}).ts == pytest.approx(1_649_743_200 + ts, abs=1e-6)


def test_local_times_have_the_readers_zone() -> None:
    """A time without a zone is UTC, unless the source writes local time."""
    paris = timezone(timedelta(hours=2))
    record = FOUND | {"when": "2022-04-12 08:00:00"}
    for is_local, ts in ((True, 1_649_743_200.0), (False, 1_649_750_400.0)):
        events = DocumentReader([document(is_local=is_local)], paris).read(record)
        assert events is not None
        assert events[0].ts == ts
    assert DocumentReader([document(is_local=True)], paris).read(FOUND) == DocumentReader([document()], UTC).read(FOUND)


def test_a_collectors_time_stands_in_for_a_missing_one() -> None:
    """Then the time that the call gives; a record's own time is never replaced, not even a wrong one."""
    record = {name: value for name, value in FOUND.items() if name != "when"}
    assert read(record | {"@timestamp": "2022-04-12T06:00:01Z"}).ts == 1_649_743_201.0
    assert read(record | {"p_event_time": "2022-04-12 06:00:02.000"}).ts == 1_649_743_202.0
    events = DocumentReader([document()], at=7.0).read(record)
    assert events is not None
    assert events[0].ts == 7.0


@pytest.mark.parametrize("wrapper", ["_source", "data", "detail", "office365", "AuditData"])
def test_collectors_wrap_records(wrapper: str) -> None:
    """A record is found in what collectors put around it, as an object or as text, and one level deeper."""
    for wrapped in (FOUND, json.dumps(FOUND), {"data": FOUND}):
        assert read({"agent": 1, wrapper: wrapped}).login == "bob"


@pytest.mark.parametrize(
    ("line", "records"),
    [
        (b'{"records":[{"a":1},{"b":2}]}', [b'{"a":1}', b'{"b":2}']),
        (b'{ "Records" : [ {"a": 1} ] }', [b'{"a": 1}']),
        (b'{"@odata.context":"x","value":[{"a":1}]}', [b'{"a":1}']),
        (b'{"kind":"admin#reports#activities","items":[{"a":1},{"a":2}],"nextPageToken":"x"}', [b'{"a":1}', b'{"a":2}']),
        (b'{"records":[]}', [b'{"records":[]}']),
        (b'{"records":7}', [b'{"records":7}']),
        (b'{"value":"x","a":1}', [b'{"value":"x","a":1}']),
        (b'{"kind":"admin#reports#activity"}', [b'{"kind":"admin#reports#activity"}']),
        (b'{"records":[{"a":1}', [b'{"records":[{"a":1}']),
        (b'{"records":[\xff]}', [b'{"records":[\xff]}']),
        (b"[1]", [b"[1]"]),
        (b"", [b""]),
    ],
)
def test_one_line_may_hold_many_records(line: bytes, records: list[bytes]) -> None:
    """An envelope is opened; whatever else a line is, it stays one record."""
    assert records_of(line) == records


def test_several_events_in_one_record() -> None:
    """An activity of several events gives each of them, with what they have in common."""
    sample = deepcopy(dict(DOCUMENTS["google_workspace"].samples[0].record))
    sample["events"] = sample["events"] * 2 + [{"name": "logout"}]
    events = DocumentReader(DOCUMENTS.values()).read(sample)
    assert events is not None
    assert [event.login for event in events] == ["anna@example.org"] * 2


# --- hostile records --------------------------------------------------------------------------------------------------

#: Words of the documents, so that made-up records get past the first conditions.
WORDS = sorted(
    {part for doc in DOCUMENTS.values() for rule in doc.rules for path in rule.when for part in (path, *path.split("."))}
    | {text for doc in DOCUMENTS.values() for rule in doc.rules for texts in rule.when.values() for text in (texts or ())}
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(WORDS)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=30,
)


def read_any(record: Any) -> None:
    """Read a record with every document; only being refused is allowed."""
    try:
        events = DocumentReader(DOCUMENTS.values()).read(record)
    except Refused:
        return
    for event in events or ():
        assert msgspec.json.decode(encode_event(event), type=AuthEvent) is not None


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.text(max_size=8) | st.sampled_from(WORDS), TREES, max_size=6))
@example({"message": 'type="LOGIN', "loggerName": "org.keycloak.events"})
@example({"events": [1, None, {"id": []}], "id": {"applicationName": ["login"]}})
def test_any_json_is_read_or_refused(record: dict[str, Any]) -> None:
    """Arbitrary JSON raises nothing but a refusal, and what comes out can be written and read."""
    read_any(record)


def mangled(value: Any, draw: random.Random, replacements: Callable[[], Any]) -> Any:
    """``value`` with one place in it replaced, removed or made a list."""
    if isinstance(value, dict) and value and draw.random() < 0.8:
        name = draw.choice(sorted(value))
        if draw.random() < 0.1:
            return {key: item for key, item in value.items() if key != name}
        return value | {name: mangled(value[name], draw, replacements)}
    if isinstance(value, list) and value and draw.random() < 0.8:
        place = draw.randrange(len(value))
        return [*value[:place], mangled(value[place], draw, replacements), *value[place + 1 :]]
    return draw.choice([replacements(), [value], {"value": value}, json.dumps(value, default=str)])


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_damaged_record_is_read_or_refused(data: st.DataObject) -> None:
    """So does a true record in which any place holds something else."""
    doc = data.draw(st.sampled_from(list(DOCUMENTS.values())))
    record = deepcopy(dict(data.draw(st.sampled_from(doc.samples)).record))
    draw = data.draw(st.randoms(use_true_random=False))
    for _ in range(draw.randrange(1, 4)):
        record = mangled(record, draw, lambda: data.draw(TREES))
        if not isinstance(record, dict):
            return
    read_any(record)


def test_deep_records_are_read_or_refused() -> None:
    """Nesting costs no recursion that the parser did not allow."""
    deep: Any = {"name": "x"}
    for _ in range(900):
        deep = [deep]
    for path in FOUND:
        read_any(FOUND | {path: deep})
        DocumentReader([document(when={})]).read(FOUND | {"who": deep})
    with pytest.raises(Refused):
        read(FOUND | {"how": deep})


def test_a_forged_pair_does_not_become_the_address() -> None:
    """A name that carries pairs of its own is only a name: the program's pairs come first, and quotes in a name are escaped."""
    forged = 'x\\", ipAddress=\\"198.51.100.9'
    line = f'type="LOGIN_ERROR", realmId="m", ipAddress="192.0.2.7", error="user_not_found", username="{forged}"'
    record = {"loggerName": "org.keycloak.events", "timestamp": "2022-04-12T06:00:00Z", "message": line}
    events = DocumentReader(DOCUMENTS.values()).read(record)
    assert events is not None
    assert events[0].remote == "192.0.2.7"
    unquoted = line.replace('"', "")
    assert not DocumentReader(DOCUMENTS.values()).read(record | {"message": unquoted})


@pytest.mark.parametrize(
    "hostile",
    [
        lambda n: 'type="' + "a" * n,
        lambda n: 'a="b", ' * (n // 7) + "a" * n,
        lambda n: "a" * n,
        lambda n: 'x="' + "\\" * n,
        lambda n: "1" * n,
        lambda n: "2022-04-12T06:00:00." + "0" * n + "x",
        lambda n: " " * n,
    ],
)
def test_time_grows_no_faster_than_the_text(hostile: Callable[[int], str]) -> None:
    """Eight times the text takes some eight times as long, whatever it is and wherever it stands; not 64 times."""

    def seconds(size: int) -> float:
        best = float("inf")
        for more in range(5):  # never the same text twice: the reader remembers
            text = hostile(size + more)
            event = {"eventType": "user.session.start", "published": text, "client": {"ipAddress": text}, "outcome": text}
            records = [{"loggerName": "org.keycloak.events", "message": text}, event | {"actor": text}]
            start = process_time()
            for record in records:
                read_any(record)
            best = min(best, process_time() - start)
        return best

    small, large = seconds(MAX_LINE_BYTES // 8), seconds(MAX_LINE_BYTES)
    assert large < 24 * small + 0.005
