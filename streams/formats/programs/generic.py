"""Any program that writes a plain sentence about a log-in into a file of its own."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

_LOGIN: Final = r"(?:log-?in|logon|sign-?in|auth(?:entication)?)"
_LEVELS: Final = "debug|info|notice|warn|warning|error|critical|fatal|audit|security"
#: A level, a module or both before the sentence.
_START: Final = rf"(?:\[[^\[\]\s]{{1,40}}\]:? |(?:{_LEVELS}):? |<\w{{1,9}}> |[\w.]{{1,40}}: |- ){{0,3}}"
_NAME: Final = r"(?:user(?:name)? |account )?[\"'`]?(?P<login>[^\"'`\s](?:.*[^\"'`])?)[\"'`]?"
_ADDRESS: Final = rf"[\"'`\[]?(?P<remote>{HOST})[\"'`\]]?(?::\d{{1,5}})?"
#: The address ends the sentence, so no name can stand behind it; what the program adds, in words, is in parentheses, or a time.
_FROM: Final = (
    r"(?:,? (?:from|\(from|@) ?(?:ip(?: address)?|host|address|client)?:? ?|\. IP[=:] ?)"
    rf"{_ADDRESS}\)?(?: \((?!from\b|ip\b)[A-Za-z][A-Za-z. ]{{0,60}}(?::\d+)?\)){{0,2}}(?: at [\d-]{{10}} [\d:]{{8}} \w+)?\.?\s*$"
)
#: Where no name is told the address comes first, whatever follows.
_NAMELESS: Final = rf" (?:from|by) (?:ip(?: address)?:? ?)?{_ADDRESS}(?: \(X-Forwarded-For: (?P<forwarded>[^()]*)\))?(?=[\s.,;)]|$)"


def _rule(sentence: str, *, success: bool) -> Rule:
    return Rule("attempt", re.compile(rf"{_START}{sentence}{_FROM}", re.DOTALL | re.IGNORECASE), {"success": success})


FORMAT: Final = Format(
    name="generic",
    provenance="sentences that programs without a format of their own have in common",
    gaps="Read only in a program's own file, not behind the name of a program in syslog: whoever can make another program log his "
    "words could speak of any address. Why a log-in failed is not kept.",
    protocol="other",
    tags=re.compile("(?!)"),
    words=(" from ", " (from ", " @ ", " IP=", " by IP"),
    rules=(
        _rule(rf"{_LOGIN} (?:attempt )?(?:failed|failure|denied|rejected|refused) (?:for|by|of) {_NAME}", success=False),
        _rule(rf"(?:failed|invalid|unsuccessful|rejected) {_LOGIN}(?: attempt)? (?:for|by|of|as) {_NAME}", success=False),
        _rule(rf"{_NAME} failed to (?:log ?in|log on|sign in|authenticate)", success=False),
        _rule(rf"(?:invalid|wrong|incorrect) (?:credentials|password|username or password) (?:for|by) {_NAME}", success=False),
        Rule(
            "attempt",
            re.compile(
                rf"{_START}(?:(?:failed|unsuccessful|invalid|rejected) {_LOGIN}(?: attempt)?|incorrect username or password)"
                + _NAMELESS,
                re.DOTALL | re.IGNORECASE,
            ),
            {"success": False},
        ),
        _rule(rf"{_LOGIN} (?:attempt )?(?:succeeded|successful|success|accepted) (?:for|by|of) {_NAME}", success=True),
        _rule(rf"(?:successful|accepted) {_LOGIN}(?: attempt)? (?:for|by|of|as) {_NAME}", success=True),
        _rule(rf"{_NAME} (?:successfully )?(?:logged in|signed in|authenticated)(?: successfully)?", success=True),
    ),
    samples=(
        Sample(
            "2022-04-12 06:00:01 WARN [auth] Failed login attempt for user 'anna' from IP 192.0.2.190",
            {"login": "anna", "remote": "192.0.2.190", "success": False, "protocol": "other"},
        ),
        Sample(
            "[2022-04-12 06:00:02] User bob failed to log in from [2001:db8::190]:4711",
            {"login": "bob", "remote": "2001:db8::190", "success": False},
        ),
        Sample(
            "2022-04-12T06:00:03Z INFO Carl Carlson logged in from 192.0.2.191.",
            {"login": "Carl Carlson", "remote": "192.0.2.191", "success": True},
        ),
        Sample(
            'Apr 12 06:00:04 [app] Authentication failed for "dora" (from 192.0.2.192)',
            {"login": "dora", "remote": "192.0.2.192", "success": False},
        ),
        Sample(
            "2022-04-12 06:00:05 [AUTH] WARN: Incorrect username or password for user eve. IP=192.0.2.193",
            {"login": "eve", "remote": "192.0.2.193", "success": False},
        ),
        Sample(
            "2022-04-12 06:00:06 [Warning] Failed login attempt by IP: 192.0.2.194",
            {"remote": "192.0.2.194", "success": False},
        ),
        Sample("2022-04-12 06:00:05 INFO Connection from 192.0.2.193", None),
    ),
    is_common=True,
)
