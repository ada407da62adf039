"""``crible block``: reads alerts, decides, and serves the block list; as many instances as you like.

    auth.alerts -> leader: ledger -> auth.decisions -> every instance: store -> HTTP (streams.serve, streams.desk)
                     ^ auth.control <- orders of people                     -> points (streams.enforcement)

One instance leads and decides (:mod:`streams.leader`); all serve what was decided, and people's orders.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import click
from kafka.errors import KafkaError

from models import alerts
from models.alerts import Alert
from models.decisions import Decision
from models.errors import CribleError
from models.policy import Policy
from models.references import KNOWN_S, PastDecisions
from models.reopening import Register
from streams import telemetry, topics
from streams.changes import ChangeReader, ChangeTopic, read_changes
from streams.cli import standard_options
from streams.compacted import CompactedReader, decoded
from streams.desk.admission import Admission
from streams.desk.current_policy import CurrentPolicy
from streams.desk.cuts import Known, cut_routes
from streams.desk.forgetting import forgetting_routes
from streams.desk.judging import FeedbackTopic, judging_routes
from streams.desk.kill_switch import KillSwitch
from streams.desk.orders import ControlTopic, ControlView
from streams.desk.policies import policy_routes
from streams.desk.routes import desk_routes
from streams.desk.support import support_routes
from streams.desk.trail import Trail
from streams.enforcement.feeder import feeders
from streams.knowledge import load_groups, load_resolver
from streams.leader import DecisionReader, Member
from streams.learnt import Learnt
from streams.serve import UNENCRYPTED, create_app, is_loopback, listen, server_of
from streams.settings import Settings
from streams.store import AddressStore, DecisionStore

__all__ = ["command", "run"]

_STAGE: Final = "block"
_JOIN_LIMIT_S: Final = 10
#: In the alert of a campaign, as it is encoded: of the others there are many.
_CAMPAIGN: Final = b'"kind":"campaign"'

Clock = Callable[[], float]


class _Follower:
    """Keeps the stores and ``past`` equal to ``auth.decisions``, ``view`` to ``auth.control``, ``register`` to account changes."""

    def __init__(
        self, settings: Settings, stores: Sequence[DecisionStore], policy: Policy, register: Register, clock: Clock
    ) -> None:
        self._settings, self._stores, self._register, self._clock = settings, stores, register, clock
        self.ready = threading.Event()
        self.view = ControlView(settings, CurrentPolicy(policy, [store.go_by for store in stores]))
        self.past = PastDecisions()

    def lets_in(self, decision: Decision, account: str) -> bool:
        """Whether ``account`` passes ``decision``, because what that cut is being opened again."""
        return self._register.lets_in(account, decision, self.view.reopenings.get(decision.decision_id))

    def run(self, stop: threading.Event) -> None:
        """Read until ``stop``."""
        with (
            closing(DecisionReader(self._settings)) as reader,
            closing(CompactedReader(self._settings, "auth.control")) as control,
            closing(ChangeReader(self._settings, self._register, self._clock())) as changes,
        ):
            while not stop.is_set():
                self.view.take(control.poll(timeout_ms=0))
                changes.look()
                for identifier, decision in reader.decisions():
                    self._take(identifier, decision)
                if not self.ready.is_set() and reader.caught_up() and control.caught_up():
                    self.ready.set()
                    telemetry.info("service.started", service=_STAGE)

    def _take(self, identifier: str, decision: Decision | None) -> None:
        if decision is None:
            self.past.remove(identifier)
        else:
            self.past.put(decision, self._clock())
        for store in self._stores:
            if decision is None:
                store.remove(identifier)
            else:
                store.put(decision)

    def recall_campaigns(self, stop: threading.Event) -> None:
        """Read which campaigns there were lately, from their alerts: references hold that were told before a restart."""
        with closing(CompactedReader(self._settings, "auth.alerts", from_ts=self._clock() - KNOWN_S)) as reader:
            while not (stop.is_set() or reader.caught_up()):
                for record in reader.poll():
                    if _CAMPAIGN in (record.value or b""):
                        alert = decoded(record, alerts.SCHEMA, Alert)
                        if alert is not None:
                            self.view.recall(alert)
        stop.wait()  # when one work ends, all do


def run(settings: Settings, policy: Policy, clock: Clock = time.time) -> None:
    """Decide and serve until a signal comes; call from the main thread.

    Raises:
        CribleError: A port is taken, the broker stays away, or deciding became impossible.
        InputError: A file that the settings name cannot be read.
    """
    resolver = load_resolver(settings)
    groups = load_groups(settings, resolver)
    store, stop, failures = DecisionStore(policy), threading.Event(), list[BaseException]()
    addresses = AddressStore(policy) if any(key.addresses_only for key in settings.block.api_keys) else None
    learnt = Learnt(settings, groups)
    register = Register(groups, learnt.profiles)
    follower = _Follower(settings, [store] if addresses is None else [store, addresses], policy, register, clock)
    member = Member(settings, policy, groups, learnt, clock)
    changes, control, feedback = ChangeTopic(settings), ControlTopic(settings), FeedbackTopic(settings)
    stops = Path(settings.block.stops)
    trail = Trail(settings, stops.with_name(f"{stops.name}.audit"))
    switch = KillSwitch(stops, [each.stop for each in (store, addresses) if each is not None], trail.note)
    view, keys, ready = follower.view, settings.block.api_keys, follower.ready.is_set
    admission = Admission(store, keys, clock, ready)
    known = Known(
        policy=lambda: view.policy.value,
        accounts=resolver.accounts,
        groups=groups,
        register=register,
        counted=learnt.scopes.counted,
        spared=view.spares,
        reopenings=lambda: view.reopenings,
        detecting=view.heartbeats.all_beat,
    )
    desk = [
        *desk_routes(admission, switch, control.order, lambda: view.breaker),
        *support_routes(admission, resolver, view, control.list, follower.lets_in, follower.past),
        *forgetting_routes(admission, resolver.accounts, lambda: view.block_list, control.forget),
        *policy_routes(admission, view.policy, control.order),
        *cut_routes(admission, known, control.order),
        *judging_routes(admission, feedback.judge),
    ]

    def take_changes(body: bytes) -> None:
        changes.send(read_changes(body, resolver.accounts, clock()))

    server = server_of(
        create_app(store, keys, clock, ready, addresses, take_changes, desk, lambda: view.policy.described), tls=settings.block.tls
    )
    points = feeders(settings.block.points, store, lambda: view.policy.value, resolver, clock, follower.ready)

    def ending_all(work: Callable[[threading.Event], None]) -> None:
        try:
            work(stop)
        except BaseException as error:
            failures.append(error)
        finally:
            stop.set()
            server.should_exit = True

    def follow_and_decide(stop: threading.Event) -> None:
        topics.verify(settings)
        beside = [
            threading.Thread(target=ending_all, args=(work,), daemon=True)
            for work in (learnt.run, member.run, follower.recall_campaigns)
        ]
        for thread in beside:
            thread.start()
        follower.run(stop)
        for thread in beside:
            thread.join(_JOIN_LIMIT_S)

    # Listen before the broker answers: a bouncer whose first poll is refused never polls again.
    with listen(settings.block.host, settings.block.port) as listening:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())  # uvicorn takes the signal and raises it again at its end
        works = (follow_and_decide, trail.run, *points)
        working = [threading.Thread(target=ending_all, args=(work,), daemon=True) for work in works]
        for thread in working:
            thread.start()
        server.run(sockets=[listening])
    stop.set()
    for thread in working:
        thread.join(2 * _JOIN_LIMIT_S)
    changes.close()
    control.close()
    feedback.close()
    telemetry.info("service.stopped", service=_STAGE)
    if failures:
        raise _as_crible_error(failures[0], settings)


def _as_crible_error(error: BaseException, settings: Settings) -> BaseException:
    return CribleError(f"the broker refused: {error}", where=settings.kafka.bootstrap) if isinstance(error, KafkaError) else error


@click.command()
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What may be decided (TOML); without one, and without block.policy, every decision is in shadow.",
)
@standard_options
def command(policy_file: Path | None, settings: Settings, as_json: bool) -> None:
    """Turn alerts into decisions and serve them over HTTP."""
    file = policy_file or (Path(settings.block.policy) if settings.block.policy else None)
    policy = Policy.load(file) if file else Policy.default()
    telemetry.info("config.loaded", name="policy", version=policy.version)
    if not settings.block.api_keys:
        telemetry.warning("config.loaded", name="block.api_keys", reason="no key is set: every reader will be refused")
    if settings.block.tls is None and not is_loopback(settings.block.host):
        telemetry.warning("config.loaded", name="block.tls", reason=UNENCRYPTED)
    run(settings, policy)
