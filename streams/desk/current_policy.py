"""The policy by which a service goes: the newest good record under ``policy/current`` of ``auth.control``, else its file's.

A record holds from where it is read on, for every process that reads ``auth.control``, and over restarts: the file is what holds
until somebody has put a policy in force. What cannot be understood is reported and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from models.applied_policy import POLICY_KEY, SCHEMA, AppliedPolicy, decode_applied, policy_hash
from models.policy import Policy
from streams import telemetry
from streams.compacted import Record, is_of

__all__ = ["POLICY_KEY", "CurrentPolicy", "applied_in"]

_FILE, _CONTROL = "file", "auth.control"


class CurrentPolicy:
    """See the module's text.

    Args:
        policy: What holds until a record says otherwise.
        listeners: Told of each that takes its place, in the thread that reads.

    Attributes:
        value: The policy in force.
        applied: Who put it in force; ``None`` where it is the file's.
    """

    def __init__(self, policy: Policy, listeners: Sequence[Callable[[Policy], None]] = ()) -> None:
        self.value, self._listeners = policy, listeners
        self.applied: AppliedPolicy | None = None
        self._measure()

    @property
    def hash(self) -> str:
        """That of the policy in force."""
        return self.applied.hash if self.applied else policy_hash(self.value)

    @property
    def described(self) -> dict[str, str]:
        """What ``/ready`` says of it."""
        return {"policy": self.value.version, "policy_hash": self.hash, "policy_from": _CONTROL if self.applied else _FILE}

    def take(self, record: Record) -> None:
        """Go by what a record says from now on, unless it cannot be understood."""
        applied = applied_in(record)
        if applied is None or applied == self.applied:
            return
        self.applied, self.value = applied, applied.policy
        for listener in self._listeners:
            listener(applied.policy)
        self._measure()
        telemetry.info("policy.changed", version=applied.policy.version, name=applied.by, reason=f"{_CONTROL} goes before the file")

    def _measure(self) -> None:
        telemetry.POLICY.clear()
        telemetry.POLICY.labels(self.value.version, self.hash, _CONTROL if self.applied else _FILE).set(1)


def applied_in(record: Record) -> AppliedPolicy | None:
    """The policy that a record tells of; ``None``, with a line in the log, where it cannot be understood."""
    reason = "another_schema"
    if is_of(record, SCHEMA):
        try:
            return decode_applied(record.value or b"")
        except ValueError:
            reason = "not_policy"
    telemetry.error("record.refused", reason=reason, topic=record.topic, partition=record.partition, offset=record.offset)
    return None
