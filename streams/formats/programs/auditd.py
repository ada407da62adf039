"""Linux's audit log: log-ins by sshd."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r"msg=audit\((?P<time>\d{10}\.\d{3}):\d+\): (?:\w+ )?pid=\d+ uid=\d+ auid=\d+ ses=\d+ (?:subj=\S+ )?msg='"
_END: Final = rf"exe=\"/usr/sbin/sshd\" hostname=\S+ addr=(?P<remote>{ADDRESS}) terminal=ssh res="

FORMAT: Final = Format(
    name="auditd",
    provenance="Linux audit's documentation of USER_AUTH and USER_ERR, and OpenSSH's audit-linux.c, RHEL 6 to 9",
    gaps="A name that is written in hexadecimal, as names that do not exist are, is not read.",
    protocol="ssh",
    tags=re.compile(r"audit(?:d|sp|isp-\w+)?"),
    words=(
        "type=USER_AUTH ",
        "type=USER_ERR ",
    ),
    rules=(
        Rule(
            "echo",
            re.compile(rf'type=USER_ERR {_START}op=PAM:bad_ident acct="\?" {_END}failed' r"'", re.DOTALL),
            {"success": False, "fail_type": "account"},
        ),
        Rule(
            "echo",
            re.compile(
                rf"type=USER_AUTH {_START}op=(?:PAM:authentication(?: grantors=\S+)?|pubkey|password|key)(?: "
                rf'acct="(?P<login>[^"]*)"| acct=[0-9A-F]+) {_END}failed'
                r"'",
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "echo",
            re.compile(rf'type=USER_AUTH {_START}op=success acct="(?P<login>[^"]*)" {_END}success' r"'", re.DOTALL),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "type=USER_AUTH msg=audit(1649743201.000:603): pid=12887 uid=0 auid=4294967295 ses=4294967295 "
            'subj=system_u:system_r:sshd_t:s0-s0:c0.c1023 msg=\'op=password acct="anna" exe="/usr/sbin/sshd" '
            "hostname=? addr=192.0.2.104 terminal=ssh res=failed'",
            {"login": "anna", "remote": "192.0.2.104", "success": False, "protocol": "ssh"},
        ),
        Sample(
            "type=USER_AUTH msg=audit(1649743202.000:604): pid=12888 uid=0 auid=4294967295 ses=4294967295 "
            'msg=\'op=success acct="bob" exe="/usr/sbin/sshd" hostname=? addr=2001:db8::104 terminal=ssh res=success\'',
            {"login": "bob", "remote": "2001:db8::104", "success": True},
        ),
        Sample(
            "type=USER_LOGIN msg=audit(1649743203.000:605): pid=12354 uid=0 auid=4294967295 ses=4294967295 "
            'msg=\'op=login acct="dan" exe="/usr/sbin/sshd" hostname=? addr=192.0.2.105 terminal=ssh res=failed\'',
            None,
        ),
    ),
)
