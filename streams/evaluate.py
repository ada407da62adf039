"""``crible evaluate``: decisions, verdicts and alerts judged by labelled events (contract section 6).

Events are read as ``crible replay`` reads them and never held. Of labels and verdicts 12 bytes each are: they may come in any
order. Alerts and decisions, of which there are few, are held whole.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar, get_args

import click
import msgspec
import numpy as np
from rich.console import Console
from xxhash import xxh3_64_intdigest

from models.accounts import Groups
from models.accusations import BENIGN
from models.alerts import Alert
from models.attempts import Resolver
from models.decision_index import refuses_all
from models.decisions import Decision
from models.errors import InputError
from models.evaluation import Evaluation, Judge
from models.events import AuthEvent
from models.orders import AUDIT_SCHEMA, Audit
from models.past_reopenings import PastReopenings
from models.policy import Policy
from models.reopening import Reopening
from models.verdicts import Action
from streams.changes import past_changes
from streams.chart import FORMATS, draw
from streams.cli import Time, print_json, standard_options, uncollected
from streams.compacted import decoded
from streams.figures import show
from streams.knowledge import load_groups, load_resolver
from streams.lines import Lines
from streams.progress import progress
from streams.settings import Settings
from streams.sources import TOPIC_PREFIX, Sources, topic_records
from streams.tables import printable

__all__ = ["Labels", "Verdicts", "command"]

Row = TypeVar("Row")
Label = Literal["benign", "brute_force", "password_spray", "credential_stuffing", "account_takeover", "login_flood"]

_TURN_EVENTS: Final = 4096
_READABLE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
#: From the mildest to the most severe: of two verdicts on one attempt the more severe one counts.
_ACTIONS: Final[tuple[Action, ...]] = get_args(Action)


class _Label(msgspec.Struct):
    """What is needed of a label (contract section 5)."""

    event_id: Annotated[str, msgspec.Meta(min_length=1)]
    label: Label
    actor: str
    cause: Label | None = None
    trait: str | None = None
    password_ok: bool | None = None


class _Verdict(msgspec.Struct):
    """What is needed of a verdict (contract section 4)."""

    account: str
    ts: float
    action: Action
    session_id: str | None = None
    event_id: str | None = None

    def __post_init__(self) -> None:
        if not (self.event_id or self.session_id):
            raise ValueError("neither event_id nor session_id says which attempt it answers")


class _Truth(NamedTuple):
    """What the judge asks about an event; equal ones are one object."""

    label: str
    actor: str
    cause: str | None
    trait: str | None
    password_ok: bool | None


class _Numbers:
    """A small number for each of many keys, of which only 64-bit hashes are kept: of ten million no two are alike (p > 0.99999)."""

    def __init__(self) -> None:
        self._hashes, self._values = array("Q"), array("I")
        self._sorted = np.empty(0, np.uint64)
        self._numbers = np.empty(0, np.uint32)

    def __len__(self) -> int:
        return len(self._sorted)

    def put(self, key: str, number: int) -> None:
        """Add a key. It is found after :meth:`close`."""
        self._hashes.append(xxh3_64_intdigest(key.encode()))
        self._values.append(number)

    def close(self) -> bool:
        """All is in. Of several numbers for a key the highest is kept; whether there was such a key."""
        hashes, values = np.asarray(self._hashes, np.uint64), np.asarray(self._values, np.uint32)
        order = np.lexsort((values, hashes))
        hashes, values = hashes[order], values[order]
        repeated = hashes[1:] == hashes[:-1]
        last = np.append(~repeated, True)[: len(hashes)]
        self._sorted, self._numbers = hashes[last], values[last]
        self._hashes, self._values = array("Q"), array("I")
        return bool(np.any(repeated & (values[1:] != values[:-1])))

    def find(self, keys: Sequence[str]) -> list[int]:
        """The number of each key, -1 where it is unknown."""
        if not len(self):
            return [-1] * len(keys)
        hashes = np.fromiter((xxh3_64_intdigest(key.encode()) for key in keys), np.uint64, len(keys))
        places = np.minimum(np.searchsorted(self._sorted, hashes), len(self) - 1)
        found: list[int] = np.where(self._sorted[places] == hashes, self._numbers[places].astype(np.int64), -1).tolist()
        return found


class Labels:
    """The truth of each event.

    Args:
        path: ``labels.ndjson`` (contract section 5).

    Raises:
        InputError: A line is wrong, or an event has two different labels.
    """

    def __init__(self, path: Path) -> None:
        self._numbers = _Numbers()
        numbers: dict[_Truth, int] = {}
        for row in _rows(path, _Label, "labels"):
            actor = "" if row.label == BENIGN else row.actor  # owners are as many as accounts, and nobody asks
            truth = _Truth(row.label, actor, row.cause, row.trait, row.password_ok)
            self._numbers.put(row.event_id, numbers.setdefault(truth, len(numbers)))
        if self._numbers.close():
            raise InputError("an event has two different labels", where=str(path), hint="give the labels of one run")
        self._truths: list[_Truth | None] = [*numbers, None]  # number -1 is the last

    def of(self, events: Sequence[AuthEvent]) -> list[_Truth | None]:
        """The truth of each event, ``None`` where there is no label."""
        return [self._truths[number] for number in self._numbers.find([event.event_id for event in events])]


class Verdicts:
    """What was answered to each attempt; none is ``accept``.

    A verdict names its attempt by ``event_id``, else by session and account.

    Args:
        path: Verdicts as contract section 4 has them, or ``None`` for none.
        until: Those from this time on are left out.

    Attributes:
        counts: Verdicts by action.
        unused: Attempts with a verdict that :meth:`of` has not come across.

    Raises:
        InputError: A line is wrong.
    """

    def __init__(self, path: Path | None, until: float | None) -> None:
        self.counts: Counter[Action] = Counter()
        self._numbers = _Numbers()
        self._by_session = False
        for verdict in _rows(path, _Verdict, "verdicts") if path else ():
            if until is None or verdict.ts < until:
                self.counts[verdict.action] += 1
                self._by_session |= not verdict.event_id
                key = verdict.event_id or _session_key(verdict.session_id, verdict.account)
                self._numbers.put(key, _ACTIONS.index(verdict.action))
        self._numbers.close()
        self.unused = len(self._numbers)

    def of(self, events: Sequence[AuthEvent], resolver: Resolver) -> list[Action]:
        """The verdict on each event."""
        if not len(self._numbers):
            return ["accept"] * len(events)
        found = self._numbers.find([event.event_id for event in events])
        if self._by_session:
            keys = [_session_key(event.session_id, resolver.accounts.key(event)) for event in events]
            found = [max(numbers) for numbers in zip(found, self._numbers.find(keys), strict=True)]
        self.unused -= sum(number >= 0 for number in found)
        return [_ACTIONS[max(number, 0)] for number in found]


def _session_key(session_id: str | None, account: str) -> str:
    return f"{session_id}\0{account}"


@click.command()
@click.option("--events", type=_READABLE, required=True, help="What happened (NDJSON).")
@click.option("--labels", type=_READABLE, required=True, help="Who really made each event (NDJSON).")
@click.option("--decisions", type=_READABLE, required=True, help="What was decided, as replay writes it (NDJSON).")
@click.option("--verdicts", type=_READABLE, help="What waiting clients were answered (NDJSON).")
@click.option("--alerts", type=_READABLE, help="What was raised, as replay writes it (NDJSON).")
@click.option("--groups", type=_READABLE, help="Groups of accounts (login,group).")
@click.option("--policy", type=_READABLE, help="Policy (TOML) that the decisions were made with; else the enforcing one.")
@click.option(
    "--reopenings",
    metavar="SOURCE",
    help="How far cuts were opened again: the records of auth.audit, NDJSON or kafka:TOPIC. Else a cut refuses everybody in it.",
)
@click.option(
    "--account-changes",
    "changes_source",
    metavar="SOURCE",
    help="Whose password changed, for --reopenings; as in replay.",
)
@click.option("--since", type=Time(), help="Judge events from this time on; earlier ones are history.")
@click.option("--until", type=Time(), help="Judge events before this time.")
@click.option(
    "--chart",
    "charts",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    help=f"Draw a chart ({', '.join(FORMATS)}); may be repeated.",
)
@standard_options
def command(
    events: Path,
    labels: Path,
    decisions: Path,
    verdicts: Path | None,
    alerts: Path | None,
    groups: Path | None,
    policy: Path | None,
    reopenings: str | None,
    changes_source: str | None,
    since: float | None,
    until: float | None,
    charts: tuple[Path, ...],
    settings: Settings,
    as_json: bool,
) -> None:
    """Judge decisions, verdicts and alerts by labelled events, beside cruder measures."""
    unknown = [chart.name for chart in charts if chart.suffix not in FORMATS]
    if unknown:
        raise click.UsageError(f"--chart: {unknown[0]} must end in {', '.join(FORMATS)}.")
    resolver = load_resolver(settings)
    rules = Policy.load(policy) if policy else Policy.enforcing()
    known_groups = Groups.load(groups, resolver.accounts) if groups else load_groups(settings, resolver)
    made = {decision.decision_id: decision for decision in _rows(decisions, Decision, "decisions")}
    raised = list(_rows(alerts, Alert, "alerts")) if alerts else None
    past = None
    if reopenings:
        changes = past_changes(changes_source, settings, resolver.accounts) if changes_source else []
        past = PastReopenings(_reopened(reopenings, settings), known_groups, changes)
    lets_in = refuses_all if past is None else past.lets_in
    judge = Judge(made.values(), rules, known_groups, alerts=raised, since=since, until=until, lets_in=lets_in)
    sources = Sources([str(events)], settings, until=until)
    answers = Verdicts(verdicts, until)
    with uncollected():
        unlabelled = _judge(judge, sources, Labels(labels), answers, resolver, past)
    if sources.read and unlabelled == sources.read:
        raise InputError("no event has a label", where=str(labels), hint="give the labels of the same run")
    evaluation = judge.evaluation()
    for chart in charts:
        draw(evaluation, chart)
    modes = Counter(decision.mode for decision in made.values())
    if as_json:
        _print_json(evaluation, sources, unlabelled, modes, answers)
    else:
        console = Console()
        show(evaluation, console)
        for remark in _remarks(sources, unlabelled, modes, answers):
            console.print(printable(remark), style="yellow")


def _judge(
    judge: Judge, sources: Sources, labels: Labels, verdicts: Verdicts, resolver: Resolver, past: PastReopenings | None
) -> int:
    """Show all events to the judge; how many have no label."""
    unlabelled = 0
    attempt_of, add = resolver.attempt, judge.add
    for turn in _turns(progress("judging", iter(sources), unit="events")):
        for event, label, action in zip(turn, labels.of(turn), verdicts.of(turn, resolver), strict=True):
            attempt = attempt_of(event)
            if past is not None:
                past.note(attempt)
            if label is None:
                unlabelled += 1
            else:
                add(attempt, label, action)
    return unlabelled


def _reopened(source: str, settings: Settings) -> Iterator[Reopening]:
    """What re-openings were, by the records of ``auth.audit``."""
    if source.startswith(TOPIC_PREFIX):
        records = topic_records(settings, source.removeprefix(TOPIC_PREFIX))
        notes: Iterable[Audit | None] = (decoded(record, AUDIT_SCHEMA, Audit) for record in records)
    else:
        notes = _rows(Path(source), Audit, "audit records")
    return (note.reopening for note in notes if note is not None and note.reopening is not None)


def _turns(events: Iterator[AuthEvent]) -> Iterator[list[AuthEvent]]:
    while turn := list(islice(events, _TURN_EVENTS)):
        yield turn


def _rows(path: Path, kind: type[Row], unit: str) -> Iterator[Row]:
    """The objects of an NDJSON file.

    Raises:
        InputError: A line is none of this kind.
    """
    lines = Lines(str(path))
    decode = msgspec.json.Decoder(kind).decode
    for raw in progress("reading", iter(lines), unit=unit):
        if raw:
            try:
                yield decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise InputError(f"not one of the {unit}: {error}", where=f"{path}:{lines.number}") from None


def _print_json(evaluation: Evaluation, sources: Sources, unlabelled: int, modes: Counter[Any], verdicts: Verdicts) -> None:
    read = {"events": sources.read, "refused": sources.refused, "unlabelled": unlabelled, "decisions": modes}
    print_json({**read, "verdicts": verdicts.counts, **msgspec.structs.asdict(evaluation)})


def _remarks(sources: Sources, unlabelled: int, modes: Counter[Any], verdicts: Verdicts) -> Iterable[str]:
    """What the reader of the figures must know about their input."""
    if sources.refused:
        yield f"refused: {sources.refused.total():,} events; the first: {sources.first_refused}"
    if unlabelled:
        yield f"left out: {unlabelled:,} events without a label"
    if modes and not modes["enforce"]:
        yield f"none of the {modes.total():,} decisions is enforced, so they do nothing"
    if verdicts.unused:
        yield f"{verdicts.unused:,} verdicts are about no event"
