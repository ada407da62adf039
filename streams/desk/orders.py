"""Orders on ``auth.control``: a service writes one for a person, the leader reads it, carries it out and removes it.

Entries of the allow list are there too; a new one lifts what refuses whom it names. So are orders to forget an account; the policy,
the breaker and re-openings, which only the leader writes; whom the gates refuse by verdict, which counts in the budget; and how far
the workers are, which tells that somebody counts.

The leader writes what it lifted, the note for ``auth.audit`` and the order's tombstone in one transaction, so that an order is
carried out once, whoever leads, and none is carried out anew on what was decided after it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from models import forgetting, lists
from models.alerts import Alert
from models.applied_policy import POLICY_KEY, AppliedPolicy
from models.breaker import BREAKER_KEY, Breaker
from models.breaker import SCHEMA as BREAKER_SCHEMA
from models.campaigns import Campaign
from models.forgetting import FORGET_PREFIX, Forget
from models.frames import CAMPAIGN_SCHEMA
from models.lists import LIST_PREFIX, ListEntry, Lists, has_room
from models.orders import ORDER_PREFIX, SCHEMA, Order
from models.policy import Scope
from models.refused import REFUSED_PREFIX, SHADOW_PREFIX, RefusedSlot
from models.refused import SCHEMA as REFUSED_SCHEMA
from models.reopening import REOPENING_PREFIX, Reopening, Reopenings
from models.reopening import SCHEMA as REOPENING_SCHEMA
from models.why import JudgedAttack
from streams import telemetry, topics
from streams.compacted import CompactedReader, Record, decoded
from streams.desk.current_policy import CurrentPolicy, applied_in
from streams.settings import Settings
from streams.stages import CAMPAIGN_KEY
from streams.watermarks import CONTROL_PREFIX
from streams.writing import TopicWriter, Written

__all__ = ["ControlTopic", "ControlView", "Heartbeats", "Orders"]

#: Workers tell how far they are every second.
_SILENT_S: Final = 60.0
_MS_PER_S: Final = 1000
#: Campaigns of which support is told, the newest: more than a week has.
_MOST_ATTACKS: Final = 1024

Value = TypeVar("Value")


class ControlTopic:
    """Writes orders, and entries of people's lists, to ``auth.control``.

    Args:
        settings: Where the broker is.
    """

    def __init__(self, settings: Settings) -> None:
        self._orders, self._entries, self._forgets = (
            TopicWriter(settings, "auth.control", schema) for schema in (SCHEMA, lists.SCHEMA, forgetting.SCHEMA)
        )

    def order(self, order: Order) -> None:
        """Return when the broker has it.

        Raises:
            CribleError: It does not take it in time.
        """
        self._orders.send([Written(order.key, msgspec.json.encode(order), order.ts)])

    def list(self, entry: ListEntry) -> None:
        """Return when the broker has it.

        Raises:
            CribleError: It does not take it in time.
        """
        self._entries.send([Written(entry.key, msgspec.json.encode(entry), entry.ts)])

    def forget(self, forget: Forget) -> None:
        """Return when the broker has it.

        Raises:
            CribleError: It does not take it in time.
        """
        self._forgets.send([Written(forget.key, msgspec.json.encode(forget), forget.ts)])

    def close(self) -> None:
        """Leave the broker."""
        self._orders.close()
        self._entries.close()
        self._forgets.close()


class Heartbeats:
    """Whether every partition of ``auth.events`` has a worker: where nobody counts, no alerts are no good sign.

    Args:
        settings: How many partitions there are.
    """

    def __init__(self, settings: Settings) -> None:
        self._partitions = topics.partitions(settings, "auth.events")
        self._told: dict[str, float] = {}  # key of a partition -> when its worker said last how far it is

    def take(self, key: str, record: Record) -> None:
        """Take over a record of ``auth.control``."""
        if key.startswith(CONTROL_PREFIX):
            self._told[key] = record.timestamp / _MS_PER_S

    def all_beat(self, now: float) -> bool:
        """Whether all have told within the last minute before ``now``, UTC seconds."""
        return sum(now - told <= _SILENT_S for told in list(self._told.values())) >= self._partitions


class ControlView:
    """What every service shows of ``auth.control``: people's lists, re-openings, the breaker, the policy, whether workers count.

    Args:
        settings: How many partitions there are.
        policy: Is told of each record of the policy.

    Attributes:
        block_list: Its entries, those that have ended too. This, ``reopenings`` and ``attacks`` are other objects after each
            change: other threads are reading the old ones.
        reopenings: By decision.
        attacks: Campaigns, by id, the newest last.
    """

    def __init__(self, settings: Settings, policy: CurrentPolicy) -> None:
        self.policy = policy
        self._lists, self.heartbeats = Lists(), Heartbeats(settings)
        self.block_list: list[ListEntry] = []
        self._allow_list: list[ListEntry] = []
        self.reopenings: dict[str, Reopening] = {}
        self.attacks: dict[str, JudgedAttack] = {}
        self.breaker = Breaker()
        self._changing = threading.Lock()  # of ``attacks``

    @property
    def gives_verdicts(self) -> bool | None:
        """Whether gates judge log-ins one by one; ``None`` where the policy never does."""
        return self.breaker.opened is None if "campaign" in self.policy.value.enforce.kinds else None

    def spares(self, scope: Scope, value: str, now: float) -> bool:
        """Whether the allow list speaks against a decision on ``value``."""
        return any(now < entry.until and entry.spares(scope, value) for entry in self._allow_list)

    def has_room(self, entry: ListEntry, now: float) -> bool:
        """Whether its list takes ``entry``."""
        return has_room(entry, [*self.block_list, *self._allow_list], now)

    def take(self, records: Iterable[Record]) -> None:
        """Take over records of the topic."""
        for record in records:
            key = _key(record)
            self.heartbeats.take(key, record)
            if key.startswith(LIST_PREFIX):
                _take_entry(self._lists, key, record)
                self.block_list, self._allow_list = self._lists.entries("block"), self._lists.entries("allow")
            elif key.startswith(REOPENING_PREFIX):
                reopening = decoded(record, REOPENING_SCHEMA, Reopening)
                others = {known: each for known, each in self.reopenings.items() if known != _decision_id(key)}
                self.reopenings = others if reopening is None else others | {_decision_id(key): reopening}
            elif key == BREAKER_KEY:
                self.breaker = _breaker_in(record)
                telemetry.BREAKER.set(self.breaker.opened is not None)
            elif key == POLICY_KEY:
                self.policy.take(record)
            elif key == CAMPAIGN_KEY:
                self._take_attack(record)

    def _take_attack(self, record: Record) -> None:
        campaign = decoded(record, CAMPAIGN_SCHEMA, Campaign, msgspec.msgpack.decode)
        if campaign is not None:
            told = JudgedAttack(
                campaign_id=campaign.campaign_id, kind=campaign.kind, first_ts=campaign.first_ts, until_ts=campaign.until_ts
            )
            with self._changing:
                others = [each for identifier, each in self.attacks.items() if identifier != told.campaign_id]
                self._keep([*others, told])

    def recall(self, alert: Alert) -> None:
        """Take over a campaign from its alert: ``auth.control`` has only the last one. Other threads may read meanwhile."""
        if alert.kind != "campaign" or alert.campaign_id is None:
            return
        told = JudgedAttack(
            campaign_id=alert.campaign_id, kind=alert.cause or alert.kind, first_ts=alert.first_ts, until_ts=alert.ts
        )
        with self._changing:
            known = self.attacks.get(told.campaign_id)
            if known is None or known.until_ts < told.until_ts:
                others = [each for each in self.attacks.values() if each.campaign_id != told.campaign_id]
                self._keep(sorted([*others, told], key=lambda each: each.until_ts))

    def _keep(self, attacks: list[JudgedAttack]) -> None:
        self.attacks = {each.campaign_id: each for each in attacks[-_MOST_ATTACKS:]}


class Orders:
    """What the leader has to know after it fenced the last: orders that wait, the earliest first, lists, and what that one wrote.

    Args:
        settings: Where the broker is.

    Raises:
        KafkaError: No broker, or it refused.
    """

    def __init__(self, settings: Settings) -> None:
        self.waiting: dict[str, Order] = {}
        self.reopenings = Reopenings()
        self.heartbeats = Heartbeats(settings)
        self.lists = Lists()
        self.breaker = Breaker()
        self.policy: AppliedPolicy | None = None
        self.allowed: list[ListEntry] = []
        self.forgets: dict[str, Forget] = {}
        self.refused: dict[str, RefusedSlot] = {}
        self.refused_anew: dict[str, RefusedSlot | None] = {}
        self._told_in_shadow: dict[str, float] = {}  # key of a gate's day -> when it was told last
        self._reader = CompactedReader(settings, "auth.control")
        try:
            # An order may be followed by its tombstone: none is waiting before all has been read.
            while not self._reader.caught_up():
                self._take(self._reader.poll(), starting=True)
        except BaseException:
            self.close()
            raise

    def look(self) -> None:
        """Take what has come, without waiting."""
        self._take(self._reader.poll(timeout_ms=0))

    def close(self) -> None:
        """Leave the broker."""
        self._reader.close()

    def carried_out(self) -> None:
        """Everything that waited has been done, and what was told anew taken in."""
        self.waiting.clear()
        self.allowed.clear()
        self.forgets.clear()
        self.refused_anew.clear()

    def ended_refused(self, before: float) -> list[str]:
        """The keys of the gates' records of whom verdicts refused last before a time."""
        return [key for key, refused in self.refused.items() if refused.last_ts < before]

    def ended_in_shadow(self, before: float) -> list[str]:
        """The keys of the gates' records of whom verdicts would have refused last before a time."""
        return [key for key, told_ts in self._told_in_shadow.items() if told_ts < before]

    def _take(self, records: Iterable[Record], *, starting: bool = False) -> None:
        for record in records:
            key = _key(record)
            self.heartbeats.take(key, record)
            if starting:  # what comes of these later was written by this leader, and may be older than what it knows
                self._take_over(key, record)
            if key == BREAKER_KEY:
                self.breaker = _breaker_in(record)
            elif key.startswith(ORDER_PREFIX):
                _put(self.waiting, key, decoded(record, SCHEMA, Order))
            elif key.startswith(FORGET_PREFIX):
                _put(self.forgets, key, decoded(record, forgetting.SCHEMA, Forget))
            elif key.startswith(REFUSED_PREFIX):
                self.refused_anew[key] = decoded(record, REFUSED_SCHEMA, RefusedSlot, msgspec.msgpack.decode)
                _put(self.refused, key, self.refused_anew[key])
            elif key.startswith(SHADOW_PREFIX):
                _put(self._told_in_shadow, key, None if record.value is None else record.timestamp / _MS_PER_S)
            else:
                entry = _take_entry(self.lists, key, record)
                if entry is not None and entry.list == "allow":
                    self.allowed.append(entry)

    def _take_over(self, key: str, record: Record) -> None:
        """Take what only leaders write from the last of them."""
        if key.startswith(REOPENING_PREFIX):
            self.reopenings.load(_decision_id(key), decoded(record, REOPENING_SCHEMA, Reopening))
        elif key == POLICY_KEY:
            self.policy = applied_in(record) or self.policy


def _put(held: dict[str, Value], key: str, value: Value | None) -> None:
    """Keep the newest state under ``key``, as the newest; none where there is none."""
    held.pop(key, None)
    if value is not None:
        held[key] = value


def _key(record: Record) -> str:
    return (record.key or b"").decode("utf-8", "replace")


def _breaker_in(record: Record) -> Breaker:
    """The breaker that a record tells of; closed where it cannot be read."""
    return decoded(record, BREAKER_SCHEMA, Breaker) or Breaker()


def _decision_id(key: str) -> str:
    return key.removeprefix(REOPENING_PREFIX)


def _take_entry(lists_: Lists, key: str, record: Record) -> ListEntry | None:
    """Take over an entry; ``None`` where the record is none, or takes one back."""
    if not key.startswith(LIST_PREFIX):
        return None
    entry = decoded(record, lists.SCHEMA, ListEntry)
    lists_.take(key, entry)
    return entry
