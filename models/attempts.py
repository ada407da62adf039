"""An attempt: a log-in event after its who and where are known; what every stage works on.

``AuthEvent`` is the wire form (contract section 1). ``Resolver`` turns it into an ``Attempt`` once, at the source stage;
the account stage receives the same object in the internal frames of ``auth.by-account``.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

from models.accounts import AccountDirectory
from models.addresses import locate
from models.events import AuthEvent, device_of
from models.geo import Geo
from models.ids import hash32, stable_id

__all__ = ["TRY_SLOT_S", "Attempt", "Fail", "Resolver"]

#: Contract section 3: a try is a distinct (account, source, pwhash, mech) in one epoch-aligned slot of this length.
TRY_SLOT_S: Final = 10


class Fail(IntEnum):
    """Why an attempt failed; ``NONE`` for a success. Numbers are part of the internal frames."""

    NONE = 0
    UNKNOWN = 1
    CREDENTIALS = 2
    ACCOUNT = 3
    TOKEN = 4
    EXPIRED = 5
    DISABLED = 6
    POLICY = 7
    INTERNAL = 8


_FAIL_OF: Final = {None: Fail.UNKNOWN} | {kind.name.lower(): kind for kind in Fail if kind > Fail.UNKNOWN}

#: Dovecot hashes nothing for CRAM and SCRAM, and the token for OAuth.
_PLAIN_MECHS: Final = frozenset({"PLAIN", "LOGIN", "plain", "login"})


class Attempt(msgspec.Struct, array_like=True, gc=False):
    """One log-in attempt with its account, source and place resolved.

    ``guess`` identifies the password that was tried (32 bits; equal for a repeated password), or the event itself where
    no usable ``pwhash`` exists. ``try_id`` identifies the try. Both are 0 for a success. ``attack`` is set by the source
    stage: a bit per alert kind that its source is under (see :data:`models.by_source.ATTACK_BITS`).
    """

    ts: float
    account: str
    address: str
    network: str
    success: bool
    fail: int
    protocol: str
    guess: int
    try_id: int
    device: str
    country: str
    asn: int
    latitude: float | None
    longitude: float | None
    policy_reject: bool
    repeats_password: bool
    event_id: str
    attack: int = 0


class Resolver:
    """Turns events into attempts: account key, source network, place, try.

    Args:
        accounts: Resolves log-ins to account keys.
        geo: Looks up places for events that carry none; unknown without a database.
    """

    def __init__(self, accounts: AccountDirectory, geo: Geo) -> None:
        self.accounts, self.geo = accounts, geo

    def attempt(self, event: AuthEvent) -> Attempt:
        """The attempt behind ``event``, whose fields have been validated."""
        source = locate(event.remote)
        account = self.accounts.key(event)
        place = self.geo.place(event)
        fail = Fail.NONE if event.success else _FAIL_OF.get(event.fail_type, Fail.UNKNOWN)
        event_id = event.event_id or stable_id(event.ts, event.login, event.remote, event.success, event.protocol, event.server)
        guess = try_id = 0
        usable = False
        if fail:
            usable = event.pwhash is not None and (event.mech in _PLAIN_MECHS or event.protocol == "http")
            guess = hash32(event.pwhash if usable and event.pwhash else event_id)
            slot = int(event.ts) // TRY_SLOT_S if usable else event_id
            try_id = hash32(f"{account}\0{source.address}\0{guess}\0{event.mech}\0{slot}")
        return Attempt(
            event.ts,
            account,
            source.address,
            source.network,
            event.success,
            fail,
            event.protocol,
            guess,
            try_id,
            device_of(event),
            place.country,
            place.asn,
            place.latitude,
            place.longitude,
            event.policy_reject,
            usable,
            event_id,
        )
