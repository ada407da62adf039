"""Block lists in files: replaced as a whole, never seen half written, and with the end of each entry in them.

Entries stand below a line ``# until SECONDS``, so that ``expire-list`` can remove what has ended on a host whose
writer died. Everything written is an address or a number: no text that a client sent gets here.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from secrets import token_hex
from typing import Final

from models.errors import CribleError
from streams.enforcement.blocks import Block

__all__ = ["by_end", "replace_file", "run"]

_COMMAND_LIMIT_S: Final = 30
_MODE: Final = 0o644
_SAID: Final = 300


def by_end(blocks: Iterable[Block], line: Callable[[Block], str]) -> str:
    """``blocks`` as lines below the time at which they end, the earliest first.

    >>> from models.policy import network_of
    >>> print(by_end([Block(network_of("192.0.2.7"), 1000.9)], lambda block: block.text), end="")
    # Written by crible; expire-list removes what has ended.
    # until 1000
    192.0.2.7
    """
    lines = ["# Written by crible; expire-list removes what has ended."]
    for until, ending in groupby(sorted(blocks, key=lambda block: int(block.until)), key=lambda block: int(block.until)):
        lines.append(f"# until {until}")
        lines.extend(line(block) for block in ending)
    return "\n".join(lines) + "\n"


def replace_file(path: Path, text: str) -> bool:
    """Make ``text`` the content of ``path`` in one step that survives a power cut; whether it was another before.

    Raises:
        CribleError: It cannot be written; what was there is untouched.
    """
    content = text.encode()
    try:
        if path.exists() and path.read_bytes() == content:
            return False
        temporary = path.with_name(f".{path.name}.{token_hex(4)}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _MODE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync(path.parent)
    except OSError as error:
        raise CribleError(
            f"cannot be written: {error.strerror}", where=str(path), hint="let the service write into its folder"
        ) from error
    return True


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def run(command: Sequence[str], text: str = "") -> None:
    """Run ``command`` without a shell, with ``text`` on its standard input.

    Raises:
        CribleError: It cannot be started, takes more than 30 s, or says that it failed.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command
            command, input=text.encode(), capture_output=True, timeout=_COMMAND_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CribleError(f"cannot be run: {error}", where=command[0]) from error
    if done.returncode:
        # The first line only: nft quotes what it was given, and logs name no addresses.
        said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0][:_SAID]
        raise CribleError(f"ended with {done.returncode}: {said}", where=command[0])
