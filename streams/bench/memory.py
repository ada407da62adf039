"""Bytes per account and per address, and per profile in a gate: what a process grows by when it learns a million of them.

Runs in a process of its own, which measures its resident memory before and after: everything counts, dictionaries, free lists and
fragments included. Attempts go through the stages as in a worker: in batches, each followed by a checkpoint that packs the rows.
"""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from models.attempts import Attempt, Fail
from models.by_account import AccountStage
from models.by_source import SourceStage
from models.ids import hash32
from models.profiles import Profile, Profiles, encode_profile, network_number, protocol_bit
from models.stage import Batch, Stage

__all__ = ["Key", "MemoryFigures", "grow", "measure_memory"]

Key = Literal["account", "address", "profile"]

_FLOORS: Final[dict[Key, int]] = {"account": 600, "address": 900, "profile": 150}
_PARTITIONS: Final = 16
#: Of all partitions together: what a worker holds between two checkpoints.
_BATCH: Final = 2_000 * _PARTITIONS
_DAY_S: Final = 86_400
_MONDAY_TS: Final = 1_772_438_400.0
_DEVICES: Final = 40
_ACCESS_ASNS: Final = 30
_MOBILE_ASNS: Final = 4
_ADDRESSES_PER_NETWORK: Final = 20
_KIB: Final = 1024

_USE: Final[dict[Key, str]] = {
    "account": (
        "two good log-ins at home on two days and one on the road: 2 networks, 2 ASNs, 1 country, 2 devices; every fifth account "
        "also failed twice with two passwords"
    ),
    "address": (
        f"one day at a home: three good log-ins at different hours, by two people at every other address; every sixth address also "
        f"saw two failures; {_ADDRESSES_PER_NETWORK} addresses of each /24 in use"
    ),
    "profile": "what a gate keeps of an account: 4 networks, 3 ASNs, 1 country, 3 devices, 2 protocols",
}


class MemoryFigures(msgspec.Struct, frozen=True):
    """``packed_bytes`` are the rows alone, ``bytes`` all that the process grew by, each for one key; ``use`` says what each did."""

    keys: int
    rows: int
    bytes: float
    packed_bytes: float
    use: str
    floor_bytes: int


def measure_memory(keys: int) -> dict[Key, MemoryFigures]:
    """Grow one process by so many accounts, another one by so many addresses, and one by profiles, side by side."""
    programs: dict[Key, str] = {key: f"from {__name__} import grow; grow({key!r}, {keys})" for key in _USE}
    root = Path(__file__).resolve().parents[2]
    children = {
        key: subprocess.Popen([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE)  # noqa: S603  made here
        for key, program in programs.items()
    }
    said = {key: child.communicate()[0] for key, child in children.items()}
    return {key: msgspec.json.decode(figures, type=MemoryFigures) for key, figures in said.items()}


def grow(key: Key, keys: int) -> None:
    """Grow this process, and write its figures as JSON on stdout."""
    figures = _grow_profiles(keys) if key == "profile" else _grow(key, keys)
    sys.stdout.buffer.write(msgspec.json.encode(figures))


def _grow_profiles(keys: int) -> MemoryFigures:
    profiles = Profiles()
    gc.collect()
    before, packed_bytes = _resident_bytes(), 0
    for number in range(keys):
        packed = encode_profile(_profile(number))
        packed_bytes += len(packed)
        profiles.put(_account(number), packed)
    network_number.cache_clear()  # a gate that reads profiles does not make them
    gc.collect()
    grown = _resident_bytes() - before
    return MemoryFigures(
        keys, len(profiles), round(grown / keys, 1), round(packed_bytes / keys, 1), _USE["profile"], _FLOORS["profile"]
    )


def _profile(number: int) -> Profile:
    day = int(_MONDAY_TS) // _DAY_S
    networks = [f"{20 + (n >> 16) % 200}.{n >> 8 & 255}.{n & 255}.0/24" for n in (number * 4 + place for place in range(4))]
    return Profile(
        {network_number(network): day for network in networks},
        {64_500 + (number + place) % _ACCESS_ASNS: day for place in range(3)},
        {"FR": day},
        {hash32(f"ua:mail program {(number + place) % _DEVICES}"): day for place in range(3)},
        protocol_bit("imap") | protocol_bit("smtp"),
    )


def _grow(key: Key, keys: int) -> MemoryFigures:
    stages: list[Stage[Any, Any]] = [
        AccountStage(max_rows=keys) if key == "account" else SourceStage(max_rows=2 * keys) for _ in range(_PARTITIONS)
    ]
    for each in stages:
        each.checkpoint()
    gc.collect()
    before = _resident_bytes()
    attempts = _account_attempts(keys) if key == "account" else _address_attempts(keys)
    offset = 0
    while batch := list(islice(attempts, _BATCH)):
        parts: list[Batch[Attempt]] = [Batch(offset) for _ in stages]
        for number, attempt in batch:
            parts[number % _PARTITIONS].add(attempt, "bench", offset, offset)
            offset += 1
        for stage, part in zip(stages, parts, strict=True):
            stage.apply(part)
            stage.checkpoint()
    gc.collect()
    grown = _resident_bytes() - before
    rows = [(name, packed) for stage in stages for name, packed in stage.rows()]
    packed_bytes = sum(len(packed) for _, packed in rows) / keys
    return MemoryFigures(keys, len(rows), round(grown / keys, 1), round(packed_bytes, 1), _USE[key], _FLOORS[key])


def _account_attempts(accounts: int) -> Iterator[tuple[int, Attempt]]:
    """(number of the account, attempt), in the order of time."""
    # (day, at home or on the road, wrong password or None, of how many accounts one)
    visits: tuple[tuple[int, bool, int | None, int], ...] = (
        (0, True, None, 1),
        (1, False, 1, 5),
        (1, False, 2, 5),
        (1, False, None, 1),
        (2, True, None, 1),
    )
    for day, at_home, guess, one_in in visits:
        for number in range(0, accounts, one_in):
            ts = _MONDAY_TS + day * _DAY_S + _DAY_S * number / accounts
            address = _address(number if at_home else number * 7 + 3)
            asn = number % _ACCESS_ASNS + 1 if at_home else 1000 + number % _MOBILE_ASNS
            device = f"ua:mail program {(number + (0 if at_home else 1)) % _DEVICES}"
            yield number, _attempt(ts, _account(number), address, asn, device, guess)


def _address_attempts(addresses: int) -> Iterator[tuple[int, Attempt]]:
    """(number of the address's network, attempt), in the order of time."""
    # (hour, which of the people, wrong password or None, of how many addresses one)
    visits: tuple[tuple[int, int, int | None, int], ...] = (
        (7, 0, None, 1),
        (12, 1, None, 2),
        (18, 0, 1, 6),
        (18, 0, 2, 6),
        (19, 0, None, 1),
    )
    for hour, person, guess, one_in in visits:
        for number in range(0, addresses, one_in):
            ts = _MONDAY_TS + hour * 3600 + 3600 * number / addresses
            attempt = _attempt(ts, _account(2 * number + person), _address(number), number % _ACCESS_ASNS, "ua:mail program", guess)
            yield number // _ADDRESSES_PER_NETWORK, attempt


def _attempt(ts: float, account: str, address: str, asn: int, device: str, guess: int | None) -> Attempt:
    fail = Fail.NONE if guess is None else Fail.CREDENTIALS
    network = address[: address.rindex(".")] + ".0/24"
    return Attempt(
        ts, account, address, network, not fail, fail, "imap", guess or 0, guess or 0, device, "FR", asn, None, None, False,
        bool(fail), f"{account[:12]}{ts:.0f}",
    )  # fmt: skip


def _account(number: int) -> str:
    return f"customer{number:07}@mail.example"


def _address(number: int) -> str:
    network, host = divmod(number, _ADDRESSES_PER_NETWORK)
    return f"{20 + (network >> 16)}.{network >> 8 & 255}.{network & 255}.{1 + 11 * host}"


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:  # macOS: the most so far, in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
