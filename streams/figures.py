"""How an evaluation looks on a terminal, for ``crible evaluate`` and ``crible demo``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from models.accusations import AlertFigures, KindFigures
from models.evaluation import ALL, FLOOD, AccountFigures, AttemptFigures, Evaluation, Figures, Measure
from streams.tables import number_column, percent, table

__all__ = ["MEASURES", "OURS", "parts", "refused", "refused_late", "saved", "show", "words"]

#: The style of our own figures.
OURS: Final = "bold cyan"
#: The measures as people write them, on two lines where a column should be narrow.
MEASURES: Final[dict[Measure, str]] = {
    "crible": "Crible",
    "do_nothing": "do nothing",
    "cut_foreign": "cut foreign\naddresses",
    "cut_pop_imap": "cut POP\nand IMAP",
}
_KIND_NOTE: Final = (
    "after 60 s: of the attempts later than that after the attacker's first. exposed: attackers held the password; "
    "lost: and got in at least once."
)
_FOUND_NOTE: Final = (
    "found: attackers that a right alert is about. right: of those accused by an alert of that kind. decided after: from an "
    "attacker's first attempt to the first decision about him; never counts as the whole time."
)
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600


def show(evaluation: Evaluation, console: Console) -> None:
    """Print all figures."""
    hours = (evaluation.end_ts - evaluation.start_ts) / _HOUR_S
    customers = evaluation.measures["crible"].legit_accounts
    console.print(f"{evaluation.attempts:,} attempts in {hours:.1f} hours, {customers:,} customers", highlight=False)
    for part in parts(evaluation):
        console.print()
        console.print(part)


def parts(evaluation: Evaluation) -> Iterator[RenderableType]:
    """The tables, each with its notes: the comparison with cruder measures first."""
    yield _comparison(evaluation)
    yield _noted(_by_kind(evaluation.measures["crible"]), _KIND_NOTE)
    yield _noted(_found(evaluation), _FOUND_NOTE)
    if evaluation.alerts is not None:
        yield _noted(_confusion(evaluation.alerts), _cases(evaluation.alerts))


def _noted(part: Table, note: str) -> Group:
    return Group(part, Text(note, style="dim"))


def _comparison(evaluation: Evaluation) -> Table:
    crible = evaluation.measures["crible"]
    shown = table("Compared with the cruder ways")
    shown.add_column("", overflow="fold")
    for measure, header in MEASURES.items():
        number_column(shown, header, OURS if measure == "crible" else "")

    def row(what: str, figure: Callable[[Figures], str]) -> None:
        shown.add_row(what, *(figure(evaluation.measures[measure]) for measure in MEASURES))

    row("attack attempts refused", lambda figures: refused(figures.attempts[ALL]))
    row("those after each attacker's first minute", lambda figures: refused_late(figures.attempts[ALL]))
    if FLOOD in crible.attempts:
        row("flood attempts refused", lambda figures: refused(figures.attempts[FLOOD]))
    row(f"accounts lost, of {crible.accounts[ALL].accounts_exposed:,} exposed", lambda figures: f"{_lost(figures):,}")
    row("accounts saved", lambda figures: saved(figures.accounts[ALL]))
    row(f"customers cut off, of {crible.legit_accounts:,}", lambda figures: f"{figures.legit_accounts_cut:,}")
    if crible.legit_accounts_delayed:
        row("customers delayed", lambda figures: f"{figures.legit_accounts_delayed:,}")
    if crible.legit_accounts_challenged:
        row("customers challenged", lambda figures: f"{figures.legit_accounts_challenged:,}")
    if crible.legit_accounts_reset:
        row("customers made to change their password", lambda figures: f"{figures.legit_accounts_reset:,}")
    row("customers touched in any way", lambda figures: f"{figures.legit_accounts_touched:,}")
    row("of them protected", lambda figures: f"{figures.protected_touched:,}")
    return shown


def _by_kind(crible: Figures) -> Table:
    shown = table("What was stopped and saved")
    shown.add_column("attack", overflow="fold")
    for header in ("attempts", "refused", "after\n60 s", "exposed", "lost", "saved"):
        number_column(shown, header)
    for kind in crible.accounts:
        attempts, accounts = crible.attempts[kind], crible.accounts[kind]
        numbers = (f"{accounts.accounts_exposed:,}", f"{accounts.accounts_lost:,}")
        name = "all but floods" if kind == ALL and FLOOD in crible.attempts else words(kind)
        shown.add_row(
            name,
            f"{attempts.attempts:,}",
            refused(attempts),
            refused_late(attempts),
            *numbers,
            saved(accounts),
        )
    return shown


def _found(evaluation: Evaluation) -> Table:
    shown = table("Who was found, and how soon")
    shown.add_column("attack", overflow="fold")
    for header in ("attackers", "found", "right", "decided\nafter p50", "p90", "never"):
        number_column(shown, header)
    kinds = evaluation.alerts.kinds if evaluation.alerts else {}
    for kind, times in evaluation.time_to_decision.items():
        alerts = kinds.get(kind)
        shown.add_row(
            words(kind),
            f"{times.actors:,}",
            percent(alerts.found, alerts.actors) if alerts else "-",
            _precision(alerts),
            _span(times.p50_s),
            _span(times.p90_s),
            percent(times.undecided, times.actors),
        )
    for kind, alerts in kinds.items():
        if kind not in evaluation.time_to_decision:
            shown.add_row(words(kind), "0", "-", _precision(alerts), "-", "-", "-")
    return shown


def _confusion(alerts: AlertFigures) -> Table:
    shown = table("What the alerts were really about")
    shown.add_column("alert", overflow="fold")
    number_column(shown, "alerts")
    number_column(shown, "right")
    shown.add_column("the others", overflow="fold")
    for kind, truths in alerts.confusion.items():
        others = ", ".join(f"{count:,} {words(truth)}" for truth, count in truths.items() if truth != kind)
        count = sum(truths.values())
        shown.add_row(words(kind), f"{count:,}", percent(truths.get(kind, 0), count), others)
    return shown


def _cases(alerts: AlertFigures) -> str:
    cases, rate = alerts.cases, alerts.cases.false_per_day_and_million
    text = f"{cases.cases:,} cases for analysts, {cases.false_cases:,} of them false"
    if rate is not None:
        text += f": {rate:,.1f} a day and million customers"
    if cases.campaigns:
        text += f". Campaigns: {cases.campaigns:,}, {cases.rightly_named:,} of them with the right cause"
    return f"{text}."


def refused(attempts: AttemptFigures) -> str:
    """The share of the attempts."""
    return percent(attempts.stopped, attempts.attempts)


def refused_late(attempts: AttemptFigures) -> str:
    """The share of those after each attacker's first minute."""
    return percent(attempts.late_stopped, attempts.late)


def saved(accounts: AccountFigures) -> str:
    """The share of the exposed accounts."""
    return percent(accounts.accounts_exposed - accounts.accounts_lost, accounts.accounts_exposed)


def words(name: str) -> str:
    """A kind as people write it.

    >>> words("login_flood")
    'login flood'
    """
    return name.replace("_", " ")


def _lost(figures: Figures) -> int:
    return figures.accounts[ALL].accounts_lost


def _precision(alerts: KindFigures | None) -> str:
    return percent(alerts.rightly_accused, alerts.accused) if alerts else "-"


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE_S:.0f} min" if seconds < 2 * _HOUR_S else f"{seconds / _HOUR_S:.1f} h"
