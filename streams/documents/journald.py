"""journald: what ``journalctl -o json`` and ``systemd-journal-upload`` wrap around a line of text.

The line goes to the text formats with an RFC 5424 header. Source: systemd.journal-fields(7) and the Journal Export Formats.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

__all__ = ["journal_line"]

_SECOND_US: Final = 1_000_000
_DIGITS: Final = re.compile(r"\d{1,18}", re.ASCII)
_NOT_IN_A_NAME: Final = re.compile(r"[^\x21-\x7e]+")
_MAX_BYTE: Final = 255


def journal_line(record: Mapping[str, Any]) -> bytes | None:
    """The line in a journal record; ``None`` if it is no journal record.

    >>> journal_line({"__REALTIME_TIMESTAMP": "1649743201000000", "_HOSTNAME": "gw", "_COMM": "sshd", "_PID": "7", "MESSAGE": "hi"})
    b'<38>1 2022-04-12T06:00:01.000000Z gw sshd 7 - - hi'
    """
    time = _time(record)
    if time is None or "MESSAGE" not in record:
        return None
    host, program, process = (
        _name(record, *names) for names in (("_HOSTNAME",), ("SYSLOG_IDENTIFIER", "_COMM"), ("SYSLOG_PID", "_PID"))
    )
    return f"<38>1 {time} {host} {program} {process} - - ".encode() + _message(record["MESSAGE"])


def _time(record: Mapping[str, Any]) -> str | None:
    """When the program wrote the line, or journald took it."""
    if "__REALTIME_TIMESTAMP" not in record:
        return None
    for name in ("_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP"):
        value = record.get(name)
        if isinstance(value, int | str) and _DIGITS.fullmatch(text := str(value)):
            seconds, micros = divmod(int(text), _SECOND_US)
            try:
                return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"
            except (ValueError, OverflowError, OSError):
                continue
    return "-"


def _name(record: Mapping[str, Any], *names: str) -> str:
    value = next((value for name in names if isinstance(value := record.get(name), int | str) and value != ""), "-")
    return _NOT_IN_A_NAME.sub("_", str(value))


def _message(value: object) -> bytes:
    """Text, or a list of bytes where it is not UTF-8; of a field that came several times the first."""
    if isinstance(value, list):
        if all(isinstance(byte, int) and 0 <= byte <= _MAX_BYTE for byte in value):
            return bytes(value)
        value = next((item for item in value if isinstance(item, str)), "")
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else b""
