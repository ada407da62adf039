"""Asterisk: SIP, IAX and manager log-ins."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

_LEVEL: Final = r"(?:NOTICE|WARNING|SECURITY) ?\[\d+\](?:\[C-[0-9a-f]+\])?:? +"
_SECURITY: Final = rf'{_LEVEL}res_security_log\.c:(?:\d+ (?:in )?\w+:)? SecurityEvent="'
#: The session's name is the client's words; so is, within its quotes, the account.
_ABOUT: Final = (
    r',EventTV="[^"]*",Severity="\w*",Service="\w*",EventVersion="\d*",AccountID="(?P<login>[^"]*)",SessionID="'
    rf'(?>.*?",LocalAddress=")[\w/.:\[\]]*",RemoteAddress="[\w]+/\w+/(?P<remote>{ADDRESS})/\d+"'
)
_TWO: Final = re.compile("AccountID=.*AccountID=|RemoteAddress=.*RemoteAddress=", re.DOTALL)
_REASONS: Final[dict[str | None, object]] = {
    "Wrong password": "credentials",
    "Failed to authenticate": "credentials",
    "Error to authenticate": "credentials",
    "No matching peer found": "account",
    "No matching endpoint found": "account",
    "Username/auth name mismatch": "account",
    "Not a local domain": "account",
    "Peer is not supposed to register": "policy",
    "Device does not match ACL": "policy",
    "ACL error (permit/deny)": "policy",
}

FORMAT: Final = Format(
    name="asterisk",
    provenance="Asterisk's chan_sip.c, chan_iax2.c, manager.c, res_pjsip/pjsip_distributor.c and res_security_log.c, 1.8 to 20",
    gaps="Calls by strangers ('extension not found', 'unknown SIP connection') are no log-in. Successes are in its security log.",
    protocol="other",
    tags=re.compile(r"asterisk"),
    words=(
        "Registration from '",
        "' failed for '",
        " to authenticate as '",
        "MD5 authentication for '",
        "nonexistent user '",
        'SecurityEvent="',
        "No registration for peer '",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"{_LEVEL}(?:\S+ )?(?:in )?(?:\w+: )?Registration from '(?P<login>.*)' failed for "
                rf"'\[?(?P<remote>{HOST})\]?(?::\d+)?' - (?P<fail_type>[\w ()/]*[\w)])\s*$",
                re.DOTALL,
            ),
            {"success": False},
            {"fail_type": _REASONS},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_LEVEL}(?:\S+ )?(?:in )?(?:\w+: )?Request (?:'[A-Z]+' )?from '(?P<login>.*)' failed for "
                rf"'\[?(?P<remote>{HOST})\]?(?::\d+)?' \(callid: [^)]*\) - (?P<fail_type>No matching endpoint "
                r"found|Failed to authenticate|Error to authenticate)(?: after \d+ tries in [\d.]+ ms)?\s*$",
                re.DOTALL,
            ),
            {"success": False},
            {"fail_type": _REASONS},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_LEVEL}chan_iax2\.c: Host (?P<remote>{ADDRESS}) failed (?:to authenticate as|MD5 authentication "
                r"for) '(?P<login>.*)'(?: \([0-9a-f]+ != [0-9a-f]+\))?\s*$",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "credentials"},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_LEVEL}chan_iax2\.c: No registration for peer '(?P<login>.*)' \(from (?P<remote>{ADDRESS})\)\s*$", re.DOTALL
            ),
            {"success": False, "fail_type": "account"},
        ),
        Rule(
            "attempt",
            re.compile(rf"{_LEVEL}manager\.c: (?P<remote>{ADDRESS}) failed to authenticate as '(?P<login>.*)'\s*$", re.DOTALL),
            {"success": False, "fail_type": "credentials"},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_LEVEL}manager\.c: (?P<remote>{ADDRESS}) tried to authenticate with nonexistent user " r"'(?P<login>.*)'\s*$",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "account"},
        ),
        Rule(
            "attempt",
            re.compile(rf'{_SECURITY}(?P<fail_type>InvalidAccountID|InvalidPassword|ChallengeResponseFailed)"{_ABOUT}', re.DOTALL),
            {"success": False},
            {
                "fail_type": {
                    "InvalidAccountID": "account",
                    "InvalidPassword": "credentials",
                    "ChallengeResponseFailed": "credentials",
                }
            },
            ambiguous=_TWO,
        ),
        Rule("attempt", re.compile(rf'{_SECURITY}SuccessfulAuth"{_ABOUT}', re.DOTALL), {"success": True}, ambiguous=_TWO),
    ),
    samples=(
        Sample(
            "[2022-04-12 06:00:01] NOTICE[1638] chan_sip.c: Registration from '<sip:301@example.org>' failed for "
            "'192.0.2.40:5060' - Wrong password",
            {
                "login": "<sip:301@example.org>",
                "remote": "192.0.2.40",
                "success": False,
                "protocol": "other",
                "fail_type": "credentials",
            },
        ),
        Sample(
            "Apr 12 06:00:02 pbx1 asterisk[7]: NOTICE[16]: manager.c: 192.0.2.41 tried to authenticate with "
            "nonexistent user 'anna'",
            {"login": "anna", "remote": "192.0.2.41", "success": False, "fail_type": "account"},
        ),
        Sample(
            "[2022-04-12 06:00:03] SECURITY[77] res_security_log.c: "
            'SecurityEvent="InvalidPassword",EventTV="1",Severity="Error",Service="SIP",EventVersion="2",AccountID="bo'
            'b",SessionID="0x7",LocalAddress="IPV4/UDP/198.51.100.1/5060",RemoteAddress="IPV4/UDP/192.0.2.42/4711",Cha'
            'llenge="x"',
            {"login": "bob", "remote": "192.0.2.42", "success": False},
        ),
        Sample(
            "[2022-04-12 06:00:04] SECURITY[77] res_security_log.c: "
            'SecurityEvent="SuccessfulAuth",EventTV="1",Severity="Informational",Service="PJSIP",EventVersion="1",Acco'
            'untID="carl",SessionID="x",LocalAddress="IPV4/UDP/198.51.100.1/5060",RemoteAddress="IPV4/UDP/192.0.2.43/4'
            '711",UsingPassword="1"',
            {"login": "carl", "remote": "192.0.2.43", "success": True},
        ),
        Sample(
            "[2022-04-12 06:00:05] NOTICE[436] chan_sip.c: Call from '' (192.0.2.44:10836) to extension '0972' "
            "rejected because extension not found in context 'default'.",
            None,
        ),
    ),
)
