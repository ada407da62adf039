"""OpenVPN: passwords, not certificates."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

_CLIENT: Final = rf"\[?(?P<remote>{HOST})\]?"
_PEER: Final = rf"(?:(?P<login>[^\s/]+)/)?{_CLIENT}:\d+"

FORMAT: Final = Format(
    name="openvpn",
    provenance="OpenVPN's src/openvpn/ssl_verify.c (verify_user_pass), 2.3 to 2.6",
    gaps="A failure names no account. Handshakes and certificates that fail are no log-in: no password was given.",
    protocol="other",
    tags=re.compile(r"openvpn.*|ovpn-.*"),
    words=(
        "TLS Auth Error: Auth Username/Password",
        "Username/Password authentication succeeded",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(rf"{_PEER} TLS Auth Error: Auth Username/Password verification failed for peer\s*$", re.DOTALL),
            {"success": False, "fail_type": "credentials"},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_CLIENT}:\d+ TLS: Username/Password authentication (?:succeeded|deferred) for username "
                r"'(?P<login>.*)'(?: \[CN SET\])?\s*$",
                re.DOTALL,
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 vpn1 ovpn-server[138]: 192.0.2.95:64480 TLS Auth Error: Auth Username/Password "
            "verification failed for peer",
            {"remote": "192.0.2.95", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            "2022-04-12 06:00:02 192.0.2.96:64481 TLS: Username/Password authentication succeeded for username 'bob' [CN SET]",
            {"login": "bob", "remote": "192.0.2.96", "success": True},
        ),
        Sample("2022-04-12 06:00:03 192.0.2.97:61432 TLS Error: TLS handshake failed", None),
    ),
)
