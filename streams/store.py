"""The decisions in memory, for everybody who carries them out: the LAPI side and the enforcement points.

Only what is enforced, not stopped, and outside the never-block set leaves here; which of that a reader can express is the
reader's affair (:mod:`streams.enforcement.express`).
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from models.decisions import MAX_DECISIONS, Decision, address_of, uuid_of
from models.ends import Ends
from models.ids import stable_id
from models.policy import Policy, Scope, network_of
from models.stops import NO_STOPS, Stops
from streams.enforcement.express import withheld

__all__ = ["AddressStore", "DecisionStore", "Delta", "Wanted", "lapi_id"]

#: A reader that has not asked for so long drops what has ended by itself.
_REMEMBER_ENDED_S: Final = 3600
#: Twice what the leader keeps. Beyond it what ended longest ago is forgotten; where all hold, new ones are left out.
_MAX_DECISIONS: Final = 2 * MAX_DECISIONS
#: 512 ranges of 256 addresses, about 140 MB; what is beyond them is withheld.
_MAX_ADDRESSES: Final = 1 << 17

Wanted = Callable[[Decision], bool]


def lapi_id(decision: Decision) -> int:
    """The integer by which bouncers know a decision: equal on every instance and after a restart, exact in JSON."""
    return int(decision.decision_id[:13], 16)


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed for a reader: ``new`` holds, ``deleted`` has ended, ``cursor`` is where to go on from."""

    new: list[Decision]
    deleted: list[Decision]
    cursor: int


@dataclass(slots=True)
class _Entry:
    """``scope`` is that of the decision which it stands for.

    Readers see what is ``suspended`` as ended, and what is ``spared``: the never-block set has come to speak against it.
    """

    decision: Decision
    scope: Scope
    acts: bool
    first: int
    changed: int
    ended: bool
    suspended: bool
    spared: bool = False

    @property
    def over(self) -> bool:
        return self.ended or self.suspended or self.spared


class DecisionStore:
    """Decisions in memory for readers, fed from Kafka or by a pipeline; safe to use from several threads.

    Every change that a reader can see gets the next number, an end that comes by itself too, so a reader's cursor is one
    number.

    Args:
        policy: Its never-block set is checked again here: no decision overrides it.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._lock = threading.Lock()
        self._changes = 0
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # the latest change last
        self._by_target: dict[tuple[str, str, str], set[str]] = {}
        self._due = Ends()  # when a decision ends, and then when it is forgotten
        self._stops = NO_STOPS

    @property
    def stops(self) -> Stops:
        """What is stopped."""
        return self._stops

    def stop(self, stops: Stops) -> None:
        """Suspend what ``stops`` say, and nothing else: readers are told that it ended, and on resuming that it is new."""
        with self._lock:
            self._stops = stops
            for entry in list(self._entries.values()):
                suspended = stops.suspend(entry.decision.scenario, entry.scope)
                if suspended != entry.suspended:
                    entry.suspended = suspended
                    if not entry.ended:
                        self._change(entry)

    def go_by(self, policy: Policy) -> None:
        """Keep to the never-block set of another policy: readers are told of what that ends and what it lets hold again."""
        with self._lock:
            self._policy = policy
            for entry in list(self._entries.values()):
                acts = self._acts(entry.decision)
                if acts and not entry.acts:
                    entry.acts, entry.first = True, self._changes + 1
                elif entry.spared == (entry.acts and not acts):
                    continue
                entry.spared = not acts
                if not entry.ended:
                    self._change(entry)

    def put(self, decision: Decision) -> None:
        """Take the newest state of a decision."""
        with self._lock:
            self._put(decision, decision.scope, self._acts(decision))

    def remove(self, decision_id: str) -> None:
        """Take a tombstone: a decision that still held ends now."""
        with self._lock:
            self._end(decision_id)

    def version(self, now: float) -> int:
        """The number of the latest change at ``now``."""
        with self._lock:
            self._sweep(now)
            return self._changes

    def active(self, now: float, wanted: Wanted) -> list[Decision]:
        """The enforced bans that hold at ``now``, the latest change last."""
        with self._lock:
            self._sweep(now)
            return [entry.decision for entry in self._entries.values() if _holds(entry) and wanted(entry.decision)]

    def count(self, now: float) -> Counter[tuple[str, str, str]]:
        """How many decisions hold at ``now``, by scope, type and mode; those that are not enforced too, the suspended not."""
        with self._lock:
            self._sweep(now)
            held = (entry.decision for entry in self._entries.values() if not (entry.ended or entry.suspended))
            return Counter((decision.scope, decision.type, decision.mode) for decision in held)

    def suspended(self, now: float) -> int:
        """How many enforced bans would hold at ``now`` if they were not stopped."""
        with self._lock:
            self._sweep(now)
            held = (entry for entry in self._entries.values() if not (entry.ended or entry.spared))
            return sum(entry.acts and entry.suspended for entry in held)

    def all(self, now: float, wanted: Wanted) -> list[Decision]:
        """What was decided and has not ended at ``now``, of any mode and type, suspended or not; the latest change last."""
        with self._lock:
            self._sweep(now)
            return [entry.decision for entry in self._entries.values() if not entry.ended and wanted(entry.decision)]

    def delta(self, cursor: int, now: float, wanted: Wanted, *, dedup: bool = True) -> Delta:
        """What changed after ``cursor`` (0: from the beginning).

        With ``dedup`` one decision stands for all on the same scope, type and value: the one that ends last. A value on
        which another decision still holds is not deleted. Where a later end takes the place of an earlier one, the value is
        in both lists: bouncers apply ``deleted`` first, and crowdsec-firewall-bouncer ignores what is already in its set,
        so that it would let go of an extended block at the first end.
        """
        with self._lock:
            self._sweep(now)
            touched = [entry for entry in self._since(cursor) if entry.acts and wanted(entry.decision)]
            delta = Delta([], [], self._changes)
            if dedup:
                for target in dict.fromkeys(_target(entry.decision) for entry in touched):
                    on_target = (self._entries[identifier] for identifier in self._by_target[target])
                    _tell([entry for entry in on_target if entry.acts and wanted(entry.decision)], cursor, delta)
            else:
                for entry in touched:
                    _tell([entry], cursor, delta)
            return delta

    def _acts(self, decision: Decision) -> bool:
        """Whether somebody is to carry ``decision`` out; nobody can where its address is none."""
        address = address_of(decision.scope, decision.value)
        enforced = decision.mode == "enforce" and decision.type == "ban"
        try:
            return enforced and (address is None or self._policy.may_block(address))
        except ValueError:
            return False

    def _put(self, decision: Decision, scope: Scope, acts: bool) -> None:
        old, lifted = self._entries.get(decision.decision_id), decision.lifted is not None
        if old is not None and (old.decision.until, old.ended) == (decision.until, lifted):
            old.decision = decision
            return
        if old is None and len(self._entries) >= _MAX_DECISIONS and not self._make_room():
            return
        first, suspended = old.first if old else self._changes + 1, self._stops.suspend(decision.scenario, scope)
        spared = old is not None and old.acts and not acts
        self._change(_Entry(decision, scope, acts or spared, first, 0, lifted, suspended, spared))
        self._by_target.setdefault(_target(decision), set()).add(decision.decision_id)
        self._due.put(decision.decision_id, decision.until)

    def _make_room(self) -> bool:
        """Forget what ended longest ago; whether there was such a one."""
        ended = next((entry.decision for entry in self._entries.values() if entry.ended), None)
        if ended is not None:
            self._forget(ended)
        return ended is not None

    def _end(self, decision_id: str) -> None:
        entry = self._entries.get(decision_id)
        if entry is not None and not entry.ended:
            entry.ended = True
            self._change(entry)

    def _since(self, cursor: int) -> list[_Entry]:
        newest_first = []
        for entry in reversed(self._entries.values()):
            if entry.changed <= cursor:
                break
            newest_first.append(entry)
        return newest_first[::-1]

    def _change(self, entry: _Entry) -> None:
        self._changes += 1
        entry.changed = self._changes
        self._entries[entry.decision.decision_id] = entry
        self._entries.move_to_end(entry.decision.decision_id)

    def _sweep(self, now: float) -> None:
        """End what has passed, and forget what ended long ago."""
        while (identifier := self._due.pop(now)) is not None:
            entry = self._entries[identifier]
            forget_at = entry.decision.until + _REMEMBER_ENDED_S
            if forget_at <= now:
                self._forget(entry.decision)
                continue
            self._end(identifier)
            self._due.put(identifier, forget_at)

    def _forget(self, decision: Decision) -> None:
        del self._entries[decision.decision_id]
        self._due.remove(decision.decision_id)
        target = _target(decision)
        self._by_target[target].discard(decision.decision_id)
        if not self._by_target[target]:
            del self._by_target[target]


class AddressStore(DecisionStore):
    """The same for bouncers that ignore the mask of a range: IPv4 only, and every address by itself.

    crowdsec-firewall-bouncer in its nftables mode takes 198.51.100.0/24 for 198.51.100.0.
    """

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._parts: dict[str, list[str]] = {}  # id of a decision -> ids of what stands for it here

    def put(self, decision: Decision) -> None:
        """Take the newest state of a decision, unless it cannot be expressed so or there is no room for it."""
        if not self._acts(decision) or withheld("lapi_addresses", decision):
            return
        with self._lock:
            network = network_of(decision.value)
            if decision.decision_id not in self._parts and len(self._entries) + network.num_addresses > _MAX_ADDRESSES:
                return
            parts = [_of_address(decision, str(address)) for address in network]
            self._parts[decision.decision_id] = [part.decision_id for part in parts]
            for part in parts:
                self._put(part, decision.scope, acts=True)

    def remove(self, decision_id: str) -> None:
        """Take a tombstone: what stands for a decision that still held ends now."""
        with self._lock:
            for identifier in self._parts.get(decision_id, ()):
                self._end(identifier)

    def holds(self, decision_id: str) -> bool:
        """Whether there was room for the decision."""
        with self._lock:
            return decision_id in self._parts

    def _sweep(self, now: float) -> None:
        before = len(self._entries)
        super()._sweep(now)
        if len(self._entries) < before:
            self._parts = {known: parts for known, parts in self._parts.items() if parts[0] in self._entries}


def _of_address(decision: Decision, address: str) -> Decision:
    """``decision`` about one ``address`` of its range."""
    if decision.scope == "ip":
        return decision
    identifier = stable_id(decision.decision_id, address)
    return msgspec.structs.replace(decision, decision_id=identifier, uuid=uuid_of(identifier), scope="ip", value=address)


def _tell(on_target: list[_Entry], cursor: int, delta: Delta) -> None:
    """Add to ``delta`` what a reader at ``cursor`` has to do about one target, given every entry on it."""
    holding = max(filter(_holds, on_target), key=_rank, default=None)
    ended = max((entry for entry in on_target if entry.over and entry.changed > cursor), key=_rank, default=None)
    told = (entry for entry in on_target if entry.first <= cursor and not (entry.over and entry.changed <= cursor))
    replaced = max(told, key=_rank, default=None)
    if holding is None:
        delta.deleted.extend([ended.decision] if ended else [])
    elif holding.changed > cursor:
        delta.deleted.extend([replaced.decision] if replaced else [])
        delta.new.append(holding.decision)
    elif ended is not None and ended.decision.until > holding.decision.until:
        delta.deleted.append(ended.decision)
        delta.new.append(holding.decision)


def _target(decision: Decision) -> tuple[str, str, str]:
    return decision.scope, decision.type, decision.value


def _holds(entry: _Entry) -> bool:
    return entry.acts and not entry.over


def _rank(entry: _Entry) -> tuple[float, str]:
    """Longer first."""
    return entry.decision.until, entry.decision.decision_id
