"""Every document: its samples, what it claims, and that adding one is adding a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.events import FAIL_TYPES, PROTOCOLS, AuthEvent, encode_event
from streams import documents
from streams.documents import DOCUMENTS
from streams.documents.document import Document, Sample
from streams.documents.reader import DocumentReader
from tests.hostile import adversarial, growth_problem

SAMPLES = [(document, sample) for document in DOCUMENTS.values() for sample in document.samples]
NAMES = [f"{document.name}-{number}" for document in DOCUMENTS.values() for number, _ in enumerate(document.samples)]


#: Sources whose records show no successes with an address, or no failures.
ONE_SIDED = {"grafana": True, "zoom": False, "notion": False}


def read(record: Mapping[str, Any], *names: str) -> list[AuthEvent] | None:
    """What a reader of all documents, or of those with these names, makes of a record."""
    chosen = [document for document in DOCUMENTS.values() if not names or document.name in names]
    return DocumentReader(chosen).read(json.loads(json.dumps(record)))


def subset(event: AuthEvent, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``event`` that ``fields`` names, and of its attributes those that ``fields["attrs"]`` names."""
    found = {name: getattr(event, name) for name in fields}
    if "attrs" in fields:
        found["attrs"] = {name: (event.attrs or {}).get(name) for name in fields["attrs"]}
    return found


def test_a_module_is_a_document() -> None:
    """Every source that is asked for has a module, found by itself; common schemas come last."""
    modules = {path.stem for path in Path(documents.__path__[0]).glob("*.py")} - {
        "__init__",
        "document",
        "reader",
        "journald",
        "shippers",
    }
    assert set(DOCUMENTS) == modules
    assert set(DOCUMENTS) >= {
        *["keycloak", "okta", "entra", "microsoft365", "google_workspace", "windows", "ocsf", "ecs"],
    }
    assert list(DOCUMENTS)[-2:] == ["ecs", "ocsf"]


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_says_where_it_comes_from(document: Document) -> None:
    """Provenance and known gaps are stated, and samples show a success, failures of several kinds and what is no log-in."""
    assert len(document.provenance) > 40
    assert len(document.gaps) > 40
    outcomes = [sample.fields and sample.fields.get("success") for sample in document.samples]
    assert {True, False, None} - {ONE_SIDED.get(document.name)} <= set(outcomes) | {None}
    assert None in outcomes


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_tables_hold_what_an_event_can_say(document: Document) -> None:
    """Texts to compare are in small letters, and stand for protocols, failure types and outcomes that there are."""
    for rule in document.rules:
        for texts in filter(None, rule.when.values()):
            assert all(text == text.lower() for text in texts)
        for field, table in rule.values.items():
            assert all(text == text.lower() for text in table)
            allowed: dict[str, set[object]] = {
                "success": {True, False, None},
                "fail_type": {*FAIL_TYPES, None},
                "protocol": {*PROTOCOLS},
            }
            assert set(table.values()) <= allowed.get(field, {*table.values()})
        assert rule.constants.get("fail_type") in {*FAIL_TYPES, None}
        assert rule.constants.get("protocol", "other") in PROTOCOLS


@pytest.mark.parametrize(("document", "sample"), SAMPLES, ids=NAMES)
def test_sample(document: Document, sample: Sample) -> None:
    """A sample gives the fields it names, whether its document is chosen or found among all."""
    for names in ((), (document.name,)):
        events = read(sample.record, *names)
        assert events is not None
        assert [subset(event, sample.fields or {}) for event in events] == ([sample.fields] if sample.fields else [])
        for event in events:
            assert msgspec.json.decode(encode_event(event), type=AuthEvent) == event
            assert event.fail_type is None or not event.success


@pytest.mark.parametrize(("document", "sample"), SAMPLES, ids=NAMES)
def test_one_document_claims_a_record(document: Document, sample: Sample) -> None:
    """No source's records are taken for another source's."""
    others = [
        other.name for other in DOCUMENTS.values() if other is not document and not (other.is_common and not document.is_common)
    ]
    assert read(sample.record, *others) is None


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_sentences_take_linear_time(document: Document) -> None:
    """Texts made of a sentence's own pieces take as many times as long as they are longer (see ``tests/hostile.py``)."""
    for rule in document.rules:
        for pattern in rule.sentences.values():
            for job in adversarial(pattern, pattern.fullmatch):
                assert growth_problem(job) == "", (pattern.pattern, job.__doc__)


@pytest.mark.parametrize(
    "record",
    [{}, {"a": 1}, {"type": "LOGIN"}, {"eventType": "user.session.start"}, {"EventID": 4625}, {"event": {"category": "web"}}],
)
def test_foreign_records_are_nobodys(record: dict[str, Any]) -> None:
    """A record that no document knows is left to others."""
    assert read(record) is None
