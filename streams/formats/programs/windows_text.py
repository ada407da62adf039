"""Windows security events 4624 and 4625 as text, by an agent."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_TWO: Final = re.compile("Source Network Address:.*Source Network Address:", re.DOTALL)

FORMAT: Final = Format(
    name="windows-text",
    provenance="Microsoft's documentation of events 4624 and 4625, as Snare, NXLog, syslog-ng's and OSSEC's agents write them",
    gaps="Log-ins at the machine itself have no address. Only English text is read. JSON is read as a document of its own.",
    protocol="other",
    tags=re.compile(r"(?:WinEvtLog|Microsoft_Windows_security_auditing\.|MSWinEventLog|EvntSLog)"),
    words=(
        "An account was successfully logged on.",
        "An account failed to log on.",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r"(?>.*?An account was successfully logged on\. )(?>.*?New Logon:)(?>.*?Account "
                r"Name:)\s+(?P<login>\S+(?: \S+)*)\s+Account Domain:(?>.*?Source Network "
                rf"Address:)\s+(?P<remote>{ADDRESS})(?=\s|$)",
                re.DOTALL,
            ),
            {"success": True},
            ambiguous=_TWO,
        ),
        Rule(
            "attempt",
            re.compile(
                r"(?>.*?An account failed to log on\. )(?>.*?Account For Which Logon Failed:)(?>.*?Account "
                r"Name:)\s+(?P<login>\S+(?: \S+)*)\s+Account Domain:(?>.*?Sub "
                r"Status:)\s+(?P<fail_type>0x[0-9A-Fa-f]{8})(?>.*?Source Network "
                rf"Address:)\s+(?P<remote>{ADDRESS})(?=\s|$)",
                re.DOTALL,
            ),
            {"success": False},
            {
                "fail_type": {
                    "0xC000006A": "credentials",
                    "0xc000006a": "credentials",
                    "0xC0000064": "account",
                    "0xc0000064": "account",
                    "0xC0000072": "disabled",
                    "0xc0000072": "disabled",
                    "0xC0000234": "disabled",
                    "0xc0000234": "disabled",
                    "0xC0000071": "expired",
                    "0xc0000071": "expired",
                }
            },
            ambiguous=_TWO,
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 dc1 Microsoft_Windows_security_auditing.[7]: : Security Microsoft Windows security "
            "auditing.: [Success Audit] An account was successfully logged on.  Subject:  Security ID:  S-1-0-0  "
            "Account Name:  -  Account Domain:  -  Logon ID:  0x0  Logon Type:   3  New Logon:  Security ID:  "
            "S-1-5-21-1  Account Name:  anna  Account Domain:  EXAMPLE  Logon ID:  0x34  Network Information:  "
            "Workstation Name:   Source Network Address: 192.0.2.122  Source Port:  54796",
            {"login": "anna", "remote": "192.0.2.122", "success": True},
        ),
        Sample(
            "Apr 12 06:00:02 dc1 Microsoft_Windows_security_auditing.[7]: : Security: [] An account failed to log on. "
            " Subject:  Account Name:  -  Logon Type:   3  Account For Which Logon Failed:  Security ID:  S-1-0-0  "
            "Account Name:  bob  Account Domain:  EXAMPLE  Failure Information:  Failure Reason:  Unknown user name "
            "or bad password.  Status:   0xc000006d  Sub Status:  0xc000006a  Network Information:  Workstation Name: "
            "PC1  Source Network Address: 192.0.2.123  Source Port:  1",
            {"login": "bob", "remote": "192.0.2.123", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            "Apr 12 06:00:03 dc1 Microsoft_Windows_security_auditing.[7]: : Security: [Success Audit] An account was "
            "logged off.  Subject:  Account Name:  anna",
            None,
        ),
    ),
)
