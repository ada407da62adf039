"""OpenLDAP's slapd: binds with a password (loglevel stats)."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

_CONN: Final = r"conn=(?P<conn>\d+) "

FORMAT: Final = Format(
    name="slapd",
    provenance="OpenLDAP's servers/slapd (connection.c, bind.c, result.c) at loglevel stats, 2.4 to 2.6",
    gaps=(
        "The client and the name stand in earlier lines of the connection; where they are missing nothing is read. The account is "
        "the value of uid, mail or cn, else the whole DN. Anonymous binds and those by SASL are not read."
    ),
    protocol="other",
    tags=re.compile("slapd"),
    words=(" ACCEPT from IP=", " BIND dn=", " RESULT tag=97 "),
    rules=(
        Rule(
            "told", re.compile(rf"{_CONN}fd=\d+ ACCEPT from IP=\[?(?P<remote>{HOST})\]?:\d+ \(IP=(?P<login>)"), {"success": False}
        ),
        Rule(
            "told",
            re.compile(rf'{_CONN}op=\d+ BIND dn="(?:uid|mail|cn)=(?P<login>[^",]*+)(?:,[^"]*+)?" method=128'),
            {"success": False},
        ),
        Rule("told", re.compile(rf'{_CONN}op=\d+ BIND dn="(?P<login>[^"]*)" method=128'), {"success": False}),
        Rule("told", re.compile(rf'{_CONN}op=\d+ BIND dn="[^"]*" method=\d+(?P<login>)'), {"success": False}),
        Rule("over", re.compile(rf"{_CONN}fd=\d+ closed"), {"success": False}),
        Rule(
            "attempt",
            re.compile(rf"{_CONN}op=\d+ RESULT tag=97 err=(?P<fail_type>49|53|19|50)\b"),
            {"success": False},
            {"fail_type": {"49": "credentials", "53": "policy", "19": "policy", "50": "policy"}},
        ),
        Rule("attempt", re.compile(rf"{_CONN}op=\d+ RESULT tag=97 err=0\b"), {"success": True}),
    ),
    samples=(
        Sample("Apr 12 06:00:01 ldap1 slapd[1183]: conn=1022 fd=21 ACCEPT from IP=192.0.2.194:45011 (IP=0.0.0.0:636)", None),
        Sample('Apr 12 06:00:02 ldap1 slapd[1183]: conn=1022 op=1 BIND dn="uid=anna,ou=people,dc=example,dc=org" method=128', None),
        Sample("Apr 12 06:00:03 ldap1 slapd[1183]: conn=1022 op=1 RESULT tag=97 err=49 text=", None),
    ),
)
