"""models.ids: the same parts give the same id, on every machine and for ever."""

from __future__ import annotations

from hashlib import blake2b
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ids import hash32, hash64, stable_id


@pytest.mark.parametrize(
    ("parts", "written"),
    [
        ((), "[]"),
        (("a", 1, None, True), '["a",1,null,true]'),
        (("brute_force", {"account": "a@example.org"}, 470638), '["brute_force",{"account":"a@example.org"},470638]'),
        (({"b": 1, "a": {"d": 2, "c": 3}},), '[{"a":{"c":3,"d":2},"b":1}]'),
        ((1.0, 0.5, 1e21), "[1,0.5,1e+21]"),
        (("é\n\u2028\U0001f600",), '["é\\n\u2028\U0001f600"]'),
        ((["x", "y"],), '[["x","y"]]'),
    ],
)
def test_an_id_is_the_hash_of_the_canonical_json(parts: tuple[object, ...], written: str) -> None:
    """Hex blake2b-128 of the parts as an RFC 8785 array: names sorted, numbers as ECMAScript writes them, text as it is."""
    assert stable_id(*parts) == blake2b(written.encode(), digest_size=16).hexdigest()


def test_other_parts_give_another_id() -> None:
    """Order, type and the border between two parts count."""
    parts: list[tuple[object, ...]] = [
        ("a", "b"),
        ("b", "a"),
        ("ab",),
        ("a", "b", ""),
        (["a", "b"],),
        ("1",),
        (1,),
        (None,),
        ("null",),
    ]
    ids = [stable_id(*each) for each in parts]
    assert all(one != other for one, other in combinations(ids, 2))


def test_hashes_are_the_same_on_every_machine() -> None:
    """Stored rows and frames hold these values, so they can never change."""
    texts = ("", "alice@example.org", "é")
    assert [hash32(text) for text in texts] == [0x38D394C2, 237802908, 1827736755]  # the first is XXH3's own test vector
    assert [hash64(text) for text in texts] == [13020603013274838756, 13035908929731162235, 3394012004367669963]


@given(st.text(st.characters()))
def test_every_text_has_a_hash(text: str) -> None:
    """Lone surrogates too."""
    assert 0 <= hash32(text) < 1 << 32
    assert 0 <= hash64(text) < 1 << 64


def test_hash32_is_uniform() -> None:
    """Distinct counts are read off the smallest hashes, so names that look alike must spread evenly."""
    hashes = [hash32(f"user{number}@example.org") for number in range(64_000)]
    shares = [0] * 64
    for hashed in hashes:
        shares[hashed >> 26] += 1
    chi_square = sum((share - 1000) ** 2 / 1000 for share in shares)
    assert 30 < chi_square < 110  # 63 degrees of freedom: 1 in 10,000 lies outside
    assert len(set(hashes)) > 63_990
