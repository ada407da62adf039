"""An attempt: a log-in event after its who and where are known; what every stage works on.

``AuthEvent`` is the wire form (contract section 1). ``Resolver`` turns it into an ``Attempt`` once, at the source stage;
the account stage receives the same object in the internal frames of ``auth.by-account``.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

from models.accounts import AccountDirectory
from models.addresses import located
from models.events import ADDRESS_UNKNOWN, AuthEvent, device_of
from models.geo import UNKNOWN, Geo
from models.ids import hash32, stable_id
from models.memo import Memo

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


#: Plain numbers, because reading a member of an enumeration takes longer.
_NONE: Final = int(Fail.NONE)
_UNKNOWN: Final = int(Fail.UNKNOWN)
_CREDENTIALS: Final = int(Fail.CREDENTIALS)
_TOKEN: Final = int(Fail.TOKEN)
_FAIL_OF: Final[dict[str | None, int]] = {kind.name.lower(): int(kind) for kind in Fail if kind > Fail.UNKNOWN}

#: Dovecot hashes nothing for CRAM and SCRAM, and the token for OAuth.
_PLAIN_MECHS: Final = frozenset({"PLAIN", "LOGIN", "plain", "login"})
#: Their secret is an OAuth token (RFC 7628, and its older form): what fails is a token, and no password can be guessed by them.
_TOKEN_MECHS: Final = frozenset({"OAUTHBEARER", "XOAUTH2", "oauthbearer", "xoauth2"})


#: Dovecot truncates its hashes to twelve bits, so that there are 4,096 of them.
_guess_of: Final = Memo(hash32, 1 << 14)


class Attempt(msgspec.Struct, array_like=True, gc=False):
    """One log-in attempt with its account, source and place resolved.

    ``address`` and ``network`` are "" where only a proxy of ours is known: such an attempt counts for its account alone.
    ``guess`` identifies the password that was tried (32 bits; equal for a repeated password: ``repeats_password``), or a failure
    itself where no usable ``pwhash`` exists. ``try_id`` identifies the try, and is 0 for a success. ``attack`` is set by the source
    stage: a bit per alert kind that its source is under (see :data:`models.by_source.ATTACK_BITS`); so are ``shared``: several
    people have logged in from its address within some hours; and ``raised``: id and kind of the alerts that it led to there.
    ``credential`` is the app password, OAuth client or certificate that the server says it was, "" where it names none.
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
    shared: bool = False
    raised: tuple[tuple[str, str], ...] = ()
    credential: str = ""


class Resolver:
    """Turns events into attempts: account key, source network, place, try.

    Args:
        accounts: Resolves log-ins to account keys.
        geo: Looks up places for events that carry none; unknown without a database.
    """

    def __init__(self, accounts: AccountDirectory, geo: Geo) -> None:
        self.accounts, self.geo = accounts, geo
        self._account_of, self._place_of = accounts.key, geo.place

    def attempt(self, event: AuthEvent) -> Attempt:
        """The attempt behind ``event``, whose fields have been validated."""
        address, network = located[event.remote]
        account = self._account_of(event)
        country, asn, latitude, longitude = self._place_of(event)
        if event.attrs is not None and event.attrs.get(ADDRESS_UNKNOWN):
            address = network = ""
            country, asn, latitude, longitude = UNKNOWN
        event_id = event.event_id or stable_id(event.ts, event.login, event.remote, event.success, event.protocol, event.server)
        fail: int = _NONE
        guess = try_id = 0
        repeats_password = False
        pwhash = event.pwhash
        if pwhash and (event.mech in _PLAIN_MECHS or event.protocol == "http"):
            repeats_password = True
            guess = _guess_of[pwhash]
        if not event.success:
            fail = _FAIL_OF.get(event.fail_type, _UNKNOWN)
            if fail <= _CREDENTIALS and event.mech in _TOKEN_MECHS:
                fail = _TOKEN
            if repeats_password:
                try_id = hash32(f"{account}\0{address}\0{pwhash}\0{event.mech}\0{int(event.ts) // TRY_SLOT_S}")
            else:
                guess = try_id = hash32(event_id)
        return Attempt(
            event.ts,
            account,
            address,
            network,
            event.success,
            fail,
            event.protocol,
            guess,
            try_id,
            device_of(event),
            country,
            asn,
            latitude,
            longitude,
            event.policy_reject,
            repeats_password,
            event_id,
            credential=event.credential_id or "",
        )
