"""``crible demo``: the whole job with no broker, on a made-up mail provider under attack.

Simulated attempts -> alerts -> decisions -> a block list on 127.0.0.1, and a summary that judges the decisions by the
simulator's labels. The stages are those of the worker, the ledger is that of the blocking service. Nothing in the result
depends on the clock: the same seed gives the same result.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from io import StringIO
from pathlib import Path
from secrets import token_hex
from time import monotonic
from typing import Final

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from models.accounts import AccountDirectory, Groups
from models.alerts import Kind
from models.attempts import Attempt, Resolver
from models.decisions import Decision, Ledger
from models.errors import InputError
from models.evaluation import ALL, BENIGN, FLOOD, AttemptFigures, Effect, Figures, Measure, evaluate
from models.geo import Geo
from models.pipeline import Pipeline
from models.policy import Policy
from models.usage import UsageBook
from simulator import SCENARIOS, Label, simulate
from simulator import groups as groups_of
from streams.cli import print_json, standard_options
from streams.progress import progress
from streams.serve import create_app, listen, server_of
from streams.settings import ApiKey, Settings
from streams.store import DecisionStore
from streams.tables import number_column, percent, printable, table

__all__ = ["Result", "command", "run", "serve"]

_SCENARIO: Final = "demo"
_HOUR_S: Final = 3600
_HOST: Final = "127.0.0.1"
#: Bouncers get addresses and ranges without asking, pairs if they ask.
_SCOPES: Final = "ip,range,account_ip"
_OURS: Final = "bold cyan"
#: A narrower terminal wraps lines; tables squeezed further would lose digits.
_LEAST_WIDTH: Final = 60
_PICTURE_WIDTH: Final = 100
_FONTS_FROM_AFAR: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_MEASURES: Final[dict[Measure, str]] = {
    "crible": "Crible",
    "do_nothing": "do nothing",
    "cut_foreign": "cut foreign\naddresses",
    "cut_pop_imap": "cut POP\nand IMAP",
}
_RESPONSE_NOTE: Final = (
    "after 60 s: of the attempts later than that after the attacker's first. exposed: attackers held the password. "
    "cold: too little history behind the alert, so it decides nothing."
)
_OPEN_LOOP: Final = "Open loop: the simulated attackers do not react to being refused, so takeovers come all the same."


class Attack(msgspec.Struct, frozen=True):
    """One kind of attack as it really was; ``began`` is UTC seconds, the others are distinct counts but ``attempts``."""

    began: float
    attempts: int
    addresses: int
    accounts: int


class Raised(msgspec.Struct, frozen=True):
    """Alerts of one kind; ``cold`` of them had too little history behind them to decide anything."""

    alerts: int
    cold: int


class Block(msgspec.Struct, frozen=True):
    """An enforced decision and what it did."""

    decision: Decision
    effect: Effect


class Result(msgspec.Struct, frozen=True):
    """What happened. ``attacks`` is by label, ``alerts`` by kind, ``decisions`` by mode; ``blocks`` most effective first."""

    seed: int
    accounts: int
    start_ts: float
    end_ts: float
    attempts: int
    protected_groups: list[str]
    attacks: dict[str, Attack]
    alerts: dict[str, Raised]
    decisions: dict[str, int]
    blocks: list[Block]
    measures: dict[Measure, Figures]


@click.command()
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Another seed, another morning.")
@click.option("--no-serve", is_flag=True, help="End after the summary.")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Write the summary as a picture, too.")
@standard_options
def command(seed: int, no_serve: bool, svg: Path | None, settings: Settings, as_json: bool) -> None:
    """Run the whole job with no broker: a mail provider under attack, alerts, decisions, the block list served."""
    result, store = run(seed)
    if as_json:
        print_json(result)
    else:
        console = Console()
        console.width = max(console.width, _LEAST_WIDTH)
        _show(result, console)
    if svg is not None:
        _write_picture(result, svg)
    if not no_serve:
        serve(store, result.end_ts, Console(stderr=as_json))


def run(seed: int) -> tuple[Result, DecisionStore]:
    """Play the scenario, detect, decide, and judge the decisions."""
    scenario, policy = SCENARIOS[_SCENARIO], Policy.enforcing()
    steps = list(progress("simulating", simulate(_SCENARIO, seed), unit="attempts"))
    resolver = Resolver(AccountDirectory(), Geo())
    groups = Groups(_members(scenario.accounts, resolver.accounts))
    usage = UsageBook(groups)
    ledger, store = Ledger(policy, groups, usage=usage.users), DecisionStore(policy)
    alerts: Counter[str] = Counter()
    cold: Counter[str] = Counter()
    events = progress("detecting", (event for event, _ in steps), unit="attempts", total=len(steps))
    for alert in Pipeline(resolver, groups, usage=usage).run(events):
        alerts[alert.kind] += 1
        cold[alert.kind] += alert.cold
        for decision in ledger.apply(alert, alert.ts):
            store.put(decision)
    known = [(resolver.attempt(event), label) for event, label in steps]
    judged = evaluate(progress("judging", iter(known), unit="attempts", total=len(known)), ledger, policy, groups)
    result = Result(
        seed=seed,
        accounts=scenario.accounts,
        start_ts=scenario.start_ts,
        end_ts=scenario.start_ts + scenario.hours * _HOUR_S,
        attempts=len(known),
        protected_groups=sorted(policy.protected_groups),
        attacks=_attacks(known),
        alerts={kind: Raised(count, cold[kind]) for kind, count in alerts.most_common()},
        decisions=Counter(decision.mode for decision in ledger),
        blocks=_blocks(ledger, judged.effects),
        measures=judged.measures,
    )
    return result, store


def _members(accounts: int, directory: AccountDirectory) -> dict[str, list[str]]:
    return {directory.resolve(login): [group] for login, group in groups_of(accounts)}


def _attacks(known: Iterable[tuple[Attempt, Label]]) -> dict[str, Attack]:
    """What was attacked, by kind, in the order in which it began."""
    attempts: dict[str, list[Attempt]] = {}
    for attempt, label in known:
        if label.label != BENIGN:
            attempts.setdefault(label.label, []).append(attempt)
    return {
        kind: Attack(made[0].ts, len(made), len({attempt.address for attempt in made}), len({attempt.account for attempt in made}))
        for kind, made in attempts.items()
    }


def _blocks(decisions: Iterable[Decision], effects: dict[str, Effect]) -> list[Block]:
    """The decisions that refuse attempts, those that stopped the most first."""
    refusing = (decision for decision in decisions if decision.mode == "enforce" and decision.type in {"ban", "guard"})
    blocks = [Block(decision, effects.get(decision.decision_id, Effect(0, 0))) for decision in refusing]
    return sorted(blocks, key=lambda block: (-block.effect.stopped, block.decision.start, block.decision.decision_id))


def serve(store: DecisionStore, now: float, console: Console) -> None:
    """Serve the block list on the loopback address until Ctrl-C, with a key made for this run.

    Args:
        store: The decisions.
        now: The service's time, UTC seconds, at the start: where the simulation ended.
        console: Where to say how to read the list.
    """
    key, started = token_hex(16), monotonic()
    keys = [ApiKey(name="demo", sha256=sha256(key.encode()).hexdigest())]
    app = create_app(store, keys, lambda: now + monotonic() - started, lambda: True)
    with listen(_HOST, 0) as listening, suppress(KeyboardInterrupt):
        where = f"http://{_HOST}:{listening.getsockname()[1]}/v1/decisions"
        console.print(f"\n[bold]The block list is served[/] at {where} until Ctrl-C. Try:", soft_wrap=True, highlight=False)
        curl = f"curl -s -H 'X-Api-Key: {key}' '{where}?scopes={_SCOPES}'"
        console.print(Text(curl, style="green"), soft_wrap=True)
        server_of(app).run(sockets=[listening])


def _show(result: Result, console: Console) -> None:
    hours = (result.end_ts - result.start_ts) / _HOUR_S
    console.print(f"\n[bold]A mail provider under attack[/]  [dim]simulated, seed {result.seed}[/]", highlight=False)
    console.print(f"{result.accounts:,} mailboxes, {result.attempts:,} log-in attempts in {hours:g} hours.\n", highlight=False)
    console.print(_headline(result))
    for part, note in (
        (_attack_table(result), None),
        (_response_table(result), _RESPONSE_NOTE),
        (_block_table(result), _other_decisions(result)),
        (_comparison(result), _OPEN_LOOP),
    ):
        console.print()
        console.print(part)
        if note:
            console.print(note, style="dim", highlight=False)


def _headline(result: Result) -> Table:
    """Three figures that say whether it worked."""
    figures = result.measures["crible"]
    attempts, accounts = figures.attempts[ALL], figures.accounts[ALL]
    saved = accounts.exposed - accounts.lost
    grid = Table.grid(padding=(0, 2, 0, 0))
    number_column(grid, "", _OURS)
    grid.add_column()
    grid.add_row(
        _refused_late(attempts), f"of attack attempts refused after each attacker's first minute; {_refused(attempts)} of all"
    )
    grid.add_row(percent(saved, accounts.exposed), f"of exposed accounts saved: {saved:,} of {accounts.exposed:,}")
    grid.add_row(
        f"{figures.legit_accounts_touched:,}",
        f"of {figures.legit_accounts:,} customers had a good log-in refused; {figures.protected_touched:,} of them protected",
    )
    return grid


def _attack_table(result: Result) -> Table:
    shown = table("What was attacked")
    shown.add_column("attack")
    for header in ("began\n(UTC)", "attempts", "addresses", "accounts"):
        number_column(shown, header)
    for kind, attack in result.attacks.items():
        numbers = (attack.attempts, attack.addresses, attack.accounts)
        shown.add_row(_words(kind), f"{_time(attack.began):%H:%M}", *(f"{number:,}" for number in numbers))
    return shown


def _response_table(result: Result) -> Table:
    figures = result.measures["crible"]
    shown = table("What Crible did")
    shown.add_column("attack")
    for header in ("alerts", "cold", "refused", "after\n60 s", "exposed", "lost"):
        number_column(shown, header)
    none_raised = Raised(0, 0)
    for kind in result.attacks:
        raised, attempts, accounts = result.alerts.get(kind, none_raised), figures.attempts[kind], figures.accounts[kind]
        alerts = (f"{raised.alerts:,}", f"{raised.cold:,}")
        shown.add_row(
            _words(kind), *alerts, _refused(attempts), _refused_late(attempts), f"{accounts.exposed:,}", f"{accounts.lost:,}"
        )
    return shown


def _block_table(result: Result) -> Table:
    shown = table(f"What was blocked, and why: of {len(result.blocks):,} blocks the most effective one of each kind")
    shown.add_column("block", overflow="fold")
    shown.add_column("until (UTC)")
    for header in ("refused", "customers\npredicted", "customers\ncut off"):
        number_column(shown, header)
    kinds = Counter(block.decision.scenario for block in result.blocks)
    best: dict[Kind, Block] = {}
    for block in result.blocks:
        best.setdefault(block.decision.scenario, block)
    for kind, block in best.items():
        decision, legit = block.decision, block.decision.impact.legit_accounts
        why = Text(f"{_words(kind)}, 1 of {kinds[kind]:,}: ").append_text(printable(decision.reason))
        why.stylize("dim")
        shown.add_row(
            Text(f"{decision.scope} ").append_text(printable(decision.value)).append("\n").append_text(why),
            f"{_time(decision.until):%d %b %H:%M}",
            f"{block.effect.stopped:,}",
            f"{legit.estimate:,} ({legit.low:,}-{legit.high:,})" if legit else "unknown",
            f"{block.effect.legit_accounts:,}",
        )
    return shown


def _other_decisions(result: Result) -> str:
    notices = result.decisions.get("enforce", 0) - len(result.blocks)
    return (
        f"Also {notices:,} notices to owners whose telephone keeps an old password, "
        f"and {result.decisions.get('proposed', 0):,} proposals for a person."
    )


def _comparison(result: Result) -> Table:
    crible = result.measures["crible"]
    shown = table("Compared with the cruder ways")
    shown.add_column("")
    for measure, header in _MEASURES.items():
        number_column(shown, header, _OURS if measure == "crible" else "")

    def row(what: str, figure: Callable[[Figures], str]) -> None:
        shown.add_row(what, *(figure(result.measures[measure]) for measure in _MEASURES))

    row("attack attempts refused", lambda figures: _refused(figures.attempts[ALL]))
    row("those after each attacker's first minute", lambda figures: _refused_late(figures.attempts[ALL]))
    if FLOOD in result.attacks:
        row("flood attempts refused", lambda figures: _refused(figures.attempts[FLOOD]))
    row(f"accounts lost, of {crible.accounts[ALL].exposed:,} exposed", lambda figures: f"{figures.accounts[ALL].lost:,}")
    row(f"customers cut off, of {crible.legit_accounts:,}", lambda figures: f"{figures.legit_accounts_touched:,}")
    row(f"of them protected ({', '.join(result.protected_groups)})", lambda figures: f"{figures.protected_touched:,}")
    return shown


def _refused(attempts: AttemptFigures) -> str:
    return percent(attempts.stopped, attempts.attempts)


def _refused_late(attempts: AttemptFigures) -> str:
    return percent(attempts.late_stopped, attempts.late)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _time(ts: float) -> datetime:
    return datetime.fromtimestamp(ts, UTC)


def _write_picture(result: Result, path: Path) -> None:
    """The summary as SVG, in fonts that the reader has: a picture in a README loads nothing from elsewhere."""
    console = Console(record=True, width=_PICTURE_WIDTH, file=StringIO())
    _show(result, console)
    svg = _FONTS_FROM_AFAR.sub("", console.export_svg(title="crible demo"))
    try:
        path.write_text(svg, encoding="utf-8")
    except OSError as error:
        raise InputError(error.strerror or "cannot write", where=str(path), hint="name a file in a folder that exists") from None
