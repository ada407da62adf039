"""Progress on a terminal for work that takes longer than two seconds."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = ["progress"]

Item = TypeVar("Item")

_AFTER_S: Final = 2.0
_EVERY: Final = 5_000


def progress(what: str, items: Iterator[Item], *, unit: str, total: int | None = None) -> Iterator[Item]:
    """Pass ``items`` on, and show how many have passed."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from items
        return
    columns = (SpinnerColumn(), TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeElapsedColumn())
    started = monotonic()
    with Progress(*columns, console=console, transient=True, disable=False) as bar:
        task = bar.add_task(what, total=total, visible=False)
        for count, item in enumerate(items):
            if count % _EVERY == 0:
                bar.update(task, completed=count, visible=monotonic() - started > _AFTER_S)
            yield item
