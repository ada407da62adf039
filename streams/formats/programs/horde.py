"""Horde 3 to 5 and its mail program IMP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r"(?:HORDE )?(?:\[\w+\] )?"
_OUTCOME: Final = "(?P<success>FAILED LOGIN|Login success)"
_OUTCOMES: Final[Mapping[str, Mapping[str | None, object]]] = {"success": {"FAILED LOGIN": False, "Login success": True}}
_CLIENT: Final = rf"[\[(](?P<remote>{ADDRESS})(?:[, ]+\(?forwarded for \[?(?P<forwarded>[^\[\]()]*)[\])]*)?[\])]"
_PLACE: Final = r"(?: \[(?:pid \d+ )?on line \d+ of \"?[^\"]*\"?\])?\s*$"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(_START + text, re.DOTALL)


FORMAT: Final = Format(
    name="horde",
    provenance="Horde's login.php and imp/lib/Auth.php (IMP_Auth::_log), imp/lib/Auth/imp.php, Horde 3 to 5",
    gaps="[imp] and [horde] write about the same attempt; the second is left out.",
    protocol="http",
    tags=re.compile("HORDE|horde"),
    words=("FAILED LOGIN ", "Login success for "),
    rules=(
        Rule(
            "attempt",
            _pattern(rf"\[imp\] {_OUTCOME} for (?P<login>.*) {_CLIENT} to \{{[^{{}}]*\}}{_PLACE}"),
            {},
            _OUTCOMES,
            front=True,
        ),
        Rule(
            "attempt",
            _pattern(rf"\[imp\] FAILED LOGIN (?P<remote>{ADDRESS}) to \S+ as (?P<login>.*)$"),
            {"success": False},
            front=True,
        ),
        Rule(
            "echo",
            _pattern(rf"\[horde\] {_OUTCOME} for (?P<login>.*?)(?: to [Hh]orde)? {_CLIENT}(?: to [Hh]orde\.?)?{_PLACE}"),
            {},
            _OUTCOMES,
            front=True,
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 web1 HORDE: [imp] FAILED LOGIN for anna (192.0.2.170) to {imap://localhost/} [pid 77 on "
            'line 156 of "/x/Auth.php"]',
            {"login": "anna", "remote": "192.0.2.170", "success": False, "protocol": "http"},
        ),
        Sample(
            'Apr 12 06:00:02 HORDE [notice] [horde] Login success for bob [2001:db8::170] to Horde [on line 116 of "/x/login.php"]',
            {"login": "bob", "remote": "2001:db8::170", "success": True},
        ),
        Sample('Apr 12 06:00:03 web1 HORDE: [imp] PHP ERROR: x [pid 78 on line 1 of "/x.php"]', None),
    ),
)
