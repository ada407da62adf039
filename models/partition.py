"""Kafka's default partitioner, so that the emulated partitions are the real ones.

murmur2 with Kafka's seed, as in the Java client's ``Utils.murmur2``; checked in the tests against kafka-python's.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import iter_unpack
from typing import Final

import numpy as np

__all__ = ["Partitions", "partitions_of"]

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_U32: Final = 0xFFFFFFFF
_WORD: Final = 4
#: So many keys or fewer are faster one by one (measured).
_FEW: Final = 8
#: Keys of which the partition is remembered.
_REMEMBERED: Final = 1 << 18


def partitions_of(keys: Sequence[str], partitions: int) -> list[int]:
    """The partitions of many keys at once: about 0.5 µs a key, against 3 µs one by one.

    >>> partitions_of(["192.0.2.0/24", "alice@mail.example"], 16)
    [6, 0]
    """
    raw = [key.encode() for key in keys]
    if len(raw) <= _FEW:
        return [_murmur2(key) % partitions for key in raw]
    lengths = np.fromiter(map(len, raw), np.uint32, len(raw))
    if not (longest := int(lengths.max())):
        return [_murmur2(b"") % partitions] * len(raw)
    width = -(-longest // _WORD) * _WORD
    table = np.frombuffer(b"".join(key.ljust(width, b"\0") for key in raw), np.uint32).reshape(len(raw), width // _WORD)
    m = np.uint32(_M)
    h = np.uint32(_SEED) ^ lengths
    whole = lengths // _WORD
    for word in range(width // _WORD):
        k = table[:, word] * m
        k ^= k >> np.uint32(24)
        k *= m
        h = np.where(word < whole, (h * m) ^ k, h)
    rest = lengths % _WORD
    tail = table[np.arange(len(raw)), np.minimum(whole, width // _WORD - 1)]
    h = np.where(rest > 0, (h ^ tail) * m, h)
    h ^= h >> np.uint32(13)
    h *= m
    h ^= h >> np.uint32(15)
    numbers: list[int] = ((h & np.uint32(0x7FFFFFFF)) % np.uint32(partitions)).tolist()
    return numbers


class Partitions:
    """The partitions of keys that come again, as accounts do: of new ones many at once.

    >>> partitions = Partitions(16)
    >>> partitions.of_all(["192.0.2.0/24", "alice@mail.example", "192.0.2.0/24"]), partitions.of("alice@mail.example")
    ([6, 0, 6], 0)
    """

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._known: dict[str, int] = {}

    def of(self, key: str) -> int:
        """The partition of one key."""
        known = self._known.get(key)
        return self.of_all([key])[0] if known is None else known

    def of_all(self, keys: Sequence[str]) -> list[int]:
        """The partition of each key."""
        known = self._known
        new = [key for key in keys if key not in known]
        if new:
            if len(known) > _REMEMBERED:
                known.clear()
                new = [*keys]
            known.update(zip(new, partitions_of(new, self._partitions), strict=True))
        return [known[key] for key in keys]


def _murmur2(key: bytes) -> int:
    """Of one key, without the sign bit."""
    whole = len(key) - len(key) % _WORD
    h = _SEED ^ len(key)
    for (word,) in iter_unpack("<I", key[:whole]):
        k = word * _M & _U32
        h = h * _M & _U32 ^ (k ^ k >> 24) * _M & _U32
    if whole < len(key):
        h = (h ^ int.from_bytes(key[whole:], "little")) * _M & _U32
    h = (h ^ h >> 13) * _M & _U32
    return (h ^ h >> 15) & 0x7FFFFFFF
