"""Apereo CAS: the audit log."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="cas",
    provenance="Inspektr's Slf4jLoggingAuditTrailManager (one line a record), CAS 5 to 7",
    gaps="Records over several lines are not read. Tickets are no log-in. A service behind CAS does not show.",
    protocol="http",
    tags=re.compile("cas"),
    words=("|AUTHENTICATION_",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r"INFO \[[\w.]{1,200}\] - [^|]*\|CAS\|.*\|AUTHENTICATION_(?P<success>FAILED|SUCCESS)\|(?P<login>[^|]*)\|"
                rf"(?P<remote>{ADDRESS})\|[^|]*$",
                re.DOTALL,
            ),
            {},
            {"success": {"FAILED": False, "SUCCESS": True}},
        ),
    ),
    samples=(
        Sample(
            "2022-04-12 06:00:01,116 INFO [org.apereo.inspektr.audit.support.Slf4jLoggingAuditTrailManager] - Tue Apr 12 "
            "06:00:01 UTC 2022|"
            "CAS|Supplied credentials: [UsernamePasswordCredential(username=anna, "
            "source=null)]|AUTHENTICATION_FAILED|anna|192.0.2.11|sso",
            {"login": "anna", "remote": "192.0.2.11", "success": False, "protocol": "http"},
        ),
        Sample(
            "2022-04-12 06:00:02,116 INFO [org.apereo.inspektr.audit.support.Slf4jLoggingAuditTrailManager] - Tue Apr 12 "
            "06:00:02 UTC 2022|"
            "CAS|Supplied credentials: [x]|AUTHENTICATION_SUCCESS|bob|192.0.2.12|sso",
            {"login": "bob", "remote": "192.0.2.12", "success": True},
        ),
        Sample(
            "2022-04-12 06:00:03,116 INFO [org.apereo.inspektr.audit.support.Slf4jLoggingAuditTrailManager] - Tue Apr 12 "
            "06:00:03 UTC 2022|"
            "CAS|TGT-1|TICKET_GRANTING_TICKET_CREATED|bob|192.0.2.12|sso",
            None,
        ),
    ),
)
