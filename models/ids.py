"""Stable ids: the same parts give the same id on every machine, live and in replay.

Contract section 3: hex blake2b-128 of the parts written as an RFC 8785 (JCS) JSON array.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import rfc8785
from xxhash import xxh3_64_intdigest

__all__ = ["hash32", "hash64", "reference", "stable_id"]

#: Short enough to be read out on the telephone; 48 bits of an id.
_REFERENCE_CHARS: Final = 12


def stable_id(*parts: object) -> str:
    """Hex blake2b-128 of ``parts`` as a canonical JSON array.

    >>> stable_id("brute_force", {"account": "a@example.org"}, 470638)
    'eac85f62aa32969307e66defdf464791'
    >>> stable_id(1.0) == stable_id(1)  # JCS writes both as 1
    True
    """
    return blake2b(rfc8785.dumps(list(parts)), digest_size=16).hexdigest()  # type: ignore[arg-type]


def reference(identifier: str) -> str:
    """What a refused client is told, and support asks for: the beginning of the id of what refuses.

    >>> reference("eac85f62aa32969307e66defdf464791")
    'eac85f62aa32'
    """
    return identifier[:_REFERENCE_CHARS]


def hash32(text: str) -> int:
    """A stable, uniform 32-bit hash, for members of bounded distinct counts and for passwords tried.

    Not cryptographic: 32 bits can be made to collide whatever the function, and what is hashed here is an account, an address
    or a keyed password hash, which an attacker does not choose freely.
    """
    try:
        return xxh3_64_intdigest(text.encode()) & 0xFFFFFFFF
    except UnicodeEncodeError:  # half of a surrogate pair, from a JSON escape
        return xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) & 0xFFFFFFFF


def hash64(text: str) -> int:
    """A stable 64-bit hash, for values that are compared but never shown."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
