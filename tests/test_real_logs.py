"""Real log lines through the whole path: who must be alerted about is, and nobody else."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from models.accounts import AccountDirectory
from models.alerts import Alert
from models.attempts import Resolver
from models.events import AuthEvent
from models.geo import Geo
from models.pipeline import Pipeline
from tests.truth import DATA, read

pytestmark = pytest.mark.shared_data

#: CrowdSec's own sequences for mail and ssh in which passwords are guessed: found, or why not.
_SLOW = "four failures in half an hour to an hour and a half: so does who forgot a password"
_ACCOUNTS = "fewer than ten accounts from one address: so does an office after a change of passwords"
GUESSED = {
    "dovecot-slow-bf": _SLOW,
    "dovecot-slow-bf-no-overlap": _SLOW,
    "dovecot-slow-bf-user-enum": _SLOW,
    "dovecot-spam": "two to six failures an address",
    "dovecot-time-based-bf": _SLOW,
    "dovecot-time-based-bf-user-enum": _SLOW,
    "exchange-imap-bf": None,
    "exchange-pop-bf": None,
    "exchange-smtp-bf": None,
    "exim-bf": _ACCOUNTS,
    "nginx-mail-bf": "one of its two sources is found; the log says that the other's four failures were the server's own",
    "postfix-sasl-bf": "three failures: so does who mistypes",
    "ssh-bf": _ACCOUNTS,
    "ssh-slow-bf": None,
    "ssh-time-based-bf": _SLOW,
    "sshd-invalid-bf": None,
}
#: Those in which nobody logs in: spam, scans, connections that come to nothing.
NOT_GUESSED = (
    "endlessh-logs",
    "exim-spam",
    "postfix-honeypot-users",
    "postfix-non-smtp",
    "postfix-spam",
    "ssh-generic-test",
    "ssh-timeout",
    "sshd-bad-keyexchange-bf",
    "sshd-refused-conn",
    "sshd_banner_exchange",
)
#: Failures from which on an address must be alerted about.
_ENOUGH = 10
#: Failures within a minute that are worth a low alert.
_A_FEW = 5


def guessed(name: str, why_not: str | None) -> Any:
    """A sequence to be found, or known not to be, until somebody finds how without a false alert."""
    return pytest.param(name, marks=() if why_not is None else pytest.mark.xfail(reason=why_not), id=name)


def events_of(path: Path) -> list[AuthEvent]:
    """What ingest makes of a file, in order."""
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    return sorted(read(*lines).events, key=lambda event: (event.ts, event.event_id))


def alerts_of(events: list[AuthEvent]) -> list[Alert]:
    """What the stages raise on them."""
    return list(Pipeline(Resolver(AccountDirectory(), Geo())).run(iter(events)))


def accused(alerts: list[Alert]) -> set[str]:
    """The addresses that alerts are about or name as the sources with the most tries."""
    return {address for alert in alerts for address in (alert.subject.ip, *alert.evidence.addresses) if address is not None}


@cache
def expected(name: str) -> set[str]:
    """The sources that CrowdSec's scenario tells."""
    lines = (DATA / "parser_truth/crowdsec_scenarios.jsonl").read_text(encoding="utf-8").splitlines()
    return next(set(case["sources"]) for line in lines if (case := json.loads(line))["test"] == name)


@pytest.mark.parametrize("name", [guessed(name, why_not) for name, why_not in GUESSED.items()])
def test_a_sequence_of_guesses_raises_an_alert_on_its_source(shared_data: Path, name: str) -> None:
    """And on no other."""
    assert accused(alerts_of(events_of(shared_data / f"logs/crowdsec_hub/{name}.log"))) == expected(name)


@pytest.mark.parametrize("name", GUESSED)
def test_no_sequence_raises_an_alert_on_another_source(shared_data: Path, name: str) -> None:
    """Whether it is found or not."""
    assert accused(alerts_of(events_of(shared_data / f"logs/crowdsec_hub/{name}.log"))) <= expected(name)


@pytest.mark.parametrize("name", NOT_GUESSED)
def test_what_is_no_guessing_raises_nothing(shared_data: Path, name: str) -> None:
    """Spam and scans are for others."""
    assert alerts_of(events_of(shared_data / f"logs/crowdsec_hub/{name}.log")) == []


@pytest.mark.parametrize(("file", "addresses"), [("authlog_cseanburns_2023.log", 39), ("loghub_openssh_2k.log", 6)])
def test_every_address_with_ten_failures_is_alerted_about(shared_data: Path, file: str, addresses: int) -> None:
    """In two logs of OpenSSH under attack; no address with fewer than five failures is an alert's subject."""
    events = events_of(shared_data / "logs" / file)
    failures = Counter(event.remote for event in events if not event.success)
    many = {address for address, count in failures.items() if count >= _ENOUGH}
    alerts = alerts_of(events)
    assert len(many) == addresses
    assert many <= accused(alerts)
    assert all(failures[alert.subject.ip] >= _A_FEW for alert in alerts if alert.subject.ip)
