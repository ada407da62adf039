"""models.applied_policy: the record of a policy, what it changes, and what speaks against it."""

from __future__ import annotations

import json
from hashlib import blake2b

import msgspec
import pytest

from models.applied_policy import (
    MAX_POLICY_BYTES,
    AppliedPolicy,
    PolicyChange,
    decode_applied,
    differences,
    encode_applied,
    objection,
    policy_hash,
    toml_of,
)
from models.policy import Budget, Limits, Policy
from tests.factories import T0

FULL_TOML = """
version = "1"
never_block = ["192.0.2.0/24"]
budget = { hour = 5, day = 6, by_group = { "les médecins" = { hour = 0, day = 1 } } }
[enforce]
kinds = ["password_spray", "campaign"]
scopes = ["ip"]
[duration_s.login_flood]
ip = 60
[reopening]
wait_s = 60
"""
FULL = Policy.parse(FULL_TOML.encode(), where="p.toml")


def applied(policy: Policy = FULL) -> AppliedPolicy:
    return AppliedPolicy(ts=T0, by="anne", reason="a drill", policy=policy, hash=policy_hash(policy))


def test_the_record_says_all_of_it() -> None:
    """The same policy comes back; the same policy is the same bytes, whatever the order of a set."""
    assert decode_applied(encode_applied(applied())) == applied()
    again = msgspec.json.decode(msgspec.json.encode(FULL), type=Policy)
    assert encode_applied(applied(again)) == encode_applied(applied())


def test_a_record_of_a_version_with_fewer_fields_is_good() -> None:
    """What it does not say has its default; its hash is that of what it says."""
    record = json.loads(encode_applied(applied(Policy(version="1"))))
    del record["policy"]["tarpit_s"]
    with pytest.raises(ValueError, match="hash"):
        decode_applied(json.dumps(record, separators=(",", ":"), sort_keys=True).encode())
    bare = b'{"version":"1"}'

    record = {"ts": T0, "by": "anne", "reason": "r", "hash": blake2b(bare, digest_size=16).hexdigest()}
    said = decode_applied(json.dumps(record).encode()[:-1] + b',"policy":' + bare + b"}")
    assert said.policy == Policy(version="1")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"nonsense",
        b"[]",
        b"\xff",
        encode_applied(applied()).replace(b"password_spray", b"password_spry"),
        encode_applied(applied()).replace(b'"day":6', b'"day":7'),
        encode_applied(applied()).replace(b'"never_block":["192.0.2.0/24"]', b'"never_block":["192.0.2"]'),
    ],
)
def test_what_is_no_such_record_is_an_error(value: bytes) -> None:
    """Damaged, unknown, not valid, or changed by somebody who did not know the hash."""
    with pytest.raises(ValueError, match=r"."):
        decode_applied(value)


def test_a_policy_is_bounded() -> None:
    """Neither the order nor the record may be more than the broker takes."""
    policy = Policy(version="1", never_block=tuple(f"2001:db8:{n:x}::/48" for n in range(MAX_POLICY_BYTES // 20)))
    with pytest.raises(ValueError, match=r"262,144 are allowed"):
        policy_hash(policy)


def test_as_a_file_it_is_the_same_policy() -> None:
    """Every field of it, groups with odd names too."""
    assert Policy.parse(toml_of(FULL).encode(), where="p.toml") == FULL
    assert Policy.parse(toml_of(Policy.enforcing()).encode(), where="p.toml") == Policy.enforcing()


def test_what_changes_is_told_by_field() -> None:
    """What comes and goes of a set, what a number was, what is not said any more."""
    new = Policy(version="2", never_block=FULL.never_block, budget=Budget(hour=5, day=6, by_group={"x": Limits(hour=0, day=0)}))
    assert sorted(differences(FULL, new)) == [
        'budget.by_group."les m\\u00e9decins".day: 1 -> unset',
        'budget.by_group."les m\\u00e9decins".hour: 0 -> unset',
        "budget.by_group.x.day: unset -> 0",
        "budget.by_group.x.hour: unset -> 0",
        "duration_s.login_flood.ip: 60 -> unset",
        'enforce.kinds: - "campaign", - "password_spray"',
        'enforce.scopes: - "ip"',
        "reopening.wait_s: 60 -> 900",
        'version: "1" -> "2"',
    ]
    assert differences(FULL, FULL) == []


def test_only_what_was_looked_at_is_replaced() -> None:
    """The policy that is in force, by its hash; a new one has a version of its own."""
    other = Policy(version="2")
    held = applied()
    assert objection(PolicyChange(policy=other, replaces=held.hash), held, FULL) is None
    assert objection(PolicyChange(policy=other), None, FULL) is None
    for replaces, before in (("", held), ("f" * 32, held), (held.hash, None)):
        assert "meanwhile" in str(objection(PolicyChange(policy=other, replaces=replaces), before, FULL))
    assert "in force already" in str(objection(PolicyChange(policy=FULL), None, FULL))
    assert "'1' is that of" in str(objection(PolicyChange(policy=Policy(version="1")), None, FULL))
