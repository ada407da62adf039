"""The leader of the blocking service: alerts in, decisions out, in one transaction with the place in the alerts.

``auth.alerts`` has one partition, so its consumer group has one active member. Decisions and the offset of their alerts go out in
one transaction under a fixed ``transactional.id``, which fences an older leader (KIP-98, KIP-447). A new leader rebuilds its
ledger from the compacted topic before it acts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final, TypedDict

import msgspec
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import CommitFailedError, InvalidProducerEpochError, KafkaError, ProducerFencedError

from models import alerts, applied_policy, decisions, forgetting, lists, notices, refused
from models.accounts import Groups
from models.alerts import Alert
from models.applied_policy import POLICY_KEY, encode_applied
from models.breaker import BREAKER_KEY
from models.breaker import SCHEMA as BREAKER_SCHEMA
from models.decisions import DAY_S, KEEP_S, Decision
from models.errors import CribleError
from models.forgetting import Forget, forget
from models.ledger import Ledger
from models.orders import AUDIT_SCHEMA, Audit, carry_out, let_in, note_made, note_moves
from models.orders import SCHEMA as ORDER_SCHEMA
from models.policy import Policy, Scope
from models.reopening import REOPENING_PREFIX
from models.reopening import SCHEMA as REOPENING_SCHEMA
from streams import telemetry, topics
from streams.compacted import CompactedReader, Record
from streams.desk.orders import Orders
from streams.learnt import Learnt
from streams.settings import Settings

__all__ = ["Brake", "DecisionReader", "Member"]

_HEADER: Final = "crible-schema"
_STAGE: Final = "block"
_POLL_MS: Final = 500
_MAX_POLL_RECORDS: Final = 500
_RECONNECT_MS: Final = 1000
_MS_PER_S: Final = 1000
_HEARTBEATS_PER_SESSION: Final = 3
_TRANSACTION_TIMEOUT_MS: Final = 30_000
#: A commit waits without a limit of its own; once its records are given up it fails, and the leader begins anew.
_REQUEST_TIMEOUT_MS: Final = 10_000
_DELIVERY_TIMEOUT_MS: Final = 20_000
_CLOSE_LIMIT_S: Final = 5
_TOMBSTONES_EVERY_S: Final = 60
#: An entry of a list is removed this long after its end: no gate is then just about to make the same anew.
_KEEP_ENTRIES_S: Final = 3600
_BRAKE_AFTER: Final = 5
#: With our headers the longest record that the broker took would be too long for it.
_MAX_BURIED_BYTES: Final = 1_000_000
#: A broker that answers and still refuses is asked again so often, with a longer pause each time.
_MAX_REFUSALS: Final = 8
_BACK_OFF_S: Final = 0.25

Clock = Callable[[], float]


class Brake:
    """Stops the process once our own code has failed on several alerts in a row.

    Otherwise a bug would empty the topic into the dead letters. Refused input does not count.
    """

    def __init__(self) -> None:
        self._failed = 0

    def worked(self) -> None:
        """An alert was applied."""
        self._failed = 0

    def failed(self, error: Exception, where: str) -> None:
        """Our code raised ``error`` on the alert at ``where``.

        Raises:
            CribleError: That was one too many.
        """
        self._failed += 1
        if self._failed >= _BRAKE_AFTER:
            telemetry.error("dead_letters.braked", error, stage=_STAGE)
            raise CribleError(
                f"deciding failed on {self._failed} alerts in a row, at last with {type(error).__name__}",
                where=where,
                hint="the log has the place in the code",
            ) from error


class _Refused(Exception):
    """A record that cannot be used; the text is a code for the dead letters."""


class DecisionReader(CompactedReader):
    """Reads ``auth.decisions`` whole, and goes on reading it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, "auth.decisions")
        self._decoder = msgspec.json.Decoder(Decision)

    def decisions(self) -> Iterator[tuple[str, Decision | None]]:
        """The next records: id and decision, or ``None`` for a tombstone.

        Raises:
            CribleError: A newer version of Crible wrote a record.
        """
        for record in self.poll():
            try:
                _check_schema(record, decisions.SCHEMA)
                decision = None if record.value is None else self._decoder.decode(record.value)
            except _Refused as refusal:
                raise CribleError(f"cannot read a decision: {refusal}", where=_place(record), hint="upgrade crible") from None
            except msgspec.DecodeError:
                telemetry.error("record.refused", reason="not_a_decision", **_position(record))
            else:
                yield record.key.decode("utf-8", "replace"), decision


class _Leader:
    """Decides, for as long as the group stays as it is.

    Raises:
        KafkaError: The broker refused; the transaction is left to the next leader, who aborts it.
    """

    def __init__(
        self,
        settings: Settings,
        policy: Policy,
        groups: Groups,
        learnt: Learnt,
        consumer: KafkaConsumer,
        partition: TopicPartition,
        clock: Clock,
    ) -> None:
        started = time.monotonic()
        self._consumer, self._partition, self._clock = consumer, partition, clock
        self._decisions, self._dead_letters, self._audit, self._control, self._profiles, self._notices = (
            topics.topic(settings, f"auth.{name}") for name in ("decisions", "dlq", "audit", "control", "profiles", "notices")
        )
        self._decoder = msgspec.json.Decoder(Alert)
        self._tombstones_at = 0.0
        self._member = consumer.group_metadata()
        self._look_at_scopes = learnt.look_at_scopes
        # Fence the last leader, then read what it decided: in this order nothing can be added unseen.
        self._producer = KafkaProducer(
            **_client_options(settings),
            transactional_id=f"{settings.kafka.prefix}crible-block",
            transaction_timeout_ms=_TRANSACTION_TIMEOUT_MS,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            delivery_timeout_ms=_DELIVERY_TIMEOUT_MS,
        )
        try:
            self._producer.init_transactions()
            self._ledger = _rebuilt(Ledger(policy, groups, learnt.profiles.find, self._spared, learnt.scopes.users), settings)
            committed = consumer.committed(partition)
            if committed is None:
                consumer.seek_to_beginning(partition)
            else:
                consumer.seek(partition, committed)
            self._orders = Orders(settings)  # last: nothing that fails after it would leave it open
            self._ledger.breaker = self._breaker = self._orders.breaker
            if self._orders.policy is not None:
                self._ledger.go_by(self._orders.policy)
            self._applied = self._ledger.applied
        except BaseException:
            self._producer.close(timeout=_CLOSE_LIMIT_S)
            raise
        telemetry.LEADER.set(1)
        telemetry.info("leader.elected", keys=len(self._ledger), seconds=round(time.monotonic() - started, 3))

    def holds(self) -> bool:
        """Whether the group is still the one that gave us the partition."""
        return bool(self._member.generation_id == self._consumer.group_metadata().generation_id)

    def close(self) -> None:
        """Decide no more."""
        telemetry.LEADER.set(0)
        self._producer.close(timeout=_CLOSE_LIMIT_S)
        self._orders.close()

    def decide(self, records: list[Record], brake: Brake) -> bool:
        """Carry out orders, apply alerts, let old decisions go; all that follows and the offset are sent together or not at all.

        Returns:
            Whether the ledger can be used further. It cannot after our own code failed: it may hold half an alert.
        """
        orders = self._orders
        orders.look()
        waiting = records or orders.waiting or orders.allowed or orders.forgets or orders.reopenings or orders.refused_anew
        if not waiting and self._clock() < self._tombstones_at:
            return True
        if records:
            self._look_at_scopes()
        self._producer.begin_transaction()
        made = self._carry_out(orders)
        self._keep_policy()
        intact = True
        for record in records:
            next_offset = OffsetAndMetadata(record.offset + 1, "", -1)
            try:
                made += self._apply(record)
                brake.worked()
            except _Refused as refusal:
                self._bury(record, str(refusal), refusal)
            except Exception as error:
                brake.failed(error, _place(record))
                self._bury(record, "our_own_failure", error)
                intact = False
                break
        self._keep_breaker()
        made += self._reopen(made)
        self._let_go()
        if records:
            self._producer.send_offsets_to_transaction({self._partition: next_offset}, self._member)
        self._producer.commit_transaction()
        _tell(made)
        return intact

    def _spared(self, scope: Scope, value: str, now: float) -> bool:
        return self._orders.lists.spares(scope, value, now)

    def _carry_out(self, orders: Orders) -> list[Decision]:
        now = self._clock()
        done = [carry_out(order, self._ledger, orders.reopenings, now) for order in orders.waiting.values()]
        done += [let_in(entry, self._ledger, now) for entry in orders.allowed]
        changed = [decision for decided, _ in done for decision in decided]
        self._write_down(changed, [note for _, notes in done for note in notes], now)
        for key in orders.waiting:
            self._write(self._control, ORDER_SCHEMA, key, None, now)
        for order in orders.forgets.values():
            self._forget(order, now)
        to_shadow = self._ledger.count_refused(orders.refused_anew, now) if orders.refused_anew else []
        self._write_down(to_shadow, note_made(to_shadow, now), now)
        orders.carried_out()
        return changed + to_shadow

    def _reopen(self, made: Iterable[Decision]) -> list[Decision]:
        """Let re-openings go on, or a step back, after what has just been decided; what is open to everybody is lifted."""
        reopenings, now = self._orders.reopenings, self._clock()
        for decision in made:
            if decision.lifted is not None:
                reopenings.end(decision.decision_id)
        moves = reopenings.turn(now, detecting=self._has_read_all() and self._orders.heartbeats.all_beat(now))
        open_to_all = [move.decision_id for move in moves if move.action == "reopened"]
        lifted = [decision for identifier in open_to_all for decision in self._ledger.lift(identifier, now, "reopening")]
        self._write_down(lifted, note_moves(moves, now), now)
        for identifier, reopening in reopenings.take_changed().items():
            value = None if reopening is None else msgspec.json.encode(reopening)
            self._write(self._control, REOPENING_SCHEMA, REOPENING_PREFIX + identifier, value, now)
        for move in moves:
            telemetry.info("reopening.moved", decision_id=move.decision_id, name=move.action)
        return lifted

    def _has_read_all(self) -> bool:
        """Whether no alert waits to be read."""
        end: int = self._consumer.end_offsets([self._partition])[self._partition]
        return bool(self._consumer.position(self._partition) >= end)

    def _write_down(self, changed: Iterable[Decision], notes: Iterable[Audit], now: float) -> None:
        for decision in changed:
            self._send(decision.decision_id, msgspec.json.encode(decision), now)
        for note in notes:
            self._write(self._audit, AUDIT_SCHEMA, note.decision_id, msgspec.json.encode(note), now)

    def _keep_policy(self) -> None:
        """Write down that another policy is in force; the alerts that follow are decided by it."""
        applied = self._ledger.applied
        if applied is None or applied == self._applied:
            return
        self._applied = applied
        self._write(self._control, applied_policy.SCHEMA, POLICY_KEY, encode_applied(applied), applied.ts)

    def _keep_breaker(self) -> None:
        """Write down that the breaker has opened or been closed; what it did is among the decisions."""
        breaker, now = self._ledger.breaker, self._clock()
        if breaker == self._breaker:
            return
        self._breaker = breaker
        self._write(self._control, BREAKER_SCHEMA, BREAKER_KEY, msgspec.json.encode(breaker), now)
        if breaker.opened is None:
            telemetry.info("breaker.closed")
            return
        note = Audit(ts=now, decision_id=breaker.decision_id, action="open_breaker", by="breaker", reason=breaker.reason)
        self._write(self._audit, AUDIT_SCHEMA, note.decision_id, msgspec.json.encode(note), now)
        telemetry.error("breaker.opened", decision_id=breaker.decision_id, reason=breaker.reason)

    def _forget(self, order: Forget, now: float) -> None:
        """Tombstones for all that can be rewritten and names the account, and for the order, which names it too."""
        gone, entries, notes = forget(order, self._ledger, self._orders.lists.all(), now)
        for identifier in gone:
            self._send(identifier, None, now)
        for key in entries:
            self._write(self._control, lists.SCHEMA, key, None, now)
        for note in notes:
            self._write(self._audit, AUDIT_SCHEMA, note.decision_id, msgspec.json.encode(note), now)
        self._write(self._profiles, forgetting.SCHEMA, order.account, None, now)
        self._write(self._control, forgetting.SCHEMA, order.key, None, now)
        telemetry.info("account.forgotten", name=order.by, records=len(gone) + len(entries))

    def _apply(self, record: Record) -> list[Decision]:
        _check_schema(record, alerts.SCHEMA)
        try:
            alert = self._decoder.decode(record.value or b"")
        except msgspec.DecodeError:
            raise _Refused("not_an_alert") from None
        made = self._ledger.apply(alert, self._clock())
        values = [msgspec.json.encode(decision) for decision in made]  # all of them before the first is sent
        for decision, value in zip(made, values, strict=True):
            self._send(decision.decision_id, value, alert.ts)
        self._write_down([], note_made(made, self._clock()), self._clock())
        for notice in notices.notices_of(made, alert.ts):
            self._write(self._notices, notices.SCHEMA, notice.account, msgspec.json.encode(notice), alert.ts)
        self._orders.reopenings.note_alert(alert)
        telemetry.WATERMARK_TIMESTAMP_SECONDS.labels(_STAGE, "0").set(alert.ts)
        return made

    def _let_go(self) -> None:
        now = self._clock()
        self._tombstones_at = now + _TOMBSTONES_EVERY_S
        for identifier in self._ledger.expired(now):
            self._send(identifier, None, now)
        for key in self._orders.lists.ended(now - _KEEP_ENTRIES_S):
            self._write(self._control, lists.SCHEMA, key, None, now)
        for key in self._orders.ended_refused(now - DAY_S):
            self._write(self._control, refused.SCHEMA, key, None, now)
        for key in self._orders.ended_in_shadow(now - KEEP_S):
            self._write(self._control, refused.SCHEMA, key, None, now)

    def _send(self, identifier: str, value: bytes | None, ts: float) -> None:
        self._write(self._decisions, decisions.SCHEMA, identifier, value, ts)

    def _write(self, topic: str, schema: str, key: str, value: bytes | None, ts: float) -> None:
        headers = [(_HEADER, schema.encode())]
        self._producer.send(topic, key=key.encode(), value=value, headers=headers, timestamp_ms=int(ts * _MS_PER_S))

    def _bury(self, record: Record, reason: str, error: Exception) -> None:
        """The record as it came, to the dead letters."""
        about = {
            "dlq.topic": record.topic,
            "dlq.partition": str(record.partition),
            "dlq.offset": str(record.offset),
            "dlq.error": type(error).__name__,
            "dlq.reason": reason,
            "dlq.stage": _STAGE,
        }
        headers = [*record.headers, *((name, text.encode()) for name, text in about.items())]
        value = record.value and record.value[:_MAX_BURIED_BYTES]
        self._producer.send(self._dead_letters, key=record.key, value=value, headers=headers)
        telemetry.DEAD_LETTERS.labels(_STAGE, reason).inc()
        telemetry.warning("record.refused", reason=reason, **_position(record))


class Member:
    """A member of the group on ``auth.alerts``: leads while the group gives it the partition."""

    def __init__(self, settings: Settings, policy: Policy, groups: Groups, learnt: Learnt, clock: Clock) -> None:
        self._settings, self._policy, self._groups, self._learnt, self._clock = settings, policy, groups, learnt, clock
        self._partition = TopicPartition(topics.topic(settings, "auth.alerts"), 0)
        self._leader: _Leader | None = None
        self._brake = Brake()

    def run(self, stop: threading.Event) -> None:
        """Wait for the partition, and decide while this instance has it, until ``stop``.

        Raises:
            CribleError: Another leader fenced this one, the brake, or a broker that answers and refuses.
        """
        consumer, refusals = self._join(), 0
        try:
            while not stop.is_set():
                try:
                    refusals = 0 if self._step(consumer) else refusals
                except (ProducerFencedError, InvalidProducerEpochError):
                    raise CribleError(
                        "another instance has taken over the decisions", hint="start this one again: it will serve reads"
                    ) from None
                except CommitFailedError:
                    self._step_down()  # the group has moved on; the next poll says where to
                except KafkaError as error:
                    self._step_down()
                    refusals += 1
                    if refusals > _MAX_REFUSALS:
                        raise CribleError(f"the broker refused: {error}", where=self._settings.kafka.bootstrap) from error
                    self._await_broker(stop)
                    stop.wait(_BACK_OFF_S * 2**refusals)
        finally:
            self._step_down()
            consumer.close()

    def _await_broker(self, stop: threading.Event) -> None:
        """Return once a broker answers. While none does, what was decided is served and ends on time: no reason to end."""
        while not stop.is_set():
            with suppress(CribleError), topics.admin(self._settings):
                return

    def _join(self) -> KafkaConsumer:
        kafka = self._settings.kafka
        session_ms = int(kafka.session_timeout_s * _MS_PER_S)
        consumer = KafkaConsumer(
            **_client_options(self._settings),
            group_id=f"{kafka.prefix}{kafka.group}-block",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // _HEARTBEATS_PER_SESSION,
            max_poll_records=_MAX_POLL_RECORDS,
        )
        consumer.subscribe([self._partition.topic])
        return consumer

    def _step(self, consumer: KafkaConsumer) -> bool:
        """One poll and what follows from it; whether alerts were decided on."""
        records = consumer.poll(timeout_ms=_POLL_MS).get(self._partition, [])
        if self._partition not in consumer.assignment():
            self._step_down()
            return False
        if self._leader is None or not self._leader.holds():
            self._step_down()
            if not self._learnt.complete.is_set():
                return False  # an account of which nothing is known is guarded by people alone
            knows = self._settings, self._policy, self._groups, self._learnt
            self._leader = _Leader(*knows, consumer, self._partition, self._clock)
            return False  # what was polled is read again, from the offset that the last leader committed
        if not self._leader.decide(records, self._brake):
            self._step_down()
        return bool(records)

    def _step_down(self) -> None:
        if self._leader is not None:
            self._leader.close()
            self._leader = None


def _rebuilt(ledger: Ledger, settings: Settings) -> Ledger:
    """``ledger`` with everything that has been decided."""
    reader = DecisionReader(settings)
    try:
        while not reader.caught_up():
            for identifier, decision in reader.decisions():
                ledger.load(identifier, decision)
    finally:
        reader.close()
    return ledger


def _client_options(settings: Settings) -> dict[str, Any]:
    """After the broker was away, readers are back within a second; the library's own limit is 30."""
    return {**settings.kafka.client_options(), "reconnect_backoff_max_ms": _RECONNECT_MS}


def _check_schema(record: Record, schema: str) -> None:
    """Refuse a record of another kind or a higher major; one without the header is judged by its content."""
    name, _, major = schema.partition("/")
    for header, value in record.headers:
        if header == _HEADER:
            given_name, _, given_major = value.decode("utf-8", "replace").partition("/")
            if given_name != name:
                raise _Refused("another_schema")
            if not given_major.isdecimal() or int(given_major) > int(major):
                raise _Refused("higher_major")


class _Position(TypedDict):
    topic: str
    partition: int
    offset: int


def _position(record: Record) -> _Position:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}


def _place(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


def _tell(made: Iterable[Decision]) -> None:
    for decision in made:
        if decision.lifted is not None:
            telemetry.info("decision.lifted", decision_id=decision.decision_id, reason=decision.lifted_by or "")
        else:
            telemetry.info(
                "decision.made",
                decision_id=decision.decision_id,
                kind=decision.scenario,
                scope=decision.scope,
                mode=decision.mode,
            )
