"""streams.tables: what people see on a terminal."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from streams.tables import number_column, percent, printable, table


def rendered(width: int, *rows: tuple[str, str]) -> list[str]:
    shown = table("[red]What[/] happened")
    shown.add_column("what")
    number_column(shown, "number")
    for what, number in rows:
        shown.add_row(printable(what), number)
    console = Console(width=width, file=StringIO(), force_terminal=False)
    console.print(shown)
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_numbers_line_up_at_the_right_and_stay_whole() -> None:
    """Text gives way to numbers where there is little room."""
    lines = rendered(16, ("a long name of something", "1,234,567"), ("b", "9"))
    assert [line for line in lines if line.endswith("1,234,567")]
    assert next(line for line in lines if line.startswith("b")).endswith("        9")


def test_nothing_from_outside_is_markup_or_a_control() -> None:
    """Tags, escapes, line breaks and characters that turn the direction of writing are shown as text."""
    text = "[bold red]x[/] \x1b[2J \n \u202e é"
    assert rendered(80, (text, "1"))[-1].startswith(r"[bold red]x[/] \x1b[2J \n \u202e é ")


def test_a_title_is_text() -> None:
    """A title is never markup."""
    assert rendered(80, ("wide enough for the title", "1"))[0] == "[red]What[/] happened"


def test_a_share_is_rounded_down() -> None:
    """Only all of it reads 100 %."""
    assert percent(99_999, 100_000) == "99.9 %"
    assert percent(1, 3) == "33.3 %"
