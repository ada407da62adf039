"""A policy that is put in force while the services run: what a person orders, and the record by which all of them go.

The record, ``policy/current`` on ``auth.control``, is canonical JSON (RFC 8785) and holds the whole policy with its hash, so that
what is in force has one name everywhere. Only the leader of the blocking service writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from json import dumps
from typing import Any, Final

import msgspec
import rfc8785

from models.policy import Policy

__all__ = [
    "MAX_POLICY_BYTES",
    "POLICY_KEY",
    "SCHEMA",
    "AppliedPolicy",
    "PolicyChange",
    "decode_applied",
    "differences",
    "encode_applied",
    "objection",
    "policy_hash",
    "toml_of",
]

SCHEMA: Final = "policy/1"
#: Its key on ``auth.control``.
POLICY_KEY: Final = "policy/current"
#: The broker takes a mebibyte, and a policy goes there twice.
MAX_POLICY_BYTES: Final = 1 << 18
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


class PolicyChange(msgspec.Struct, frozen=True, kw_only=True):
    """Put ``policy`` in force in place of the one with the hash ``replaces``; "" is that of a file."""

    policy: Policy
    replaces: str = ""


class AppliedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The policy in force since ``ts`` (UTC seconds), who said so and why, and its hash."""

    ts: float
    by: str
    reason: str
    policy: Policy
    hash: str


class _Record(msgspec.Struct, kw_only=True):
    ts: float
    by: str
    reason: str
    hash: str
    policy: msgspec.Raw


def policy_hash(policy: Policy) -> str:
    """Hex blake2b-128 of the policy's canonical JSON.

    Raises:
        ValueError: It holds a number that JSON cannot, or is too long.

    >>> policy_hash(Policy(version="1")) == policy_hash(Policy(version="2"))
    False
    """
    canonical = rfc8785.dumps(_built(policy))
    if len(canonical) > MAX_POLICY_BYTES:
        raise ValueError(f"the policy takes {len(canonical):,} bytes, {MAX_POLICY_BYTES:,} are allowed")
    return _hash(canonical)


def encode_applied(applied: AppliedPolicy) -> bytes:
    """The record of ``applied``."""
    record: Any = {name: getattr(applied, name) for name in ("ts", "by", "reason", "hash")}
    return rfc8785.dumps(record | {"policy": _built(applied.policy)})


def decode_applied(value: bytes) -> AppliedPolicy:
    """What a record says. Its hash is that of the policy as it is written there, by whatever version of Crible.

    Raises:
        ValueError: It is no such record, its policy is not valid, or the hash is another's.
    """
    try:
        record = msgspec.json.decode(value, type=_Record)
        policy = msgspec.json.decode(record.policy, type=Policy)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ValueError(str(error)) from None
    if _hash(bytes(record.policy)) != record.hash:
        raise ValueError("its hash is not that of its policy")
    return AppliedPolicy(ts=record.ts, by=record.by, reason=record.reason, policy=policy, hash=record.hash)


def objection(change: PolicyChange, applied: AppliedPolicy | None, policy: Policy) -> str | None:
    """What speaks against ``change`` where ``policy`` is in force, ``applied`` or from a file; ``None`` where nothing does."""
    if change.replaces != (applied.hash if applied else ""):
        return "another policy has come into force meanwhile: look at what changes again"
    if change.policy == policy:
        return "this policy is in force already"
    if change.policy.version == policy.version:
        return f"the version {policy.version!r} is that of the policy in force: decisions would not tell them apart"
    return None


def toml_of(policy: Policy) -> str:
    """The policy as a file that :meth:`models.policy.Policy.parse` reads, every field on a line of its own.

    >>> toml_of(Policy(version="1")).splitlines()[:2]
    ['version = "1"', 'enforce.kinds = []']
    """
    return "".join(f"{name} = {dumps(value)}\n" for name, value in _fields(_built(policy)))


def differences(old: Policy, new: Policy) -> list[str]:
    """What changes from ``old`` to ``new``, a line for each field; of lists of names what comes and what goes.

    >>> differences(Policy(version="1"), Policy(version="2", never_block=("192.0.2.0/24",), max_legit_accounts=5))
    ['version: "1" -> "2"', 'never_block: + "192.0.2.0/24"', 'max_legit_accounts: 3 -> 5']
    """
    before, after = dict(_fields(_built(old))), dict(_fields(_built(new)))
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [f"{name}: {_difference(before.get(name), after.get(name))}" for name in changed]


def _difference(before: Any, after: Any) -> str:
    names = [each for each in (before, after) if isinstance(each, list | tuple) and all(isinstance(name, str) for name in each)]
    if len(names) == 2:  # noqa: PLR2004  # both are
        come, gone = ([each for each in these if each not in those] for these, those in ((after, before), (before, after)))
        return ", ".join([f"+ {dumps(each)}" for each in come] + [f"- {dumps(each)}" for each in gone]) or "another order"
    return " -> ".join("unset" if each is None else dumps(each) for each in (before, after))


def _built(policy: Policy) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(policy, order="deterministic")
    return built


def _fields(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Each field under its dotted key, as TOML writes it; what is ``None`` has no line there."""
    for key, value in table.items():
        name = above + (key if _BARE_KEY.fullmatch(key) else dumps(key))
        if isinstance(value, dict):
            yield from _fields(value, f"{name}.")
        elif value is not None:
            yield name, value


def _hash(canonical: bytes) -> str:
    return blake2b(canonical, digest_size=16).hexdigest()
