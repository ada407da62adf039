"""``make ablation``: what each mechanism adds, by taking all of them away and giving them back one by one.

Every variant plays the incident of April 2022 in a closed loop of its own, as attackers come back differently from a different
defence. Nothing of this is a switch of the product: a mechanism is taken away by replacing its functions in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import click
import msgspec
from click.testing import CliRunner

from models import by_account, pipeline
from models.attempts import Attempt
from models.by_account import AccountRow, AccountStage
from models.crowd import Crowd
from models.detectors import AccountDetector, RateBaseline, SourceDetector
from models.evaluation import ALL, Evaluation
from models.service import ServiceStage
from models.stage import SeenAs
from models.verdicts import Verdicts
from streams import evaluate, simulate
from streams.tables import percent

_PROCESSES: Final = 2


def _nothing(*_given: object) -> None:
    """Says and does nothing."""


def _replace(where: object, **functions: Callable[..., Any]) -> None:
    for name, function in functions.items():
        setattr(where, name, function)


def without_source_model() -> None:
    """No forest over what comes from an address."""
    _replace(SourceDetector, score=_nothing, learn=_nothing)


def without_account_model() -> None:
    """No forest over what log-ins to an account look like."""
    _replace(AccountDetector, score=_nothing, learn=_nothing)


def without_service_model() -> None:
    """No past of the service's rates, so nothing stands out from it."""
    _replace(RateBaseline, score=_nothing, observe=_nothing)


def without_familiarity() -> None:
    """Accounts know nobody: all are newcomers."""

    def unknown(_row: AccountRow, _attempt: Attempt) -> int:
        return 0

    for module in (by_account, pipeline):
        _replace(module, familiarity=unknown)


def without_poison_safety() -> None:
    """Everything is learnt: who logs in from a source under attack, rates that stand out, strangers during a campaign."""
    learn, score, learn_minute = by_account._learn, RateBaseline.score, ServiceStage._learn

    def learn_all(row: AccountRow, attempt: Attempt) -> bool:
        return learn(row, msgspec.structs.replace(attempt, attack=0))

    def score_and_learn(baseline: RateBaseline, key: str, value: float) -> float | None:
        scored = score(baseline, key, value)
        baseline.observe(key, value)
        return scored

    def learn_every_minute(stage: ServiceStage, minute: int, counts: dict[SeenAs, int]) -> None:
        learn_minute(stage, minute, counts)
        if stage.extra.campaign is not None:
            stage._learn_quiet(counts)

    _replace(by_account, _learn=learn_all)
    _replace(RateBaseline, score=score_and_learn)
    _replace(ServiceStage, _learn=learn_every_minute)


def without_campaigns() -> None:
    """Nothing is put together, and so there are no verdicts."""
    alerts_of = ServiceStage._alerts

    def alerts_without_campaigns(stage: ServiceStage, *given: Any) -> list[Any]:
        alerts = alerts_of(stage, *given)
        stage.extra.campaign = None
        return [alert for alert in alerts if alert.kind != "campaign"]

    _replace(ServiceStage, _alerts=alerts_without_campaigns)
    _replace(Verdicts, judge=_nothing)


def without_crowds() -> None:
    """However many come at once, a stranger among them is looked at as ever."""

    def as_ever(_crowd: Crowd, _ts: float) -> float:
        return 1.0

    _replace(Crowd, times_the_usual=as_ever)


def without_refused_pairs() -> None:
    """Nobody remembers with which password a stranger was refused."""
    _replace(AccountStage, _remember_refused=_nothing)


#: In the order in which they are given back. Poison-safety is taken away first, as what it wraps may be replaced afterwards.
MECHANISMS: Final[dict[str, Callable[[], None]]] = {
    "River: source": without_source_model,
    "River: account": without_account_model,
    "River: service": without_service_model,
    "familiarity": without_familiarity,
    "poison-safe": without_poison_safety,
    "campaigns and verdicts": without_campaigns,
    "crowds": without_crowds,
    "refused pairs": without_refused_pairs,
}


class Variant(NamedTuple):
    """What is left, and what it is without."""

    name: str
    without: tuple[str, ...]


def variants() -> list[Variant]:
    """From the rules alone to everything; then everything without one."""
    names = list(MECHANISMS)
    growing = [Variant("rules only", tuple(names))]
    growing += [Variant(f"+ {name}", tuple(names[number:])) for number, name in enumerate(names, start=1)]
    return growing + [Variant(f"all but {name}", (name,)) for name in names[:-1]]


def play(variant: Variant, accounts: int, seed: int) -> Evaluation:
    """The incident with this variant, judged. Call it in a process of its own."""
    for name in sorted(variant.without, key=lambda name: name != "poison-safe"):
        MECHANISMS[name]()
    with TemporaryDirectory() as folder:
        files = [f"--{name}={Path(folder, name)}" for name in ("labels", "groups", "alerts", "decisions", "verdicts")]
        events = str(Path(folder, "events"))
        call = ["laposte-2022", f"--accounts={accounts}", f"--seed={seed}", "--closed-loop", "--out", events, *files, "--json"]
        played = msgspec.json.decode(_run(simulate.command, call))
        judged = _run(evaluate.command, [*files, "--events", events, f"--since={played['judged_from']}", "--json"])
    return msgspec.json.decode(judged, type=Evaluation)


def _run(command: click.Command, arguments: list[str]) -> bytes:
    return CliRunner().invoke(command, arguments, catch_exceptions=False).stdout_bytes


def row(name: str, evaluation: Evaluation) -> str:
    """A line of the table."""
    crible, alerts = evaluation.measures["crible"], evaluation.alerts
    assert alerts is not None
    accounts, attempts = crible.accounts["credential_stuffing"], crible.attempts[ALL]
    kinds = [figures for kind, figures in alerts.kinds.items() if kind != "campaign"]
    cells = [
        name,
        percent(accounts.accounts_exposed - accounts.accounts_lost, accounts.accounts_exposed),
        percent(attempts.late_stopped, attempts.late),
        f"{crible.legit_accounts_touched:,}",
        percent(sum(each.found for each in kinds), sum(each.actors for each in kinds)),
        percent(sum(each.rightly_accused for each in kinds), sum(each.accused for each in kinds)),
        f"{alerts.cases.cases:,}",
        f"{alerts.cases.false_cases:,}",
    ]
    return f"| {' | '.join(cells)} |"


@click.command()
@click.option("--accounts", type=click.IntRange(min=2000), default=10_000, show_default=True, help="Mailboxes.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
def main(accounts: int, seed: int) -> None:
    """Print the table, as Markdown."""
    click.echo("| | accounts saved | refused late | customers touched | attackers found | rightly accused | cases | false |")
    click.echo("|---|--:|--:|--:|--:|--:|--:|--:|")
    with get_context("spawn").Pool(_PROCESSES, maxtasksperchild=1) as pool:
        playing = [(variant.name, pool.apply_async(play, (variant, accounts, seed))) for variant in variants()]
        for name, result in playing:
            click.echo(row(name, result.get()))


if __name__ == "__main__":
    main()
