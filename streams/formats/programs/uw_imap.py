"""UW IMAP: imapd, ipop2d and ipop3d."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_HOST: Final = rf"host=(?:[^\s\[\]]+ )?\[(?P<remote>{ADDRESS})\]"
#: The server cuts every name to 80 characters.
_NAME: Final = ".{0,80}"

FORMAT: Final = Format(
    name="uw-imap",
    provenance="UW IMAP's imapd.c, ipop3d.c and c-client's server_login (env_unix.c), 2000 to 2007",
    gaps="The POP3 server logs a log-in of APOP and of USER/PASS only with the level 'info'.",
    protocol="imap",
    tags=re.compile(r"(?P<imap>imapd)|(?P<pop3>ipop[23]d)"),
    words=("Login ", "Authenticated user=", "AUTHENTICATE ", " override of user=", "Auth user=", "APOP user="),
    connection="process",
    rules=(
        Rule(
            "attempt",
            re.compile(
                f"Login (?P<fail_type>failed|failure|excessive login failures|disabled) user=(?P<login>{_NAME}?) "
                rf"auth={_NAME} {_HOST}\s*$",
                re.DOTALL,
            ),
            {"success": False},
            {"fail_type": {"disabled": "policy"}},
        ),
        Rule("attempt", re.compile(rf"Failed \S+ override of user=(?P<login>{_NAME}) +{_HOST}\s*$", re.DOTALL), {"success": False}),
        Rule("closing", re.compile(rf"AUTHENTICATE (?P<mech>[\w-]+) failure {_HOST}\s*$"), {"success": False}),
        Rule(
            "attempt",
            re.compile(
                rf"(?:Login|Authenticated|Auth|APOP) user=(?P<login>{_NAME}) {_HOST}(?: mech=(?P<mech>[\w-]+))?(?: nmsgs=\S+)?\s*$",
                re.DOTALL,
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 mx1 imapd[77]: Login failed user=anna auth=anna host=h.example [192.0.2.80]",
            {"login": "anna", "remote": "192.0.2.80", "success": False, "protocol": "imap"},
        ),
        Sample(
            "Apr 12 06:00:02 mx1 ipop3d[78]: Auth user=bob host=[192.0.2.81] nmsgs=3/3",
            {"login": "bob", "remote": "192.0.2.81", "success": True, "protocol": "pop3"},
        ),
        Sample("Apr 12 06:00:03 mx1 imapd[79]: Logout user=anna host=h.example [192.0.2.82]", None),
    ),
)
