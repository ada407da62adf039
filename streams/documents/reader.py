"""Turns JSON records into events by the rules of the documents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from functools import cache, lru_cache
from typing import Any, Final

import msgspec

from models.addresses import host_of
from models.events import AuthEvent, Refused, event_from_fields, parse_time
from streams.documents.document import OTHER, Document, Rule

__all__ = ["DocumentReader", "records_of"]

#: Where collectors put a record of another program: Elasticsearch, Wazuh, EventBridge, Microsoft's audit search.
_WRAPPERS: Final = ("_source", "data", "detail", "office365", "AuditData")
#: When a collector says that something happened, for records that do not: Elastic, Panther.
_COLLECTED: Final = ("@timestamp", "p_event_time")
#: Lists of records in one line: Azure's event hubs, CloudTrail; Microsoft Graph; Google.
_LISTS: Final = ("records", "Records", "value", "items")
_MAY_BE_LIST: Final = re.compile(rb'\{\s*"(?:records|Records|value|items|kind|etag|nextPageToken|@odata\.[\w.]+)"\s*:')
_VALUES: Final = ("value", "Value", "boolValue", "intValue", "multiValue")
#: One of the ``key="value"`` pairs, joined by commas, that Keycloak writes.
_PAIR: Final = re.compile(r'(\w++)="((?:[^"\\]++|\\.)*+)"(?:, |\Z)', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_NULL: Final = "null"
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)([.,]\d+)? ?(Z|UTC|[+-]\d\d:?\d\d)?", re.ASCII)
#: As Nextcloud may be told to write it.
_LONG_TIME: Final = re.compile(r"[A-Z][a-z]{2,8} \d{1,2}, \d{4} \d\d:\d\d:\d\d", re.ASCII)
_NUMBER: Final = re.compile(r"\d{1,19}(?:\.\d{1,9})?", re.ASCII)
_NO_ADDRESS: Final = ("", "-")
#: What lies between is a time in milliseconds: in seconds it would be the year 5138 or later.
_MILLISECONDS: Final = (1e11, 1e15)
_MAX_INT: Final = 1 << 64
_EVENT_FIELDS: Final = frozenset(AuthEvent.__struct_fields__)

Record = Mapping[str, Any]


class DocumentReader:
    """Reads JSON records, each on its own.

    Args:
        documents: What a record may be, in the order of preference.
        zone: Of times that are local and name none.
        at: UTC seconds of records that carry no time; without it such a log-in is refused.
    """

    def __init__(self, documents: Iterable[Document], zone: tzinfo = UTC, at: float | None = None) -> None:
        self._documents, self._zone, self._at = tuple(documents), zone, at

    def read(self, record: Record) -> list[AuthEvent] | None:
        """The attempts in a record, none if it is no log-in; ``None`` if no document knows it.

        Raises:
            Refused: It is a log-in without a time, address or outcome.
        """
        for inner in _unwrapped(record):
            for document in self._documents:
                found = [match for part in _parts(document, inner) if (match := _rule_of(document, part))]
                if found:
                    events = (self._event(rule, part) for rule, part in found)
                    return [event for event in events if event is not None]
        return None

    def _event(self, rule: Rule, record: Record) -> AuthEvent | None:
        fields: dict[str, Any] = {}
        attrs: dict[str, Any] = {}
        for name in (*rule.fields, *(name for name in rule.constants if name not in rule.fields)):
            value = _field(rule, name, record)
            if name == "success" and value is None and _is_no_attempt(rule, record):
                return None
            if value is not None:
                (fields if name in _EVENT_FIELDS else attrs)[name] = value
        if isinstance(remote := fields.get("remote"), str):
            fields["remote"] = host_of(remote)
        if fields.get("success") is True:
            fields.pop("fail_type", None)
        fields["ts"] = self._ts(rule, record, fields.get("ts"))
        if attrs:
            fields["attrs"] = attrs
        return event_from_fields(fields)

    def _ts(self, rule: Rule, record: Record, said: object) -> float:
        for value in (said, *(_find(record, (name,)) for name in _COLLECTED)):
            if value is not None:
                return _time(value, self._zone if rule.is_local else UTC)
        return parse_time(self._at)


def records_of(raw: bytes) -> list[bytes]:
    """The records of a line: several where it is a list of them in an envelope, else the line itself.

    >>> records_of(b'{"records": [{"a": 1}, {"b": 2}]}')
    [b'{"a": 1}', b'{"b": 2}']
    """
    if not raw.startswith(b"{") or not _MAY_BE_LIST.match(raw):
        return [raw]
    try:
        envelope = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        for name in _LISTS:
            if name in envelope:
                return [bytes(record) for record in msgspec.json.decode(envelope[name], type=list[msgspec.Raw])] or [raw]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # one record, or none: who reads the line says what is wrong with it
    return [raw]


def _unwrapped(record: Record) -> Iterator[Record]:
    """The record, then what is wrapped in it, innermost last."""
    yield record
    for name in _WRAPPERS:
        inner = _inside(record.get(name))
        if inner:
            yield inner
            yield from (deeper for wrapper in _WRAPPERS if (deeper := _inside(inner.get(wrapper))))


def _parts(document: Document, record: Record) -> list[Record]:
    items = record.get(document.each) if document.each else None
    if not isinstance(items, list):
        return [record]
    return [{**record, **item} for item in items if isinstance(item, dict)]


def _rule_of(document: Document, record: Record) -> tuple[Rule, Record] | None:
    """The first rule that holds, and the record with what its sentences say."""
    for rule in document.rules:
        if all(_holds(record, *part) for part in rule.when.items()):
            if not rule.sentences:
                return rule, record
            said = _said(rule, record)
            if said is not None:
                return rule, {**record, **said}
    return None


def _said(rule: Rule, record: Record) -> Record | None:
    """The groups of a rule's sentences; ``None`` if one is not there."""
    said: dict[str, Any] = {}
    for path, pattern in rule.sentences.items():
        text = _find(record, _keys(path))
        match = pattern.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            return None
        said.update((f"@{name}", group) for name, group in match.groupdict().items())
    return said


def _holds(record: Record, path: str, texts: frozenset[str] | None) -> bool:
    value = _find(record, _keys(path))
    return value is not None and (texts is None or any(text in texts for text in _texts(value)))


def _is_no_attempt(rule: Rule, record: Record) -> bool:
    """Whether the outcome is one that ends no attempt, rather than missing or unknown."""
    if "success" not in rule.fields:
        return True
    table = rule.values.get("success", {})
    said = [text for value in _found(rule, "success", record) for text in _texts(value)]
    return any(text in table for text in said) or (bool(said) and OTHER in table)


def _field(rule: Rule, name: str, record: Record) -> Any:
    found = _found(rule, name, record)
    table = rule.values.get(name)
    if table is None:
        value = next((value for value in found if not (name == "remote" and value in _NO_ADDRESS)), None)
    else:
        texts = [text for value in found for text in _texts(value)]
        value = next((table[text] for text in texts if text in table), table.get(OTHER) if texts else None)
    return rule.constants.get(name) if value is None else value


def _found(rule: Rule, name: str, record: Record) -> list[Any]:
    paths = rule.fields.get(name, ())
    values = (_find(record, _keys(path)) for path in ((paths,) if isinstance(paths, str) else paths))
    return [value for value in values if value is not None]


@cache
def _keys(path: str) -> tuple[str, ...]:
    """Paths are those of the rules, so there are few."""
    return tuple(path.split("."))


def _find(value: Any, keys: tuple[str, ...]) -> Any:
    """What stands at a path, or ``None``; a name may contain the dots (``{"user.name": …}``)."""
    for place, key in enumerate(keys):
        if type(value) is list:
            return _find_in_list(value, keys[place:])
        inside = value if type(value) is dict else _inside(value)
        if inside is None:
            return None
        value = inside.get(key)
        if value is None:
            return inside.get(".".join(keys[place:])) if keys[place + 1 :] else None
    return value


def _find_in_list(items: list[Any], keys: tuple[str, ...]) -> Any:
    objects = [item for item in items if isinstance(item, dict)]
    for item in objects:
        if item.get("name", item.get("Name", item.get("key"))) == keys[0]:
            value = next((item[name] for name in _VALUES if item.get(name) is not None), None)
            return _find(value, keys[1:])
    return [found for item in objects if (found := _find(item, keys)) is not None] or None


def _inside(value: Any) -> Mapping[str, Any] | None:
    """The fields in an object, or in text that holds one."""
    if isinstance(value, dict):
        return value
    return _inside_text(value) if isinstance(value, str) else None


@lru_cache(maxsize=16)
def _inside_text(text: str) -> Mapping[str, Any] | None:
    """JSON, or ``key="value"`` pairs: of two with one key the first, which no client's text can precede."""
    if text.startswith("{"):
        try:
            decoded = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
        return decoded if isinstance(decoded, dict) else None
    pairs: dict[str, Any] = {}
    match = _PAIR.match(text)
    while match:
        if match[2] != _NULL:
            pairs.setdefault(match[1], _ESCAPED.sub(r"\1", match[2]))
        match = _PAIR.match(text, match.end())
    return pairs or None


def _texts(value: Any) -> list[str]:
    """A value as text to compare, or those in a list."""
    if isinstance(value, list):
        return [text for item in value if not isinstance(item, list) for text in _texts(item)]
    if isinstance(value, str):
        return [value.strip().lower()]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return [str(value)] if isinstance(value, int | float) and abs(value) < _MAX_INT else []


def _time(value: object, zone: tzinfo) -> float:
    """UTC seconds of what a record says: seconds or milliseconds since 1970, or a date and time."""
    if isinstance(value, str):
        value = value.strip()
        if _NUMBER.fullmatch(value):
            value = float(value)
    if isinstance(value, str):
        return _clock_time(value, zone)
    if isinstance(value, int | float) and _MILLISECONDS[0] < value < _MILLISECONDS[1]:
        value = value / 1000
    return parse_time(value)


def _clock_time(text: str, zone: tzinfo) -> float:
    match = _TIME.fullmatch(text)
    if match is None and _LONG_TIME.fullmatch(text):
        try:
            return datetime.strptime(text, "%B %d, %Y %H:%M:%S").replace(tzinfo=zone).timestamp()
        except (ValueError, OverflowError):
            pass
    if match is None:
        raise Refused("bad_ts")
    date, clock, fraction, offset = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}{'' if offset in {None, 'Z', 'UTC'} else offset}")
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC if offset else zone)).timestamp()
    except (ValueError, OverflowError):
        raise Refused("bad_ts") from None
    return parse_time(seconds + float("0." + fraction[1:]) if fraction else seconds)
