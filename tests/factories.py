"""Events and attempts for the tests of the core: short to write, resolved by the real code."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from random import Random
from typing import Any

from msgspec.structs import replace

from models.accounts import AccountDirectory
from models.alerts import Alert
from models.attempts import Attempt, Resolver
from models.campaigns import ASN, COUNTRY, DEVICE, FIRST, HISTORY, NETWORK, Campaign, Mix
from models.decisions import ORIGIN, Decision, Impact, Interval, go_duration, uuid_of
from models.events import AuthEvent
from models.geo import Geo
from models.ids import stable_id
from models.stage import Batch, Pulse, Stage

__all__ = [
    "DAY_S",
    "HOUR_S",
    "OWNER",
    "RESOLVER",
    "T0",
    "ban",
    "batch_of",
    "campaign",
    "campaign_pulses",
    "copies",
    "failure",
    "pulses",
    "raised",
    "success",
    "traffic",
]

HOUR_S = 3600
DAY_S = 24 * HOUR_S
#: The first second of a UTC day, so of an hour and of every sub-window as well.
T0 = 1_772_496_000.0
RESOLVER = Resolver(AccountDirectory("example.org"), Geo())

#: What an account knows of its owner at home.
OWNER = HISTORY | NETWORK | ASN | COUNTRY | DEVICE

_numbers = count()


def failure(ts: float, login: str = "alice", remote: str = "192.0.2.7", password: str | None = None, **fields: Any) -> Attempt:
    """A wrong password (PLAIN over IMAP); another one each time unless ``password`` names it."""
    return _attempt(ts, login, remote, False, pwhash=password or f"guess {next(_numbers)}", **fields)


def success(ts: float, login: str = "alice", remote: str = "192.0.2.7", **fields: Any) -> Attempt:
    """A good log-in."""
    return _attempt(ts, login, remote, True, **fields)


def _attempt(ts: float, login: str, remote: str, good: bool, **fields: Any) -> Attempt:
    fields = {"protocol": "imap", "mech": "PLAIN", "event_id": f"event {next(_numbers)}"} | fields
    return RESOLVER.attempt(AuthEvent(ts=ts, login=login, remote=remote, success=good, **fields))


def ban(value: str = "203.0.113.7", start: float = T0 - 60, until: float = T0 + HOUR_S, **changes: Any) -> Decision:
    """An enforced ban of an address or a range, unless ``changes`` say otherwise."""
    identifier = stable_id(value, start, until, sorted(map(str, changes.items())))
    fields: dict[str, Any] = {
        "decision_id": identifier,
        "uuid": uuid_of(identifier),
        "origin": ORIGIN,
        "type": "ban",
        "scope": "range" if "/" in value else "ip",
        "value": value,
        "start": start,
        "until": until,
        "duration": go_duration(until - start),
        "scenario": "password_spray",
        "mode": "enforce",
        "alert_ids": ("a",),
        "reason": "Few tries on each of many accounts",
        "policy_version": "1",
        "impact": Impact(attack_attempts=1, attack_accounts=1, legit_accounts=Interval(0, 0, 0)),
    }
    return Decision(**(fields | changes))


def batch_of(items: Iterable[Any], first: int = 0, producer: str = "p") -> Batch[Any]:
    """A batch whose items are numbered from ``first``, one record each."""
    batch: Batch[Any] = Batch(first - 1)
    for number, item in enumerate(items, first):
        batch.add(item, producer, number, number)
        batch.offset = number
    return batch


def raised(stage: Stage[Any, Any], items: Iterable[Any]) -> list[Alert]:
    """The alerts that ``stage`` raises on ``items``, which come after everything it has seen."""
    return stage.apply(batch_of(items, stage.offset + 1)).alerts


def copies(items: Iterable[Any]) -> list[Any]:
    """The items as they came from the wire: the source stage writes its note (``attack``) into an attempt."""
    return [replace(item) for item in items]


def traffic(seed: int, attempts: int = 1000, hours: float = 4.0, late_s: float = 600.0) -> list[Attempt]:
    """Attempts of everybody on everybody, dense enough for every rule by address and account, late by up to ``late_s``.

    Times are in order of arrival; three networks with four addresses each, thirty accounts and some that do not exist.
    """
    draw = Random(seed)
    made = []
    for number in range(attempts):
        ts = T0 + (number / attempts * hours) * HOUR_S - draw.random() * late_s * (draw.random() < 0.3)
        network, host = draw.randrange(3), draw.randrange(1, 5)
        fields: dict[str, Any] = {
            "login": f"user{draw.randrange(4 if draw.random() < 0.5 else 30)}",
            "remote": f"203.0.{network}.{host}",
            "country": draw.choice(("FR", "DE", "BR")),
            "asn": 64500 + network,
            "user_agent": draw.choice(("Thunderbird", "K-9", "curl")),
            "event_id": f"{seed}/{number}",
        }
        kind = draw.random()
        if kind < 0.25:
            made.append(success(ts, **fields))
        elif kind < 0.35:
            made.append(
                failure(ts, **fields | {"login": f"nobody{draw.randrange(1000)}"}, fail_type="account", password=f"{number}")
            )
        elif kind < 0.4:
            made.append(failure(ts, **fields, fail_type=draw.choice(("policy", "internal", "token", "expired"))))
        elif kind < 0.45:
            made.append(failure(ts, **fields, policy_reject=True))
        elif kind < 0.48:
            made.append(failure(ts, **fields | {"login": "alice*admin"}))
        elif kind < 0.6:
            made.append(failure(ts, **fields, fail_type="credentials", password=f"old {fields['login']}"))
        else:
            made.append(failure(ts, **fields, fail_type="credentials", password=f"{number}"))
    return made


def pulses(seed: int, minutes: int = 30) -> list[Pulse]:
    """Half-minute pulses of a service that comes under a botnet's attack in its last third."""
    draw = Random(seed)
    made = []
    for half_minute in range(2 * minutes):
        second = int(T0) + 30 * half_minute + draw.randrange(30)
        places = (("FR", 64500), ("DE", 64501))
        counts = {("imap", country, asn, "ua:mail", 0, OWNER): draw.randrange(20, 60) for country, asn in places}
        counts["imap", "FR", 64500, "ua:mail", 2, OWNER] = draw.randrange(1, 6)
        if half_minute > 4 * minutes // 3:
            counts["imap", "BR", 64502, "ua:curl", 3, HISTORY | FIRST] = draw.randrange(300, 500)
        made.append(Pulse(second, counts))
    return made


def campaign(tries_per_min: float = 200.0, **changes: Any) -> Campaign:
    """Bots from Brazil with one program; in quiet times a stranger a minute with one of a few telephones."""
    failing, strangers, newcomers = Mix(), Mix(), Mix()
    failing.add(("imap", "BR", 64502, "ua:curl"), HISTORY, 6000)
    for known, share in ((HISTORY | ASN | COUNTRY, 0.6), (HISTORY | DEVICE, 0.3), (HISTORY, 0.1)):
        strangers.add(("imap", "FR", 64500, "ua:phone"), known, 900 * share)
        strangers.add(("imap", "ES", 64510, "ua:phone"), known, 100 * share)
    newcomers.add(("imap", "FR", 64500, "ua:phone"), 0, 200)
    made = Campaign("c" * 32, "credential_stuffing", T0, T0, T0 + HOUR_S, failing, tries_per_min, strangers, newcomers, 1000.0)
    return replace(made, **changes)


def campaign_pulses(seed: int, quiet_min: int = 180, attack_min: int = 20, sources: int = 2) -> list[Pulse]:
    """A pulse a minute and partition: a quiet service, with customers who travel, then a botnet with one program and invented ones.

    The quiet is as long as the baselines need, so that a campaign is seen.
    """
    draw, made = Random(seed), []
    for minute in range(quiet_min + attack_min):
        for source in range(sources):
            second = int(T0) + 60 * minute + draw.randrange(30)
            counts = {("imap", "FR", 64500, "ua:mail", 0, HISTORY | NETWORK): draw.randrange(50, 150)}
            counts["imap", "FR", 64500, "ua:mail", 2, HISTORY | NETWORK] = draw.randrange(1, 5)
            for country, asn in (("FR", 64500), ("DE", 64501), ("ES", 64503)):
                outcome = draw.choice((0, 0, 0, 2))
                known = HISTORY | ASN | (FIRST if outcome else 0)
                counts["imap", country, asn, f"ua:phone {draw.randrange(9)}", outcome, known] = 1
            counts["pop3", "FR", 64500, "ua:mail", 0, 0] = 1
            if minute >= quiet_min:
                for number in range(draw.randrange(20, 40)):
                    counts["imap", "BR", 64502, f"ua:{minute}/{source}/{number}", 2, HISTORY | FIRST] = 1
                counts["imap", "BR", 64502, "ua:curl", 2, HISTORY | FIRST] = draw.randrange(50, 90)
                counts["imap", "BR", 64502, "ua:curl", -1, HISTORY] = draw.randrange(20)
            made.append(Pulse(second, counts, source, second + draw.random() * 30))
    return made
