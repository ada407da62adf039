"""``make evaluate``: the incident of April 2022 in a closed loop, replayed, and judged by what it has to come to.

Attackers and customers react to being refused; the events that come of it are replayed with verdicts while they come, and what was
raised, decided and refused is held against the labels: ``crible simulate``, ``crible replay``, ``crible evaluate``. A week without
any attack is played beside, on what the second core has left. The bars are where the project must end up; that one is not met is
said, and is no failure. The floors are what is reached today, with some slack: below one the exit code is 1. A floor is lowered
only with the reason, in a commit of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from math import floor
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any, Final

import click
import msgspec
from rich.console import Console

from models.decisions import DAY_S, REFUSING, Decision
from models.evaluation import ALL, Evaluation
from streams.figures import show, words
from streams.tables import number_column, table

SCENARIO, QUIET, POISONED = "laposte-2022", "quiet-week", "poisoned"
SEED: Final = 1
ACCOUNTS: Final = 20_000
_PART_BYTES: Final = 1 << 20
_LOOK_AGAIN_S: Final = 0.1
#: What ``make evaluate`` must reach today, by the names that :func:`measured` gives; for this seed and so many accounts.
FLOORS: Final[dict[str, float]] = {
    "accounts saved of those exposed by stuffing": 0.88,
    "refused later than 60 s: credential stuffing": 0.97,
    "refused later than 60 s: password spray": 0.96,
    "refused later than 60 s: brute force": 0.99,
    "refused later than 60 s: login flood": 0.99,
    "customers touched, of all accounts": 0.0003,
    "protected customers touched": 0,
    "false cases a day and million accounts": 100,
    "precision by actor: brute force": 0.95,
    "recall by actor: brute force": 0.90,
    "precision by actor: password spray": 0.95,
    "recall by actor: password spray": 0.90,
    "precision by actor: credential stuffing": 0.95,
    "recall by actor: credential stuffing": 0.90,
    "precision by actor: account takeover": 0.95,
    "recall by actor: account takeover": 0.88,
    "precision by actor: login flood": 0.95,
    "recall by actor: login flood": 0.90,
    "campaigns with the right cause": 0.95,
    "blocks in a week without attack": 0,
}


@dataclass(frozen=True)
class Measured:
    """A figure and its bar; ``value`` is ``None`` where there was nothing to measure. Shares are below 1."""

    name: str
    value: float | None
    bar: float
    at_most: bool = False
    share: bool = True

    def reaches(self, limit: float) -> bool:
        """Whether it is as good as that."""
        return self.value is not None and (self.value <= limit if self.at_most else self.value >= limit)

    def shown(self, value: float | None) -> str:
        """A value of its kind, as people write it."""
        if value is None:
            return "-"
        if not self.share:
            return f"{value:,.0f}"
        return f"{100 * value:.2g} %" if self.at_most else f"{floor(1000 * value) / 10:.1f} %"


def measured(evaluation: Evaluation, accounts: int, enforced_in_quiet_week: int, poisoned_loss: float | None) -> Iterator[Measured]:
    """The figures that have a bar, in the order of their importance; that of poisoning where it was measured.

    The bars on customers and false cases are by accounts of the provider (design section 6), who do not all log in that day.
    """
    crible, alerts = evaluation.measures["crible"], evaluation.alerts
    assert alerts is not None
    stuffed = crible.accounts["credential_stuffing"]
    yield Measured("accounts saved of those exposed by stuffing", stuffed.accounts_saved, 0.9)
    for kind, attempts in crible.attempts.items():
        if kind != ALL:
            late = attempts.late_stopped / attempts.late if attempts.late else None
            yield Measured(f"refused later than 60 s: {words(kind)}", late, 0.97)
    yield Measured("customers touched, of all accounts", crible.legit_accounts_touched / accounts, 0.0002, at_most=True)
    yield Measured("protected customers touched", crible.protected_touched, 0, at_most=True, share=False)
    cases, million_account_days = alerts.cases, accounts / 1e6 * (evaluation.end_ts - evaluation.start_ts) / DAY_S
    false_rate = cases.false_cases / million_account_days
    yield Measured("false cases a day and million accounts", false_rate, 20, at_most=True, share=False)
    for kind, figures in alerts.kinds.items():
        if kind != "campaign":
            yield Measured(f"precision by actor: {words(kind)}", figures.precision, 0.95)
            yield Measured(f"recall by actor: {words(kind)}", figures.recall, 0.90)
    named = cases.rightly_named / cases.campaigns if cases.campaigns else None
    yield Measured("campaigns with the right cause", named, 0.95)
    yield Measured("blocks in a week without attack", enforced_in_quiet_week, 0, at_most=True, share=False)
    if poisoned_loss is not None:
        yield Measured("recall lost by two weeks of poisoning", poisoned_loss, 0.05, at_most=True)


class Runner:
    """Runs ``crible`` in a folder, and says on stderr what takes how long; ``beside`` something that is not to wait for it."""

    def __init__(self, folder: Path, accounts: int, seed: int, *, beside: bool = False) -> None:
        self.folder, self.accounts, self.seed = folder, accounts, seed
        self._nice = ["nice", "-n", "10"] if beside else []
        self._started = monotonic()

    def incident(self, chart: Iterable[Path]) -> Evaluation:
        """Simulate, replay while it plays, evaluate; charts go to the files."""
        events, groups = self.folder / "incident.events.ndjson", "--groups=incident.groups.csv"
        made = [f"--{name}=replayed.{name}.ndjson" for name in ("alerts", "decisions", "verdicts")]
        events.unlink(missing_ok=True)
        with ThreadPoolExecutor(1) as player:
            playing = player.submit(self._simulate, SCENARIO, "incident", self.accounts)
            while not events.exists():  # the groups are there before
                with suppress(TimeoutError):
                    playing.result(_LOOK_AGAIN_S)
            self._crible("replay", "-", *made, groups, given=_growing(events, playing))
            played = playing.result()
        given = [*made, f"--events={events.name}", "--labels=incident.labels.ndjson", groups]
        charts = [f"--chart={path.resolve()}" for path in chart]
        return msgspec.convert(self._crible("evaluate", *given, *charts, f"--since={played['judged_from']}"), Evaluation)

    def quiet_week(self) -> int:
        """Decisions that refuse somebody, in eight days without attack."""
        self._simulate(QUIET, "quiet", self.accounts)
        lines = (self.folder / "quiet.decisions.ndjson").read_bytes().splitlines()
        decisions = [msgspec.json.decode(line, type=Decision) for line in lines]
        return sum(decision.mode == "enforce" and decision.type in REFUSING for decision in decisions)

    def poisoned_loss(self) -> float:
        """How much of the recall by actor two weeks of poisoning cost, of the kind of attack that suffers most."""
        clean, poisoned = (self._recall(scenario) for scenario in (SCENARIO, POISONED))
        return max(clean[kind] - poisoned.get(kind, 0.0) for kind in clean)

    def _recall(self, scenario: str) -> dict[str, float]:
        """Of the simulation's own alerts; by kind."""
        name = f"compared-{scenario}"
        played = self._simulate(scenario, name, ACCOUNTS)
        files = [f"--{what}={name}.{what}.ndjson" for what in ("events", "labels", "decisions", "alerts")]
        judged = msgspec.convert(self._crible("evaluate", *files, f"--since={played['judged_from']}"), Evaluation)
        return {
            kind: each.recall for kind, each in (judged.alerts.kinds if judged.alerts else {}).items() if each.recall is not None
        }

    def _simulate(self, scenario: str, name: str, accounts: int) -> Any:
        files = [f"--{what}={name}.{what}.ndjson" for what in ("labels", "decisions", "alerts")]
        files += [f"--out={name}.events.ndjson", f"--groups={name}.groups.csv"]
        return self._crible("simulate", scenario, f"--seed={self.seed}", f"--accounts={accounts}", "--closed-loop", *files)

    def _crible(self, *arguments: str, given: Iterable[bytes] = ()) -> Any:
        """The result of a command to which all of this is ``given`` on its standard input."""
        what = " ".join(argument for argument in arguments[:2] if not argument.startswith("-"))
        self._say(f"{what} …")
        began = monotonic()
        call = [*self._nice, sys.executable, "-m", "streams", *arguments, "--json"]
        with Popen(call, cwd=self.folder, stdin=PIPE, stdout=PIPE) as running:
            assert running.stdin is not None
            with suppress(BrokenPipeError):
                for part in given:
                    running.stdin.write(part)
            result, _ = running.communicate()
        if running.returncode:
            raise click.ClickException(f"crible {what} ended with {running.returncode}")
        self._say(f"{what}: {monotonic() - began:.0f} s")
        return msgspec.json.decode(result)

    def _say(self, text: str) -> None:
        click.echo(f"{monotonic() - self._started:5.0f} s  {text}", err=True)


def _growing(file: Path, writer: Future[Any]) -> Iterator[bytes]:
    """What is in a file, and what comes until its writer is done. A pipe would have the writer wait for the reader."""
    with file.open("rb") as written:
        while True:
            is_done = writer.done()
            if part := written.read(_PART_BYTES):
                yield part
            elif is_done:
                return
            else:
                sleep(_LOOK_AGAIN_S)


def _show(figures: list[Measured], floors: dict[str, float], console: Console) -> None:
    shown = table("What it must come to")
    shown.add_column("")
    for header in ("measured", "bar", "floor"):
        number_column(shown, header)
    shown.add_column("")
    for each in figures:
        sign, least = "≤" if each.at_most else "≥", floors.get(each.name)
        below = least is not None and not each.reaches(least)
        verdict = "[bold red]below floor[/]" if below else "[green]met[/]" if each.reaches(each.bar) else "not met"
        shown.add_row(each.name, each.shown(each.value), f"{sign} {each.shown(each.bar)}", each.shown(least), verdict)
    console.print(shown)


@click.command()
@click.option("--accounts", type=click.IntRange(min=2000), default=ACCOUNTS, show_default=True, help="Mailboxes.")
@click.option("--seed", type=click.IntRange(min=0), default=SEED, show_default=True, help="Floors are judged for the default only.")
@click.option("--chart", type=click.Path(dir_okay=False, path_type=Path), multiple=True, help="Draw a chart (.png, .svg, .html).")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Leave events, labels and all results here.")
@click.option("--poisoned", "with_poisoned", is_flag=True, help=f"Also what two weeks of poisoning cost, of {ACCOUNTS:,} accounts.")
def main(accounts: int, seed: int, chart: tuple[Path, ...], keep: Path | None, with_poisoned: bool) -> None:
    """Play the incident of April 2022 and judge what Crible did."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    with nullcontext(str(keep)) if keep else TemporaryDirectory() as folder, ThreadPoolExecutor(1) as second:
        runner, other = (Runner(Path(folder).resolve(), accounts, seed, beside=beside) for beside in (False, True))
        quiet = second.submit(other.quiet_week)
        poisoned = second.submit(other.poisoned_loss) if with_poisoned else None
        evaluation = runner.incident(chart)
        figures = list(measured(evaluation, accounts, quiet.result(), poisoned.result() if poisoned else None))
    console = Console()
    show(evaluation, console)
    console.print()
    floors = FLOORS if (accounts, seed) == (ACCOUNTS, SEED) else {}
    _show(figures, floors, console)
    unknown = floors.keys() - {each.name for each in figures}
    if unknown:
        raise click.ClickException(f"floors without a figure: {', '.join(sorted(unknown))}")
    if not all(each.reaches(floors[each.name]) for each in figures if each.name in floors):
        raise click.ClickException("below a floor")


if __name__ == "__main__":
    main()
