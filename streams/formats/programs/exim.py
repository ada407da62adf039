"""Exim 4: failed SMTP AUTH, and authenticated clients of accepted mail."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

#: Reverse DNS, what the client says in EHLO, address: ``host (helo) [192.0.2.1]:4711 I=[198.51.100.1]:25``.
_HOST: Final = (
    rf"(?:[^\s()\[\]]+ )?(?:\([^\s()]*\) )?\[(?P<remote>{ADDRESS})\](?::\d+)?(?: I=\[[^\s\]]*\](?::\d+)?)?(?: Ci=\d+)?(?: U=\S+)?"
)
#: A line that syslog would cut comes in numbered parts, of which the first says enough, with the time in it; then the process.
_PID: Final = r"(?:\[1[\\/]\d+\] )?(?:\d{4}-\d\d-\d\d [\d:.]{8,12} (?:[+-]\d{4} )?)?(?:\[\d+\] )?"

FORMAT: Final = Format(
    name="exim",
    provenance="Exim's smtp_in.c (smtp_setup_msg, host_and_ident, synprot_error) and receive.c (the '<=' line), 4.80 to 4.98",
    gaps=(
        "A log-in that sends no mail leaves no line; one that sends several leaves one for each. EHLO with spaces "
        "(helo_accept_junk_hosts) and quoted senders are not read, because what a client wrote could stand for the "
        "rest of the line. "
        "'AUTH command used when not advertised' is a try that policy forbids, without a name."
    ),
    protocol="smtp",
    tags=re.compile(r"exim\d?"),
    words=("authenticator failed for", " A=", "SMTP protocol error in"),
    rules=(
        Rule(
            "attempt",
            re.compile(
                rf"{_PID}(?P<mech>[\w.-]+) authenticator failed for (?:H=)?{_HOST}: (?P<fail_type>535|435) [\w ]+(?: "
                r"\(set_id=(?P<login>.*)\))?"
                r"(?:: .*)?$",
                re.DOTALL,
            ),
            {"success": False},
            {"fail_type": {"435": "internal"}},
        ),
        Rule(
            "attempt",
            re.compile(
                rf"{_PID}\S+ <= [^\s\"]+ (?:\(\S+\) )?H={_HOST}(?: (?!A=)[A-Za-z]+\*?=\S+| L\.?)* "
                r"A=(?P<mech>[\w.-]+):(?P<login>[^\s:]+)"
                r"(?: |:|$)"
            ),
            {"success": True},
        ),
        Rule(
            "attempt",
            re.compile(
                rf'{_PID}SMTP protocol error in "[Aa][Uu][Tt][Hh] .*" H={_HOST} '
                r"(?:AUTH command used when not advertised|\S+ authentication mechanism not supported)$",
                re.DOTALL,
            ),
            {"success": False, "fail_type": "policy"},
        ),
    ),
    samples=(
        Sample(
            "2022-04-12 06:00:01 dovecot_login authenticator failed for h.example (User) [192.0.2.40]:4711: 535 Incorrect "
            "authentication data (set_id=anna@example.org)",
            {"login": "anna@example.org", "remote": "192.0.2.40", "success": False, "protocol": "smtp", "mech": "dovecot_login"},
        ),
        Sample(
            "Apr 12 06:00:02 mx1 exim[77]: 2022-04-12 06:00:02 plain authenticator failed for ([192.0.2.1]) "
            "[2001:db8::40]: 435 Unable to "
            "authenticate at present (set_id=bob): socket failed",
            {"login": "bob", "remote": "2001:db8::40", "success": False, "fail_type": "internal"},
        ),
        Sample(
            "2022-04-12 06:00:03 1ne1AB-0001xY-Zz <= anna.bell@example.org H=(pc) [192.0.2.41]:4712 P=esmtpsa "
            "X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=no A=plain:anna@example.org S=512 id=1@pc",
            {"login": "anna@example.org", "remote": "192.0.2.41", "success": True, "mech": "plain"},
        ),
        Sample(
            '2022-04-12 06:00:04 SMTP protocol error in "AUTH LOGIN" H=(x) [192.0.2.42] AUTH command used when not advertised',
            {"remote": "192.0.2.42", "success": False, "fail_type": "policy"},
        ),
        Sample(
            "2022-04-12 06:00:05 H=h.example [192.0.2.43] F=<a@example.net> rejected RCPT <b@example.org>: Unrouteable address",
            None,
        ),
    ),
)
