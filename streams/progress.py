"""Progress on a terminal for work that takes longer than two seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from streams.lines import Lines

__all__ = ["progress", "reading"]

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


@contextmanager
def reading(files: Sequence[Lines]) -> Iterator[Callable[[Lines], Iterable[bytes]]]:
    """A bar on a terminal for what takes longer than two seconds; gives a function that passes on a file's lines."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield iter
        return
    bar = Progress(TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=console, transient=True)
    task = bar.add_task("reading", total=sum(lines.size for lines in files) or None)
    start_after = monotonic() + _AFTER_S

    def track(lines: Lines) -> Iterator[bytes]:
        done = bar.tasks[task].completed
        for count, raw in enumerate(lines):
            if count % _EVERY == 0 and monotonic() > start_after:
                bar.start()
                bar.update(task, completed=done + lines.position)
            yield raw
        bar.update(task, completed=done + lines.size)

    try:
        yield track
    finally:
        bar.stop()
