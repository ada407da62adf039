"""Decisions: what to refuse, whom, from when until when (contract section 4).

What a decision is, how it gets its id, and whether it refuses an attempt. :mod:`models.ledger` makes them of alerts,
:mod:`models.decision_index` finds those about an attempt.
"""

from __future__ import annotations

from typing import Final, Literal
from uuid import UUID

import msgspec

from models.alerts import Kind
from models.attempts import Attempt
from models.ids import hash32, hash64, stable_id
from models.policy import Mode, Scope
from models.scopes import address_of, covers, enclosing, join_value, matches, parts_of, split_value
from models.usage import Interval

__all__ = [
    "BY_HAND",
    "DAY_S",
    "KEEP_S",
    "MAX_DECISIONS",
    "ORIGIN",
    "REFUSING",
    "SCHEMA",
    "Decision",
    "Except",
    "Impact",
    "Interval",
    "address_of",
    "credential_mark",
    "decision_id",
    "device_mark",
    "enclosing",
    "go_duration",
    "holds",
    "join_value",
    "named",
    "parts_of",
    "refuses",
    "split_value",
    "uuid_of",
]

SCHEMA: Final = "decision/1"
#: One short word: firewall bouncers make one set per origin. The first is for what alerts led to, the other for what a person did.
ORIGIN: Final = "crible"
BY_HAND: Final = "operator"
DAY_S: Final = 86400
#: A decision is forgotten (its record becomes a tombstone) this long after its end.
KEEP_S: Final = 30 * DAY_S
#: From here on the decisions that ended first are forgotten early; where all still hold, new ones are not made.
MAX_DECISIONS: Final = 200_000
MAX_EXCEPT_ACCOUNTS: Final = 500

Type = Literal["ban", "guard", "tarpit", "challenge", "reset_password", "end_sessions", "notify"]
#: What refuses an attempt; the other types say something or slow it down.
REFUSING: Final[frozenset[Type]] = frozenset({"ban", "guard"})


class Except(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, forbid_unknown_fields=True):
    """A clause of exceptions: an attempt passes when it matches every part that is not empty.

    A device or credential is written as in an attempt, or, where only its hash is known, by :func:`device_mark` or
    :func:`credential_mark`.

    Raises:
        ValueError: An empty clause, one of devices alone (devices are the client's claim), or more than 500 accounts.
    """

    networks: tuple[str, ...] = ()
    asns: tuple[int, ...] = ()
    accounts: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.networks or self.asns or self.accounts or self.credentials):
            raise ValueError("an except clause needs networks, asns, accounts or credentials; devices alone are invalid")
        if len(self.accounts) > MAX_EXCEPT_ACCOUNTS:
            raise ValueError(f"an except clause names at most {MAX_EXCEPT_ACCOUNTS} accounts")

    def matches(self, attempt: Attempt) -> bool:
        """Whether every part of the clause matches."""
        return (
            (not self.credentials or self._names_credential(attempt.credential))
            and (not self.accounts or attempt.account in self.accounts)
            and (not self.asns or attempt.asn in self.asns)
            and (not self.devices or attempt.device in self.devices or device_mark(hash32(attempt.device)) in self.devices)
            and (not self.networks or any(covers(network, attempt.address) for network in self.networks))
        )

    def _names_credential(self, credential: str) -> bool:
        return bool(credential) and (credential in self.credentials or credential_mark(hash64(credential)) in self.credentials)


class Impact(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision stops and whom it hits; ``legit_accounts`` is ``None`` where nobody counted them."""

    attack_attempts: int
    attack_accounts: int
    legit_accounts: Interval | None
    by_group: dict[str, int] = {}
    by_protocol: dict[str, int] = {}


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """See the contract's table; times are UTC seconds, ``lifted`` is the time of lifting."""

    decision_id: str
    uuid: str
    origin: str
    type: Type
    scope: Scope
    value: str
    protocols: tuple[str, ...] = ()
    except_: tuple[Except, ...] = msgspec.field(default=(), name="except")
    start: float
    until: float
    duration: str
    scenario: Kind
    mode: Mode
    campaign_id: str | None = None
    alert_ids: tuple[str, ...]
    reason: str
    policy_version: str
    impact: Impact
    lifted: float | None = None
    lifted_by: str | None = None

    @property
    def simulated(self) -> bool:
        """CrowdSec's word for a decision that is not enforced."""
        return self.mode != "enforce"

    @property
    def end(self) -> float:
        """When it stopped or will stop holding."""
        return self.until if self.lifted is None else min(self.lifted, self.until)

    def holds(self, now: float) -> bool:
        """Whether it has not ended at ``now``. A lifted one has, whatever the clock of who lifted it said."""
        return self.lifted is None and now < self.until


def decision_id(decision: Decision) -> str:
    """The id that the fields of ``decision`` give it: hex blake2b-128, see the contract's list."""
    return stable_id(
        decision.policy_version,
        decision.type,
        decision.scope,
        decision.value,
        list(decision.protocols),
        decision.mode,
        decision.start,
        [msgspec.to_builtins(clause) for clause in decision.except_],
        decision.alert_ids[0] if decision.alert_ids else None,
    )


def uuid_of(identifier: str) -> str:
    """``identifier`` (32 hex digits) as a UUID of version 8, "custom" (RFC 9562).

    >>> uuid_of("a562f167287dd48062ff7e66a5e367bb")
    'a562f167-287d-8480-a2ff-7e66a5e367bb'
    """
    return str(UUID(f"{identifier[:12]}8{identifier[13:16]}{8 | int(identifier[16], 16) & 3:x}{identifier[17:]}"))


def go_duration(seconds: float) -> str:
    """``seconds``, rounded to one, as Go writes a duration.

    >>> [go_duration(s) for s in (14397, 90, 5, 0, -600)]
    ['3h59m57s', '1m30s', '5s', '0s', '-10m0s']
    """
    whole = round(seconds)
    minutes, rest = divmod(abs(whole), 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s" if minutes else f"{rest}s"
    return f"-{text}" if whole < 0 else text


def refuses(decision: Decision, attempt: Attempt) -> bool:
    """Whether ``decision`` refuses ``attempt``: the contract's paragraph, word for word."""
    return decision.type in REFUSING and holds(decision, attempt)


def holds(decision: Decision, attempt: Attempt) -> bool:
    """Whether ``decision``, of whatever type, is in force for ``attempt``: the rest of that paragraph."""
    return (
        decision.mode == "enforce"
        and decision.start < attempt.ts < decision.until
        and (decision.lifted is None or attempt.ts <= decision.lifted)
        and (not decision.protocols or attempt.protocol in decision.protocols)
        and matches(decision.scope, decision.value, attempt)
        and not any(clause.matches(attempt) for clause in decision.except_)
    )


def device_mark(hashed: int) -> str:
    """How an exception names a device of which only ``hash32`` is known.

    >>> device_mark(0x1234)
    '#00001234'
    """
    return f"#{hashed:08x}"


def credential_mark(hashed: int) -> str:
    """How an exception names a credential of which only ``hash64`` is known.

    >>> credential_mark(0x1234)
    '#0000000000001234'
    """
    return f"#{hashed:016x}"


def named(decision: Decision) -> Decision:
    """``decision`` with the ids that its fields give it."""
    identifier = decision_id(decision)
    return msgspec.structs.replace(decision, decision_id=identifier, uuid=uuid_of(identifier))
