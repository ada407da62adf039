"""Gitea and Forgejo."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, HOST, Format, Rule, Sample

__all__ = ["FORMAT"]

_START: Final = r"(?:\S+\(\) )?\[\w\] (?:\[[0-9a-f-]+\] )?"
_TWO: Final = re.compile(rf" from \[?{ADDRESS}\]?:\d+: .* from \[?{ADDRESS}\]?:\d+: ", re.DOTALL)
_REASONS: Final[dict[str | None, object]] = {
    "user does not exist": "account",
    "Email address does not exist": "account",
    "user's password is invalid": "credentials",
    "user's password is incorrect": "credentials",
    "user is not allowed to login": "policy",
}

FORMAT: Final = Format(
    name="gitea",
    provenance="Gitea's routers/web/auth/auth.go (SignInPost) and services/auth, 1.12 to 1.23",
    gaps="Successes are not logged with an address. A name that looks like the end of the line is refused.",
    protocol="http",
    tags=re.compile(r"gitea|forgejo"),
    words=("Failed authentication attempt for ",),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"{_START}Failed authentication attempt for (?P<login>.*) from \[?(?P<remote>{HOST})\]?(?::\d+)?: "
                r"(?P<fail_type>\w[\w']*(?: [\w']+)*)(?: \[[^\[\]]*\])?\s*$",
                re.DOTALL,
            ),
            {"success": False},
            {"fail_type": _REASONS},
            ambiguous=_TWO,
        ),
    ),
    samples=(
        Sample(
            "2022/04/12 06:00:01 ...ers/web/auth/auth.go:200:SignInPost() [I] Failed authentication attempt for anna "
            "from 192.0.2.50:39522: user does not exist [uid: 0, name: anna, keyid: 0]",
            {"login": "anna", "remote": "192.0.2.50", "success": False, "fail_type": "account"},
        ),
        Sample(
            "2022/04/12 06:00:02 ...ers/web/auth/auth.go:206:SignInPost() [W] [645e123e] Failed authentication "
            "attempt for bob@example.org from [2001:db8::50]:0: user's password is invalid [uid: 1, name: bob]",
            {"login": "bob@example.org", "remote": "2001:db8::50", "success": False, "fail_type": "credentials"},
        ),
        Sample("2022/04/12 06:00:03 cmd/web.go:106:runWeb() [I] Starting Gitea on PID: 7", None),
    ),
)
