"""OpenSSH 3 to 10: what sshd says about passwords, keys and connections that end before a log-in.

sshd writes up to five lines about one attempt, all from one process: "Invalid user", "Postponed" (it asks for a password),
"error: PAM:", "Failed password", and the end of the connection. The first counts. Failed keys count only where the user
does not exist or the connection ends: clients offer every key they have, unasked.
"""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import Format, Rule, Sample

__all__ = ["FORMAT"]

_SSH: Final = {"success": False}
_INVALID: Final = _SSH | {"fail_type": "account"}
_USER_KIND: Final = {
    "fail_type": {"invalid user ": "account", "illegal user ": "account", "invalid": "account", "authenticating": None, None: None}
}
_KIND: Final = r"(?P<fail_type>(?:invalid|illegal) user )?"
_FROM: Final = r"from (?P<remote>\S+)(?: port \d+)?(?: ssh\d?)?"
_END: Final = r"(?: \[preauth\])?\s*$"
#: Nothing follows the port of a failed password, so this is in the name; sshd before 6.3 wrote what the client's host says of him.
_MORE: Final = re.compile(r" from \S+ port \d+(?: ssh\d)?:", re.DOTALL)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.DOTALL)


FORMAT: Final = Format(
    name="openssh",
    provenance="OpenSSH's auth.c (auth_log, getpwnamallow, allowed_user, auth_root_allowed), auth-pam.c and packet.c "
    "(sshpkt_fatal, ssh_packet_disconnect), versions 3 to 10",
    gaps=(
        "Without 'LogLevel VERBOSE' failures of keys show only as a closed connection. A closed connection does not say how often "
        "or with which method it tried. Before 7.5 closing lines name no user and are left out, as are scans, which "
        "never name one. "
        "No password hash. With 'UseDNS yes' old versions write host names, which are refused as no address. Without "
        "process numbers "
        "in the log, 'Invalid user' and its 'Failed password' count as two."
    ),
    protocol="ssh",
    tags=re.compile(r"sshd(?:-session|-auth)?|com\.openssh\.sshd"),
    words=(" from ", " user ", "ROOT LOGIN REFUSED", "correct key but"),
    connection="process",
    rules=(
        Rule(
            "attempt",
            # A name that is accepted exists on the host; what follows "ssh2: " may be a text from a certificate.
            _pattern(
                r"Accepted (?P<mech>\S+) for (?P<login>.+?) from (?P<remote>\S+) port \d+(?: ssh\d?)?"
                r"(?:: \S+ (?P<credential_id>(?:SHA256|MD5):\S+))?"
            ),
            {"success": True},
        ),
        Rule(
            "attempt",
            # Solaris hides names that do not exist.
            _pattern(
                rf"Failed (?P<mech>(?!(?:publickey|none|hostbased|rsa|rhosts\S*) )\S+) for {_KIND}(?P<login>.*) {_FROM}{_END}"
            ),
            _SSH,
            _USER_KIND | {"login": {"<invalid username>": None}},
            ambiguous=_MORE,
        ),
        Rule(
            "attempt",
            _pattern(
                r"Failed (?P<mech>(?=publickey for invalid user |hostbased )\w+) for "
                rf"{_KIND}(?P<login>.*?) from (?P<remote>\S+) port \d+ ssh2: [\w-]+ [^ ,]+(?:$|, client user )"
            ),
            _SSH,
            _USER_KIND,
            ambiguous=_pattern(r" from \S+ port \d+ ssh2: .* from \S+ port \d+"),
        ),
        Rule("opening", _pattern(rf"(?:Invalid|Illegal) user (?P<login>.*) {_FROM}{_END}"), _INVALID),
        Rule(
            "opening",
            _pattern(rf"User (?P<login>.+) from (?P<remote>\S+) not allowed because [\w'/. -]{{1,100}}{_END}"),
            _SSH | {"fail_type": "policy"},
        ),
        Rule(
            "opening",
            _pattern(rf"(?P<login>ROOT) LOGIN REFUSED FROM (?P<remote>\S+)(?: port \d+)?{_END}"),
            _SSH | {"fail_type": "policy"},
            {"login": {"ROOT": "root"}},
        ),
        Rule(
            "opening",
            _pattern(
                r"Authentication tried for (?P<login>.*) with correct key but not from a permitted host "
                rf"\(host=[^\s,]*, ip=(?P<remote>[^\s,()]+)(?:, required=[^()]*)?\)\.?{_END}"
            ),
            _SSH | {"fail_type": "policy"},
        ),
        Rule("asked", _pattern(rf"Postponed \S+ for (?:invalid|illegal) user (?P<login>.*) {_FROM}{_END}"), _INVALID),
        Rule("asked", _pattern(rf"Failed none for {_KIND}(?P<login>.*) {_FROM}{_END}"), _SSH, _USER_KIND, ambiguous=_MORE),
        Rule(
            "checked",
            _pattern(
                r"(?:error: )?PAM: (?P<fail_type>[\w ;]{1,80}?) for (?:(?:invalid|illegal) user )?(?P<login>.*) "
                r"from (?P<remote>\S+)(?: via \S+)?\s*$"
            ),
            _SSH,
            {
                "fail_type": {
                    "User not known to the underlying authentication module": "account",
                    "unknown user": "account",
                    "User account has expired": "disabled",
                    "Authentication token is no longer valid; new one required": "expired",
                    "Authentication service cannot retrieve authentication info": "internal",
                }
            },
        ),
        Rule(
            "closing",
            _pattern(
                r"(?:Connection (?:closed|reset) by|Disconnected from|Disconnecting) (?P<fail_type>invalid|authenticating) user "
                rf"(?P<login>.*) (?P<remote>\S+) port \d+{_END}"
            ),
            _SSH,
            _USER_KIND,
        ),
        Rule(
            "closing",
            _pattern(
                r"Disconnecting (?P<fail_type>invalid|authenticating) user (?P<login>.*) (?P<remote>\S+) port \d+: "
                rf"(?:Too many authentication failures|Change of username or service not allowed: .*){_END}"
            ),
            _SSH,
            _USER_KIND,
            ambiguous=_pattern(r" port \d+: Change of username.* port \d+: Change of username"),
        ),
        Rule(
            "closing",
            _pattern(rf"(?:error: )?maximum authentication attempts exceeded for {_KIND}(?P<login>.*) {_FROM}{_END}"),
            _SSH,
            _USER_KIND,
        ),
        Rule(
            "closing",
            # The client says that it has no other key or password; it does not say whose.
            _pattern(rf"(?:error: )?Received disconnect from (?P<remote>\S+?)(?: port \d+)?: ?3: .*: Auth fail{_END}"),
            _SSH,
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 gw sshd[501]: Failed password for root from 192.0.2.20 port 40100 ssh2",
            {"login": "root", "remote": "192.0.2.20", "success": False, "protocol": "ssh", "mech": "password", "server": "gw"},
        ),
        Sample(
            "Apr 12 06:00:02 gw sshd[502]: Invalid user guest from 2001:db8::20 port 40101",
            {"login": "guest", "remote": "2001:db8::20", "success": False, "fail_type": "account"},
        ),
        Sample(
            "Apr 12 06:00:03 gw sshd-session[503]: Accepted publickey for anna from 192.0.2.21 port 40102 ssh2: RSA SHA256:u8Rk",
            {"login": "anna", "success": True, "mech": "publickey", "credential_id": "SHA256:u8Rk"},
        ),
        Sample(
            "Apr 12 06:00:04 gw sshd[504]: Connection closed by authenticating user root 192.0.2.22 port 40103 [preauth]",
            {"login": "root", "remote": "192.0.2.22", "success": False},
        ),
        Sample(
            "Apr 12 06:00:05 gw sshd[505]: error: PAM: User account has expired for carl from 192.0.2.23",
            {"login": "carl", "remote": "192.0.2.23", "success": False, "fail_type": "disabled"},
        ),
        Sample("Apr 12 06:00:06 gw sshd[506]: Connection closed by 192.0.2.24 port 40104 [preauth]", None),
    ),
)
