"""Profiles: what is familiar about an account, for whoever answers a log-in while the client waits.

The account stage says so on ``auth.profiles`` when it changes, and gates keep copies of all of them: the record's own bytes, packed
into a few thousand arrays, because a Python object for each of millions of accounts would take several times as much memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from struct import Struct
from typing import Final

import msgspec

from models.attempts import Attempt
from models.campaigns import ASN, COUNTRY, DEVICE, HISTORY, NETWORK, PROTOCOL, TODAY, TRIED
from models.ids import hash32, hash64
from models.memo import Memo

__all__ = [
    "SCHEMA",
    "STABLE_DAYS",
    "Profile",
    "Profiles",
    "device_number",
    "encode_profile",
    "familiarity_of",
    "network_number",
    "network_of_number",
    "password_number",
    "protocol_bit",
    "stable_since",
]

SCHEMA: Final = "profile/1"

_DAY_S: Final = 86_400
STABLE_DAYS: Final = 7
_PROTOCOLS: Final = ("imap", "pop3", "smtp", "sieve", "http", "mobileapi", "ssh", "ftp", "other")
_BITS: Final = {name: 1 << place for place, name in enumerate(_PROTOCOLS)}
#: Eight networks, ASNs, countries, devices and credentials, and six passwords, take 378 bytes.
_MAX_BYTES: Final = 512
#: Thirty accounts in each where there are a million of them; in more and shorter arrays half as much again is lost between them.
_BUCKETS: Final = 1 << 15
_PASSWORD: Final = 0xFFFF
#: Far fewer programs than people are in use.
_REMEMBERED: Final = 1 << 14
#: Before each profile: hash of its account, and its length.
_HEAD: Final = Struct("<QH")


class Profile(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """When what an account uses was first seen with a good log-in, in UTC days since the epoch.

    By :func:`network_number`, ASN, country, and hashes of the device and the credential; ``protocols`` are bits
    (:func:`protocol_bit`) without a day. ``refused``: with which passwords strangers were refused, by :func:`password_number`, and
    when last.
    """

    networks: dict[int, int]
    asns: dict[int, int]
    countries: dict[str, int]
    devices: dict[int, int]
    protocols: int = 0
    refused: dict[int, int] = {}
    credentials: dict[int, int] = {}


encode_profile: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Profile).decode


def protocol_bit(protocol: str) -> int:
    """The bit that stands for a protocol.

    >>> protocol_bit("imap"), protocol_bit("pop3"), protocol_bit("gopher") == protocol_bit("other")
    (1, 2, True)
    """
    return _BITS.get(protocol, _BITS["other"])


@lru_cache(maxsize=1 << 16)
def network_number(network: str) -> int:
    """A source network as a number: the first 24 bits of an IPv4 address, the first 48 of an IPv6 address.

    Numbers below 2**24 are those of ``::/24`` too, from where nobody comes (RFC 4291, section 2.5).

    >>> network_number("192.0.2.0/24") == 0xC00002, network_number("2001:db8:1::/48") == 0x20010DB80001
    (True, True)
    """
    address = network.partition("/")[0]
    packed = inet_pton(AF_INET6, address)[:6] if ":" in address else inet_pton(AF_INET, address)[:3]
    return int.from_bytes(packed)


def device_number(device: str) -> int:
    """A device as a number.

    >>> device_number("ua:Thunderbird") == device_number("ua:K-9"), 0 <= device_number("") < 2**32
    (False, True)
    """
    return _numbers[device]


_numbers: Final = Memo(hash32, _REMEMBERED)


def password_number(attempt: Attempt) -> int:
    """The password that was tried, as a number; -1 where equal ones cannot be told.

    16 bits are little to go by for somebody who reads them: one of 65,536 passwords has them.
    """
    return attempt.guess & _PASSWORD if attempt.repeats_password else -1


def network_of_number(number: int) -> str:
    """The network that :func:`network_number` gave the number of.

    >>> network_of_number(0xC00002), network_of_number(0x20010DB80001)
    ('192.0.2.0/24', '2001:db8:1::/48')
    """
    if number < 1 << 24:
        return f"{inet_ntop(AF_INET, (number << 8).to_bytes(4))}/24"
    return f"{inet_ntop(AF_INET6, (number << 80).to_bytes(16))}/48"


def stable_since(profile: Profile | None) -> float | None:
    """Since when an account's habits are stable, UTC seconds: a week after the first of the networks that it uses.

    >>> stable_since(Profile({1: 20_000, 2: 20_003}, {}, {}, {})) == 20_007 * 86_400
    True
    """
    return None if profile is None or not profile.networks else float((min(profile.networks.values()) + STABLE_DAYS) * _DAY_S)


def familiarity_of(profile: Profile | None, attempt: Attempt) -> int:
    """What an account knows of an attempt; equal to :func:`models.by_account.familiarity`, which looks at the account's row."""
    if profile is None:
        return 0
    today = int(attempt.ts) // _DAY_S
    here = profile.networks.get(network_number(attempt.network)) if attempt.network else None
    if here is not None and here < today:
        return HISTORY | NETWORK
    device = profile.devices.get(device_number(attempt.device))
    known = TODAY if here is not None and (device is not None or not attempt.device) else 0
    if profile.refused.get(password_number(attempt), 0) >= today - 1:
        known |= TRIED
    if not any(day < today for day in profile.countries.values()):
        return known
    if not attempt.address:
        return HISTORY | NETWORK
    known |= HISTORY
    if profile.asns.get(attempt.asn, today) < today:
        known |= ASN
    if profile.countries.get(attempt.country, today) < today:
        known |= COUNTRY
    if device is not None and device < today:
        known |= DEVICE
    if profile.protocols & protocol_bit(attempt.protocol):
        known |= PROTOCOL
    return known


class Profiles:
    """The profiles of all accounts, packed.

    An account is found by 64 bits of a hash, in one of many short arrays of (hash, length, profile). An array is replaced as a
    whole, so one thread may write while others read.

    >>> profiles = Profiles()
    >>> profiles.put("a@example.org", encode_profile(Profile({}, {64500: 20_000}, {"FR": 20_000}, {})))
    >>> profiles.find("a@example.org").asns, profiles.find("b@example.org"), len(profiles)
    ({64500: 20000}, None, 1)
    """

    def __init__(self) -> None:
        self._buckets = [b""] * _BUCKETS

    def put(self, account: str, packed: bytes | None) -> None:
        """Take the newest profile of an account; ``None`` where it has none any more.

        Raises:
            msgspec.DecodeError: ``packed`` is no profile.
        """
        if packed is not None:
            if len(packed) > _MAX_BYTES:
                raise msgspec.DecodeError("the profile is too long")
            _decode(packed)
        key = hash64(account)
        bucket = self._buckets[key % _BUCKETS]
        for found, start, end in _entries(bucket):
            if found == key:
                bucket = bucket[: start - _HEAD.size] + bucket[end:]
                break
        self._buckets[key % _BUCKETS] = bucket if packed is None else bucket + _HEAD.pack(key, len(packed)) + packed

    def find(self, account: str) -> Profile | None:
        """The profile of an account."""
        key = hash64(account)
        bucket = self._buckets[key % _BUCKETS]
        for found, start, end in _entries(bucket):
            if found == key:
                return _decode(bucket[start:end])
        return None

    def stable_since(self, account: str) -> float | None:
        """Since when the habits of ``account`` are stable, UTC seconds; ``None`` where they are not."""
        return stable_since(self.find(account))

    def count_stable(self, before: float) -> int:
        """How many accounts' habits were stable before a time; a second or two where there are a million."""
        found = (stable_since(_decode(bucket[start:end])) for bucket in self._buckets for _, start, end in _entries(bucket))
        return sum(since is not None and since < before for since in found)

    def __len__(self) -> int:
        return sum(1 for bucket in self._buckets for _ in _entries(bucket))


def _entries(bucket: bytes) -> Iterator[tuple[int, int, int]]:
    """Hash of the account, and begin and end of its profile."""
    end = 0
    while end < len(bucket):
        key, length = _HEAD.unpack_from(bucket, end)
        start = end + _HEAD.size
        end = start + length
        yield key, start, end
