"""HAProxy: a map from address to the second at which its block ends, in a file and over the runtime socket.

HAProxy compares the second with its own ``date``, so a map whose writer died lapses by itself, entry by entry, also
after a restart of HAProxy, which reads the file. The socket makes a change hold without a reload: a new version of the
map is prepared, filled and committed in one step.
Source: https://docs.haproxy.org/2.6/management.html#9.3 (``prepare map``, ``add map``, ``commit map``)
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from models.decisions import Decision
from models.errors import CribleError
from streams.enforcement.blocks import blocks
from streams.enforcement.express import Point
from streams.enforcement.files import replace_file
from streams.settings import HaProxy

__all__ = ["HaProxyPoint"]

_LIMIT_S: Final = 10
#: HAProxy takes a command only as a whole in a buffer of 16 KiB (``tune.bufsize``).
_COMMAND_CHARACTERS: Final = 12_000
_ANSWER_BYTES: Final = 4096
_PREPARED: Final = "New version created: "


class HaProxyPoint:
    """Keeps the map file, and the map of a HAProxy that is running."""

    name: Final[Point] = "haproxy"
    pause_s: Final = 1.0

    def __init__(self, settings: HaProxy) -> None:
        self._file, self._socket = Path(settings.file), settings.socket
        self._to_be_told = True

    def apply(self, decisions: Sequence[Decision], now: float) -> None:
        """Write ``decisions``, and tell HAProxy where they changed.

        Raises:
            CribleError: The file cannot be written, or HAProxy does not take the map; it is tried again.
        """
        lines = [f"{block.text} {int(block.until)}\n" for block in blocks(decisions)]
        self._to_be_told |= replace_file(self._file, "".join(lines))
        if self._to_be_told:
            self._tell(lines)
            self._to_be_told = False

    def _tell(self, lines: Sequence[str]) -> None:
        version = self._asked(f"prepare map {self._file}").removeprefix(_PREPARED)
        if not version.isdecimal():
            raise CribleError(f"HAProxy prepares no new map: {version}", where=self._socket, hint=f"use {self._file} in a map")
        try:
            for payload in _payloads(lines):
                self._ordered(f"add map @{version} {self._file} <<\n{payload}")
            self._ordered(f"commit map @{version} {self._file}")
        except CribleError:
            self._asked(f"clear map @{version} {self._file}")
            raise

    def _ordered(self, command: str) -> None:
        """Send a command that HAProxy answers with nothing."""
        said = self._asked(command)
        if said:
            raise CribleError(f"HAProxy refuses the map: {said}", where=self._socket)

    def _asked(self, command: str) -> str:
        """HAProxy's answer; it takes one command a connection."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_LIMIT_S)
                connection.connect(self._socket)
                connection.sendall(f"{command}\n".encode())
                answer = b""
                while part := connection.recv(_ANSWER_BYTES):
                    answer = (answer + part)[:_ANSWER_BYTES]
        except OSError as error:
            raise CribleError(f"HAProxy does not answer: {error}", where=self._socket) from error
        return answer.decode("utf-8", "replace").strip()


def _payloads(lines: Sequence[str]) -> Iterator[str]:
    """``lines`` in pieces that HAProxy takes in one command; an empty line ends each."""
    payload, length = list[str](), 0
    for line in lines:
        if length + len(line) > _COMMAND_CHARACTERS:
            yield "".join(payload)
            payload, length = [], 0
        payload.append(line)
        length += len(line)
    if payload:
        yield "".join(payload)
