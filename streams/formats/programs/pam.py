"""Linux-PAM: what its modules say about a failure on behalf of the program that asked.

The program's own line about the same attempt is better (it knows the protocol and names every user), so PAM's counts only
where there is none.
"""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import Format, Rule, Sample

__all__ = ["FORMAT"]

#: ``pam_unix(sshd:auth): ``, before Linux-PAM 1.0 ``(pam_unix) `` or nothing, because the tag has it.
_MODULE: Final = r"(?:\(?pam_\w+\)?(?:\((?P<protocol>[^():]*)(?::[^()]*)?\))?:? )?"
_ABOUT: Final = r"(?:(?P<times>\d{1,4}) more )?authentication failures?; logname=\S* uid=-?\d+ euid=-?\d+ tty=\S* ruser="
#: ``ruser`` is what the client typed and may hold a whole line, ``user`` too with some modules: then both ways to read it
#: are possible.
_TWO_WAYS: Final = re.compile(r" rhost=\S* +user=.* rhost=", re.DOTALL)
_SERVICES: Final[dict[str | None, object]] = {
    **dict.fromkeys(("sshd", "ssh"), "ssh"),
    **dict.fromkeys(("vsftpd", "proftpd", "pure-ftpd", "wu-ftpd", "ftp", "ftpd"), "ftp"),
    **dict.fromkeys(("imap", "imapd", "dovecot", "cyrus"), "imap"),
    **dict.fromkeys(("pop", "pop3", "pop3d"), "pop3"),
    **dict.fromkeys(("smtp", "smtpd", "exim", "postfix"), "smtp"),
    **dict.fromkeys(("sieve", "timsieved"), "sieve"),
    **dict.fromkeys(("httpd", "apache2", "nginx", "webui"), "http"),
}
_FIELDS: Final = {"success": False}
_VALUES: Final = {"protocol": _SERVICES}


FORMAT: Final = Format(
    name="pam",
    provenance="Linux-PAM's pam_unix (support.c, _cleanup_failures and _unix_verify_password); pam_sss and pam_krb5 write the same",
    gaps=(
        "Without 'rhost' it is a log-in on the machine itself, which is left out. A host name as 'rhost' is refused as no address, "
        "except for sshd, whose own line has it. pam_unix names unknown users only in 'ruser', if the program sets it. Which "
        "protocol Dovecot was asked by is not said; imap is taken."
    ),
    protocol="other",
    tags=re.compile("pam"),
    anywhere=re.compile(r"\(?pam_\w|(?:\d+ more )?authentication failures?; logname="),
    words=("authentication failure",),
    connection="process",
    rules=(
        # sshd always writes a line of its own, and writes the address there.
        Rule(
            "echo",
            re.compile(
                rf"pam_\w+\(sshd:auth\): {_ABOUT}.* rhost=(?![0-9A-Fa-f.:]*(?:\s|$))\S+(?: +user=(?P<login>.*\S))?\s*$", re.DOTALL
            ),
            _FIELDS,
        ),
        Rule(
            "echo",
            re.compile(rf"{_MODULE}{_ABOUT}.* rhost=(?P<remote>\S*) +user=(?P<login>.*\S)\s*$", re.DOTALL),
            _FIELDS,
            _VALUES,
            ambiguous=_TWO_WAYS,
        ),
        Rule(
            "echo",
            re.compile(rf"{_MODULE}{_ABOUT}(?P<login>.*) rhost=(?P<remote>\S*)(?: \[preauth\])?\s*$", re.DOTALL),
            _FIELDS,
            _VALUES,
            ambiguous=_TWO_WAYS,
        ),
    ),
    samples=(
        Sample(
            "Apr 12 06:00:05 gw sshd[505]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
            "rhost=192.0.2.23  user=root",
            {"login": "root", "remote": "192.0.2.23", "success": False, "protocol": "ssh"},
        ),
        Sample(
            "Apr 12 06:00:06 mx1 auth: pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot ruser=bob "
            "rhost=2001:db8::23",
            {"login": "bob", "remote": "2001:db8::23", "success": False, "protocol": "imap"},
        ),
        Sample(
            "Apr 12 06:00:07 ftp1 vsftpd(pam_unix)[77]: authentication failure; logname= uid=0 euid=0 tty= ruser= rhost=192.0.2.24 "
            "user=carl",
            {"login": "carl", "remote": "192.0.2.24", "success": False},
        ),
        Sample(
            "Apr 12 06:00:08 gw su: pam_unix(su:auth): authentication failure; logname=anna uid=1000 euid=0 tty=pts/1 ruser=anna "
            "rhost=  user=root",
            None,
        ),
        Sample("Apr 12 06:00:09 gw sshd[505]: pam_unix(sshd:session): session opened for user anna by (uid=0)", None),
    ),
)
