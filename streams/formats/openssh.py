"""OpenSSH 6 to 10: what sshd says about passwords, keys and connections that end before a log-in.

sshd writes up to four lines about one attempt, all from one process. "Invalid user" comes first and counts; the first
"Failed password" after it is the same attempt. A connection that ends before the log-in counts once if nothing else
has been seen of it. Failed keys count only like that: clients offer every key they have, unasked. PAM's lines repeat
what sshd says and are left out.
"""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import Format, Rule, Sample

__all__ = ["OPENSSH"]

_SSH: Final = {"protocol": "ssh", "success": False}
_USER_KIND: Final = {"fail_type": {"invalid user ": "account", "invalid": "account", "authenticating": None, None: None}}
_ADDRESS: Final = r"(?P<remote>\S+) port \d+"

OPENSSH: Final = Format(
    name="openssh",
    provenance="OpenSSH's auth.c (auth_log, getpwnamallow, allowed_user) and packet.c (sshpkt_fatal), versions 6 to 10",
    gaps=(
        "Without 'LogLevel VERBOSE' failures of keys show only as a closed connection. A closed connection does not say how often "
        "or with which method it tried. Before 7.5 closing lines name no user and are left out. No password hash. With "
        "'UseDNS yes' old versions write host names, which are refused as no address. Without process numbers "
        "in the log, 'Invalid user' and its 'Failed password' count as two."
    ),
    tags=frozenset({"sshd", "sshd-session", "sshd-auth"}),
    own_tags=frozenset(),
    connection="process",
    rules=(
        Rule(
            "attempt",
            # A name that is accepted exists on the host; what follows "ssh2: " may be a text from a certificate.
            re.compile(
                r"Accepted (?P<mech>\S+) for (?P<login>.+?) from (?P<remote>\S+) port \d+ ssh2"
                r"(?:: \S+ (?P<credential_id>(?:SHA256|MD5):\S+))?"
            ),
            {"protocol": "ssh", "success": True},
        ),
        Rule(
            "attempt",
            re.compile(
                r"Failed (?P<mech>password|keyboard-interactive\S*) for (?P<fail_type>invalid user )?"
                rf"(?P<login>.*) from {_ADDRESS}(?: ssh2)?$"
            ),
            _SSH,
            _USER_KIND,
        ),
        Rule(
            "opening",
            re.compile(r"Invalid user (?P<login>.*) from (?P<remote>\S+)(?: port \d+)?$"),
            _SSH | {"fail_type": "account"},
        ),
        Rule(
            "opening",
            re.compile(r"User (?P<login>.+) from (?P<remote>[0-9A-Fa-f:.]+) not allowed because [\w' ]+$"),
            _SSH | {"fail_type": "policy"},
        ),
        Rule(
            "closing",
            re.compile(
                r"(?:Connection (?:closed|reset) by|Disconnected from) (?P<fail_type>invalid|authenticating) user "
                rf"(?P<login>.*) {_ADDRESS}(?: \[preauth\])?$"
            ),
            _SSH,
            _USER_KIND,
        ),
        Rule(
            "closing",
            re.compile(
                r"Disconnecting (?P<fail_type>invalid|authenticating) user "
                rf"(?P<login>.*) {_ADDRESS}: Too many authentication failures(?: \[preauth\])?$"
            ),
            _SSH,
            _USER_KIND,
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
            "Apr 12 06:00:05 gw sshd[505]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
            "rhost=192.0.2.23  user=root",
            None,
        ),
    ),
)
