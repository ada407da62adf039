"""Drupal, by syslog."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

#: The request and the referrer are the client's words: they may hold bars, so the message is the text behind the last one.
_START: Final = rf"https?://[^\s|]+\|\d+\|user\|(?P<remote>{ADDRESS})\|(?>.*\|)"
_TWO: Final = re.compile(r"\|(?:Login attempt failed|Session opened) .*\|(?:Login attempt failed|Session opened) ", re.DOTALL)

FORMAT: Final = Format(
    name="drupal",
    provenance="Drupal's core/modules/syslog (its default format) and core/modules/user, 7 to 11",
    gaps="From Drupal 8.5 on 'Login attempt failed from' may be followed by an address instead of a name; then nobody is named.",
    protocol="http",
    tags=re.compile(r"drupal.*"),
    words=("|user|",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"{_START}Login attempt failed from (?:(?:[\d.]+|[0-9a-f]*:[0-9a-f:.]*)|(?P<login>[^|]*))\.\s*$", re.DOTALL
            ),
            {"success": False},
            ambiguous=_TWO,
        ),
        Rule(
            "attempt",
            re.compile(rf"{_START}Login attempt failed for (?P<login>[^|]*)\.\s*$", re.DOTALL),
            {"success": False},
            ambiguous=_TWO,
        ),
        Rule(
            "attempt",
            re.compile(rf"{_START}Session opened for (?P<login>[^|]*)\.\s*$", re.DOTALL),
            {"success": True},
            ambiguous=_TWO,
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:01 web1 drupal: https://x.example|1649743201|user|192.0.2.84|https://x.example/?q=user|https"
            "://x.example/?q=user|0||Login attempt failed for anna.",
            {"login": "anna", "remote": "192.0.2.84", "success": False},
        ),
        Sample(
            "Apr 12 06:00:02 web1 drupal: https://x.example|1649743202|user|2001:db8::84|https://x.example/user|https:"
            "//x.example/user|1||Session opened for bob.",
            {"login": "bob", "remote": "2001:db8::84", "success": True},
        ),
        Sample(
            "Apr 12 06:00:03 web1 drupal: https://x.example|1649743203|cron|192.0.2.85|https://x.example/cron|-|0||Cro"
            "n run completed.",
            None,
        ),
    ),
    anywhere=re.compile(r"https?://[^\s|]+\|\d+\|user\|"),
)
