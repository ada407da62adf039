"""SOGo."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r"(?:\[\w+\] )?(?:<0x\w+(?:\[\w+\])?> ?)?(?:SOGoRootPage )?"
#: The hops of X-Forwarded-For, the one next to SOGo last.
_CLIENT: Final = rf"ogin from '(?:(?P<forwarded>[^\s',]+(?:, [^\s',]+)*), )?(?P<remote>{ADDRESS})' for user '(?P<login>.*)'"

FORMAT: Final = Format(
    name="sogo",
    provenance="SOGo's UI/MainUI/SOGoRootPage.m (connectAction), 1.3 to 5",
    gaps="Of several hops the last is taken unless it is a trusted proxy. 'might not have worked' does not say why.",
    protocol="http",
    tags=re.compile("sogod?"),
    words=("ogin from '",),
    rules=(
        Rule(
            "attempt",
            re.compile(rf"{_START}L{_CLIENT} might not have worked - password policy: ", re.DOTALL),
            {"success": False},
            front=True,
            ambiguous=re.compile(r"' for user '.*' for user '", re.DOTALL),
        ),
        Rule(
            "attempt",
            re.compile(rf"{_START}[Ss]uccessful l{_CLIENT} - expire", re.DOTALL),
            {"success": True},
            front=True,
            ambiguous=re.compile(r"' for user '.*' for user '", re.DOTALL),
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 sogod [77]: SOGoRootPage Login from '192.0.2.200' for user 'anna' might not have worked - "
            "password policy: 65535  "
            "grace: -1  expire: -1  bound: 0",
            {"login": "anna", "remote": "192.0.2.200", "success": False, "protocol": "http"},
        ),
        Sample(
            "Apr 12 06:00:02 sogod [78]: SOGoRootPage successful login from '2001:db8::200' for user 'bob' - expire = -1 "
            " grace = -1",
            {"login": "bob", "remote": "2001:db8::200", "success": True},
        ),
        Sample("Apr 12 06:00:03 sogod [79]: |SOGo| request took 0.007 seconds to execute", None),
    ),
)
