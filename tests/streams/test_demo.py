"""``crible demo``: the whole job with no broker, on a smaller provider than the command's own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import httpx
import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

from models.errors import InputError
from simulator import SCENARIOS, simulate
from streams import demo
from streams.demo import Block, Result, command, run

ACCOUNTS = 300
SCENARIO = "week-and-demo"
ROOT = Path(__file__).resolve().parents[2]
#: The command as a process of its own, on the smaller provider.
PROCESS = f"""
import sys
from dataclasses import replace
from simulator import SCENARIOS
SCENARIOS["week-and-demo"] = replace(SCENARIOS["week-and-demo"], accounts={ACCOUNTS})
from streams.cli import main
sys.exit(main(["demo", *sys.argv[1:]]))
"""
LIMIT_S = 60


@pytest.fixture(autouse=True)
def few_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCENARIOS, SCENARIO, replace(SCENARIOS[SCENARIO], accounts=ACCOUNTS))


@pytest.fixture(scope="module")
def result() -> Result:
    """Seed 1, played once for all tests here that only read it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SCENARIOS, SCENARIO, replace(SCENARIOS[SCENARIO], accounts=ACCOUNTS))
        return run(1)[0]


def shown(result: Result, width: int = 100) -> str:
    console = Console(width=width, file=StringIO())
    demo._show(result, console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.fixture
def serving() -> Iterator[subprocess.Popen[str]]:
    """``crible demo`` while it serves; ended by force if it must be."""
    process = subprocess.Popen([sys.executable, "-c", PROCESS], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    watchdog = threading.Timer(LIMIT_S, process.kill)
    watchdog.start()
    yield process
    watchdog.cancel()
    process.kill()
    process.communicate()


def test_the_served_list_holds_the_enforced_decisions(serving: subprocess.Popen[str], result: Result) -> None:
    """With the shown key a client reads every enforced ban that has not ended, and nothing else; Ctrl-C ends it quietly."""
    assert serving.stdout is not None
    line = next(line for line in serving.stdout if line.startswith("curl "))
    call = re.fullmatch(r"curl -s -H 'X-Api-Key: ([0-9a-f]{32})' '(http://127\.0\.0\.1:\d+/v1/decisions)\?(\S+)'\n", line)
    assert call is not None
    key, url, query = call.groups()
    assert httpx.get(url).status_code == 403
    served = httpx.get(f"{url}?{query}", headers={"X-Api-Key": key}).json()
    bans = [block.decision for block in result.blocks if block.decision.type == "ban"]
    expected = {(ban.scope, ban.value, ban.uuid) for ban in bans if ban.until > result.end_ts + LIMIT_S}
    assert len(expected) > 3
    assert {(each["scope"].lower(), each["value"], each["uuid"]) for each in served} == expected
    serving.send_signal(signal.SIGINT)
    assert serving.wait(LIMIT_S) == 0
    assert serving.stderr is not None
    assert serving.stderr.read() == ""


def test_the_same_seed_gives_the_same_result(result: Result) -> None:
    """Byte for byte, in another process with other hashes; another seed gives another result."""
    arguments = [sys.executable, "-c", PROCESS, "--json", "--no-serve"]
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    printed = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, check=True, timeout=LIMIT_S).stdout
    assert printed == msgspec.json.encode(result) + b"\n"
    other = CliRunner().invoke(command, ["--json", "--no-serve", "--seed", "2"], catch_exceptions=False).stdout_bytes
    assert json.loads(other)["seed"] == 2
    assert json.loads(other)["evaluation"] != json.loads(printed)["evaluation"]


def test_what_was_attacked_is_what_the_labels_say(result: Result) -> None:
    """Attempts, addresses and accounts by kind, in the order in which the attacks began."""
    steps = [(event, label) for event, label in simulate(SCENARIO, 1) if label.label != "benign"]
    begun = dict.fromkeys(label.label for _, label in steps if label.label != "account_takeover")
    assert list(result.attacks) == list(begun)  # who does not get in takes nothing over
    for kind, attack in result.attacks.items():
        made = [event for event, label in steps if label.label == kind]
        assert attack.began == made[0].ts
        assert attack.attempts == result.evaluation.measures["crible"].attempts[kind].attempts > 0
        assert 0 < attack.accounts <= attack.attempts


def test_the_figures_belong_together(result: Result) -> None:
    """What blocks and verdicts stopped is what was stopped; doing nothing loses what was exposed; the crude ways hit customers."""
    crible, nothing = result.evaluation.measures["crible"], result.evaluation.measures["do_nothing"]
    kinds = [kind for kind in crible.attempts if kind != "all"]
    assert 0 < sum(block.effect.stopped for block in result.blocks) < sum(crible.attempts[kind].stopped for kind in kinds)
    exposed = crible.accounts["all"].accounts_exposed
    assert nothing.accounts["all"].accounts_lost == nothing.accounts["all"].accounts_exposed == exposed > 0
    crude = [result.evaluation.measures["cut_foreign"], result.evaluation.measures["cut_pop_imap"]]
    assert all(figures.legit_accounts_touched > crible.legit_accounts_touched for figures in crude)
    assert [block.effect.stopped for block in result.blocks] == sorted((b.effect.stopped for b in result.blocks), reverse=True)


def test_customers_and_attackers_react_and_nobody_protected_is_refused(result: Result) -> None:
    """A week of history, a closed loop: what is exposed is saved."""
    crible = result.evaluation.measures["crible"]
    assert crible.accounts["all"].accounts_saved == 1.0
    assert (crible.protected_touched, result.history_h) == (0, 168)
    assert crible.attempts["credential_stuffing"].stopped > 0.9 * crible.attempts["credential_stuffing"].attempts


def test_the_demo_ends_with_a_cut_that_is_opened_again(result: Result) -> None:
    """With its impact, protected customers let in from the start, wave after wave, and lifted when all are in."""
    cut = result.cut
    legit = cut.decision.impact.legit_accounts
    assert legit is not None
    assert sum(wave.customers for wave in cut.waves) == legit.estimate > 10
    protected, stable, _, rest = cut.waves
    assert protected.opened == [(0, 100, protected.customers)]
    assert protected.customers == cut.decision.impact.by_group["health"]
    assert stable.customers > rest.customers
    steps = [step for wave in cut.waves for step in wave.opened]
    assert [percent for _, percent, _ in stable.opened] == [1, 10, 50, 100]
    assert [let_in for _, _, let_in in steps] == sorted(let_in for _, _, let_in in steps)
    assert steps[-1][2] == legit.estimate
    assert cut.lifted_s == steps[-1][0] + 900
    lines = shown(result).splitlines()
    assert any(line.startswith("1 protected groups") for line in lines)


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_the_summary_fits_the_terminal_with_all_its_digits(result: Result, width: int) -> None:
    """No line is longer than the terminal is wide, and no number is cut short."""
    text = shown(result, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for attack in result.attacks.values():
        assert f" {attack.attempts:,} " in text
    for figures in result.evaluation.measures.values():
        assert f" {figures.legit_accounts_touched:,}" in text


def test_a_decision_is_shown_with_all_that_is_to_know_about_it(result: Result) -> None:
    """Scope, value, why, until when, attempts refused, customers predicted with their range, customers really cut off."""
    best = result.blocks[0]
    assert best.decision.impact.legit_accounts is not None
    line = next(line for line in shown(result).splitlines() if line.startswith(f"{best.decision.scope} {best.decision.value} "))
    legit = best.decision.impact.legit_accounts
    until = demo._time(best.decision.until)
    rest = (f"{best.effect.stopped:,}", f"{legit.estimate}", f"({legit.low}-{legit.high})", f"{best.effect.legit_accounts}")
    assert line.split()[2:] == [f"{until:%d}", f"{until:%b}", f"{until:%H:%M}", *rest]


def test_text_of_attackers_is_shown_escaped(result: Result) -> None:
    """A login that the attacker chose is neither markup nor a terminal command, in the value and in the reason."""
    nasty = "198.51.100.7|\x1b[2J[red]x[/red]"
    decision = msgspec.structs.replace(result.blocks[0].decision, scope="account_ip", value=nasty, reason=nasty)
    text = shown(msgspec.structs.replace(result, blocks=[Block(decision, result.blocks[0].effect)]))
    assert "\x1b" not in text
    assert text.count(r"198.51.100.7|\x1b[2J[red]x[/red]") == 2


def test_a_quiet_morning_divides_nothing_by_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without attacks there is nothing to refuse or to save, and the summary says so with dashes."""
    monkeypatch.setitem(SCENARIOS, SCENARIO, replace(SCENARIOS["quiet"], accounts=50, hours=0.1))
    lines = shown(run(1)[0]).splitlines()
    assert [line.split()[0] for line in lines if "of attack attempts" in line or "of exposed accounts" in line] == ["-", "-"]


def test_the_picture_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    """--svg writes the summary as well-formed SVG without fonts or anything else from another host."""
    path = tmp_path / "demo.svg"
    CliRunner().invoke(command, ["--no-serve", "--svg", str(path)], catch_exceptions=False)
    text = path.read_text(encoding="utf-8")
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert "url(" not in text.replace("url(#", "")
    assert "credential" in text


def test_a_picture_that_cannot_be_written_is_one_clear_line(result: Result, tmp_path: Path) -> None:
    """The error names the file and the way out."""
    with pytest.raises(InputError, match=r"demo\.svg: No such file or directory; name a file in a folder that exists"):
        demo._write_picture(result, tmp_path / "no" / "demo.svg")
