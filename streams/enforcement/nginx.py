"""nginx: a file for a ``geo`` block (http and stream), and a reload.

nginx reads the file when it starts and when it is told to; an entry holds until then.
Source: https://nginx.org/en/docs/http/ngx_http_geo_module.html
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from models.decisions import Decision
from streams.enforcement.blocks import Block, blocks
from streams.enforcement.express import Point
from streams.enforcement.files import by_end, replace_file, run
from streams.settings import Nginx

__all__ = ["NginxPoint"]


class NginxPoint:
    """Keeps a ``geo`` file and has nginx read it again after every change."""

    name: Final[Point] = "nginx"
    #: Each reload starts new workers while the old ones finish their connections.
    pause_s: Final = 5.0

    def __init__(self, settings: Nginx) -> None:
        self._file, self._reload = Path(settings.file), settings.reload
        self._to_be_read = True

    def apply(self, decisions: Sequence[Decision], now: float) -> None:
        """Write ``decisions``, and reload where they are not those that nginx has read.

        Raises:
            CribleError: The file cannot be written, or the reload failed; it is tried again.
        """
        self._to_be_read |= replace_file(self._file, by_end(blocks(decisions), _line))
        if self._to_be_read:
            run(self._reload)
            self._to_be_read = False


def _line(block: Block) -> str:
    return f"{block.text} 1;"
