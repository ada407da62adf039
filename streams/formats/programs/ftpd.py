"""The FTP servers of BSD, MIT Kerberos and Washington University."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="ftpd",
    provenance="wu-ftpd's ftpd.c (pass), MIT krb5-appl's gssftp/ftpd/ftpd.c, FreeBSD's libexec/ftpd/ftpd.c",
    gaps="wu-ftpd and gssftpd do not name the user, BSD's ftpd only when run with -l -l. Host names are refused as no address.",
    protocol="ftp",
    tags=re.compile(r"(?:in\.|wu-|gss|tn)?ftpd"),
    words=("failed login from ", "login failures from ", "FTP LOGIN F"),
    rules=(
        Rule("attempt", re.compile(rf"failed login from (?:[^\s\[\]]+ )?\[(?P<remote>{ADDRESS})\]"), {"success": False}),
        Rule("attempt", re.compile(rf"repeated login failures from (?P<remote>{ADDRESS}) \(\S*\)\s*$"), {"success": False}),
        Rule(
            "attempt", re.compile(r"FTP LOGIN FAILED FROM (?P<remote>[^\s,]+)(?:, (?P<login>.*))?$", re.DOTALL), {"success": False}
        ),
        Rule(
            "attempt",
            re.compile(rf"(?:ANONYMOUS )?FTP LOGIN FROM (?:[^\s\[\]]+ )?\[?(?P<remote>{ADDRESS})\]?(?: as|,) (?P<login>\S+)"),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 ftp1 wu-ftpd[77]: failed login from h.example [192.0.2.130]",
            {"remote": "192.0.2.130", "success": False, "protocol": "ftp"},
        ),
        Sample(
            "Apr 12 06:00:02 ftp1 ftpd[78]: FTP LOGIN FAILED FROM 192.0.2.131, anna",
            {"login": "anna", "remote": "192.0.2.131", "success": False},
        ),
        Sample(
            "Apr 12 06:00:03 ftp1 ftpd[79]: FTP LOGIN FROM 192.0.2.132 as bob",
            {"login": "bob", "remote": "192.0.2.132", "success": True},
        ),
        Sample("Apr 12 06:00:04 ftp1 ftpd[80]: connection from 192.0.2.133", None),
    ),
)
