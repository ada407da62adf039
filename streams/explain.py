"""``crible explain``: what stands behind an alert, on one screen: its case, what was counted, the model, and what happened when.

It reads what a replay wrote, or the alerts that are on Kafka; the timeline needs the events, as files or ``kafka:TOPIC``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import click
import msgspec
from kafka.errors import KafkaError
from rich.console import Console, Group
from rich.padding import Padding
from rich.text import Text

from models.alerts import KINDS, Alert, Feature, Reason, Subject
from models.attempts import Attempt
from models.cases import Case, cases, margin, nearest
from models.decisions import Decision
from models.errors import CribleError, InputError
from streams.alerts import kept
from streams.cli import print_json, standard_options
from streams.knowledge import load_resolver
from streams.lines import Lines
from streams.progress import progress
from streams.settings import Settings
from streams.sources import Sources
from streams.tables import number_column, printable, table

__all__ = ["Counter", "Explanation", "Slot", "command", "explain"]

_SLOTS: Final = 12
_SHORTEST_SLOT_S: Final = 60.0
_BAR: Final = 24
#: An id is told from others by so many digits, and may be given so.
_FEWEST_DIGITS: Final = 6
_LISTED: Final = 8
_WHOLE_FROM: Final = 1000

Record = TypeVar("Record", Alert, Decision)


class Counter(msgspec.Struct, frozen=True):
    """One reason: what was counted, against what; ``margin`` is the factor by which it cleared its threshold."""

    code: str
    text: str
    value: float | None
    threshold: float | None
    margin: float | None


class Slot(msgspec.Struct):
    """What happened about the alert's subject from ``ts`` on, for ``length_s``."""

    ts: float
    length_s: float
    attempts: int = 0
    failures: int = 0
    successes: int = 0
    refused: int = 0


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one alert. ``timeline`` is empty without events, ``nearest`` where no reason has a threshold."""

    alert: Alert
    case: Case
    counters: list[Counter]
    nearest: Counter | None
    features: list[Feature]
    timeline: list[Slot]
    decisions: list[Decision]


def explain(alert_id: str, alerts: Iterable[Alert], decisions: Iterable[Decision], attempts: Iterable[Attempt]) -> Explanation:
    """What stands behind the alert ``alert_id``, or the one whose id begins so.

    Raises:
        InputError: There is no such alert, or there are several.
    """
    known = list(alerts)
    found = {alert.alert_id: alert for alert in known if alert.alert_id.startswith(alert_id)}
    if len(found) != 1 or len(alert_id) < _FEWEST_DIGITS:
        what = f"too short, {_FEWEST_DIGITS} digits or more are needed" if len(alert_id) < _FEWEST_DIGITS else "no such alert"
        what = f"{len(found)} alerts begin so" if len(found) > 1 else what
        raise InputError(what, where=f"alert {alert_id}", hint="give an id from the file of alerts, or from 'crible alerts'")
    (alert,) = found.values()
    (case,) = (case for case in cases(known) if alert in case.alerts)
    near = nearest(alert)
    return Explanation(
        alert=alert,
        case=case,
        counters=[_counter(reason) for reason in alert.reasons],
        nearest=None if near is None else _counter(near),
        features=alert.model.features if alert.model else [],
        timeline=_timeline(alert, attempts),
        decisions=[decision for decision in decisions if alert.alert_id in decision.alert_ids],
    )


def _counter(reason: Reason) -> Counter:
    return Counter(reason.code, reason.text, reason.value, reason.threshold, margin(reason))


def _timeline(alert: Alert, attempts: Iterable[Attempt]) -> list[Slot]:
    """Equal slots from before the first to after the last attempt about the subject."""
    length_s = max((alert.last_ts - alert.first_ts) / _SLOTS, _SHORTEST_SLOT_S)
    start_ts = alert.first_ts - length_s
    slots = [Slot(start_ts + number * length_s, length_s) for number in range(_SLOTS + 2)]
    seen = False
    for attempt in attempts:
        place = int((attempt.ts - start_ts) // length_s)
        if 0 <= place < len(slots) and _is_about(alert.subject, attempt):
            seen, slot = True, slots[place]
            slot.attempts += 1
            slot.refused += attempt.policy_reject
            slot.successes += attempt.success
            slot.failures += not attempt.success and not attempt.policy_reject
    return slots if seen else []


def _is_about(subject: Subject, attempt: Attempt) -> bool:
    theirs = {
        "account": attempt.account,
        "ip": attempt.address,
        "network": attempt.network,
        "asn": attempt.asn,
        "country": attempt.country,
        "protocol": attempt.protocol,
        "device": attempt.device,
    }
    return all(theirs.get(name, value) == value for name, value in subject.parts().items())


# -- reading -------------------------------------------------------------------------------------------------------------


def _records(path: Path, type_: type[Record]) -> Iterator[Record]:
    lines, decode = Lines(str(path)), msgspec.json.Decoder(type_).decode
    for raw in lines:
        if raw:
            try:
                yield decode(raw)
            except msgspec.DecodeError as error:
                raise InputError(
                    f"no {type_.__name__.lower()} ({error})", where=f"{path}:{lines.number}", hint="give a file that a replay wrote"
                ) from None


def _alerts_on_kafka(settings: Settings) -> list[Alert]:
    try:
        return kept(settings)
    except KafkaError as error:
        raise CribleError(f"the broker refused: {error}", where=settings.kafka.bootstrap) from error


def _attempts(events: Sequence[str], settings: Settings, alert_id: str, alerts: list[Alert]) -> Iterator[Attempt]:
    """The attempts about the time of the alert."""
    of_time = next((alert for alert in alerts if alert.alert_id.startswith(alert_id)), None)
    if of_time is None or not events:
        return
    slot_s = max((of_time.last_ts - of_time.first_ts) / _SLOTS, _SHORTEST_SLOT_S)
    since, until = of_time.first_ts - slot_s, of_time.last_ts + 2 * slot_s
    resolver = load_resolver(settings)
    for event in progress("reading", iter(Sources(events, settings, since, until)), unit="events"):
        yield resolver.attempt(event)


@click.command()
@click.argument("alert_id")
@click.option(
    "--alerts",
    "alerts_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What 'crible replay' wrote; else auth.alerts.",
)
@click.option(
    "--decisions", "decisions_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="What was decided about it."
)
@click.option("--events", multiple=True, help="For the timeline: an NDJSON file, or kafka:TOPIC; may be repeated.")
@standard_options
def command(
    alert_id: str,
    alerts_file: Path | None,
    decisions_file: Path | None,
    events: tuple[str, ...],
    settings: Settings,
    as_json: bool,
) -> None:
    """Say why the alert ALERT_ID was raised, and what would have made it not fire. The first digits of its id are enough."""
    alerts = list(_records(alerts_file, Alert)) if alerts_file else _alerts_on_kafka(settings)
    decisions = _records(decisions_file, Decision) if decisions_file else ()
    found = explain(alert_id, alerts, decisions, _attempts(events, settings, alert_id, alerts))
    if as_json:
        print_json(found)
    else:
        Console().print(_page(found))


# -- on a terminal -------------------------------------------------------------------------------------------------------

_COLOURS: Final = {"low": "cyan", "medium": "yellow", "high": "red", "critical": "bold red"}


def _page(found: Explanation) -> Group:
    alert = found.alert
    head = Text.assemble(
        (f" {alert.severity.upper()} ", f"reverse {_COLOURS[alert.severity]}"),
        (f" {alert.kind}", "bold"),
        f"  {KINDS[alert.kind].title}",
        (f"  {alert.attack}" if alert.attack else "", "dim"),
    )
    about = ", ".join(f"{name} {value}" for name, value in alert.subject.parts().items()) or "the service as a whole"
    facts = [
        _fact("about", about),
        _fact("raised", f"{_time(alert.ts)}, about {_time(alert.first_ts)} to {_time(alert.last_ts)}"),
        _fact("id", alert.alert_id),
    ]
    if alert.groups:
        facts.append(_fact("groups", ", ".join(alert.groups)))
    if alert.cold:
        facts.append(_fact("cold", "raised with less history than the rule asks for: it decides nothing"))
    parts = [
        head,
        *facts,
        Text(" "),
        _counters(found),
        *_model(found),
        *_case(found.case),
        *_slots(found.timeline),
        *_decided(found),
    ]
    return Group(*(Padding(part, (0, 0, 0, 1), expand=False) for part in parts))


def _fact(name: str, value: str) -> Text:
    return Text.assemble((f"{name:8}", "dim"), printable(value))


def _time(ts: float) -> str:
    return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= _WHOLE_FROM else f"{value:.4g}"


def _counters(found: Explanation) -> Group:
    rows = table("what was counted, against what")
    rows.add_column("reason", overflow="fold")
    number_column(rows, "value")
    number_column(rows, "threshold")
    number_column(rows, "cleared by")
    for counter in found.counters:
        by = "" if counter.margin is None else f"{counter.margin:.2f} x"
        rows.add_row(printable(counter.text), _number(counter.value), _number(counter.threshold), by)
    near = found.nearest
    if near is None or near.value is None or near.threshold is None:
        return Group(rows)
    side = "below" if near.value >= near.threshold else "above"
    text = f"It would not have fired with {near.code} {side} {_number(near.threshold)}; it was {_number(near.value)}."
    return Group(rows, Text(" "), Text(text, style="green"))


def _model(found: Explanation) -> list[Group | Text]:
    model = found.alert.model
    if model is None:
        return []
    said = Text(f"The model {model.detector} (version {model.version}) says {model.score:.4f}: 0 is ordinary, 1 never seen.")
    if not found.features:
        return [Text(" "), said]
    rows = table("its strongest features")
    rows.add_column("feature")
    number_column(rows, "value")
    number_column(rows, "adds to the score")
    for feature in found.features:
        rows.add_row(printable(feature.name), _number(feature.value), f"{feature.weight:+.3f}")
    return [Text(" "), said, Group(rows)]


def _case(case: Case) -> list[Text]:
    lines = [
        Text(" "),
        Text(f"its case, {case.case_id}", style="bold"),
        _fact("cause", f"{case.cause}: {case.told}"),
        _fact("time", f"{_time(case.first_ts)} to {_time(case.last_ts)}"),
        _fact("members", f"{len(case.members):,} {'alert' if len(case.members) == 1 else 'alerts'}"),
    ]
    if case.exposed:
        lines.append(_fact("exposed", _some(case.exposed)))
        lines.append(_fact("entered", _some(case.entered)))
    return lines


def _some(accounts: Sequence[str]) -> str:
    listed = ", ".join(accounts[:_LISTED])
    more = f" and {len(accounts) - _LISTED:,} more" if len(accounts) > _LISTED else ""
    return f"{len(accounts):,}: {listed}{more}" if accounts else "none"


def _slots(slots: Sequence[Slot]) -> list[Group | Text]:
    if not slots:
        return []
    rows = table("what happened (UTC)")
    rows.add_column("from", no_wrap=True)
    for name in ("attempts", "failed", "good", "refused"):
        number_column(rows, name)
    rows.add_column("")
    most = max(slot.attempts for slot in slots)
    for slot in slots:
        bar = Text("█" * -(-slot.failures * _BAR // most), style="red")
        bar.append("█" * -(-slot.refused * _BAR // most), style="yellow")
        bar.append("█" * -(-slot.successes * _BAR // most), style="green")
        counts = (f"{count:,}" if count else "" for count in (slot.attempts, slot.failures, slot.successes, slot.refused))
        rows.add_row(_time(slot.ts)[5:], *counts, bar)
    return [Text(" "), Group(rows)]


def _decided(found: Explanation) -> list[Group | Text]:
    if not found.decisions:
        return []
    rows = table("what was decided")
    for name in ("mode", "type", "scope"):
        rows.add_column(name, no_wrap=True)
    rows.add_column("value", overflow="fold")
    rows.add_column("until (UTC)", no_wrap=True)
    for decision in found.decisions[:_LISTED]:
        until = _time(decision.end)
        rows.add_row(decision.mode, decision.type, decision.scope, printable(decision.value), until)
    more = len(found.decisions) - _LISTED
    return [Text(" "), Group(rows), *([Text(f"and {more:,} more")] if more > 0 else [])]
