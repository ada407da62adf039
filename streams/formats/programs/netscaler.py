"""Citrix NetScaler (ADC): log-ins to its gateway and to the device."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r"(?:\S+ )?(?:\d\d/\d\d/\d{4}:[\d:]{8} \w+ \S+ (?:\S+ )?: )?(?:default )?"
_TWO: Final = re.compile(" - Client_ip .* - Client_ip ", re.DOTALL)

FORMAT: Final = Format(
    name="netscaler",
    provenance="Citrix's ADC syslog message reference (AAA LOGIN_FAILED, LOGIN; SSLVPN LOGIN), 10 to 14",
    gaps=(
        "Written from memory, and tried on no line that others wrote. "
        "A failure's reason is a number or text that differs between versions, so it is not kept."
    ),
    protocol="other",
    tags=re.compile(r"(?!)"),
    words=(
        " AAA LOGIN_FAILED ",
        " SSLVPN LOGIN ",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"{_START}AAA LOGIN_FAILED \d+ \d+ :  ?User (?P<login>.*) - Client_ip (?P<remote>{ADDRESS}) - "
                r"Failure_reason [^\n]*$",
                re.DOTALL,
            ),
            {"success": False},
            ambiguous=_TWO,
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_START}SSLVPN LOGIN \d+ \d+ :  ?(?:Context [^\s@]+@[\d.]+ - SessionId: \d+- ?)?User (?P<login>.*) "
                rf"- Client_ip (?P<remote>{ADDRESS}) - Nat_ip [^\n]*$",
                re.DOTALL,
            ),
            {"success": True},
            ambiguous=_TWO,
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 192.0.2.1 04/12/2022:06:00:01 GMT ns1 0-PPE-0 : default AAA LOGIN_FAILED 62 0 :  User "
            'anna - Client_ip 192.0.2.130 - Failure_reason "External authentication server denied access" - Browser '
            "Mozilla/5.0",
            {"login": "anna", "remote": "192.0.2.130", "success": False},
        ),
        Sample(
            "Apr 12 06:00:02 192.0.2.1 04/12/2022:06:00:02 GMT ns1 0-PPE-0 : default SSLVPN LOGIN 63 0 :  User bob - "
            'Client_ip 192.0.2.131 - Nat_ip "Mapped Ip" - Vserver 198.51.100.1:443',
            {"login": "bob", "remote": "192.0.2.131", "success": True},
        ),
        Sample(
            "Apr 12 06:00:03 192.0.2.1 04/12/2022:06:00:03 GMT ns1 0-PPE-0 : default UI CMD_EXECUTED 64 0 :  User "
            "nsroot - Remote_ip 192.0.2.132",
            None,
        ),
    ),
)
