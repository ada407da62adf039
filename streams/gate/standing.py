"""Whom to refuse at this moment: decisions, lists, the running campaign and what is familiar about accounts, in memory.

Kept equal to ``auth.decisions``, ``auth.control`` and ``auth.profiles``. Who is in doubt is let in. Nobody is refused before the
topics have been read to their ends, nor after reading them failed; a record that cannot be understood takes back what its key said
before, and where it is a profile there are no more verdicts, because its account would look like one without a past. A decision on
a provider, a country or a protocol refuses nobody without its re-opening, which says whom it lets in.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import uuid4

import msgspec
from kafka.errors import KafkaConnectionError, KafkaTimeoutError

from models import decisions, lists, profiles
from models.accounts import Groups
from models.attempts import Attempt
from models.breaker import BREAKER_KEY, Breaker
from models.breaker import SCHEMA as BREAKER_SCHEMA
from models.campaigns import HISTORY, Campaign, fits_owner
from models.decision_index import DecisionIndex
from models.decisions import MAX_DECISIONS, Decision
from models.ends import Ends
from models.frames import CAMPAIGN_SCHEMA
from models.ids import reference
from models.lists import LIST_PREFIX, ListEntry, ListName, Lists, has_room
from models.policy import Policy
from models.profiles import Profiles, familiarity_of
from models.refused import RefusedSlot, Tally
from models.reopening import REOPENING_PREFIX, WIDE_SCOPES, Register, Reopening
from models.reopening import SCHEMA as REOPENING_SCHEMA
from models.stops import NO_STOPS, Stops
from models.verdicts import SUBJECT, Phase, Verdict, Verdicts
from streams import telemetry, topics
from streams.changes import ChangeReader
from streams.compacted import CompactedReader, Record, decoded, is_of
from streams.desk.current_policy import POLICY_KEY, CurrentPolicy
from streams.settings import Settings
from streams.stages import CAMPAIGN_KEY

__all__ = ["Follower", "Refusal", "Standing", "expiration"]

_AGAIN_S: Final = 2.0
_MONTHS: Final = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class Refusal(NamedTuple):
    """Why an attempt is refused: ``reference`` is what the client is told, ``details`` are for the server that asked.

    Where ``delay_s`` is not 0 the attempt is held up so long instead.
    """

    reference: str
    details: dict[str, str]
    delay_s: int = 0


class Standing:
    """See the module's text; safe to use from several threads.

    Args:
        policy: Its never-block set holds here too; says whether there are verdicts. Another one may come into force.
        groups: Accounts of protected groups get none, and are let in first by what is opened again.
    """

    def __init__(self, policy: Policy, groups: Groups | None = None) -> None:
        self._policy, self._groups = policy, groups or Groups()
        self.register = Register(self._groups, self)
        self._lock = threading.Lock()
        self._stops = NO_STOPS
        self._tally, self._in_shadow = Tally(uuid4().hex), Tally(uuid4().hex, in_shadow=True)
        self.is_ready = False
        self.clear()

    def clear(self) -> None:
        """Refuse nobody until :meth:`complete`."""
        with self._lock:
            self.is_ready = False
            self._decisions, self._lists = DecisionIndex(self._policy, self._lets_in), Lists()
            self._reopenings: dict[str, Reopening] = {}  # by decision
            self._held: dict[str, Decision] = {}  # the suspended ones too
            self._ends = Ends()
            self._profiles = Profiles()
            self._verdicts: Verdicts | None = Verdicts(self._policy, self._groups)
            self._breaker = Breaker()
            self._newest_campaign: Campaign | None = None  # until everything has been read, of which there may be days

    @property
    def policy(self) -> Policy:
        """The one in force."""
        return self._policy

    def go_by(self, policy: Policy) -> None:
        """Refuse by another policy from now on."""
        with self._lock:
            self._policy = policy
            self._index_anew()
            if self._verdicts is not None:
                self._verdicts.go_by(policy)

    def stop(self, stops: Stops) -> None:
        """Suspend what ``stops`` say, and nothing else; where that is everything, the lists of people too."""
        with self._lock:
            self._stops = stops
            self._index_anew()

    def _index_anew(self) -> None:
        self._decisions = DecisionIndex(self._policy, self._lets_in)
        for decision in self._held.values():
            self._put(decision)

    def complete(self) -> None:
        """Everything was read that there was."""
        with self._lock:
            self.is_ready = True
            if self._newest_campaign is not None and self._verdicts is not None:
                self._verdicts.conclude(self._newest_campaign)

    def refusal(self, attempt: Attempt, phase: Phase = "before") -> Refusal | None:
        """Why ``attempt`` is refused, or ``None``.

        The allow list wins over everything, the block list over decisions, and decisions over what would be a verdict.
        """
        if not self.is_ready or self._stops.everything:
            return None
        with self._lock:
            if self._lists.find("allow", attempt) is not None:
                return None
            entry = self._lists.find("block", attempt)
            if entry is not None and (not attempt.address or self._policy.may_block(attempt.address)):
                return _by_list(entry)
            decision = self._decisions.refusing(attempt)
            if decision is not None:
                self._count_cut(decision, attempt)
                return _by_decision(decision)
            verdict = self._verdict(attempt, phase)
            if verdict is None:
                return None
            self._count(verdict)
        return _by_verdict(verdict, self._policy)

    def _verdict(self, attempt: Attempt, phase: Phase) -> Verdict | None:
        if self._verdicts is None or self._breaker.opened is not None or self._stops.suspend(*SUBJECT):
            return None
        verdict = self._verdicts.weigh(attempt, familiarity_of(self._profiles.find(attempt.account), attempt), phase)
        if verdict is None or self._verdicts.enforces(verdict):
            return verdict
        if phase == "before":  # enforced, it would not have been asked about again
            self._in_shadow.note(verdict.account, (), verdict.owner, verdict.ts, counts_from=0.0)
        return None

    def _count(self, verdict: Verdict) -> None:
        parts = self._policy.budget.parts_of(verdict.account, self._groups.of(verdict.account), verdict.asn)
        self._tally.note(verdict.account, parts, verdict.owner, verdict.ts, self._breaker.counts_from)

    def _count_cut(self, decision: Decision, attempt: Attempt) -> None:
        """Count an owner whom a wide cut refuses: from where his account knows him, wherever the geo file says that is."""
        if decision.scope not in WIDE_SCOPES:
            return
        known = familiarity_of(self._profiles.find(attempt.account), attempt)
        if known & HISTORY and fits_owner(known):
            self._tally.note_cut(attempt.account, decision.decision_id, attempt.ts, self._breaker.counts_from)

    def refused_anew(self) -> dict[str, RefusedSlot]:
        """Whom verdicts and wide cuts refused, and verdicts in shadow would have: what is not told yet, by its key."""
        with self._lock:
            return self._tally.changed() | self._in_shadow.changed()

    def told(self, refused: Mapping[str, RefusedSlot]) -> None:
        """The leader will read ``refused``."""
        with self._lock:
            self._tally.told(refused)
            self._in_shadow.told(refused)

    def put_breaker(self, breaker: Breaker | None) -> None:
        """Give no verdicts while the breaker is open. Where it cannot be understood it is taken for closed, as the leader does."""
        with self._lock:
            self._breaker = breaker or Breaker()

    def put_decision(self, decision_id: str, decision: Decision | None, now: float) -> None:
        """Take the newest state of a decision; ``None`` where it is gone. Only what can refuse somebody is kept."""
        with self._lock:
            while (ended := self._ends.pop(now)) is not None:
                self._remove(ended)
            self._remove(decision_id)
            if decision is None or decision.mode != "enforce" or decision.type not in {"ban", "guard"}:
                return
            if decision.holds(now) and len(self._held) < MAX_DECISIONS:  # the leader makes no more
                self._held[decision_id] = decision
                self._put(decision)
                self._ends.put(decision_id, decision.until)

    def put_campaign(self, campaign: Campaign | None) -> None:
        """Take what is known of the running campaign; ``None`` where that cannot be understood, and is nothing."""
        with self._lock:
            if campaign is None:
                self._newest_campaign = None
                self._verdicts = self._verdicts and Verdicts(self._policy, self._groups)
            elif not self.is_ready:
                self._newest_campaign = campaign
            elif self._verdicts is not None:
                self._verdicts.conclude(campaign)

    def put_profile(self, account: str, packed: bytes | None) -> None:
        """Take what is familiar about an account; ``None`` where it is forgotten.

        Raises:
            msgspec.DecodeError: ``packed`` is no profile.
        """
        self._profiles.put(account, packed)

    def give_no_verdicts(self) -> None:
        """It is not known what is familiar about some account."""
        self._verdicts = None

    def put_entry(self, key: str, entry: ListEntry | None) -> None:
        """Take the newest state of an entry of a list; ``None`` where it is gone."""
        with self._lock:
            self._lists.take(key, entry)

    def put_reopening(self, decision_id: str, reopening: Reopening | None) -> None:
        """Take the newest state of a re-opening; ``None`` where it is gone."""
        with self._lock:
            self._reopenings.pop(decision_id, None)
            if reopening is not None:
                self._reopenings[decision_id] = reopening

    def stable_since(self, account: str) -> float | None:
        """Since when an account's habits are stable."""
        return self._profiles.stable_since(account)

    def count_stable(self, before: float) -> int | None:
        """Nobody asks a gate."""

    def entries(self, name: ListName, now: float) -> list[ListEntry]:
        """The entries of a list that hold at ``now``."""
        with self._lock:
            return self._lists.in_force(name, now)

    def has_room(self, entry: ListEntry, now: float) -> bool:
        """Whether its list takes ``entry``."""
        with self._lock:
            return has_room(entry, self._lists.all(), now)

    def ended_entries(self, before: float) -> list[str]:
        """The keys of entries that ended before a time."""
        with self._lock:
            return self._lists.ended(before)

    def _lets_in(self, decision: Decision, attempt: Attempt) -> bool:
        return self.register.lets_in(attempt.account, decision, self._reopenings.get(decision.decision_id))

    def _put(self, decision: Decision) -> None:
        if not self._stops.suspend(decision.scenario, decision.scope):
            self._decisions.put(decision)

    def _remove(self, decision_id: str) -> None:
        self._held.pop(decision_id, None)
        self._ends.remove(decision_id)
        self._decisions.remove(decision_id)


class Follower:
    """Keeps a :class:`Standing` equal to the topics.

    Args:
        settings: Where the broker is.
        standing: What to keep equal.
        clock: The present, UTC seconds.

    Attributes:
        policy: By which ``standing`` goes.
    """

    def __init__(self, settings: Settings, standing: Standing, clock: Callable[[], float] = time.time) -> None:
        self._settings, self._standing, self._clock = settings, standing, clock
        self.policy = CurrentPolicy(standing.policy, [standing.go_by])
        self._control, self._profiles = topics.topic(settings, "auth.control"), topics.topic(settings, "auth.profiles")

    def run(self, stop: threading.Event) -> None:
        """Read until ``stop``; begin anew after every failure."""
        told = False
        while not stop.is_set():
            try:
                self._follow(stop)
                told = False
            except (KafkaConnectionError, KafkaTimeoutError):
                self._standing.clear()
                if not told:
                    telemetry.warning("kafka.unreachable", broker=self._settings.kafka.bootstrap)
                told = True
                stop.wait(_AGAIN_S)
            except Exception as error:  # whatever it is: the gate goes on, and refuses nobody
                self._standing.clear()
                telemetry.error("decisions.unreadable", error)
                stop.wait(_AGAIN_S)

    def _follow(self, stop: threading.Event) -> None:
        with (
            closing(CompactedReader(self._settings, "auth.decisions", "auth.control", "auth.profiles")) as reader,
            closing(ChangeReader(self._settings, self._standing.register, self._clock())) as changes,
        ):
            while not stop.is_set():
                for record in reader.poll():
                    self.take(record)
                changes.look()
                if not self._standing.is_ready and reader.caught_up() and changes.caught_up():
                    # All this stays. Otherwise the collector looks at it every now and then, while log-ins wait.
                    gc.collect()
                    gc.freeze()
                    self._standing.complete()
                    telemetry.info("service.started", service="gate")

    def take(self, record: Record) -> None:
        """Take over one record."""
        key = (record.key or b"").decode("utf-8", "replace")
        if record.topic == self._profiles:
            self._take_profile(key, record)
        elif record.topic != self._control:
            decision = decoded(record, decisions.SCHEMA, Decision)
            self._standing.put_decision(key, decision, self._clock())
        elif key.startswith(LIST_PREFIX):
            self._standing.put_entry(key, decoded(record, lists.SCHEMA, ListEntry))
        elif key.startswith(REOPENING_PREFIX):
            self._standing.put_reopening(key.removeprefix(REOPENING_PREFIX), decoded(record, REOPENING_SCHEMA, Reopening))
        elif key == CAMPAIGN_KEY:
            self._standing.put_campaign(decoded(record, CAMPAIGN_SCHEMA, Campaign, msgspec.msgpack.decode))
        elif key == POLICY_KEY:
            self.policy.take(record)
        elif key == BREAKER_KEY:
            self._standing.put_breaker(decoded(record, BREAKER_SCHEMA, Breaker))

    def _take_profile(self, account: str, record: Record) -> None:
        reason = "another_schema"
        if is_of(record, profiles.SCHEMA):
            try:
                self._standing.put_profile(account, record.value)
            except msgspec.DecodeError:
                reason = "not_profile"
            else:
                return
        self._standing.give_no_verdicts()
        _say_refused(record, reason)


def expiration(ts: float) -> str:
    """A time as weakforced writes it.

    >>> expiration(1_772_496_000.0)
    '2026-Mar-03 00:00:00'
    """
    moment = datetime.fromtimestamp(ts, UTC)
    return f"{moment:%Y}-{_MONTHS[moment.month - 1]}-{moment:%d %H:%M:%S}"


def _say_refused(record: Record, reason: str) -> None:
    telemetry.error("record.refused", reason=reason, topic=record.topic, partition=record.partition, offset=record.offset)


def _by_verdict(verdict: Verdict, policy: Policy) -> Refusal:
    details = {"alert_id": verdict.alert_id, "scenario": "campaign", "phase": verdict.phase, "reason": verdict.reasons[0]}
    return Refusal(reference(verdict.alert_id), details, policy.tarpit_s if verdict.action == "tarpit" else 0)


def _by_list(entry: ListEntry) -> Refusal:
    """The details are weakforced's."""
    kind = "iplogin" if entry.address and entry.account else "ip" if entry.address else "login"
    details = {"blacklisted": "1", "key": kind, "reason": entry.reason, "expiration": expiration(entry.until)}
    return Refusal(entry.reference, details)


def _by_decision(decision: Decision) -> Refusal:
    details = {"decision_id": decision.decision_id, "scenario": decision.scenario, "scope": decision.scope}
    return Refusal(reference(decision.decision_id), details)
