"""FortiGate: log-ins to SSL VPN and to the device."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_PAIRS: Final = r'(?:(?!remip=|user=|reason=|action=)\w+=(?:"[^"]*"|[^\s"]*) )*'
_START: Final = (
    r"(?:date=(?=\S+ time=\S+ eventtime=)\S+ time=\S+ eventtime=|date=)(?P<time>\d{19}|\d{10}|\d{4}-\d\d-\d\d time=[\d:]{8}) "
    rf'{_PAIRS}logdesc="[^"]*"'
)

FORMAT: Final = Format(
    name="fortigate",
    provenance="Fortinet's FortiOS log message reference (39424, 39426, 32001, 32002), 6 to 7.4",
    gaps=(
        "A user of a VPN who does not exist is logged as N/A, so nobody is named. The device's eventtime is used, "
        "else date and time as of --tz."
    ),
    protocol="other",
    tags=re.compile(r"forti.*|date=\S+"),
    words=(
        'action="ssl-login-fail"',
        'action="tunnel-up"',
        'action="login"',
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf'{_START} action="ssl-login-fail" {_PAIRS}remip=(?P<remote>{ADDRESS}) '
                rf'user="(?:N/A|(?P<login>[^"]*))" {_PAIRS}reason="(?P<fail_type>\w+)"',
                re.DOTALL,
            ),
            {"success": False},
            {
                "fail_type": {
                    "sslvpn_login_unknown_user": "account",
                    "sslvpn_login_permission_denied": "credentials",
                    "sslvpn_login_no_matching_policy": "policy",
                }
            },
        ),
        Rule(
            "attempt",
            re.compile(
                rf'{_START} action="tunnel-up" tunneltype="ssl-[\w-]+" {_PAIRS}remip=(?P<remote>{ADDRESS}) '
                r'user="(?P<login>[^"]*)"',
                re.DOTALL,
            ),
            {"success": True},
        ),
        Rule(
            "attempt",
            re.compile(
                rf'{_START} (?:sn="\w*" )?user="(?P<login>[^"]*)" ui="(?P<protocol>\w+)\([^"()]*\)" method="\w+" '
                rf'srcip=(?P<remote>{ADDRESS}) {_PAIRS}action="login" status="(?P<success>success|failed)"',
                re.DOTALL,
            ),
            {},
            {"success": {"success": True, "failed": False}, "protocol": {"https": "http", "http": "http", "ssh": "ssh"}},
        ),
    ),
    samples=(
        Sample(
            'date=2022-04-12 time=06:00:01 eventtime=1649743201841267391 tz="+0000" logid="0101039426" type="event" '
            'subtype="vpn" level="alert" vd="root" logdesc="SSL VPN login fail" action="ssl-login-fail" '
            'tunneltype="ssl-web" tunnelid=0 remip=192.0.2.91 user="anna" group="N/A" dst_host="N/A" '
            'reason="sslvpn_login_permission_denied" msg="SSL user failed to logged in"',
            {"login": "anna", "remote": "192.0.2.91", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            'date=2022-04-12 time=06:00:02 eventtime=1649743202841267391 tz="+0000" logid="0101039424" type="event" '
            'subtype="vpn" level="information" vd="root" logdesc="SSL VPN tunnel up" action="tunnel-up" '
            'tunneltype="ssl-web" tunnelid=7 remip=192.0.2.92 user="bob" group="g" dst_host="N/A" reason="login '
            'successfully" msg="SSL tunnel established"',
            {"login": "bob", "remote": "192.0.2.92", "success": True},
        ),
        Sample(
            'date=2022-04-12 time=06:00:03 logid="0000000013" type="traffic" subtype="forward" level="notice" '
            'vd="root" srcip=192.0.2.92',
            None,
        ),
    ),
)
