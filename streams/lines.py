"""Lines of a file or of standard input; ``.gz`` and ``.zst`` are unpacked, and no line takes unbounded memory."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

import zstandard

from models.errors import InputError
from models.events import MAX_LINE_BYTES

__all__ = ["STDIN", "Lines", "create"]

#: The name that stands for standard input.
STDIN: Final = "-"
_BUFFER_BYTES: Final = 1 << 18
#: What is unpacked at a time: at most 32,768 times as much comes out.
_PACKED_BYTES: Final = 1024
_BOM: Final = b"\xef\xbb\xbf"


class _ZstdFrames(io.RawIOBase):
    """Unpacks zstd frames; unlike zstandard's own reader it notices that the last one is cut off."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._packed, self._unpacked = file, b"", b""
        self._frame: zstandard.ZstdDecompressionObj | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._unpacked:
            self._packed = self._packed or self._file.read(_PACKED_BYTES)
            if not self._packed:
                if self._frame is not None:
                    raise EOFError
                return 0
            self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
            self._unpacked = self._frame.decompress(self._packed)
            self._packed = self._frame.unused_data
            self._frame = None if self._frame.eof else self._frame
        count = min(len(buffer), len(self._unpacked))
        buffer[:count], self._unpacked = self._unpacked[:count], self._unpacked[count:]
        return count


class Lines:
    """The lines of ``name``, without line ends; one that is too long is cut to ``MAX_LINE_BYTES + 1`` bytes.

    Attributes:
        number: Of the line that was read last, from 1.

    Raises:
        InputError: When iterated: the file cannot be read, or what is packed in it is damaged.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.number = 0
        self._file: IO[bytes] | None = None

    @property
    def size(self) -> int:
        """Bytes of the file as stored; 0 if not known."""
        try:
            return 0 if self.name == STDIN else Path(self.name).stat().st_size
        except OSError:
            return 0

    @property
    def position(self) -> int:
        """Bytes of the file as stored that were read."""
        return 0 if self._file is None or self.name == STDIN else self._file.tell()

    def __iter__(self) -> Iterator[bytes]:
        try:
            with sys.stdin.buffer if self.name == STDIN else Path(self.name).open("rb") as self._file:
                yield from self._read(_unpacked(self._file, self.name))
        except (gzip.BadGzipFile, EOFError, zlib.error, zstandard.ZstdError):
            raise InputError(
                "what is packed in the file is damaged", where=self._where(), hint="the lines before were read"
            ) from None
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror or error}", where=self._where()) from None
        finally:
            self._file = None

    def _read(self, file: IO[bytes]) -> Iterator[bytes]:
        readline, limit = file.readline, MAX_LINE_BYTES + 1
        line = readline(limit).removeprefix(_BOM)
        while line:
            self.number += 1
            if len(line) == limit and not line.endswith(b"\n"):
                _skip_rest(file)
            yield line.rstrip(b"\r\n")
            line = readline(limit)

    def _where(self) -> str:
        return f"{self.name}:{self.number + 1}" if self.number else self.name


def _unpacked(file: IO[bytes], name: str) -> IO[bytes]:
    if name.endswith(".gz"):
        return io.BufferedReader(gzip.GzipFile(fileobj=file), _BUFFER_BYTES)
    if name.endswith(".zst"):
        return io.BufferedReader(_ZstdFrames(file), _BUFFER_BYTES)
    return file


def _skip_rest(file: IO[bytes]) -> None:
    """Go to the end of a line whose beginning was read."""
    while part := file.readline(_BUFFER_BYTES):
        if part.endswith(b"\n"):
            return


def create(path: Path, sources: Sequence[str] = (), *, goes_on: bool = False) -> IO[bytes]:
    """Open a result's file for writing.

    Args:
        path: The file.
        sources: Names of files that are read for it.
        goes_on: Add to what is in it.

    Raises:
        InputError: It cannot be written, or is one of ``sources``.
    """
    if any(source != STDIN and path.resolve() == Path(source).resolve() for source in sources):
        raise InputError("is read and would be overwritten", where=str(path), hint="name another file for the result")
    try:
        return path.open("ab" if goes_on else "wb")
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(path)) from None
