"""ASSP, an SMTP proxy: what it passes on of the mail server's refusals."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = rf"(?:[\w-]+ )?(?:\[[\w-]+\] )*(?P<remote>{ADDRESS}) "

FORMAT: Final = Format(
    name="assp",
    provenance="ASSP's assp.pl (mlog, 'SMTP Error', MaxAUTHErrors), 1.9 and 2.6",
    gaps="Users are not named. 'too much AUTH errors' repeats what was counted.",
    protocol="smtp",
    tags=re.compile("assp"),
    words=("authentication failed", "authentication errors"),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"{_START}\[SMTP Error\] 535 (?:\d\.\d\.\d+ )?Error: authentication failed:(?! Invalid) ?(?P<fail_type>.*)$",
                re.DOTALL,
            ),
            {"success": False},
            {"fail_type": {"Connection lost to authentication server": "internal"}},
        ),
        Rule(
            "attempt",
            re.compile(rf"{_START}max sender authentication errors \(\d+\) exceeded -- dropping connection - after reply: 535 "),
            {"success": False},
        ),
    ),
    samples=(
        Sample(
            "Apr-12-22 06:00:01 [Worker_1] [TLS-out] 192.0.2.13 [SMTP Error] 535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6",
            {"remote": "192.0.2.13", "success": False, "protocol": "smtp"},
        ),
        Sample("Apr-12-22 06:00:02 [SSL-out] 192.0.2.14 SSL negotiation with client failed: unknown protocol", None),
    ),
)
