"""streams.cli: how commands are found, and how errors reach a person."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import click
import pytest

from models.errors import CribleError, InputError
from streams import cli, telemetry
from streams.settings import Settings


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run ``crible probe ARGUMENTS`` with the given body; exit code, stdout, stderr."""

    def run(body: Callable[[Settings, bool], None], *arguments: str) -> tuple[int, str, str]:
        @click.command()
        @cli.standard_options
        def command(settings: Settings, as_json: bool) -> None:
            body(settings, as_json)

        module = ModuleType("probe")
        module.__dict__["command"] = command
        monkeypatch.setitem(sys.modules, "probe", module)
        monkeypatch.setitem(cli.COMMANDS, "probe", cli._Entry("probe", "A command for this test."))
        monkeypatch.setattr(telemetry, "configure", lambda _level: None)
        code = cli.main(["probe", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def nothing(_settings: Settings, _as_json: bool) -> None:
    """A body that does nothing."""


def test_crible_alone_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """Each command is shown with one line, without importing any."""
    assert cli.main([]) == 0
    shown = capsys.readouterr().out
    for name, entry in cli.COMMANDS.items():
        assert f"  {name} " in shown
        assert entry.summary.split()[0] in shown


def test_a_command_gets_settings_and_json(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """--config is read into the settings; --json prints the result and nothing else."""
    config = tmp_path / "c.toml"
    config.write_text("[kafka]\npartitions = 3\n", "utf-8")

    def body(settings: Settings, as_json: bool) -> None:
        cli.print_json({"partitions": settings.kafka.partitions, "json": as_json})

    code, out, err = run(body, "--config", str(config), "--json")
    assert (code, json.loads(out), err) == (0, {"partitions": 3, "json": True}, "")


@pytest.mark.parametrize(
    ("error", "code"),
    [(CribleError("no answer", where="a:1"), 1), (InputError("no ts", where="f:3"), 2)],
)
def test_an_error_is_one_line_and_its_exit_code(run: Callable[..., tuple[int, str, str]], error: CribleError, code: int) -> None:
    """CribleError is 1, InputError 2, without a traceback."""

    def body(_settings: Settings, _as_json: bool) -> None:
        raise error

    assert run(body) == (code, "", f"error: {error}\n")


def test_what_cannot_be_printed_is_escaped(run: Callable[..., tuple[int, str, str]]) -> None:
    """A file name with control characters cannot drive the terminal or forge a second line."""

    def body(_settings: Settings, _as_json: bool) -> None:
        raise InputError("no such file", where="a\x1b[2J\nerror: é")

    assert run(body)[2] == "error: a\\x1b[2J\\nerror: é: no such file\n"


def test_what_cannot_be_printed_is_escaped_in_json_too(run: Callable[..., tuple[int, str, str]]) -> None:
    """JSON itself lets U+009B through, which begins a command to some terminals; what is read from it is the same."""
    text = "a\x9b2J\u202e\x1b é"
    code, out, _ = run(lambda _settings, _as_json: cli.print_json({"account": text}))
    assert (code, json.loads(out), out.strip().isprintable()) == (0, {"account": text}, True)


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["surplus"], ["--config", "/nowhere.toml"]])
def test_a_wrong_call_is_one_line_and_exit_code_2(run: Callable[..., tuple[int, str, str]], arguments: list[str]) -> None:
    """The line says what is wrong."""
    code, out, err = run(nothing, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert arguments[-1].removeprefix("--") in err


def test_an_unknown_command_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, exit code 2."""
    assert cli.main(["explode"]) == 2
    assert capsys.readouterr().err == "error: crible: No such command 'explode'. See 'crible --help'.\n"


def test_ctrl_c_is_quiet(run: Callable[..., tuple[int, str, str]]) -> None:
    """Exit code 130, no traceback."""

    def body(_settings: Settings, _as_json: bool) -> None:
        raise KeyboardInterrupt

    code, out, err = run(body)
    assert (code, out, err.strip()) == (130, "", "")


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_has_the_standard_options(name: str) -> None:
    """--help, --json and --config are on every command, or on each of its sub-commands."""
    command = cli.group.get_command(click.Context(cli.group), name)
    assert command is not None
    leaves = list(command.commands.values()) if isinstance(command, click.Group) else [command]
    for leaf in leaves:
        assert leaf.help
        options = {option for parameter in leaf.params for option in parameter.opts}
        assert {"--json", "--config"} <= options
