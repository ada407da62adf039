"""A plain list, one address or range a line, for firewalls and scripts that fetch or read one (``#`` begins a comment)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from models.decisions import Decision
from streams.enforcement.blocks import Block, blocks
from streams.enforcement.express import Point
from streams.enforcement.files import by_end, replace_file
from streams.settings import PlainList

__all__ = ["ListPoint"]


class ListPoint:
    """Keeps a list file.

    What ends within the setting's ``min_remaining_s`` is left out: a reader that reads again only after that time would
    refuse it for too long.
    """

    name: Final[Point] = "list"
    pause_s: Final = 1.0

    def __init__(self, settings: PlainList) -> None:
        self._file, self._min_remaining_s = Path(settings.file), settings.min_remaining_s

    def apply(self, decisions: Sequence[Decision], now: float) -> None:
        """Write ``decisions``.

        Raises:
            CribleError: The file cannot be written.
        """
        lasting = (block for block in blocks(decisions) if block.until - now > self._min_remaining_s)
        replace_file(self._file, by_end(lasting, _line))


def _line(block: Block) -> str:
    return block.text
