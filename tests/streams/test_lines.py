"""Lines: plain and packed files, and none takes unbounded memory."""

from __future__ import annotations

import gzip
import io
import random
import sys
from pathlib import Path

import pytest
import zstandard

from models.errors import InputError
from models.events import MAX_LINE_BYTES
from streams.lines import STDIN, Lines

DATA = random.Random(1).randbytes(200_000).hex().encode()
LINES = [DATA[start : start + 100] for start in range(0, len(DATA), 100)]
TEXT = b"\n".join(LINES) + b"\n"


def zstd(data: bytes) -> bytes:
    """``data`` as one zstd frame."""
    return zstandard.ZstdCompressor().compress(data)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.log", TEXT),
        ("a.log.gz", gzip.compress(TEXT)),
        ("a.log.gz", gzip.compress(TEXT[:5000]) + gzip.compress(TEXT[5000:])),
        ("a.log.zst", zstd(TEXT)),
        ("a.log.zst", zstd(TEXT[:5000]) + zstd(TEXT[5000:])),
    ],
)
def test_packed_or_not(tmp_path: Path, name: str, content: bytes) -> None:
    """The same lines come out of plain, gzip and zstd files, in one piece or several."""
    path = tmp_path / name
    path.write_bytes(content)
    lines = Lines(str(path))
    assert list(lines) == LINES
    assert (lines.number, lines.size) == (len(LINES), len(content))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n", [b""]),
        (b"a\r\nb", [b"a", b"b"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", [b"a", b"\xef\xbb\xbfb"]),
        (b"\x00\xff\n", [b"\x00\xff"]),
    ],
)
def test_line_ends(tmp_path: Path, content: bytes, expected: list[bytes]) -> None:
    """Ends of both kinds are left out, a missing last one does not matter, and neither does a byte order mark."""
    path = tmp_path / "a.log"
    path.write_bytes(content)
    assert list(Lines(str(path))) == expected


@pytest.mark.parametrize("length", [MAX_LINE_BYTES - 1, MAX_LINE_BYTES, MAX_LINE_BYTES + 1, 1_000_000])
def test_long_lines_are_cut(tmp_path: Path, length: int) -> None:
    """A line that is too long shows by its length, and the next line is read as usual."""
    path = tmp_path / "a.log"
    path.write_bytes(b"x" * length + b"\nnext\n")
    lines = Lines(str(path))
    assert [len(line) for line in lines] == [min(length, MAX_LINE_BYTES + 1), 4]
    assert lines.number == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.gz", gzip.compress(TEXT)[:-9]), ("a.gz", b"plain"), ("a.zst", zstd(TEXT)[:-9]), ("a.zst", b"plain")],
)
def test_damaged_files_are_an_error(tmp_path: Path, name: str, content: bytes) -> None:
    """A packed file that ends too early, or is none, is an error with its place, not a short file."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged") as caught:
        list(Lines(str(path)))
    assert str(path) in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(InputError, match=r"none\.log: cannot be read"):
        list(Lines(str(tmp_path / "none.log")))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash is standard input, whose size is not known."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))
    lines = Lines(STDIN)
    assert list(lines) == [b"a", b"b"]
    assert (lines.size, lines.position) == (0, 0)


def test_position_grows(tmp_path: Path) -> None:
    """How far a file was read can be asked while reading."""
    path = tmp_path / "a.log"
    path.write_bytes(TEXT)
    lines = Lines(str(path))
    positions = [lines.position for _ in lines]
    assert positions == sorted(positions)
    assert positions[-1] == len(TEXT)
