"""Roundcube: the logs ``errors`` (or syslog) and ``userlogins``."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

#: The time again, which the plugin for syslog leaves in, and the session.
_SESSION: Final = r"(?:\[[^\[\]]{1,40}\]: )?(?:<\w+> )?"
_CLIENT: Final = rf"from (?P<remote>{ADDRESS})(?:\((?:X-Real-IP: [^,()]*,?)?(?:X-Forwarded-For: (?P<forwarded>[^()]*))?\))?"
#: The name before, and the IMAP server's answer after the address may hold what the client likes.
_SAID: Final = r" from [0-9A-Fa-f.:]+(?:\([^()]*\))?\. (?:AUTHENTICATE|LOGIN|Could not connect)\b"
_TWO: Final = re.compile(rf"{_SAID}.*{_SAID}", re.DOTALL)
_IMAP: Final = rf"{_SESSION}IMAP Error: Login failed for (?P<login>.*?)(?: against [\w.:-]+)? {_CLIENT}"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.DOTALL)


FORMAT: Final = Format(
    name="roundcube",
    provenance="Roundcube's program/lib/Roundcube/rcube_imap.php (connect), rcmail.php (log_login) and "
    "rcube_utils::remote_ip, 0.8 to 1.6",
    gaps="Behind a reverse proxy the address is the proxy's, and what X-Forwarded-For says is believed for trusted proxies only. "
    "Lines of two files are not joined: log to syslog.",
    protocol="http",
    tags=re.compile("roundcube"),
    words=("ogin failed for ", "ailed login for ", "FAILED login for ", "uccessful login for "),
    rules=(
        Rule(
            "echo",
            _pattern(_IMAP + r"\. Could not connect to \S+: .*$"),
            {"success": False, "fail_type": "internal"},
            front=True,
            ambiguous=_TWO,
        ),
        Rule(
            "echo",
            _pattern(_IMAP + r"(?:\. (?:AUTHENTICATE|LOGIN)\b.*)?$"),
            {"success": False},
            front=True,
            ambiguous=_TWO,
        ),
        Rule(
            "attempt",
            _pattern(
                rf"{_SESSION}(?:Failed|FAILED) login for (?P<login>.*) {_CLIENT}(?: in session \w+ \(error: "
                r"(?P<fail_type>-?\d+)\))?\s*$"
            ),
            {"success": False},
            {"fail_type": {"-1": "internal", "-2": "internal"}},
            front=True,
        ),
        Rule(
            "attempt",
            _pattern(rf"{_SESSION}Successful login for (?P<login>.*) \([Ii][Dd]:? \d+\) {_CLIENT}(?: in session \w+)?\s*$"),
            {"success": True},
            front=True,
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 web1 roundcube: <k2pncet8> IMAP Error: Login failed for anna@example.org from 192.0.2.160. "
            "AUTHENTICATE PLAIN: "
            "Authentication failed. in /usr/share/roundcube/program/lib/Roundcube/rcube_imap.php on line 200 (POST /?_task=login)",
            {"login": "anna@example.org", "remote": "192.0.2.160", "success": False, "protocol": "http"},
        ),
        Sample(
            "[12-Apr-2022 06:00:02 +0000]: <k2pncet9> Failed login for bob from 2001:db8::160 in session k2pncet9aa (error: 0)",
            {"login": "bob", "remote": "2001:db8::160", "success": False},
        ),
        Sample(
            "[12-Apr-2022 06:00:03 +0000]: <k2pncet7> Successful login for anna@example.org (ID: 7) from 192.0.2.160 in "
            "session k2pncet7aa",
            {"login": "anna@example.org", "remote": "192.0.2.160", "success": True},
        ),
        Sample("[12-Apr-2022 06:00:04 +0000]: <k2pncet7> PHP Error: something else in /x.php on line 7 (GET /)", None),
    ),
)
