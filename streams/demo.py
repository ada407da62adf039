"""``crible demo``: the whole job with no broker, on a made-up mail provider under attack.

Simulated attempts -> alerts -> decisions -> a block list on 127.0.0.1, and a summary that judges the decisions by the
simulator's labels. The stages are those of the worker, the ledger is that of the blocking service. Nothing in the result
depends on the clock: the same seed gives the same result.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
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
from models.accusations import BENIGN
from models.alerts import Alert, Kind
from models.attempts import Attempt, Resolver
from models.closed_loop import ClosedLoop
from models.decisions import Decision
from models.errors import InputError
from models.evaluation import ALL, Effect, Evaluation, Judge
from models.events import AuthEvent
from models.geo import Geo
from models.pipeline import Pipeline
from models.policy import Policy
from models.usage import UsageBook
from models.verdicts import Verdicts
from simulator import SCENARIOS, Label, Scenario, simulate
from simulator import groups as groups_of
from streams.cli import print_json, standard_options
from streams.figures import OURS, parts, refused, refused_late, words
from streams.progress import progress
from streams.serve import create_app, listen, server_of
from streams.settings import ApiKey, Settings
from streams.store import DecisionStore
from streams.tables import number_column, percent, printable, table
from streams.wide_cut import Cut, cut_widely

__all__ = ["Result", "command", "run", "serve"]

_SCENARIO: Final = "week-and-demo"
_CLOSED_LOOP: Final = Text(
    "Attackers and customers react to being refused. Of stuffing that is refused from the first only the campaign's alert tells.",
    "dim",
)
#: In the week before, in which nothing is refused, so many attempts are taken in at once.
_TURN: Final = 2_000
_HOUR_S: Final = 3600
_WAVES: Final = {
    "protected": "protected groups",
    "stable": "stable habits",
    "password_changed": "changed passwords",
    "rest": "everybody else",
}
_HOST: Final = "127.0.0.1"
#: Bouncers get addresses and ranges without asking, pairs if they ask.
_SCOPES: Final = "ip,range,account_ip"
#: A narrower terminal wraps lines; tables squeezed further would lose digits.
_LEAST_WIDTH: Final = 60
_PICTURE_WIDTH: Final = 100
_FONTS_FROM_AFAR: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


class Attack(msgspec.Struct, frozen=True):
    """One kind of attack as it really was; ``began`` is UTC seconds, the others are distinct counts but ``attempts``."""

    began: float
    attempts: int
    addresses: int
    accounts: int


class Block(msgspec.Struct, frozen=True):
    """An enforced decision and what it did."""

    decision: Decision
    effect: Effect


class Result(msgspec.Struct, frozen=True):
    """What happened. ``attacks`` is by label, ``decisions`` by mode; ``blocks`` most effective first."""

    seed: int
    accounts: int
    start_ts: float
    end_ts: float
    history_h: float
    attempts: int
    protected_groups: list[str]
    attacks: dict[str, Attack]
    decisions: dict[str, int]
    blocks: list[Block]
    evaluation: Evaluation
    cut: Cut


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
    resolver = Resolver(AccountDirectory(), Geo())
    groups = Groups(_members(scenario.accounts, resolver.accounts))
    usage, alerts = UsageBook(groups), list[Alert]()
    pipeline = Pipeline(resolver, groups, judge=Verdicts(policy, groups), usage=usage)
    loop = ClosedLoop(pipeline, policy, groups, alerts.append)
    known = [(resolver.attempt(event), label) for event, label in _play(scenario, seed, loop)]
    ledger, store = loop.ledger, DecisionStore(policy)
    for decision in ledger:
        store.put(decision)
    verdicts = {verdict.event_id: verdict.action for verdict in loop.take_verdicts()}
    end_ts = scenario.start_ts + scenario.hours * _HOUR_S
    judge = Judge(ledger, policy, groups, alerts=alerts, since=scenario.judged_ts, until=end_ts)
    attacks = _attacks(known)
    for attempt, label in progress("judging", iter(known), unit="attempts", total=len(known)):
        judge.add(attempt, label, verdicts.get(attempt.event_id, "accept"))
    result = Result(
        seed=seed,
        accounts=scenario.accounts,
        start_ts=scenario.judged_ts,
        end_ts=end_ts,
        history_h=scenario.history_h,
        attempts=sum(attempt.ts >= scenario.judged_ts for attempt, _ in known),
        protected_groups=sorted(policy.protected_groups),
        attacks=attacks,
        decisions=Counter(decision.mode for decision in ledger),
        blocks=_blocks(ledger, judge.effects()),
        evaluation=judge.evaluation(),
        cut=cut_widely(pipeline, usage, policy, groups, _exposed(alerts), _began(attacks, end_ts), end_ts),
    )
    return result, store


def _play(scenario: Scenario, seed: int, loop: ClosedLoop) -> list[tuple[AuthEvent, Label]]:
    """Every attempt and who made it; attackers and customers react to being refused."""

    def refuses(event: AuthEvent) -> bool:
        return event.ts >= scenario.judged_ts and loop.refuses(event)

    steps = []
    for event, label in progress("playing", simulate(_SCENARIO, seed, refused=refuses), unit="attempts"):
        loop.saw(event)
        steps.append((event, label))
        if event.ts < scenario.judged_ts and not len(steps) % _TURN:
            loop.finish()
    loop.finish()
    return steps


def _exposed(alerts: Iterable[Alert]) -> set[str]:
    """Accounts of which the attackers were found to have the right password; their owners get new ones."""
    return {account for alert in alerts for account in alert.exposed or ()}


def _began(attacks: Mapping[str, Attack], otherwise: float) -> float:
    return min((attack.began for attack in attacks.values()), default=otherwise)


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
    console.print(
        f"{result.accounts:,} mailboxes, {result.attempts:,} log-in attempts in {hours:g} hours, after a week without attack.\n",
        highlight=False,
    )
    console.print(_headline(result))
    for part, note in (
        (_attack_table(result), None),
        (_block_table(result), _other_decisions(result)),
        *((part, None) for part in parts(result.evaluation)),
        (_CLOSED_LOOP, None),
    ):
        console.print()
        console.print(part)
        if note:
            console.print(note, style="dim", highlight=False)
    console.print()
    console.print(_cut_table(result.cut))
    console.print(_cut_in_words(result.cut), style="dim", highlight=False)


def _headline(result: Result) -> Table:
    """Three figures that say whether it worked."""
    figures = result.evaluation.measures["crible"]
    attempts, accounts = figures.attempts[ALL], figures.accounts[ALL]
    exposed, saved = accounts.accounts_exposed, accounts.accounts_exposed - accounts.accounts_lost
    grid = Table.grid(padding=(0, 2, 0, 0))
    number_column(grid, "", OURS)
    grid.add_column()
    late = f"of attack attempts refused after each attacker's first minute; {refused(attempts)} of all"
    grid.add_row(refused_late(attempts), late)
    grid.add_row(percent(saved, exposed), f"of exposed accounts saved: {saved:,} of {exposed:,}")
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
        shown.add_row(words(kind), f"{_time(attack.began):%H:%M}", *(f"{number:,}" for number in numbers))
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
        why = Text(f"{words(kind)}, 1 of {kinds[kind]:,}: ").append_text(printable(decision.reason))
        why.stylize("dim")
        shown.add_row(
            Text(f"{decision.scope} ").append_text(printable(decision.value)).append("\n").append_text(why),
            f"{_time(decision.until):%d %b %H:%M}",
            f"{block.effect.stopped:,}",
            f"{legit.estimate:,} ({legit.low:,}-{legit.high:,})" if legit else "unknown",
            f"{block.effect.legit_accounts:,}",
        )
    return shown


def _cut_table(cut: Cut) -> Table:
    """Whom the crude way would have cut off, and when which of them are let in again."""
    legit = cut.decision.impact.legit_accounts
    customers = "-" if legit is None else f"{legit.estimate:,}"
    shown = table(f"{cut.decision.value.upper()} cut by a person: {customers} customers, let in again in waves")
    shown.add_column("wave", overflow="fold")
    for header in ("customers", "from\n(h:min)", "all\nlet in", "let in\nby then"):
        number_column(shown, header)
    for number, wave in enumerate(cut.waves, 1):
        (first_s, _, _), (last_s, _, let_in) = wave.opened[0], wave.opened[-1]
        shown.add_row(
            f"{number} {_WAVES[wave.name]}", f"{wave.customers:,}", _after(first_s), _after(last_s), f"{let_in:,} of {customers}"
        )
    return shown


def _cut_in_words(cut: Cut) -> str:
    shares = ", ".join(f"{percent} %" for _, percent, _ in cut.waves[-1].opened)
    return f"Each by {shares}, a quarter of an hour apart, unless an account is entered; lifted after {_after(cut.lifted_s)}."


def _after(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02}"


def _other_decisions(result: Result) -> str:
    notices = result.decisions.get("enforce", 0) - len(result.blocks)
    return (
        f"Also, notices to owners whose telephone keeps an old password: {notices:,}; "
        f"proposals for a person: {result.decisions.get('proposed', 0):,}."
    )


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
