"""FreeRADIUS, where clients name their address."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r"(?:: )?(?:Auth: )?(?:\(\d+\) +)?"
_TWO: Final = re.compile(r"\(from client .*\(from client ", re.DOTALL)

FORMAT: Final = Format(
    name="freeradius",
    provenance="FreeRADIUS's src/main/auth.c (rad_authlog), 2 to 3.2",
    gaps=(
        "Written from memory, and tried on no line that others wrote. "
        "The calling station is an address with VPNs and portals only; with telephones and Wi-Fi it is none and "
        "the line is not read. A name or password with brackets is refused."
    ),
    protocol="other",
    tags=re.compile(r"radiusd|freeradius"),
    words=(
        "Login incorrect",
        "Login OK: [",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"{_START}Login incorrect(?: \((?P<fail_type>[^()\[\]]*)\))?: \[(?P<login>[^\[\]/]*)(?:/[^\[\]]*)?\] "
                rf"\(from client \S+ port \d+ cli (?P<remote>{ADDRESS})(?: via TLS tunnel)?\)",
                re.DOTALL,
            ),
            {"success": False},
            {"fail_type": {"No Auth-Type found: rejecting the user via Post-Auth-Type = Reject": "account"}},
            ambiguous=_TWO,
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_START}Login OK: \[(?P<login>[^\[\]/]*)(?:/[^\[\]]*)?\] \(from client \S+ port \d+ cli "
                rf"(?P<remote>{ADDRESS})(?: via TLS tunnel)?\)",
                re.DOTALL,
            ),
            {"success": True},
            ambiguous=_TWO,
        ),
    ),
    samples=(
        Sample(
            "Tue Apr 12 06:00:01 2022 : Auth: (12) Login incorrect (pap: Cleartext password does not match): "
            "[anna/<via Auth-Type = PAP>] (from client vpn1 port 0 cli 192.0.2.99)",
            {"login": "anna", "remote": "192.0.2.99", "success": False},
        ),
        Sample(
            "Apr 12 06:00:02 aaa1 radiusd[7]: (13) Login OK: [bob] (from client vpn1 port 10 cli 2001:db8::99)",
            {"login": "bob", "remote": "2001:db8::99", "success": True},
        ),
        Sample("Apr 12 06:00:03 aaa1 radiusd[7]: (14) Login OK: [carl] (from client wifi1 port 10 cli 02-00-00-00-00-01)", None),
    ),
)
