"""How results look on a terminal: one kind of table, numbers that line up, and text from outside that cannot do anything."""

from __future__ import annotations

from math import floor
from typing import Final

from rich import box
from rich.table import Table
from rich.text import Text

__all__ = ["number_column", "percent", "printable", "table"]

_PER_MILLE: Final = 1000


def table(title: str) -> Table:
    """A table with a title above and one line under its header."""
    return Table(
        title=Text(title, style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        header_style="dim",
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )


def number_column(into: Table, header: str, style: str = "") -> None:
    """Add a column whose numbers line up at the right and are never broken."""
    into.add_column(header, justify="right", no_wrap=True, style=style)


def percent(part: int, whole: int) -> str:
    """A share, rounded down so that only all of it reads 100 %; a dash where there is nothing to share.

    >>> percent(2999, 3000), percent(3, 3), percent(0, 0)
    ('99.9 %', '100.0 %', '-')
    """
    return f"{floor(part * _PER_MILLE / whole) / 10:.1f} %" if whole else "-"


def printable(text: str) -> Text:
    """``text`` from outside for a terminal: never markup, and what cannot be printed is escaped.

    >>> printable("[red]a\\x1b[2J").plain
    '[red]a\\\\x1b[2J'
    """
    return Text("".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text))
