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

#: CrowdSec's own sequences for mail and ssh in which passwords are guessed, with the sources that its scenarios tell.
GUESSED = {
    "dovecot-slow-bf": 4,
    "dovecot-slow-bf-no-overlap": 4,
    "dovecot-slow-bf-user-enum": 4,
    "dovecot-spam": 4,
    "dovecot-time-based-bf": 4,
    "dovecot-time-based-bf-user-enum": 4,
    "exchange-imap-bf": 7,
    "exchange-pop-bf": 8,
    "exchange-smtp-bf": 9,
    "exim-bf": 5,
    "nginx-mail-bf": 4,
    "postfix-sasl-bf": 3,
    "ssh-bf": 6,
    "ssh-slow-bf": 22,
    "ssh-time-based-bf": 4,
    "sshd-invalid-bf": 6,
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


def guessed(name: str, failures: int) -> Any:
    """A sequence to be found; one below our thresholds is known not to be, until somebody lowers them."""
    few = f"{failures} failures; Crible's rules begin at eight accounts or ten passwords, so that forgetful owners raise none"
    return pytest.param(name, marks=() if failures >= _ENOUGH else pytest.mark.xfail(reason=few), id=name)


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


@pytest.mark.parametrize("name", [guessed(name, failures) for name, failures in GUESSED.items()])
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
    """In two logs of OpenSSH under attack; no address with fewer failures is an alert's subject."""
    events = events_of(shared_data / "logs" / file)
    failures = Counter(event.remote for event in events if not event.success)
    many = {address for address, count in failures.items() if count >= _ENOUGH}
    alerts = alerts_of(events)
    assert len(many) == addresses
    assert many <= accused(alerts)
    assert {alert.subject.ip for alert in alerts} <= many | {None}
