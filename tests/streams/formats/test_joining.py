"""One attempt, one event: what webmail, mail server and PAM say about it is joined, and one attempt cannot hide others."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from models.accounts import AccountDirectory
from models.addresses import Proxies
from models.attempts import Resolver
from models.events import AuthEvent
from models.geo import Geo
from models.pipeline import Pipeline
from streams.formats.joining import JOIN_S, Joiner
from tests.streams.formats.lines import read, reader, told, what

CLIENT, OURS = "192.0.2.9", "127.0.0.1"


def at(second: int, text: str) -> str:
    """A line of the host ``mx1``, so many seconds after six."""
    return f"Apr 12 06:{second // 60:02}:{second % 60:02} mx1 {text}"


def imp(second: int, user: str = "bob", client: str = CLIENT, what: str = "FAILED LOGIN") -> str:
    return at(second, f'HORDE: [imp] {what} for {user} ({client}) to {{imap://localhost/}} [pid 7 on line 1 of "/x"]')


def horde(second: int, user: str = "bob", client: str = CLIENT) -> str:
    return at(second, f'HORDE: [horde] FAILED LOGIN for {user} to horde ({client}) [pid 7 on line 1 of "/x"]')


def dovecot(second: int, user: str = "bob", rip: str = OURS, attempts: int = 2) -> str:
    return at(
        second,
        f"dovecot: imap-login: Disconnected (auth failed, {attempts} attempts in 12 secs): user=<{user}>, method=PLAIN, rip={rip}, "
        "lip=127.0.0.1, secured",
    )


def logged_in(second: int, user: str = "bob", rip: str = OURS) -> str:
    return at(second, f"dovecot: imap-login: Login: user=<{user}>, method=PLAIN, rip={rip}, lip=127.0.0.1, secured")


def pam(second: int, user: str = "bob", rhost: str = OURS) -> str:
    return at(
        second,
        f"auth: pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot ruser={user} rhost={rhost}  "
        f"user={user}",
    )


def test_webmail_dovecot_and_pam_are_one_attempt() -> None:
    """In whatever order their lines come, the client's address wins over our own."""
    lines = [pam(0), pam(3), imp(6), horde(6), dovecot(6)]
    orders = [lines, lines[::-1], [imp(6), dovecot(6), pam(0), horde(6), pam(3)], [dovecot(6), pam(0), horde(6), imp(6)]]
    for order in orders:
        assert what(read(*order)) == [("bob", CLIENT, False, None)], order


def test_successes_are_joined_too() -> None:
    """A good log-in by webmail, and Dovecot's line about it."""
    assert what(read(imp(1, what="Login success"), logged_in(1))) == [("bob", CLIENT, True, None)]
    assert what(read(logged_in(1), imp(1, what="Login success"))) == [("bob", CLIENT, True, None)]


def test_a_failure_and_a_success_are_two() -> None:
    """Another outcome is another attempt."""
    events = read(imp(1), logged_in(1))
    assert sorted(what(events)) == [("bob", OURS, True, None), ("bob", CLIENT, False, None)]


def test_each_line_of_the_webmail_covers_one_behind_it() -> None:
    """What comes through something that writes no log cannot hide behind what comes by webmail."""
    events = read(imp(1), *(dovecot(second, attempts=1) for second in range(1, 11)))
    assert Counter(event.remote for event in events) == {CLIENT: 1, OURS: 9}


def test_one_attempt_does_not_hide_many_of_pam() -> None:
    """A failure stands for a few lines of PAM's modules, not for all that PAM says."""
    events = read(dovecot(0, rip=CLIENT, attempts=1), *(pam(second, rhost=CLIENT) for second in range(1, 21)))
    assert len(events) == 1 + 16


def test_an_attempt_by_imap_does_not_hide_behind_one_by_webmail() -> None:
    """Where Dovecot knows the client, one failure by webmail covers one of its attempts, not all."""
    assert len(read(imp(1), dovecot(2, rip=CLIENT, attempts=5))) == 5
    assert len(read(dovecot(1, rip=CLIENT, attempts=1), imp(2))) == 1
    assert len(read(dovecot(1, rip="192.0.2.10", attempts=1), imp(2))) == 2


def test_accounts_are_told_apart() -> None:
    """Another user's line is another attempt; a name that only lacks the domain is the same."""
    assert len(read(imp(1, "bob@example.org"), dovecot(1, "bob"))) == 1
    assert len(read(imp(1, "bob"), dovecot(1, "Bob@example.org"))) == 1
    assert Counter(event.login for event in read(imp(1, "bob"), dovecot(1, "eve", attempts=1))) == {"bob": 1, "eve": 1}


def test_lines_far_apart_are_other_attempts() -> None:
    """What comes later than the lines of one attempt do is another one."""
    events = read(imp(0), dovecot(int(JOIN_S) * 3, attempts=1))
    assert [event.remote for event in events] == [CLIENT, OURS]


def test_what_nobody_else_speaks_of_is_an_attempt() -> None:
    """It comes out when the time for a better line is over, and at the end of the file."""
    log = reader()
    assert log.read(pam(0, rhost=CLIENT).encode(), 1) == []
    assert log.waits_since == 1
    later = log.read(dovecot(40, "eve", rip="192.0.2.10", attempts=1).encode(), 2)
    assert [(line, event.login) for line, event in later] == [(1, "bob"), (2, "eve")]
    assert log.waits_since is None
    log.read(pam(50, rhost=CLIENT).encode(), 3)
    assert [line for line, _ in log.close()] == [3]


def test_a_quiet_file_is_released_by_the_clock() -> None:
    """Where no line follows, the caller's clock says when the time is over."""
    log = reader()
    log.read(pam(0, rhost=CLIENT).encode(), 1)
    (start,) = {waiting.event.ts for waiting in log._joiner._queue}
    assert log.release(start + JOIN_S) == []
    assert [line for line, _ in log.release(start + JOIN_S + 1)] == [1]


def test_a_line_at_the_end_of_a_long_connection() -> None:
    """Dovecot tells of a failure up to three minutes later; what was counted by then is not counted again."""
    lines = [pam(0, rhost=CLIENT), dovecot(60, "eve", rip="192.0.2.10", attempts=1), dovecot(170, rip=CLIENT, attempts=2)]
    assert Counter(event.login for event in read(*lines)) == {"bob": 2, "eve": 1}


def test_the_event_takes_the_reason_of_the_echo() -> None:
    """Who checked the password knows why, the front does not."""
    auth = at(1, f"dovecot: auth: sql(bob,{OURS},<s1>): unknown user")
    assert what(read(auth, imp(2))) == [("bob", CLIENT, False, "account")]


def test_roundcube_says_it_twice() -> None:
    """The error and the user log of one attempt are one event, two attempts are two."""
    error = f"Apr 12 06:00:01 web1 roundcube: <s1> IMAP Error: Login failed for bob from {CLIENT}. AUTHENTICATE PLAIN: No. in /x"
    user = f"Apr 12 06:00:01 web1 roundcube: <s1> Failed login for bob from {CLIENT} in session s1aa (error: 0)"
    for lines, attempts in (([error, user], 1), ([user, error], 1), ([error, user, error, user], 2), ([error, error, user], 2)):
        assert len(read(*lines)) == attempts


def test_a_proxy_that_is_named_is_ours() -> None:
    """A webmail on another machine hides the client as loopback does, if the operator names it."""
    lines = [dovecot(1, rip="10.0.0.5"), imp(1)]
    assert len(read(*lines, proxies=Proxies(["10.0.0.5"]))) == 1
    assert len(read(*lines)) == 3


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many lines that wait are let go early, and nothing is kept of them."""
    monkeypatch.setattr("streams.formats.joining._WAITING", 50)
    log = reader()
    events = told(log, [pam(0, f"u{number}", CLIENT) for number in range(500)])
    assert len(events) == 500
    joiner = log._joiner
    assert (len(joiner._queue), len(joiner._by)) == (0, 0)
    assert all(len(recent) <= 100 for recent in (joiner._room, joiner._shown, joiner._told))


def test_equal_events_are_objects_of_their_own() -> None:
    """Each is given an id later."""
    event = AuthEvent(ts=1.0, login="", remote=CLIENT, success=False)
    located = Joiner().attempt(1, event, 3, None)
    assert len({id(each) for _, each in located}) == 3
    assert {each.login[0] for _, each in located} == {"~"}


@pytest.mark.shared_data
def test_a_real_attack_on_a_webmail(shared_data: Path) -> None:
    """Hydra against Horde, Dovecot and PAM: 69 attempts in 333 lines, all with the client's address, and one alert."""
    rows = (shared_data / "logs/ait_insect_mail_bruteforce.tsv").read_text().splitlines()[1:]
    lines = [row.split("\t")[4] for row in rows]
    log = reader()
    events = [event for _, event in told(log, lines)]
    assert Counter((event.login, event.remote, event.success) for event in events) == {("violet", "192.168.10.18", False): 69}
    assert (len(lines), log.joined) == (333, 264)
    alerts = Pipeline(Resolver(AccountDirectory(), Geo())).run(sorted(events, key=lambda event: event.ts))
    assert [alert.kind for alert in alerts] == ["brute_force"]
