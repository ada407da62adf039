"""The ``crible`` command: finds the asked command by name, and turns errors into one line and an exit code.

Commands are imported only when they run, so that ``crible kafka`` does not load Faust. Each is a click command object
named ``command`` in its module. Exit codes (contract section 5): 0 done, 1 the job failed, 2 the call or its input is
wrong, 130 interrupted.
"""

from __future__ import annotations

import gc
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import msgspec

from models.errors import CribleError
from models.events import parse_time
from streams import __version__, settings, telemetry

__all__ = ["COMMANDS", "Time", "confirm", "main", "print_json", "printable", "seconds_of", "standard_options", "uncollected"]

_EXIT_FAILED: Final = 1
_EXIT_USAGE: Final = 2
_EXIT_INTERRUPTED: Final = 130
#: Our state is a tree without cycles: looking for them in it as often as Python does cost a sixth of a replay (measured).
_GC_THRESHOLDS: Final = (50_000, 50, 100)
_UNITS_S: Final = {"m": 60, "h": 3600, "d": 86400}


class _Entry(NamedTuple):
    """The module that holds a command, and the line that lists it."""

    module: str
    summary: str


COMMANDS: Final = {
    "demo": _Entry("streams.demo", "Run the whole job with no broker: attack, alerts, decisions, list served."),
    "simulate": _Entry("streams.simulate", "Write labelled traffic: a mail provider, its customers and an attack."),
    "ingest": _Entry("streams.ingest", "Turn log lines into authentication events."),
    "replay": _Entry("streams.replay", "Run past events through the detection."),
    "evaluate": _Entry("streams.evaluate", "Judge decisions, verdicts and alerts by labelled events."),
    "worker": _Entry("streams.worker", "Count, detect and raise alerts (Faust, on Kafka)."),
    "block": _Entry("streams.block", "Turn alerts into decisions and serve them over HTTP."),
    "gate": _Entry("streams.gate", "Answer Dovecot and weakforced's clients; what they report becomes events."),
    "stop": _Entry("streams.desk.stop", "Kill switch: suspend enforcement at every service."),
    "resume": _Entry("streams.desk.resume", "Take enforcement up again after a stop."),
    "decisions": _Entry("streams.desk.decisions", "List what was decided; decide by hand; lift a decision, or all of a campaign."),
    "restore": _Entry("streams.desk.restore", "Open again, wave by wave, what a person cut widely."),
    "explain": _Entry("streams.explain", "Say why an alert was raised, and what would have made it not fire."),
    "why": _Entry("streams.desk.why", "Say who is refused and until when: for support and for the customer."),
    "appeal": _Entry("streams.desk.appeal", "Let a refused customer in for a while."),
    "policy": _Entry("streams.desk.policy", "Show the policy in force, or put another one in force without a restart."),
    "feedback": _Entry("streams.desk.feedback", "Say whether an alert was true; teaches the order of 'alerts --order'."),
    "promote": _Entry("streams.desk.promote", "Show what decisions in shadow would have done, and how to enforce them."),
    "forget": _Entry("streams.desk.forget", "Remove what is kept about an account, and say what stays until when."),
    "alerts": _Entry("streams.alerts", "Show the alerts, or hand them on to a webhook or syslog server."),
    "topics": _Entry("streams.topics", "Create the Kafka topics, or check those that exist."),
    "kafka": _Entry("streams.local_kafka", "A one-node Apache Kafka for development: up, down, status."),
    "bench": _Entry("streams.bench", "Measure speed and memory."),
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name].module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@click.group(cls=_LazyGroup, invoke_without_command=True, context_settings={"max_content_width": 120})
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def group(ctx: click.Context) -> None:
    """Crible finds attacks on log-ins while they run, and refuses the attack rather than the customers."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def standard_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--config`` and ``--json``; it receives ``settings: Settings`` and ``as_json: bool``.

    Logging is set up by then.
    """
    function = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout, nothing else.")(function)
    return click.option(
        "--config",
        "settings",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=lambda _ctx, _option, path: _load(path),
        help="Settings (TOML); CRIBLE_… variables override it.",
    )(function)


@contextmanager
def uncollected() -> Iterator[None]:
    """Nothing looks for cycles meanwhile: a run over files makes none, and in a replay looking takes a tenth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _load(config: Path | None) -> settings.Settings:
    loaded = settings.load(config)
    telemetry.configure(loaded.telemetry.level)
    return loaded


def seconds_of(_context: click.Context, _option: click.Parameter, text: str) -> int:
    """``90m``, ``24h`` or ``2d`` in seconds; a callback of options."""
    given = re.fullmatch(r"(\d{1,4})([mhd])", text)
    if given is None:
        raise click.BadParameter("a number with m, h or d, such as 24h")
    return int(given[1]) * _UNITS_S[given[2]]


class Time(click.ParamType):
    """An option that is a time: UTC seconds since the epoch, or RFC 3339."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """UTC seconds."""
        try:
            return parse_time(float(value) if isinstance(value, str) and _is_number(value) else value)
        except ValueError:
            self.fail(f"{value!r} is neither seconds since the epoch nor RFC 3339", param, ctx)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def print_json(result: object) -> None:
    """The result of a command as one line of JSON on stdout, of which every character can be seen.

    JSON itself leaves C1 controls as they are, and to some terminals U+009B is the beginning of a command.
    """
    text = msgspec.json.encode(result).decode()
    click.echo("".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text))


def confirm(question: str) -> None:
    """Ask on stderr, as stdout is for the result.

    Raises:
        click.Abort: The answer is not yes.
    """
    click.echo(f"{question} [y/N] ", nl=False, err=True)  # click's own question writes to stdout too
    if click.get_text_stream("stdin").readline().strip().lower() not in {"y", "yes"}:
        raise click.Abort


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``crible`` and return its exit code."""
    gc.set_threshold(*_GC_THRESHOLDS)
    try:
        result: Any = group.main(arguments, prog_name="crible", standalone_mode=False)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "crible"
        return _fail(f"{command}: {error.format_message()} See '{command} --help'.", _EXIT_USAGE)
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except CribleError as error:
        return _fail(str(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away; keep the interpreter from saying so again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _EXIT_FAILED
    return result if isinstance(result, int) else 0


def printable(text: str) -> str:
    """``text`` on one line, for a terminal: what cannot be printed is escaped.

    >>> printable("a\\x1b[2Jb")
    'a\\\\x1b[2Jb'
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _fail(message: str, exit_code: int) -> int:
    """One line on stderr. File names and field values come from outside."""
    click.echo(f"error: {printable(message)}", err=True)
    return exit_code
