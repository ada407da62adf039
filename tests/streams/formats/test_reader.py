"""Reading by rules: the program is found, whatever the line looks like, and nothing a client writes stops it."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.addresses import Proxies, normalise
from models.events import MAX_TEXT, Refused, decode_event, encode_event
from streams.formats import FORMATS
from streams.formats.format import Format, Rule
from streams.formats.reader import MAX_TIMES, LogReader
from streams.formats.syslog import Clock
from tests.streams.formats.lines import read, read_messages, reader, told, what

FAILED = "Failed password for root from 192.0.2.1 port 1 ssh2"
PAM = "authentication failure; logname= uid=0 euid=0"


def test_every_program_is_found() -> None:
    """One module in ``programs`` is one format, under its own name."""
    assert {"dovecot", "postfix", "exim", "cyrus", "courier", "saslauthd", "openssh", "pam", "vsftpd", "proftpd"} <= set(FORMATS)
    assert {"nginx", "roundcube", "horde", "zimbra", "exchange"} <= set(FORMATS)
    assert all(form.name == name for name, form in FORMATS.items())


@pytest.mark.parametrize(
    "line",
    [
        f"Apr 12 06:00:01 gw sshd[1]: {FAILED}",
        f"<38>Apr 12 06:00:01 gw sshd[1]: {FAILED}",
        f"<38>1 2022-04-12T06:00:01Z gw sshd 1 - - {FAILED}",
        f"2022-04-12T06:00:01.5+00:00 gw sshd-session[1]: {FAILED}",
        f"Apr 12 06:00:01 gw sshd[1]: [ID 800047 auth.info] {FAILED}",
        f"Apr 12 06:00:01 [sshd] {FAILED}",
        f"Apr 12 06:00:01 {FAILED}",
        f"gw sshd[1]: {FAILED}",
        f"sshd[1]: {FAILED}",
        FAILED,
    ],
)
def test_headers(line: str) -> None:
    """The same message is read under each kind of header, and under none."""
    events = [event for _, event in told(reader(at=1.0), [line])]
    assert what(events) == [("root", "192.0.2.1", False, None)]


def test_other_programs_are_no_logins() -> None:
    """Lines of other programs, and lines that only look alike, give nothing."""
    assert read(
        f"Apr 12 06:00:01 mx1 cron[1]: {FAILED}",
        "Apr 12 06:00:01 mx1 sshd[1]: Server listening on 0.0.0.0 port 22.",
        "Apr 12 06:00:01 mx1 dovecot: master: Warning: Killed with signal 15",
        f"Apr 12 06:00:01 mx1 cron[1]: x {FAILED}",
        "imap-login",
        "\x00\xff",
        "",
    ) == []  # fmt: skip


def test_time_is_needed() -> None:
    """A log-in without a time is refused unless one is given for the whole file; a time that does not exist is refused."""
    line = f"sshd[1]: {FAILED}".encode()
    with pytest.raises(Refused) as caught:
        reader().read(line)
    assert caught.value.reason == "no_ts"
    assert [event.ts for _, event in reader(at=7.0).read(line) or []] == [7.0]
    with pytest.raises(Refused) as caught:
        reader().read(b"Feb 30 00:00:00 gw " + line)
    assert caught.value.reason == "bad_ts"


def test_names_in_place_of_addresses_are_refused() -> None:
    """A host name is no address."""
    with pytest.raises(Refused) as caught:
        read("Apr 12 06:00:01 gw sshd[1]: Failed password for root from evil.example port 1 ssh2")
    assert caught.value.reason == "bad_remote"


def test_undecodable_names_are_kept() -> None:
    """Bytes that are not UTF-8 do not lose the attempt."""
    (event,) = read(b"Apr 12 06:00:01 gw sshd[1]: Failed password for r\xfft from 192.0.2.1 port 1 ssh2")
    assert event.login.startswith("r~")
    (event,) = read("Apr 12 06:00:01 gw sshd[1]: Failed password for \u00e9va from 192.0.2.1 port 1 ssh2")
    assert event.login == "\u00e9va"


def test_repeated_lines_are_as_many_attempts() -> None:
    """A folded line counts as often as it says, up to a bound."""
    assert len(read_messages("sshd[1]", f"message repeated 5 times: [ {FAILED}]")) == 5
    dovecot = "imap-login: Disconnected (auth failed, 9999 attempts in 2 secs): user=<bob>, rip=192.0.2.1, lip=192.0.2.2"
    assert len(read_messages("dovecot", f"message repeated 9999 times: [ {dovecot}]")) == MAX_TIMES


def test_the_line_of_an_event() -> None:
    """An event that waited comes with the number of its own line."""
    echo = f"Apr 12 06:00:01 mx1 auth: pam_unix(dovecot:auth): {PAM} tty=dovecot ruser=bob rhost=192.0.2.7"
    later = f"Apr 12 06:01:00 gw sshd[1]: {FAILED}"
    assert [(number, event.login) for number, event in told(reader(), [echo, "", later])] == [(1, "bob"), (3, "root")]


def test_every_line_is_accounted_for() -> None:
    """What gives no event is counted as joined or as no log-in."""
    log = reader()
    lines = [
        "Apr 12 06:00:01 gw sshd[1]: Invalid user x from 192.0.2.1 port 1",
        "Apr 12 06:00:02 gw sshd[1]: Failed password for invalid user x from 192.0.2.1 port 1 ssh2",
        "Apr 12 06:00:03 gw cron[1]: x",
        f"Apr 12 06:00:04 gw sshd[2]: pam_unix(sshd:auth): {PAM} tty=ssh ruser= rhost=192.0.2.2",
    ]
    events = told(log, lines)
    assert (len({number for number, _ in events}), log.joined) == (2, 1)


def test_our_own_addresses() -> None:
    """Where only our own machines are seen, the event says that the client is unknown; what a trusted proxy says is believed."""
    login = "imap-login: Login: user=<bob>, method=PLAIN, rip={}, lip=10.0.0.1, TLS, session=<s>"
    proxies = Proxies(["10.0.0.0/8"])
    for address in ("127.0.0.1", "10.1.2.3"):
        (event,) = read(f"Apr 12 06:00:01 mx1 dovecot: {login.format(address)}", proxies=proxies)
        assert event.attrs == {"address_unknown": True}
    roundcube = (
        "Apr 12 06:00:01 web1 roundcube: <s1> IMAP Error: Login failed for bob from {}(X-Forwarded-For: 198.51.100.9,192.0.2.7)"
    )
    for address, client in (("10.1.2.3", "192.0.2.7"), ("203.0.113.1", "203.0.113.1")):
        (event,) = read(roundcube.format(address), proxies=proxies)
        assert event.remote == client


def test_tags_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can choose tags cannot fill the memory."""
    monkeypatch.setattr("streams.formats.reader._TAGS", 3)
    log = reader()
    for number in range(20):
        log.read(f"Apr 12 06:00:01 gw prog{number}[1]: x".encode())
    assert len(log._of_tag) <= 3
    assert log.read(f"Apr 12 06:00:01 gw sshd[1]: {FAILED}".encode())


HOSTILE = [
    "\x1b[31mroot\x1b[0m",
    "ro\x00ot",
    "root\r",
    "a\u202eb",
    "\u0440\u043e\u043et",
    "x" * 1_000_000,
    "from " * 10_000,
    "\ud800",
    "\u0085\u2028",
    "%s%n${jndi:ldap://x}",
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_an_attempt_like_any_other(name: str) -> None:
    """Control characters, escapes, mixed scripts, half characters and a megabyte: one event, short, that is one line of JSON
    with no control character in it, and that says the same when it is read again."""
    line = f"Apr 12 06:00:01 gw sshd[1]: Failed password for invalid user {name} from 192.0.2.1 port 1 ssh2"
    (event,) = read(line.encode("utf-8", "surrogatepass"))
    assert (event.remote, event.success, event.ts, event.protocol) == ("192.0.2.1", False, 1_649_743_201.0, "ssh")
    encoded = encode_event(event)
    assert decode_event(encoded) == event
    assert not re.search(rb"[\x00-\x1f\x7f]", encoded)
    told, mark, digest = event.login.partition("~")
    if mark:  # what is too long is cut, what is no text is left out; a digest tells it from other names
        assert name.startswith(told)
        assert re.fullmatch("[0-9a-f]{32}", digest)
        assert len(event.login) == MAX_TEXT if len(name) > MAX_TEXT else not told
    else:
        assert event.login == name


#: Words that mean something to the rules, between which anything may stand.
WORDS = sorted({word for form in FORMATS.values() for sample in form.samples for word in re.findall(r"\S+|\s+", sample.line)})
LINES = st.lists(st.sampled_from(WORDS) | st.text(max_size=12), max_size=40).map("".join)


def addresses(line: bytes) -> set[str]:
    """All addresses that stand in a line, in their one form."""
    found = set()
    for text in re.findall(rb"[0-9A-Fa-f.:]+(?:%[\w.-]+)?", line):
        for start in range(min(len(text), 50)):
            for end in range(start + 1, min(len(text), start + 50) + 1):
                with suppress(ValueError):
                    found.add(normalise(text[start:end].decode()))
    return found


@settings(max_examples=600, deadline=None)
@given(st.lists(LINES.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=80), max_size=8))
def test_whatever_comes_is_read_or_refused(lines: list[bytes]) -> None:
    """No line raises anything else, and what comes out can be written and has an address that stands in its line."""
    log, found = reader(at=1.0), []
    for number, line in enumerate(lines):
        try:
            found += log.read(line, number) or []
        except Refused:
            continue
    for number, event in found + log.close():
        encode_event(event)
        assert 0 <= number < len(lines)
        assert event.remote in addresses(lines[number]), lines[number]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(FORMATS.values())), st.data())
def test_a_line_that_is_cut_or_changed_is_read_or_refused(form: Format, data: st.DataObject) -> None:
    """Each sample with a piece taken out, doubled or replaced gives at most the outcome it had."""
    sample = data.draw(st.sampled_from(form.samples))
    start = data.draw(st.integers(0, len(sample.line)))
    end = data.draw(st.integers(start, len(sample.line)))
    line = (
        sample.line[:start] + data.draw(st.just("") | st.just(2 * sample.line[start:end]) | st.text(max_size=8)) + sample.line[end:]
    )
    log = reader(at=1.0)
    try:
        events = (log.read(line.encode("utf-8", "surrogatepass")) or []) + log.close()
    except Refused:
        return
    for _, event in events:
        encode_event(event)


def test_fields_of_a_rule_come_over_the_protocol_of_the_tag() -> None:
    """The protocol is the line's, else the rule's, else the tag's, else the format's."""

    def form(rule: str, fields: dict[str, object]) -> Format:
        return Format(
            name="test",
            provenance="",
            gaps="",
            protocol="other",
            tags=re.compile("(?P<pop3>popd)|testd"),
            words=("x",),
            rules=(
                Rule(
                    "attempt",
                    re.compile(rule),
                    {"success": True} | fields,
                    {"protocol": {"I": "imap"}} if "protocol" in rule else {},
                ),
            ),
            samples=(),
        )

    def protocol(given: Format, line: str) -> str:
        ((_, event),) = LogReader([given], Clock(UTC, 2022, 0.0), 1.0).read(line.encode()) or []
        return event.protocol

    assert protocol(form(r"x (?P<remote>\S+)", {}), "popd[1]: x 192.0.2.1") == "pop3"
    assert protocol(form(r"x (?P<remote>\S+)", {}), "testd[1]: x 192.0.2.1") == "other"
    assert protocol(form(r"x (?P<remote>\S+)", {"protocol": "smtp"}), "popd[1]: x 192.0.2.1") == "smtp"
    assert protocol(form(r"x (?P<remote>\S+) (?P<protocol>\w)", {}), "popd[1]: x 192.0.2.1 I") == "imap"
    assert protocol(form(r"x (?P<remote>\S+) (?P<protocol>\w)", {}), "popd[1]: x 192.0.2.1 J") == "pop3"
