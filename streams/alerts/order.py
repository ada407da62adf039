"""``crible alerts --order``: what analysts have not judged yet, most worth a look first, as they have taught it.

auth.alerts, auth.feedback -> models.triage -> a table, or JSON
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec
from rich.console import Console
from rich.text import Text

from models import feedback
from models.alerts import Alert
from models.feedback import Judgement
from models.pseudonyms import Pseudonyms
from models.triage import NEEDED_OF_EACH, Listing, Ranked, listing
from streams.compacted import CompactedReader, decoded
from streams.settings import Settings
from streams.tables import number_column, printable, table

__all__ = ["judgements", "order", "show_listing"]

#: Lines on a terminal; ``--json`` has them all.
_LISTED: Final = 50


def judgements(settings: Settings) -> dict[str, Judgement]:
    """What analysts have said, by the id that they gave.

    Raises:
        KafkaError: The broker refused.
    """
    found: dict[str, Judgement] = {}
    reader = CompactedReader(settings, "auth.feedback")
    try:
        while not reader.caught_up():
            for record in reader.poll():
                judgement = decoded(record, feedback.SCHEMA, Judgement)
                if judgement is not None:
                    found[judgement.alert_id] = judgement
    finally:
        reader.close()
    return found


def order(
    alerts: list[Alert],
    judged: Mapping[str, Judgement],
    pseudonyms: Pseudonyms | None,
    shown: Callable[[Alert], Alert | None] = lambda alert: alert,
) -> Listing:
    """The open alerts as ``shown`` says. Who only ever sees ``pseudonyms`` judges alerts by those of their ids."""
    told = dict(judged)
    if pseudonyms is not None:
        for alert in alerts:
            hidden = judged.get(pseudonyms.of("id", alert.alert_id))
            if hidden is not None:
                told.setdefault(alert.alert_id, msgspec.structs.replace(hidden, alert_id=alert.alert_id))
    found = listing(alerts, told)
    seen = [Ranked(each.probability, seen_as) for each in found.alerts if (seen_as := shown(each.alert)) is not None]
    return msgspec.structs.replace(found, alerts=seen)


def show_listing(found: Listing, console: Console) -> None:
    """A table, and what the order was learnt from."""
    rows = table("open alerts, most worth a look first")
    number_column(rows, "true")
    for name in ("severity", "kind", "about", "raised (UTC)", "id"):
        rows.add_column(name, overflow="fold")
    for each in found.alerts[:_LISTED]:
        alert = each.alert
        about = ", ".join(str(value) for value in alert.subject.parts().values()) or "the service as a whole"
        raised = f"{datetime.fromtimestamp(alert.ts, UTC):%Y-%m-%d %H:%M}"
        probability = "" if each.probability is None else f"{each.probability:.0%}"
        rows.add_row(probability, *map(printable, (alert.severity, alert.kind, about, raised, alert.alert_id)))
    console.print(rows)
    how = f"learnt from {found.judgements:,} judgements"
    if all(each.probability is None for each in found.alerts):
        how = f"by severity and score: {found.judgements:,} of {found.needed} judgements, {NEEDED_OF_EACH} true and false at least"
    console.print(Text(f"{min(len(found.alerts), _LISTED):,} of {len(found.alerts):,} alerts, {how}"))
