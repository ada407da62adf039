"""``make truth``: every line of ``../shared/data/parser_truth`` through ingest, judged by what its collectors expect.

A line is *right* if the attempt that comes out has the address, account and outcome that are expected (or if none comes out of a
line that is no log-in), *wrong* if it has another, *not recognised* if none comes out of a log-in. A log-in that names no address
or no time is right if it is refused. Each set says something else about its lines, so each has a loader of its own below, with
what was left out of the judgement and why.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import fill
from typing import Any, Final

import click

from models.addresses import Proxies, normalise
from models.events import AuthEvent, Refused, decode_event
from models.geo import Geo
from streams.ingest import Ingest, Options, Origin
from tests.streams.documents.test_shared_data import expected

DATA: Final = Path(__file__).resolve().parents[2] / "shared" / "data"
#: Share of their log-in lines that must be recognised, by set.
FLOORS: Final = {
    "fail2ban": 0.97,
    "crowdsec_parser": 0.97,
    "wazuh_ossec": 0.95,
    "postfix_grok": 0.95,
    "syslogng_patterndb": 0.95,
    "panther": 0.95,
}
#: The year of times without one, in which all of 29 February exists.
_YEAR: Final = 2020
#: What lines carry that have no time.
_AT: Final = 1_600_000_000.0
#: Reverse proxies in the sets: SOGo's, Guacamole's, Harbor's and Kasm's.
_PROXIES: Final = ("10.0.0.1", "127.0.0.2", "192.168.32.0/24")

RIGHT, WRONG, MISSED, LEFT_OUT = "right", "wrong", "not recognised", "not judged"


@dataclass(frozen=True)
class Case:
    """A line and what is expected of it.

    Attributes:
        file: Name of the set.
        service: The program, as the set calls it.
        line: The log line.
        outcome: ``True`` or ``False`` for a log-in; ``None``: it is none.
        host: The client's address; "" if it is not told.
        user: The name; ``None`` if it is not told.
        why_not: Why the line is not judged, else "".
        literal: Whether address and name, where they are not told, must at least stand in the line.
        before: The lines of the same connection before it, which are cases of their own.
    """

    file: str
    service: str
    line: str
    outcome: bool | None
    host: str = ""
    user: str | None = None
    why_not: str = ""
    literal: bool = True
    before: tuple[str, ...] = ()


@dataclass
class Result:
    """How the lines of one set and service were judged."""

    counts: Counter[str] = field(default_factory=Counter)
    logins: int = 0
    recognised: int = 0


@dataclass
class Judgement:
    """Everything that was judged.

    Attributes:
        results: By set and service.
        wrong: What came out, with the case.
        missed: Log-ins of which nothing came out.
        left_out: Number of lines by set, service and reason.
    """

    results: dict[tuple[str, str], Result] = field(default_factory=lambda: defaultdict(Result))
    wrong: list[tuple[Case, str]] = field(default_factory=list)
    missed: list[Case] = field(default_factory=list)
    left_out: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    @property
    def logins(self) -> int:
        """Log-in lines that are judged."""
        return sum(result.logins for result in self.results.values())

    @property
    def recognised(self) -> int:
        """How many of them are recognised."""
        return sum(result.recognised for result in self.results.values())

    @property
    def share(self) -> float:
        """The same as a share."""
        return self.recognised / max(self.logins, 1)


class Collector:
    """Keeps what ingest gives."""

    def __init__(self) -> None:
        self.events: list[AuthEvent] = []
        self.reasons: list[str] = []

    def event(self, event: AuthEvent, encoded: bytes, origin: Origin) -> None:
        """As it would be read again."""
        self.events.append(decode_event(encoded))

    def refused(self, raw: bytes, refusal: Refused, origin: Origin) -> None:
        """Why."""
        self.reasons.append(refusal.reason)

    def flush(self) -> None:
        """Nothing to do."""


def read(*lines: str) -> Collector:
    """What ingest makes of a file of ``lines``."""
    found = Collector()
    job = Ingest(found, Options(year=_YEAR, at=_AT), Geo(), "truth", live=False, proxies=Proxies(_PROXIES))
    reading = job.reading("truth", "truth")
    for number, line in enumerate(lines, start=1):
        reading.take(line.replace("\n", " ").encode("utf-8", "surrogateescape"), number)
    reading.close()
    summary = job.summary
    total = summary.logins + summary.joined + summary.refused.total() + summary.not_logins
    assert summary.lines == total, f"{summary} does not add up"
    return found


def judge(cases: Iterator[Case]) -> Judgement:
    """Judge each case, alone in its file."""
    judgement = Judgement()
    for case in cases:
        result = judgement.results[case.file, case.service]
        if case.why_not:
            judgement.left_out[case.file, case.service, case.why_not] += 1
            result.counts[LEFT_OUT] += 1
            continue
        found = read(*case.before, case.line)
        is_login = case.outcome is not None
        result.logins += is_login
        problem = _problem(case, found)
        if problem:
            judgement.wrong.append((case, problem))
            result.counts[WRONG] += 1
        elif is_login and not found.events and not _is_rightly_refused(case, found):
            judgement.missed.append(case)
            result.counts[MISSED] += 1
        else:
            result.counts[RIGHT] += 1
            result.recognised += is_login
    return judgement


def _problem(case: Case, found: Collector) -> str:
    """What is wrong, or ""."""
    for event in found.events:
        if case.outcome is None:
            if event.fail_type == "internal" and not event.success:
                continue  # nobody's fault but ours, which the sets leave out as no failure of the client
            return f"is no log-in: {event.login} {event.remote} {event.success}"
        if event.success != case.outcome:
            return f"success is {event.success}"
        if problem := _address_problem(case, event) or _account_problem(case, event):
            return problem
    return ""


def _address_problem(case: Case, event: AuthEvent) -> str:
    if case.host and not _is_same_address(case.host, event):
        return f"address is {event.remote}"
    if not case.host and case.literal and event.remote.lower() not in case.line.lower():
        return f"address {event.remote} is not in the line"
    return ""


def _account_problem(case: Case, event: AuthEvent) -> str:
    if event.login.startswith("~"):
        return ""
    if case.user is not None and event.login != case.user:
        return f"account is {event.login!r}"
    if case.user is None and case.literal and event.login.lower() not in case.line.lower():
        return f"account {event.login!r} is not in the line"
    return ""


def _is_same_address(host: str, event: AuthEvent) -> bool:
    try:
        return normalise(host) == event.remote
    except ValueError:
        return False


def _is_rightly_refused(case: Case, found: Collector) -> bool:
    """Where the address that is expected is none, or the collector took the time out of a record."""
    if found.reasons in (["bad_ts"], ["no_ts"]) and case.line.startswith("{"):
        return True
    try:
        normalise(case.host)
    except ValueError:
        return bool(case.host) and found.reasons in (["bad_remote"], ["no_remote"])
    return False


def _objects(name: str) -> Iterator[dict[str, Any]]:
    for text in (DATA / "parser_truth" / f"{name}.jsonl").read_text("utf-8").splitlines():
        yield json.loads(text)


def _why(reasons: Mapping[str, str], text: str) -> str:
    """The reason of the first pattern that is found in ``text``."""
    return next((reason for pattern, reason in reasons.items() if re.search(pattern, text)), "")


# ---------------------------------------------------------------------------------------------------------------- fail2ban

_NO_NAME: Final = "no log-in was tried: no user was named (scans, broken connections)"
_MAIL: Final = "mail refused, or SMTP misused: no log-in"
_PROBE: Final = "requests to a web server without a log-in"
_NETWORK: Final = "packets, name servers, tunnels and proxies: no log-in"
_UNNAMED: Final = "HTTP 401 without a user name: the first request of every browser gets it"
_NO_ADDRESS: Final = "a log-in whose line names no client's address"
_ELSEWHERE: Final = "the address stands in another line of the same connection"
_LOCAL: Final = "log-ins at the machine itself, which have no address"
_TWO_ADDRESSES: Final = "could name two addresses: it is refused"
_NO_PASSWORD: Final = "no password was given, or none was checked"
_REPEATED: Final = "repeats what another line says"
_MODE: Final = "fail2ban's mode decides"
_TRAP: Final = "a honeypot: no account there is ours, and a success is none"
_BANS: Final = "bans that another tool made"
_FORMAT: Final = "made up to show the tool"

#: fail2ban's services in which nobody logs in.
FAIL2BAN_SCOPE: Final[dict[str, str]] = {
    **dict.fromkeys(
        [
            "apache-badbots", "apache-botsearch", "apache-fakegooglebot", "apache-modsecurity", "apache-nohome",
            "apache-noscript", "apache-overflows", "apache-pass", "apache-shellshock", "php-url-fopen", "suhosin",
            "nginx-bad-request", "nginx-botsearch", "nginx-forbidden", "nginx-limit-req",
        ], _PROBE),
    **dict.fromkeys(["exim-spam", "sendmail-reject", "qmail"], _MAIL),
    **dict.fromkeys(
        ["squid", "named-refused", "nsd", "portsentry", "scanlogd", "xinetd-fail", "stunnel", "nagios"], _NETWORK),
    **dict.fromkeys(["haproxy-http-auth", "openhab", "monitorix"], _UNNAMED),
    "recidive": _BANS,
    "cowrie": _TRAP,
    "zzz-generic-example": _FORMAT,
}  # fmt: skip
#: Lines of services in scope that are no log-in though fail2ban bans for them, and why.
_FAIL2BAN_LINES: Final[dict[str, dict[str, str]]] = {
    "sshd": {
        "Did not receive identification|Bad protocol version|banner exchange|kex_exchange|[Uu]nable to negotiate|no "
        "matching mac": _NO_NAME,
        r"Connection (?:closed|reset) by \S+(?: port \d+)?(?: \[preauth\])?\s*$|Disconnected from \S+ port \d+ "
        r"\[preauth\]": _NO_NAME,
        "refused connect|dispatch_run_fatal|Timeout before auth|Read from socket failed|Received disconnect from "
        ".* ?1[14]: ": _NO_NAME,
        "Disconnecting: Too many authentication failures":
            _ELSEWHERE,
        r"Disconnecting invalid user xxx .*Too many": _REPEATED,
        r"Disconnected from authenticating user admin": _MODE,
        r"kernel: ?\[": _FORMAT,
        r"ssh1: ruser ": _TWO_ADDRESSES,
        r"ssh2: from 10\.10\.1\.2 port 55555 ssh2$":
            _TWO_ADDRESSES,
    },
    "dovecot": {
        "no auth attempts|auth was ready|didn't finish SASL|TLS handshake\\)":
            _NO_PASSWORD,
    },
    "postfix": {
        "NOQUEUE|milter-reject| reject: |pipelining|too many errors|rate limit|does not resolve|lost "
        "connection|PREGREET|HANGUP": _MAIL,
        r"COMMAND (?:TIME|COUNT) LIMIT": _MAIL,
        r"Invalid authentication mechanism": _NO_PASSWORD,
    },
    "exim": {
        "sender verify fail|rejected RCPT|synchronization error|dropped: |no MAIL in|closed by DROP|no host name|no "
        "IP address": _MAIL,
        r"dropped by 'connect'": _MAIL,
    },
    "apache-auth": {
        r"client denied|SNI|File does not exist": _PROBE,
        "wrong authentication scheme|invalid (?:qop|nonce)|realm mismatch|unknown algorithm":
            _NO_PASSWORD,
        r"Authorization of user .* failed, reason": "the password was right; the file's owner is another",
    },
    "nginx-http-auth": {
        r"SSL_|connect\(\) failed": _PROBE,
        r'client: 127\.0\.0\.1, server: test, .* client: 192\.0\.2\.2': _TWO_ADDRESSES,
        r"host nginx: 2025": "two headers, the second cut",
    },
    "lighttpd-auth": {r"uri mismatch": _NO_PASSWORD},
    "courier-smtp": {r"User .*unknown|User unknown": _MAIL},
    "kerio": {r"unknown recipient|Spam attack|DNS blacklist|Relay attempt|no reverse DNS|Message from IP": _MAIL},
    "domino-smtp": {r"rejected for policy": _MAIL},
    "assp": {
        r"SSL negotiation|RelayAttempt": _MAIL,
        r"too much AUTH errors": _REPEATED,
        r"Invalid authentication mechanism|Invalid base64": _NO_PASSWORD,
    },
    "openwebmail": {},
    "perdition": {r"Error reading authentication": _NO_NAME},
    "asterisk": {
        "rejected because extension|Rejecting unknown SIP|hacking attempt|FailedACL|Not match Endpoint":
            "a call by a stranger, or refused for its address: no log-in",
        r"LocalAddress=.*LocalAddress=|AccountID=.*AccountID=": _TWO_ADDRESSES,
    },
    "freeswitch": {"SIP auth challenge": _NO_PASSWORD},
    "openvpn": {r"^(?!.*Auth Username/Password)": _NETWORK},
    "mongodb-auth": {r"Failed to authenticate|end connection": _ELSEWHERE},
    "3proxy": {r" 0\d{4} - | 00508 - ": _UNNAMED},
    "traefik-auth": {r" - - \[": _UNNAMED, r":21:34:30 ": _MODE},
    "monit": {r"Authorization header|empty username|unknown user ''": _UNNAMED},
    "selinux-ssh": {r"^type=USER_LOGIN": _REPEATED},
    "pam-generic": {
        r"ruser= rhost=192\.0\.2\.2 user=test rhost=": _TWO_ADDRESSES,
    },
}  # fmt: skip
#: What a line tells in words, whatever fail2ban counts: a connection's later line may stand for its earlier ones.
_FAIL2BAN_WORDS: Final[dict[str, bool]] = {
    r"Accepted \w+ for|LOGIN SUCCESS|Authentication successful|: SUCCEEDED ::": True,
    r"Session opened for|successful login to|connected to ZNC": True,
    r"\(pam_unix\)\[\d+\]: authentication failure; |pam_unix\(sshd:auth\): authentication failure; ": False,
}  # fmt: skip
_FAIL2BAN_LINES["sshd-journal"] = _FAIL2BAN_LINES["sshd"]


def fail2ban() -> Iterator[Case]:
    """``match``: fail2ban's filter takes the line for a failure of ``host``; ``user`` is told for some. Lines that have both
    answers depend on the filter's mode."""
    objects = list(_objects("fail2ban"))
    answers = defaultdict(set)
    for case in objects:
        answers[case["file"], case["line"]].add((case["expect"] or {}).get("match"))
    connection: list[str] = []
    for case in objects:
        service, line, expect = case["file"], case["line"], case["expect"] or {}
        if service == "slapd":
            connection.append(line)
        why_not = FAIL2BAN_SCOPE.get(service, "")
        why_not = why_not or _why(_FAIL2BAN_LINES.get(service, {}), line)
        if not why_not and len(answers[service, line]) > 1:
            why_not = _MODE
        if expect.get("match") is None:
            why_not = why_not or "nothing is expected"
        host = expect.get("host") or expect.get("ip4") or expect.get("ip6") or ""
        user = expect.get("user")
        outcome = next((told for words, told in _FAIL2BAN_WORDS.items() if re.search(words, line)), None)
        if expect.get("match"):
            before = tuple(connection[:-1]) if service == "slapd" else ()
            yield Case("fail2ban", service, line, bool(outcome), host, user, why_not, literal=not before, before=before)
        else:
            yield Case("fail2ban", service, line, outcome, why_not=why_not)


# ---------------------------------------------------------------------------------------------------------- crowdsec_parser

_CROWDSEC_SCOPE: Final[dict[str, str]] = {
    **dict.fromkeys(["wireguard"], _NETWORK),
    **dict.fromkeys(["haproxy", "iis", "nextcloud-whitelist", "rocketchat", "tcpudp"], _PROBE),
    **dict.fromkeys(["cowrie", "endlessh"], _TRAP),
    "mailcow-f2b": _BANS,
    "postscreen": _MAIL,
}  # fmt: skip
_CROWDSEC_LINES: Final[dict[str, str]] = {
    r"rejected RCPT|rejected connection|sender verify fail": _MAIL,
    r"NOQUEUE: reject|non-SMTP command": _MAIL,
    r"Magic value check|Unable to negotiate|Timeout before|dispatch_run_fatal|refused connect": _NO_NAME,
    r"Connection closed by [\d.]+ port \d+ \[preauth\]|Bad buf_getptr": _NO_NAME,
    r"^\d\d\[(?:NET|IKE)\]": _ELSEWHERE,
    r"TLS Error|VERIFY ERROR|OpenSSL: error|Auth Certificate": _NETWORK,
    r"Successful Login\W+User=|Successful Login.*\"t\"": _NO_ADDRESS,
    r"no_auth_tried": _NO_PASSWORD,
    r"^'": "a quotation mark before the time",
    r"Received control message": "what a client of OpenVPN logs",
    r"ADD_TO_CART|REGISTER_SUCCESS|firewall,info|Trusted domain error|Bruteforce attempt": "not about log-ins",
    r"Rejected by \w+ acl": "a call by a stranger, or refused for its address: no log-in",
    r"handler exception$": "does not say that it is about a log-in",
    r"pam_tally|rhost=  user": _LOCAL,
    r"GET /\S+ HTTP": _PROBE,
}


#: What CrowdSec says about a line in words, and what means a failed log-in there or in the line.
_CROWDSEC_WORDS: Final = (
    "log_type", "sub_type", "dovecot_login_result", "log_type_enh", "action", "metric_name", "is_failed_login",
)  # fmt: skip
_CROWDSEC_FAILS: Final = "fail|FAILED|LOGIN_ERROR|spam-attempt|auth_bf|sftpgo_auth|smtp|imap|pop|invalid_username|is_failed_login"
#: Names that stand for none.
_CROWDSEC_NOBODY: Final = (None, "", "-", "N/A")
_CROWDSEC_LINE_FAILS: Final = "Can't find user|Login failed for user|has been rate-limited"


def crowdsec_parser() -> Iterator[Case]:
    """``meta`` is what CrowdSec's parser makes of the line: address, name, and in words whether it failed. Lines without such
    words are of some other kind. ``message`` is what follows the syslog header; nginx's mail proxy is cut more, so its lines
    are taken from the log beside."""
    nginx = (DATA / "logs/crowdsec_hub/nginx-mail-logs.log").read_text("utf-8").splitlines()
    unused = dict.fromkeys(nginx)
    for case in _objects("crowdsec_parser"):
        service, meta, line = case["test"], case["meta"], case["message"]
        if service == "nginx-mail-logs":
            line = next(text for text in unused if line in text and meta["source_ip"] in text)
            del unused[line]
        why_not = next((why for start, why in _CROWDSEC_SCOPE.items() if service.startswith(start)), "")
        if line is None:
            why_not = why_not or "the line is not in the set"
        line = line or ""
        why_not = why_not or _why(_CROWDSEC_LINES, line)
        words = " ".join(str(meta.get(name)) for name in _CROWDSEC_WORDS)
        outcome: bool | None = None
        if service.startswith("aws"):
            yield _record("crowdsec_parser", service, json.loads(line))
            continue
        if re.search(_CROWDSEC_FAILS, words) or re.search(_CROWDSEC_LINE_FAILS, line):
            outcome = False
        elif "success" in words.lower() or re.search(r"-login: (?:Info: )?Login: ", line):
            outcome = True
        names = ("target_user", "username", "user", "source_user")
        user = next((meta[name] for name in names if meta.get(name) not in _CROWDSEC_NOBODY), None)
        host = meta.get("source_ip", "")
        if f"[{host}, 127." in line:  # Guacamole behind a proxy, and both are this machine: the client is unknown
            host = ""
        yield Case("crowdsec_parser", service, line, outcome, host, user, why_not)


# -------------------------------------------------------------------------------------------------------------- wazuh_ossec

#: Rules that mean a failed or a good log-in; every other rule of these files is about something else.
_WAZUH_RULES: Final[dict[str, bool]] = {
    **dict.fromkeys(["5710", "5712", "5716", "5718", "5719", "5758", "5760", "5762", "5763"], False),  # sshd
    **dict.fromkeys(["9702", "9705", "9707", "9771"], False),  # Dovecot
    **dict.fromkeys(["51003", "51093"], False),  # Dropbear
    "51010": True,
    **dict.fromkeys(["87502", "13006"], False),  # Exim
    **dict.fromkeys(["5503", "2502"], False),  # PAM
    "11204": False,  # ProFTPD
    "11205": True,
    "11403": False,  # vsftpd
    "30308": False,  # Apache
    **dict.fromkeys(["11000", "11005"], False),  # cPanel
    **dict.fromkeys(["11002", "11006", "11007"], True),
    **dict.fromkeys(["92652", "18262"], True),  # Windows
    "6210": False,  # Asterisk
    **dict.fromkeys(["4321", "4324"], False),  # Cisco
    "4323": True,
    "427": False,  # Wazuh's API
    "426": True,
    "89606": False,  # screen sharing
    "89607": True,
}
#: Lines that tell of a log-in where a rule is named that does not hold for them.
_WAZUH_WORDS: Final[dict[str, bool]] = {
    r"FAILED LOGIN|for illegal user|maximum authentication attempts|Aborted login \(\d+ auth": False,
    r"SUCCESS LOGIN|An account was successfully logged on": True,
}
_WAZUH_SCOPE: Final[dict[str, str]] = {
    **dict.fromkeys([
            "apparmor", "dnsmasq", "dpkg", "firewalld", "named", "netscreen", "openbsd", "openbsd-dhcpd", "openbsd-httpd",
            "snort", "systemd", "sysmon", "manage_agents", "ossec", "cisco_ios", "mailscanner", "modsecurity", "syslog",
            "rsh", "samba",
        ], "not about log-ins"),
    **dict.fromkeys(["web_appsec", "web_rules"], _PROBE),
    **dict.fromkeys(["openvpn_ldap", "cimserver", "fortiauth"], _NO_ADDRESS),
    **dict.fromkeys(["su", "sudo", "doas"], _LOCAL),
    "openldap": _ELSEWHERE,
    "nginx": "fragments with 'yadda' that nginx does not write",
    "exchange": "exploits, not log-ins",
}  # fmt: skip
_WAZUH_LINES: Final[dict[str, str]] = {
    r"Authentication Failure:$": "a log-in line with an ending that Dovecot does not write",
    r"rhost=  user=|Logon Type:\s*2 ": _LOCAL,
    r"from 183\.106\.179\.x|\[aa\.bb\.vv\.dd\]": _NO_ADDRESS,
}


def wazuh_ossec() -> Iterator[Case]:
    """Each case names the rule that its lines trigger (``pass``), and rules stand for an outcome. Which address or name is
    meant is not told; what comes out must at least stand in the line."""
    for case in _objects("wazuh_ossec"):
        service = case["file"].removesuffix(".ini")
        outcome = _WAZUH_RULES.get(case["expect"].get("rule", ""))
        for log in case["logs"]:
            if log["line"].startswith("{") and service not in _WAZUH_SCOPE:
                yield _record("wazuh_ossec", service, json.loads(log["line"]))
                continue
            why_not = _WAZUH_SCOPE.get(service, "") or _why(_WAZUH_LINES, log["line"])
            told = outcome
            if not log["pass"]:
                told = next((value for words, value in _WAZUH_WORDS.items() if re.search(words, log["line"])), None)
            yield Case("wazuh_ossec", service, log["line"], told, why_not=why_not)


# ------------------------------------------------------------------------------------------- postfix_grok, syslogng_patterndb


def postfix_grok() -> Iterator[Case]:
    """Captures of smtpd's and other programs' messages; SASL is in the text of a warning."""
    for case in _objects("postfix_grok"):
        program = case["file"].partition("_0")[0]
        expect = case["expect"]
        is_login = program == "smtpd" and "SASL" in str(expect.get("postfix_message", ""))
        line = f"Apr 12 06:00:01 mx1 postfix/{program}[7]: {case['line']}"
        yield Case(
            "postfix_grok", program, line, False if is_login else None, expect.get("postfix_client_ip", "") if is_login else ""
        )


#: Messages that are a log-in, and its outcome.
_PATTERNDB: Final[dict[str, bool]] = {
    r"^(?:Failed |Invalid user|Illegal user|User \S+ from|Login failed|AUTHENTICATE \S+ failure|FAILED LOGIN|badlogin:)": False,
    r"authentication failure; logname|\[\w+\] FAIL LOGIN|Login failed\)|no such user found|SECURITY VIOLATION": False,
    r"Authentication failed for user|: authentication failure for|An account failed to log on": False,
    r"^(?:Accepted |Authenticated user=|login: )|OK LOGIN|Login successful|is now logged in": True,
    r"Anonymous user logged in|An account was successfully logged on": True,
}
_PATTERNDB_SCOPE: Final[dict[str, str]] = {
    **dict.fromkeys(["named", "DNS"], _NETWORK),
    **dict.fromkeys(["sudo", "su"], _LOCAL),
}
_PATTERNDB_LINES: Final[dict[str, str]] = {
    r"FROM \(null\)|on '/dev/tty1'|rhost=\s*$|Source Network Address: -": _LOCAL,
    r"from UNKNOWN": _NO_ADDRESS,
}


def syslogng_patterndb() -> Iterator[Case]:
    """Fields that syslog-ng's patterns take from a message; that it is a log-in stands in the message."""
    for case in _objects("syslogng_patterndb"):
        program, message, expect = case["program"], case["line"], case["expect"]
        outcome = next((outcome for pattern, outcome in _PATTERNDB.items() if re.search(pattern, message)), None)
        why_not = _PATTERNDB_SCOPE.get(program, "") or _why(_PATTERNDB_LINES, message)
        host = next(
            (
                expect[name]
                for name in ("usracct.device", "ssh.src.ip", "ssh.src.host", "cyrus.login.ip", "audit.network.source.ip")
                if expect.get(name)
            ),
            "",
        )
        user = next(
            (
                expect[name]
                for name in (
                    "usracct.username",
                    "usracct.name",
                    "ssh.auth.user",
                    "cyrus.login.username",
                    "audit.newlogon.account.name",
                    "audit.account.name",
                )
                if expect.get(name)
            ),
            None,
        )
        user = user.removeprefix("illegal user ") if user else None
        line = f"Apr 12 06:00:01 mx1 {program}[7]: {message}"
        yield Case("syslogng_patterndb", program, line, outcome, host if outcome is not None else "", user, why_not)


# ------------------------------------------------------------------------------------------------------------------ panther


def panther() -> Iterator[Case]:
    """Records of identity providers and others; whether one raises an alert says nothing about log-ins, so what is expected is
    looked up in the record itself (see ``tests/streams/documents/test_shared_data.py``)."""
    for case in _objects("panther"):
        service = "/".join(case["file"].split("/")[1:2]).removesuffix("_rules")
        if isinstance(case["log"], dict):
            yield _record("panther", service, case["log"])
        else:
            yield Case("panther", "correlation", "", None, why_not="no record in the set")


def _record(file: str, service: str, record: dict[str, Any]) -> Case:
    found = expected(record)
    if found is None:
        return Case(file, service, json.dumps(record), None)
    _, user, host, success = found
    return Case(file, service, json.dumps(record), success, str(host), user)


SETS: Final = {
    "fail2ban": fail2ban,
    "crowdsec_parser": crowdsec_parser,
    "wazuh_ossec": wazuh_ossec,
    "postfix_grok": postfix_grok,
    "syslogng_patterndb": syslogng_patterndb,
    "panther": panther,
}


def report(name: str, judgement: Judgement) -> None:
    """Print the judgement on one set."""
    told = f"{judgement.recognised} of {judgement.logins} log-in lines recognised"
    click.secho(f"\n{name}: {told}, {judgement.share:.1%} (floor {FLOORS[name]:.0%})", bold=True)
    click.echo(f"  {'service':34}{RIGHT:>7}{WRONG:>7}{MISSED:>16}{LEFT_OUT:>12}")
    for (_, service), result in sorted(judgement.results.items()):
        counts = result.counts
        if set(counts) != {LEFT_OUT}:
            click.echo(f"  {service:34}{counts[RIGHT]:7}{counts[WRONG]:7}{counts[MISSED]:16}{counts[LEFT_OUT]:12}")
    for case, problem in judgement.wrong:
        click.secho(f"  WRONG {case.service}: {problem} (expected {case.outcome} {case.host} {case.user}): {case.line!r}", fg="red")
    for case in judgement.missed:
        click.echo(f"  not recognised, {case.service} ({case.outcome} {case.host} {case.user}): {case.line!r}")


def report_left_out(judgements: Mapping[str, Judgement]) -> None:
    """Print what was not judged and why, most lines first."""
    services: dict[str, dict[str, int]] = defaultdict(dict)
    for name, judgement in judgements.items():
        for (_, service, why), count in judgement.left_out.items():
            services[why][f"{name}/{service}"] = count
    click.secho(f"\n{'lines':>5}  {LEFT_OUT}, and why", bold=True)
    for why, counts in sorted(services.items(), key=lambda item: -sum(item[1].values())):
        told = ", ".join(f"{service} {count}" for service, count in sorted(counts.items()))
        click.echo(f"{sum(counts.values()):5}  {why}")
        click.echo(fill(told, 130, initial_indent=" " * 9, subsequent_indent=" " * 9))


def report_totals(judgements: Mapping[str, Judgement]) -> None:
    """Print how much of each set was judged, and how it went."""
    click.secho(f"\n{'set':20}{'lines':>7}{LEFT_OUT:>12}{'no log-in':>11}{'log-ins':>9}{'recognised':>12}{WRONG:>7}", bold=True)
    for name, judgement in judgements.items():
        left_out = judgement.left_out.total()
        judged = sum(result.counts.total() for result in judgement.results.values()) - left_out
        click.echo(
            f"{name:20}{judged + left_out:7}{left_out:12}{judged - judgement.logins:11}{judgement.logins:9}"
            f"{judgement.share:12.1%}{len(judgement.wrong):7}"
        )


def main() -> int:
    """Judge all sets; 1 if a line is wrong or a floor is missed."""
    if not DATA.is_dir():
        click.echo(f"{DATA}: no such folder; the sets of log lines are kept there", err=True)
        return 2
    judgements = {name: judge(cases()) for name, cases in SETS.items()}
    for name, judgement in judgements.items():
        report(name, judgement)
    report_left_out(judgements)
    report_totals(judgements)
    wrong = sum(len(judgement.wrong) for judgement in judgements.values())
    missed = [name for name, judgement in judgements.items() if judgement.share < FLOORS[name]]
    click.secho(f"\n{wrong} wrong; below their floor: {', '.join(missed) or 'none'}", bold=True)
    return int(bool(wrong or missed))


if __name__ == "__main__":
    sys.exit(main())
