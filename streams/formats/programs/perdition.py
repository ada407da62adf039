"""Perdition, a proxy for IMAP4, POP3 and ManageSieve."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="perdition",
    provenance="Perdition's perdition/perdition.c (perdition_log_close_early, the 'Auth:' line), 1.17 to 2.2",
    gaps="A connection that ends before the password was given is no attempt.",
    protocol="imap",
    tags=re.compile(r"perdition(?:\.(?:(?P<imap>imap\w*)|(?P<pop3>pop3\w*)|(?P<sieve>(?>\w*?sieve)\w*)))?"),
    words=("Auth: ",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"Auth: (?P<remote>{ADDRESS}):\d+->\S+ (?:client-secure=\S+ )?authorisation_id=\S+ "
                r'authentication_id="(?P<login>.*)" '
                r'server="[^"]*" protocol=\S+ server-secure=\S+ status="(?P<success>ok|failed)(?:: [^"]*)?"\s*$',
                re.DOTALL,
            ),
            {},
            {"success": {"ok": True, "failed": False}},
            front=True,
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 px1 perdition.imaps[77]: Auth: 192.0.2.230:4711->198.51.100.1:993 client-secure=ssl "
            "authorisation_id=NONE "
            'authentication_id="anna" server="mx1:993" protocol=IMAP4S server-secure=ssl status="failed: '
            'Re-Authentication Failure"',
            {"login": "anna", "remote": "192.0.2.230", "success": False, "protocol": "imap"},
        ),
        Sample(
            "Apr 12 06:00:02 px1 perdition.pop3[78]: Auth: 192.0.2.231:4712->198.51.100.1:110 client-secure=plaintext "
            "authorisation_id=NONE "
            'authentication_id="bob" server="mx1:110" protocol=POP3 server-secure=plaintext status="ok"',
            {"login": "bob", "remote": "192.0.2.231", "success": True, "protocol": "pop3"},
        ),
        Sample("Apr 12 06:00:03 px1 perdition.pop3[79]: Connect: 192.0.2.232:4713->198.51.100.1:110", None),
    ),
)
