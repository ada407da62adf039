"""Froxlor, a panel of hosting."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="froxlor",
    provenance="Froxlor's index.php and lib/Froxlor/FroxlorLogger.php, 0.9 to 2.3",
    gaps="From 2.1 on the account is not logged. Successes are not read.",
    protocol="http",
    tags=re.compile(r"[Ff]roxlor"),
    words=(
        "[Login Action ",
        "tried to login",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(rf"\[Login Action (?P<remote>{ADDRESS})\] Unknown user '(?P<login>.*)' tried to login\.\s*$", re.DOTALL),
            {"success": False, "fail_type": "account"},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"\[Login Action (?P<remote>{ADDRESS})\] User '(?P<login>.*)' tried to login with wrong password\.\s*$", re.DOTALL
            ),
            {"success": False, "fail_type": "credentials"},
        ),
        Rule(
            "attempt",
            re.compile(
                r"froxlor\.WARNING: Unknown user tried to login\. "
                rf'\{{"source":"login","action":"\d+","user":"(?P<remote>{ADDRESS})"\}} \[\]\s*$',
                re.DOTALL,
            ),
            {"success": False, "fail_type": "account"},
        ),
        Rule(
            "attempt",
            re.compile(
                r"froxlor\.WARNING: User tried to login with wrong password\. "
                rf'\{{"source":"login","action":"\d+","user":"(?P<remote>{ADDRESS})"\}} \[\]\s*$',
                re.DOTALL,
            ),
            {"success": False, "fail_type": "credentials"},
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 web1 Froxlor: [Login Action 192.0.2.78] Unknown user 'anna' tried to login.",
            {"login": "anna", "remote": "192.0.2.78", "success": False, "fail_type": "account"},
        ),
        Sample(
            "Apr 12 06:00:02 web1 Froxlor: [Login Action 2001:db8::78] User 'bob' tried to login with wrong password.",
            {"login": "bob", "remote": "2001:db8::78", "success": False, "fail_type": "credentials"},
        ),
        Sample("Apr 12 06:00:03 web1 Froxlor: [Cron] done", None),
    ),
)
