"""vsftpd: its own log and syslog."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

#: The name before the address and an anonymous "password" after it are the client's words.
#: Behind a syslog tag vsftpd may write the time again.
_WHO: Final = r"(?:\w{3} \w{3} {1,2}\d{1,2} [\d:]{8} \d{4} )?(?:\[pid \d+\] )?(?:\[(?P<login>.*)\] )?"
_CLIENT: Final = rf'Client "(?P<remote>{ADDRESS})"'
_TWO: Final = re.compile(r': Client ".*: Client "', re.DOTALL)

FORMAT: Final = Format(
    name="vsftpd",
    provenance="vsftpd's logging.c (vsf_log_do_log_vsftpd_format) and prelogin.c, 2.0 to 3.0.5",
    gaps="'FAIL LOGIN' does not say whether the user exists. With log_ftp_protocol each answer is a line of its own; of those only "
    "'530 Permission denied', which comes before the password, is read.",
    protocol="ftp",
    tags=re.compile("vsftpd"),
    words=(" LOGIN: Client ", ' FTP response: Client "'),
    rules=(
        Rule(
            "attempt",
            re.compile(
                f'{_WHO}(?P<success>OK|FAIL) LOGIN: {_CLIENT}(?:, anon password ".*"|, "(?P<fail_type>User is not in the '
                r'allow user list\.)")?\s*$',
                re.DOTALL,
            ),
            {},
            {"success": {"OK": True, "FAIL": False}, "fail_type": {"User is not in the allow user list.": "policy"}},
            ambiguous=_TWO,
        ),
        Rule(
            "attempt",
            re.compile(rf'{_WHO}FTP response: {_CLIENT}, "530 Permission denied\."\s*$', re.DOTALL),
            {"success": False, "fail_type": "policy"},
            ambiguous=_TWO,
        ),
    ),
    samples=(
        Sample(
            'Tue Apr 12 06:00:01 2022 [pid 77] [anna] FAIL LOGIN: Client "::ffff:192.0.2.100"',
            {"login": "anna", "remote": "192.0.2.100", "success": False, "protocol": "ftp"},
        ),
        Sample(
            'Apr 12 06:00:02 ftp1 vsftpd[78]: [bob] OK LOGIN: Client "2001:db8::100"',
            {"login": "bob", "remote": "2001:db8::100", "success": True, "server": "ftp1"},
        ),
        Sample('Tue Apr 12 06:00:03 2022 [pid 79] CONNECT: Client "192.0.2.101"', None),
    ),
)
