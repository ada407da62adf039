"""login(1) of util-linux and shadow, behind telnet and rlogin."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_REASONS: Final[Mapping[str, Mapping[str | None, object]]] = {
    "fail_type": {
        "User not known to the underlying authentication module": "account",
        "Authentication token is no longer valid; new one required": "expired",
        "User account has expired": "disabled",
    }
}

FORMAT: Final = Format(
    name="login",
    provenance="util-linux's login-utils/login.c (loginpam_err, loginpam_auth) and shadow's src/login.c",
    gaps="Log-ins at a terminal of the machine itself show no address and are left out, and so are successes, which "
    "do not say theirs.",
    protocol="other",
    tags=re.compile("login|remote"),
    words=("FAILED LOGIN ",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"FAILED LOGIN (?:SESSION |\d+ )?FROM (?P<remote>{ADDRESS}) FOR (?P<login>.*), (?P<fail_type>[\w ;]*\w)\s*$",
                re.DOTALL,
            ),
            {"success": False},
            _REASONS,
        ),
        Rule(
            "attempt",
            re.compile(
                rf"FAILED LOGIN \(\d+\) on '[^']*' from '(?P<remote>{ADDRESS})' FOR '(?P<login>.*)', (?P<fail_type>[\w ;]*\w)\s*$",
                re.DOTALL,
            ),
            {"success": False},
            _REASONS,
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 gw login[77]: FAILED LOGIN 1 FROM 192.0.2.3 FOR anna, Authentication failure",
            {"login": "anna", "remote": "192.0.2.3", "success": False, "protocol": "other"},
        ),
        Sample(
            "Apr 12 06:00:02 gw login[78]: FAILED LOGIN (1) on '/dev/pts/1' from '2001:db8::3' FOR 'bob', Authentication failure",
            {"login": "bob", "remote": "2001:db8::3", "success": False},
        ),
        Sample("Apr 12 06:00:03 gw login[79]: FAILED LOGIN (1) on '/dev/tty1' FOR 'bob', Authentication failure", None),
    ),
)
