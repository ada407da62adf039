"""The whole path in a for-loop: events in, alerts out, over P emulated partitions and with no broker.

``demo``, ``replay`` and most tests run this. The worker runs the same stages with Kafka between them; what it does
beyond this file is only to move bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any, Final

from msgspec.structs import replace

from models.accounts import Groups
from models.alerts import Alert
from models.attempts import Attempt, Resolver
from models.by_account import AccountStage, familiarity, profile_of
from models.by_source import SourceStage
from models.changes import AccountChange
from models.events import AuthEvent
from models.evidence import Evidence
from models.partition import Partitions
from models.profiles import Profile
from models.service import ServiceStage
from models.sketches import ScopeUse
from models.stage import Outputs, Pulse, Stage
from models.usage import UsageBook
from models.verdicts import Verdict, Verdicts

__all__ = ["Pipeline"]

#: Events per turn of the loop: large enough to spread the fixed cost, small enough that stages stay in step.
_TURN_EVENTS: Final = 2_000
#: Rows are packed when a partition has seen so many events since the last time, to bound the unpacked ones.
_PACK_EVENTS: Final = 20_000


class Pipeline:
    """All stages of all partitions.

    Args:
        resolver: Account keys and places.
        groups: Groups of accounts, for alerts.
        partitions: P; instant alerts do not depend on it.
        judge: Gives the verdicts.
        usage: Told of every attempt that has passed the source stage.
        evidence: Told of every attempt, and of the strangers among them.
        on_scope: Told who uses what, as the live service is.

    Attributes:
        verdicts: What ``judge`` has said so far, for the caller to take.
        is_asked: Whether the caller asks for the verdict on each attempt before applying it (:meth:`verdict`), so that they are not
            given here once more.
    """

    def __init__(
        self,
        resolver: Resolver,
        groups: Groups | None = None,
        partitions: int = 16,
        judge: Verdicts | None = None,
        usage: UsageBook | None = None,
        evidence: Evidence | None = None,
        on_scope: Callable[[ScopeUse], object] | None = None,
    ) -> None:
        self.resolver, self.partitions = resolver, partitions
        self.sources = [SourceStage(tells=on_scope is not None) for _ in range(partitions)]
        self.accounts = [AccountStage(groups) for _ in range(partitions)]
        self.service = ServiceStage()
        self.judge, self.usage, self.evidence, self._on_scope = judge, usage, evidence, on_scope
        self.verdicts: list[Verdict] = []
        self.is_asked = False
        self._partitions = Partitions(partitions)
        self._position = self._unpacked = 0

    def run(self, events: Iterable[AuthEvent], changes: Iterable[AccountChange] = ()) -> Iterator[Alert]:
        """Alerts in the order in which they are raised.

        Args:
            events: In (``ts``, ``event_id``) order.
            changes: What happened to accounts, in order of ``ts``; each takes effect after the events before it.
        """
        turn: list[AuthEvent] = []
        waiting = iter(changes)
        change = next(waiting, None)
        for event in events:
            while change is not None and change.ts <= event.ts:
                yield from self.apply(turn)
                turn = []
                self.change(change)
                change = next(waiting, None)
            turn.append(event)
            if len(turn) >= _TURN_EVENTS:
                yield from self.apply(turn)
                turn = []
        yield from self.apply(turn)

    def apply(self, events: list[AuthEvent]) -> list[Alert]:
        """One turn of the loop: the alerts that ``events`` lead to, by time and id."""
        return self.take([self.resolver.attempt(event) for event in events])

    def take(self, attempts: list[Attempt]) -> list[Alert]:
        """The same for attempts, new ones, as the resolver makes them."""
        outputs = self._by_source(attempts)
        if self.usage is not None:
            self.usage.note_all(attempt for _, attempt in outputs.forwards)
        self._by_account(outputs)
        if self.evidence is not None:
            self.evidence.take((attempt for _, attempt in outputs.forwards), outputs.strangers)
        service = self._service(outputs.pulses)
        alerts = outputs.alerts + service.alerts
        if self.judge is not None:
            for campaign in service.conclusions:
                self.judge.conclude(campaign)
            if not self.is_asked:
                self.verdicts += self.judge.run(outputs.strangers, outputs.owners_ts)
        self._unpacked += len(attempts)
        if self._unpacked >= _PACK_EVENTS * self.partitions:
            self._pack()
        alerts.sort(key=lambda alert: (alert.ts, alert.alert_id))
        return alerts

    def change(self, change: AccountChange) -> None:
        """Take in what happened to an account."""
        stage = self.accounts[self._partitions.of(change.account)]
        stage.take(change, stage.offset, Outputs())

    def verdict(self, attempt: Attempt) -> Verdict | None:
        """The verdict on an attempt that is not applied yet; what came before it is."""
        if self.judge is None:
            return None
        row = self.accounts[self._partitions.of(attempt.account)].peek(attempt.account)
        return self.judge.judge(attempt, familiarity(row, attempt) if row else 0)

    def profile(self, account: str) -> Profile | None:
        """What is familiar about an account."""
        row = self.accounts[self._partitions.of(account)].peek(account)
        return None if row is None else profile_of(row)

    def _by_source(self, attempts: list[Attempt]) -> Outputs:
        outputs, told = Outputs(), list[ScopeUse]()
        take = [stage.take for stage in self.sources]
        partitions = self._partitions.of_all([attempt.network for attempt in attempts])
        for position, (partition, attempt) in enumerate(zip(partitions, attempts, strict=True), self._position):
            take[partition](attempt, position, outputs)
            if outputs.scopes:
                told += [replace(use, source=partition) for use in outputs.scopes]
                outputs.scopes.clear()
        self._position += len(attempts)
        if self._on_scope is not None:
            for use in sorted(told, key=attrgetter("source")):
                self._on_scope(use)
        return outputs

    def _by_account(self, outputs: Outputs) -> None:
        """Adds to ``outputs`` those of the account stages, pulses in the order in which they closed."""
        take = [stage.take for stage in self.accounts]
        partitions = self._partitions.of_all([attempt.account for _, attempt in outputs.forwards])
        pulses = 0
        for partition, (position, attempt) in zip(partitions, outputs.forwards, strict=True):
            take[partition](attempt, position, outputs)
            if len(outputs.pulses) > pulses:
                pulses += 1
                outputs.pulses[-1][2].source = partition

    def _service(self, pulses: list[tuple[int, int, Pulse]]) -> Outputs:
        outputs = Outputs()
        for _, _, pulse in pulses:
            self.service.take(pulse, self._position, outputs)
        return outputs

    def _pack(self) -> None:
        self._unpacked = 0
        stages: list[Stage[Any, Any]] = [*self.sources, *self.accounts, self.service]
        for stage in stages:
            stage.checkpoint()
