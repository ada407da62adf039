"""Tine 2.0, groupware with a webmail."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = (
    r"(?:\S+ \S+ -- \S+ -- - )?(?P<time>\d{4}-\d\d-\d\dT[\d:]{8}(?:Z|[+-]\d\d:\d\d)) \w+ \(\d\): Tinebase_Controller::login::\d+ "
)

FORMAT: Final = Format(
    name="tine",
    provenance="Tine's Tinebase/Controller.php (login) and Tinebase/Auth.php (result codes), 2013 to 2023",
    gaps="Behind a reverse proxy the address is the proxy's.",
    protocol="http",
    tags=re.compile("tine20|tine"),
    words=("Login with username ",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"{_START}Login with username (?P<login>.*) from (?P<remote>{ADDRESS}) failed \((?P<fail_type>-?\d+)\)!?\s*$",
                re.DOTALL,
            ),
            {"success": False},
            {"fail_type": {"-1": "account", "-3": "credentials", "-4": "internal", "-101": "expired", "-102": "disabled"}},
            front=True,
        ),
        Rule(
            "attempt",
            re.compile(rf"{_START}Login with username (?P<login>.*) from (?P<remote>{ADDRESS}) succeeded", re.DOTALL),
            {"success": True},
            front=True,
            ambiguous=re.compile(r" from \S+ succeeded.* from \S+ (?:succeeded|failed)", re.DOTALL),
        ),
    ),
    samples=(
        Sample(
            "78017 00cff -- none -- - 2022-04-12T06:00:01+00:00 WARN (4): Tinebase_Controller::login::106 Login with username anna "
            "from 192.0.2.18 failed (-3)!",
            {"login": "anna", "remote": "192.0.2.18", "success": False, "protocol": "http", "fail_type": "credentials"},
        ),
        Sample(
            "78017 00cff -- none -- - 2022-04-12T06:00:02+00:00 INFO (6): Tinebase_Controller::login::99 Login with username bob "
            "from 192.0.2.19 succeeded.",
            {"login": "bob", "remote": "192.0.2.19", "success": True},
        ),
        Sample("78017 00cff -- bob -- - 2022-04-12T06:00:03+00:00 INFO (6): Tinebase_Controller::logout::200 x", None),
    ),
)
