"""AuthEvent: one log-in attempt as it travels on the wire (contract section 1).

Reading is strict in four things (JSON, time, address, outcome) and lenient in everything else: an attacker chooses most
of the text, and an event must not get lost because of a strange user name. The common case is one ``msgspec`` decode;
whatever does not fit the types exactly goes through a slower reader that repairs it.
"""

from __future__ import annotations

import json
import re
import sys
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import blake2b
from math import isfinite
from string import ascii_uppercase
from typing import Annotated, Any, Final, Literal

import msgspec

from models.addresses import Proxies, normalise
from models.ids import stable_id

__all__ = [
    "ADDRESS_UNKNOWN",
    "END_OF_TIME_S",
    "FAIL_TYPES",
    "FORWARDED",
    "MAX_FUTURE_S",
    "MAX_LINE_BYTES",
    "MAX_TEXT",
    "PROTOCOLS",
    "SCHEMA",
    "AuthEvent",
    "EventIds",
    "Reason",
    "Refused",
    "decode_event",
    "decode_fields",
    "device_of",
    "encode_event",
    "event_from_fields",
    "event_id",
    "parse_time",
    "set_client",
]

SCHEMA: Final = "auth-event/1"
PROTOCOLS: Final = frozenset({"imap", "pop3", "smtp", "sieve", "http", "mobileapi", "ssh", "ftp", "other"})
FAIL_TYPES: Final = frozenset({"credentials", "account", "token", "expired", "disabled", "policy", "internal"})
#: Longest text that is kept in a field; what is longer is cut and its hash appended.
MAX_TEXT: Final = 256
MAX_LINE_BYTES: Final = 65_536
#: Attribute with the hops behind ``remote``, as text or list in the order of the header of that name: the one next to us last.
FORWARDED: Final = "x-forwarded-for"
#: Attribute of an event whose ``remote`` is a proxy of ours or loopback, so nobody's address.
ADDRESS_UNKNOWN: Final = "address_unknown"
#: How far a live event may be ahead of the host's clock.
MAX_FUTURE_S: Final = 300.0
#: Year 10000: larger numbers are milliseconds, or no time at all.
END_OF_TIME_S: Final = 253_402_300_800.0
_RECENT_IDS: Final = 65_536
_HASH_CHARS: Final = 32
_MAX_UINT32: Final = 0xFFFF_FFFF
#: RFC 8785 writes numbers as IEEE doubles.
_MAX_EXACT_INT: Final = 2**53 - 1
_MAX_INT_DIGITS: Final = 20

_Time = Annotated[float, msgspec.Meta(ge=0.0, lt=END_OF_TIME_S)]
_Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
_Country = Annotated[str, msgspec.Meta(min_length=2, max_length=2)]
_Float = Annotated[float, msgspec.Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
_Attr = _Text | Annotated[int, msgspec.Meta(ge=-_MAX_EXACT_INT, le=_MAX_EXACT_INT)] | _Float | bool | None
_Uint32 = Annotated[int, msgspec.Meta(ge=0, le=_MAX_UINT32)]


class AuthEvent(msgspec.Struct, omit_defaults=True, kw_only=True, gc=False):
    """See the contract's table; ``ts`` is UTC seconds, ``event_id`` is always present after ingest."""

    ts: _Time
    login: _Text
    remote: _Text
    success: bool
    protocol: _Text = "other"
    account: _Text | None = None
    realm: _Text | None = None
    mech: _Text | None = None
    credential_id: _Text | None = None
    fail_type: _Text | None = None
    pwhash: _Text | None = None
    device_id: _Text | None = None
    ja3: _Text | None = None
    user_agent: _Text | None = None
    policy_reject: bool = False
    session_id: _Text | None = None
    server: _Text | None = None
    tls: bool | None = None
    country: _Country | None = None
    asn: _Uint32 | None = None
    geo_build: _Uint32 | None = None
    event_id: _Text = ""
    attrs: dict[_Text, _Attr] | None = None


Reason = Literal[
    "too_long", "too_many", "not_json", "not_an_object", "no_ts", "bad_ts", "future_ts", "no_remote", "bad_remote", "no_success"
]  # fmt: skip

_SENTENCES: Final[dict[Reason, str]] = {
    "too_long": f"line is over {MAX_LINE_BYTES} bytes",
    "too_many": "line tells of more attempts than have numbers",
    "not_json": "line is not JSON",
    "not_an_object": "line is JSON but not an object",
    "no_ts": "'ts' is missing",
    "bad_ts": "'ts' is not a time: UTC seconds since 1970, or RFC 3339 with an offset",
    "future_ts": f"'ts' is over {MAX_FUTURE_S:.0f} s ahead of this host's clock",
    "no_remote": "'remote' is missing",
    "bad_remote": "'remote' is not an IP address",
    "no_success": "'success' is not true or false",
}


class Refused(ValueError):
    """Input that goes to dead letters; ``reason`` is one of a small fixed set, the text is for people."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(_SENTENCES[reason])


_decode: Final = msgspec.json.Decoder(AuthEvent).decode
_decode_object: Final = msgspec.json.Decoder(dict[str, Any]).decode
_encode: Final = msgspec.json.Encoder().encode
_encode_sorted: Final = msgspec.json.Encoder(order="sorted").encode
_LENIENT_JSON: Final = json.JSONDecoder(parse_int=lambda digits: int(digits) if len(digits) <= _MAX_INT_DIGITS else digits)
#: The Struct's default is left out when writing, which msgspec recognises by identity.
_INTERNED: Final = {name: sys.intern(name) for name in PROTOCOLS}
#: Country, ASN, geo build and id of an event that has none of them.
_NO_STAMPS: Final = (None, None, None, "")
_RFC3339: Final = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_COUNTRY: Final = re.compile(r"[A-Za-z]{2}")
_TIDY_FAIL_TYPES: Final = FAIL_TYPES | {None}
_TIDY_COUNTRIES: Final = {None} | {first + second for first in ascii_uppercase for second in ascii_uppercase}
_DECIMAL: Final = re.compile(r"[0-9]{1,10}")


def decode_event(raw: bytes, now: float | None = None) -> AuthEvent:
    """Read one event.

    Args:
        raw: A JSON object in UTF-8.
        now: UTC seconds on a live path; ``None`` accepts any time.

    Raises:
        Refused: One of the contract's reasons.

    >>> decode_event(b'{"ts": "2022-04-12T06:00:00Z", "login": "bob", "remote": "::ffff:192.0.2.7", "success": false}').remote
    '192.0.2.7'
    """
    if len(raw) > MAX_LINE_BYTES:
        raise Refused("too_long")
    try:
        event = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        event = _repaired(_lenient_object(raw))
    else:
        _check(event)
    if now is not None and event.ts > now + MAX_FUTURE_S:
        raise Refused("future_ts")
    return event


def encode_event(event: AuthEvent) -> bytes:
    """``event`` as one JSON object without a line end; fields that say nothing are left out."""
    return _encode(event)


def decode_fields(raw: bytes) -> dict[str, Any]:
    """The fields of a JSON object in UTF-8, for :func:`event_from_fields`.

    Raises:
        Refused: Too long, not JSON, or no object.

    >>> decode_fields(b'{"login": "bob"}')
    {'login': 'bob'}
    """
    if len(raw) > MAX_LINE_BYTES:
        raise Refused("too_long")
    try:
        return _decode_object(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _lenient_object(raw)


def event_from_fields(fields: Mapping[str, Any]) -> AuthEvent:
    """Make an event of loosely typed fields: other types are coerced or dropped, unknown fields are ignored.

    Raises:
        Refused: No time, address or outcome.
    """
    try:
        event = msgspec.convert(fields, AuthEvent)
        _encode(event)  # finds text that UTF-8 cannot hold
    except (msgspec.ValidationError, UnicodeEncodeError):
        return _repaired(fields)
    _check(event)
    return event


def device_of(event: AuthEvent) -> str:
    """What the client says it is: ``id:…``, ``ja3:…`` or ``ua:…``, the first that is present, else ""."""
    if event.device_id:
        return "id:" + event.device_id
    if event.ja3:
        return "ja3:" + event.ja3
    return "ua:" + event.user_agent if event.user_agent else ""


def set_client(event: AuthEvent, proxies: Proxies) -> None:
    """Make ``event.remote`` the client's address; who connected to us for it becomes the attribute ``peer``.

    Where only hops that are trusted are left, ``remote`` stays and the attribute ``address_unknown`` is set. What is stamped
    about the place of an address that is not the client's goes.
    """
    if not proxies.trusts(event.remote):
        return
    attrs = event.attrs
    client = proxies.client(event.remote, _hops(attrs) if attrs else ())
    event.country = event.asn = event.geo_build = None
    if client is None:
        event.attrs = {**(attrs or {}), ADDRESS_UNKNOWN: True}
    else:
        event.attrs = {**(attrs or {}), "peer": event.remote}
        event.remote = client


class EventIds:
    """Gives events their ids: the given one, else from (content, n), so that the same input has the same ids everywhere.

    Identical records have the same ``ts``, so they arrive close together: only the most recent ids are remembered.
    """

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._in_order: deque[str] = deque()

    def assign(self, event: AuthEvent) -> None:
        """Set ``event.event_id`` if it has none."""
        if event.event_id:
            return
        first = event_id(event, 0)
        seen = self._seen
        if first in seen:
            n = seen[first]
            seen[first] = n + 1
            event.event_id = event_id(event, n)
            return
        seen[first] = 1
        event.event_id = first
        self._in_order.append(first)
        if len(seen) > _RECENT_IDS:
            del seen[self._in_order.popleft()]


def event_id(event: AuthEvent, n: int) -> str:
    """Id of the ``n``-th (from 0) record with this content, which leaves out ``attrs.source``, geo stamps and the id itself.

    Equal to ``stable_id(content, n)``; where ``msgspec`` writes the same bytes as RFC 8785 it does so, five times as fast.
    """
    ts, attrs, stamps = event.ts, event.attrs, (event.country, event.asn, event.geo_build, event.event_id)
    counted = None
    # What is left out is taken out of the event for the moment: a copy would take as long as all the rest.
    event.protocol = _INTERNED.get(event.protocol, event.protocol)
    if ts.is_integer():
        event.ts = int(ts)  # RFC 8785 writes it so
    if attrs is not None:
        counted = {name: value for name, value in attrs.items() if name != "source"}
        event.attrs = counted or None
    if stamps != _NO_STAMPS:
        event.country, event.asn, event.geo_build, event.event_id = _NO_STAMPS
    # Floats below 1e-5 and from 1e16 on are written with another exponent; other than ASCII names may be sorted otherwise.
    if ts < 1 or (counted and any(type(value) is float or not name.isascii() for name, value in counted.items())):
        made = stable_id(msgspec.to_builtins(event), n)
    else:
        made = blake2b(b"[%b,%d]" % (_encode_sorted(event), n), digest_size=16).hexdigest()
    event.ts, event.attrs = ts, attrs
    if stamps != _NO_STAMPS:
        event.country, event.asn, event.geo_build, event.event_id = stamps
    return made


def _lenient_object(raw: bytes) -> dict[str, Any]:
    """Read JSON that holds invalid UTF-8, lone surrogates or numbers out of range."""
    try:
        fields = _LENIENT_JSON.decode(raw.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        raise Refused("not_json") from None
    if not isinstance(fields, dict):
        raise Refused("not_an_object")
    return fields


def _repaired(fields: Mapping[str, Any]) -> AuthEvent:
    """The event, field by field."""
    values: dict[str, Any] = {
        "ts": parse_time(fields.get("ts")),
        "remote": _address(fields.get("remote")),
        "success": _outcome(fields.get("success")),
        "login": _login(fields.get("login")),
    }
    for name, value in fields.items():
        repair = _REPAIRS.get(name)
        if repair is not None and value is not None:
            repaired = repair(value)
            if repaired is not None:
                values[name] = repaired
    return AuthEvent(**values)


def _check(event: AuthEvent) -> None:
    """Bring address and values of ``event``, whose types are right, into their one form."""
    try:
        event.remote = normalise(event.remote)
    except ValueError:
        raise Refused("bad_remote") from None
    event.protocol = _INTERNED.get(event.protocol) or _protocol(event.protocol)
    login = event.login
    if not (
        login.isprintable()
        and not login.isspace()
        and login
        and event.fail_type in _TIDY_FAIL_TYPES
        and event.country in _TIDY_COUNTRIES
    ):
        _tidy(event)


def _tidy(event: AuthEvent) -> None:
    """Repair values that have the right type."""
    event.login = _login(event.login)
    event.fail_type = _fail_type(event.fail_type)
    event.country = _country(event.country)


def parse_time(value: object) -> float:
    """UTC seconds from a number or RFC 3339 text.

    Raises:
        Refused: It is missing or no time.

    >>> parse_time("2022-04-12T06:00:00Z")
    1649743200.0
    """
    if value is None:
        raise Refused("no_ts")
    if isinstance(value, str):
        value = _rfc3339(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < END_OF_TIME_S:
        raise Refused("bad_ts")
    return float(value)


def _rfc3339(text: str) -> float | None:
    """UTC seconds; a leap second (``:60``) is the second that follows."""
    match = _RFC3339.fullmatch(text.upper())
    if not match:
        return None
    minute, second, fraction, offset = match.groups()
    try:
        start = datetime.fromisoformat(f"{minute}:00{offset}").timestamp()
    except (ValueError, OverflowError):
        return None
    seconds = float(second + (fraction or ""))
    return start + seconds if seconds < 61 else None  # noqa: PLR2004 - a leap second


def _address(value: object) -> str:
    if value is None:
        raise Refused("no_remote")
    try:
        return normalise(value if isinstance(value, str) else "")
    except ValueError:
        raise Refused("bad_remote") from None


def _outcome(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise Refused("no_success")


def _login(value: object) -> str:
    """A usable login, or ``~`` and a hash for one that has nothing to show."""
    if type(value) is not str:
        return "~" + _hash(json.dumps(value))
    if value.isprintable() and value and not value.isspace():
        return _bounded(value)
    usable = any(char.isprintable() and not char.isspace() for char in value[:MAX_TEXT])
    return _bounded(value) if usable else "~" + _hash(value)


def _text(value: object) -> str | None:
    if type(value) is str:
        return value if len(value) <= MAX_TEXT and value.isascii() else _bounded(value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _bounded(text: str) -> str:
    """At most ``MAX_TEXT`` characters that UTF-8 can hold; what had to be cut ends in ``~`` and its hash."""
    end = len(text)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            end = error.start
    if end == len(text) <= MAX_TEXT:
        return text
    return text[: min(end, MAX_TEXT - 1 - _HASH_CHARS)] + "~" + _hash(text)


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_HASH_CHARS // 2).hexdigest()


def _protocol(value: object) -> str:
    return _INTERNED.get(value.lower(), "other") if isinstance(value, str) else "other"


def _fail_type(value: object) -> str | None:
    return value if isinstance(value, str) and value in FAIL_TYPES else None


def _country(value: object) -> str | None:
    return value.upper() if isinstance(value, str) and _COUNTRY.fullmatch(value) else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _uint32(value: object) -> int | None:
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_UINT32 else None


def _attrs(value: object) -> dict[str, _Attr] | None:
    if not isinstance(value, dict):
        return None
    return {_bounded(name): _forwarded(item) if _is_forwarded(name) else _attr(item) for name, item in value.items()}


def _is_forwarded(name: str) -> bool:
    return len(name) == len(FORWARDED) and name.lower().replace("_", "-") == FORWARDED


def _forwarded(value: object) -> _Attr:
    """The hops as one text. Too many are cut at the client's end, who may have made them up, and at a comma."""
    if isinstance(value, list):
        value = ", ".join(hop for hop in value if isinstance(hop, str))
    if isinstance(value, str) and len(value) > MAX_TEXT:
        value = value[-MAX_TEXT:].partition(",")[2]
    return _attr(value)


def _hops(attrs: Mapping[str, _Attr]) -> list[str]:
    for name, value in attrs.items():
        if _is_forwarded(name) and isinstance(value, str):
            return value.split(",")
    return []


def _attr(value: object) -> _Attr:
    """What RFC 8785 can write and one column of a table can show; an object or list becomes its JSON text."""
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, str):
        return _bounded(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, int):
        return value if abs(value) <= _MAX_EXACT_INT else str(value)
    return None


_REPAIRS: Final[Mapping[str, Callable[[object], Any]]] = {
    "protocol": _protocol,
    "fail_type": _fail_type,
    "country": _country,
    "policy_reject": _flag,
    "tls": _flag,
    "asn": _uint32,
    "geo_build": _uint32,
    "attrs": _attrs,
} | dict.fromkeys(
    ("account", "realm", "mech", "credential_id", "pwhash", "device_id", "ja3", "user_agent", "session_id", "server", "event_id"),
    _text,
)
