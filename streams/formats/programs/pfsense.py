"""pfSense and OPNsense: log-ins to the web interface."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_WHO: Final = rf"(?:user )?'(?P<login>.*)' from:? (?P<remote>{ADDRESS})"

FORMAT: Final = Format(
    name="pfsense",
    provenance="pfSense's src/etc/inc/auth.inc and OPNsense's src/etc/inc/authgui.inc, 2.4 to 2.7 and 19 to 25",
    gaps="Log-ins by SSH are sshd's.",
    protocol="http",
    tags=re.compile("php-fpm|php|audit|opnsense"),
    words=(" authentication error for ", "Successful login for user '"),
    rules=(
        Rule(
            "attempt",
            re.compile(rf"/[\w./-]*: (?:webConfigurator|Web GUI) authentication error for {_WHO}\s*$", re.DOTALL),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(rf"/[\w./-]*: Successful (?:webConfigurator )?login for {_WHO}(?: \([^()]*\))?\s*$", re.DOTALL),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 fw1 php-fpm[77]: /index.php: webConfigurator authentication error for user 'admin' from: 192.0.2.197",
            {"login": "admin", "remote": "192.0.2.197", "success": False, "protocol": "http"},
        ),
        Sample(
            "Apr 12 06:00:02 fw1 php-fpm[78]: /index.php: Successful login for user 'admin' from: 2001:db8::197 (Local Database)",
            {"login": "admin", "remote": "2001:db8::197", "success": True},
        ),
        Sample("Apr 12 06:00:03 fw1 php-fpm[79]: /rc.newwanip: rc.newwanip: Info: starting on em0.", None),
    ),
)
