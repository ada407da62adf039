"""PostgreSQL, with the client's address in log_line_prefix."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_ADDRESS: Final = rf"(?P<remote>{ADDRESS})(?:\(\d+\))?"
_PREFIXES: Final = (
    rf"{_ADDRESS} (?P<time>\d{{4}}-\d\d-\d\d [\d:.]{{8,15}}(?: UTC| GMT)?) "
    r"(?>.*?(?=(?:FATAL|LOG):  ))",
    rf"(?:\[\d+\] )?{_ADDRESS}[ :](?!:)(?>.*?(?=(?:FATAL|LOG):  ))",
    rf"\[\d+\]: \[\d+-1\] (?>.*?[ ,]client=){_ADDRESS} ",
)
_OUTCOMES: Final[tuple[tuple[str, dict[str, object]], ...]] = (
    (r'FATAL:  [\w-]+ authentication failed for user "(?P<login>.*)"\s*$', {"success": False}),
    (r'FATAL:  role "(?P<login>.*)" does not exist\s*$', {"success": False, "fail_type": "account"}),
    (r"LOG:  connection authorized: user=(?P<login>\S+) database=", {"success": True}),
)
#: The user's name is part of the prefix and of the message.
_TWO: Final = re.compile(r"(?:FATAL|LOG):  .*(?:FATAL|LOG):  |client=.*client=", re.DOTALL)

FORMAT: Final = Format(
    name="postgresql",
    provenance="PostgreSQL's src/backend/libpq/auth.c (auth_failed) and documentation of log_line_prefix, 9 to 17",
    gaps=(
        "Without %h or %r in log_line_prefix no address is logged. Of the prefixes with one these are read: %m "
        "[%p] %h, %t:%r:, %h %m, client=%h."
    ),
    protocol="other",
    tags=re.compile(r"postgres(?:ql)?"),
    words=(
        "FATAL:  ",
        "connection authorized: user=",
    ),
    rules=(
        *(
            Rule("attempt", re.compile(rf"{prefix}{text}", re.DOTALL), fields, ambiguous=_TWO)
            for prefix in _PREFIXES
            for text, fields in _OUTCOMES
        ),
    ),
    samples=(
        Sample(
            '2022-04-12 06:00:01.536 UTC [147] 192.0.2.34 anna@postgres FATAL:  password authentication failed for user "anna"',
            {"login": "anna", "remote": "192.0.2.34", "success": False},
        ),
        Sample(
            "2022-04-12 06:00:02.536 UTC:2001:db8::34(5432):bob@postgres:[127]:FATAL:  password authentication failed "
            'for user "bob"',
            {"login": "bob", "remote": "2001:db8::34", "success": False},
        ),
        Sample(
            '192.0.2.35 2022-04-12 06:00:03.425 UTC [539] carl@postgres FATAL:  role "carl" does not exist',
            {"login": "carl", "remote": "192.0.2.35", "success": False, "fail_type": "account"},
        ),
        Sample(
            "2022-04-12 06:00:04 UTC [148]: [1-1] user=dora,db=mail,app=[unknown],client=192.0.2.36 LOG:  connection "
            "authorized: user=dora database=mail",
            {"login": "dora", "remote": "192.0.2.36", "success": True},
        ),
        Sample("2022-04-12 06:00:05.536 UTC [149] LOG:  database system is ready to accept connections", None),
    ),
)
