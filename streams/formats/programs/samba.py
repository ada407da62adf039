"""Samba: SMB log-ins, from its audit of authentication."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import Format, Rule, Sample

__all__ = ["FORMAT"]

#: A name may hold brackets, so what follows is written out; the last port is not part of an address.
_START: Final = (
    r" *Auth: \[[^\[\]]*\] user \[[^\[\]]*\]\\\[(?P<login>[^\[\]]*)\] at \[\w{3}, (?P<time>\d\d \w{3} \d{4} [\d:.]{8,15} UTC)\] "
    r"with \[[^\[\]]*\] status \["
)
_END: Final = r"\] workstation \[[^\[\]]*\] remote host \[ipv[46]:(?P<remote>[0-9A-Fa-f.:]+):\d+\]"
_REASONS: Final[dict[str | None, object]] = {
    "NT_STATUS_WRONG_PASSWORD": "credentials",
    "NT_STATUS_NO_SUCH_USER": "account",
    "NT_STATUS_ACCOUNT_DISABLED": "disabled",
    "NT_STATUS_ACCOUNT_LOCKED_OUT": "disabled",
    "NT_STATUS_PASSWORD_EXPIRED": "expired",
    "NT_STATUS_PASSWORD_MUST_CHANGE": "expired",
}
_TWO: Final = re.compile(r"remote host \[.*remote host \[", re.DOTALL)

FORMAT: Final = Format(
    name="samba",
    provenance="Samba's auth/auth_log.c (log_authentication_event_human_readable), 4.7 to 4.20",
    gaps="Only where log level has auth_audit:2 or more.",
    protocol="other",
    tags=re.compile(r"smbd?(?:_audit)?|samba|winbindd"),
    words=("Auth: [",),
    rules=(
        Rule(
            "attempt",
            re.compile(rf"{_START}(?P<fail_type>(?!NT_STATUS_OK)\w+){_END}", re.DOTALL),
            {"success": False},
            {"fail_type": _REASONS},
            ambiguous=_TWO,
        ),
        Rule("attempt", re.compile(rf"{_START}NT_STATUS_OK{_END}", re.DOTALL), {"success": True}, ambiguous=_TWO),
    ),
    samples=(
        Sample(
            "  Auth: [SMB2,(null)] user [WORKGROUP]\\[anna] at [Tue, 12 Apr 2022 06:00:01.023984 UTC] with [NTLMv2] "
            "status [NT_STATUS_WRONG_PASSWORD] workstation [PC1] remote host [ipv4:192.0.2.116:44890] mapped to "
            "[WORKGROUP]\\[anna]. local host [ipv4:198.51.100.1:445]",
            {"login": "anna", "remote": "192.0.2.116", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            "  Auth: [SMB2,(null)] user [WORKGROUP]\\[bob] at [Tue, 12 Apr 2022 06:00:02.023984 UTC] with [NTLMv2] "
            "status [NT_STATUS_OK] workstation [PC1] remote host [ipv6:2001:db8::116:44890] became [WORKGROUP]\\[bob]",
            {"login": "bob", "remote": "2001:db8::116", "success": True},
        ),
        Sample("Apr 12 06:00:03 fs1 smbd[7]: Denied connection from (192.0.2.117)", None),
    ),
)
