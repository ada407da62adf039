"""Shippers: what Docker, Filebeat and Wazuh wrap around a line of a log.

The line goes to the text formats, or to the documents where it is JSON itself, behind a header that containers' runtimes write, for
lines without a time. What an unknown program says in a field of its own is no line of a log: a client may have chosen it.

Sources: Docker's json-file driver; ECS ``log.*`` and Filebeat's ``input.type``; Wazuh's alerts.json.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["shipped_line"]

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)", re.ASCII)
#: What shows the shipper; where the line and its time stand.
_SHIPPERS: Final = (
    (("log", "stream", "time"), "log", "time"),
    (("input", "message", "@timestamp"), "message", "@timestamp"),
    (("rule", "decoder", "full_log"), "full_log", "timestamp"),
)


def shipped_line(record: Mapping[str, Any]) -> bytes | None:
    """The line in a shipper's record; ``None`` if it is none.

    >>> shipped_line({"log": "sshd[7]: hi\\n", "stream": "stderr", "time": "2022-04-12T06:00:01.5Z"})
    b'2022-04-12T06:00:01.5Z stdout F sshd[7]: hi'
    """
    for fields, name, time in _SHIPPERS:
        line = record.get(name)
        if isinstance(line, str) and all(field in record for field in fields):
            raw = line.rstrip("\r\n").encode("utf-8", "surrogateescape")
            if raw.startswith(b"{"):
                return raw
            moment = record.get(time)
            header = f"{moment} stdout F " if isinstance(moment, str) and _TIME.fullmatch(moment) else ""
            return header.encode() + raw
    return None
