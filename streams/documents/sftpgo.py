"""SFTPGo."""

from __future__ import annotations

import re
from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample, any_of

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {"ts": "time", "login": "username", "remote": "client_ip", "protocol": "protocol", "mech": "login_type"}
_PROTOCOLS: Final = {"ssh": "ssh", "sftp": "ssh", "ftp": "ftp", "http": "http", "dav": "http"}

DOCUMENT: Final = Document(
    name="sftpgo",
    provenance="SFTPGo's documentation of its logs (connection_failed) and internal/common, 2.3 to 2.6",
    gaps="A connection in which nothing was tried is no log-in. Times without a zone are UTC.",
    rules=(
        Rule({"sender": any_of("connection_failed"), "login_type": any_of("no_auth_tried")}, constants={"success": None}),
        Rule(
            {"sender": any_of("connection_failed"), "client_ip": None},
            _FIELDS,
            {"protocol": _PROTOCOLS},
            {"success": False},
        ),
        Rule(
            {"sender": any_of("SSH FTP DAV HTTP"), "connection_id": None},
            {"ts": "time", "login": "@login", "remote": "@remote", "mech": "@mech", "protocol": "sender"},
            {"protocol": _PROTOCOLS},
            {"success": True},
            sentences={
                "message": re.compile(
                    r'User "(?P<login>.*)" logged in with "(?P<mech>[\w+-]+)",? from ip "(?P<remote>[0-9A-Fa-f.:]+)", [^"]*'
                    r'(?:"[^"]*"[^"]*)?',
                    re.DOTALL,
                )
            },
        ),
        Rule({"sender": None, "level": None, "time": None, "connection_id": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "level": "debug",
                "time": "2022-04-12T06:00:01.443",
                "sender": "connection_failed",
                "client_ip": "192.0.2.159",
                "username": "anna",
                "login_type": "password",
                "protocol": "SSH",
                "error": "invalid credentials",
            },
            {"login": "anna", "remote": "192.0.2.159", "success": False, "protocol": "ssh"},
        ),
        Sample(
            {
                "level": "info",
                "time": "2022-04-12T06:00:02.173",
                "sender": "FTP",
                "connection_id": "FTP_0_13",
                "message": 'User "bob" logged in with "password" from ip "2001:db8::159", TLS enabled? false',
            },
            {"login": "bob", "remote": "2001:db8::159", "success": True, "protocol": "ftp"},
        ),
        Sample(
            {
                "level": "debug",
                "time": "2022-04-12T06:00:03.173",
                "sender": "connection_failed",
                "client_ip": "192.0.2.160",
                "username": "",
                "login_type": "no_auth_tried",
                "protocol": "SSH",
                "error": "x",
            },
            None,
        ),
    ),
)
