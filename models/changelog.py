"""Checkpoints on the wire: frames of rows in a changelog that is not compacted.

A checkpoint is written as one or more frames (chunks under ``MAX_FRAME_BYTES``, the last one marked) and counts only when its
last chunk has been read. Each also carries the next slice of all rows, so that after one full round everything older can be
deleted.

Who may write is settled by *fences*. A worker that takes a partition over first appends a fence with a random writer name, then
reads up to it. A reader believes only frames of the writer whose fence it read last. What a stalled predecessor writes
after the fence is skipped by everybody, whatever it believes itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Final, Generic, TypeVar

import msgspec

from models.stage import SLICES, Checkpoint, Stage

__all__ = ["MAX_FRAME_BYTES", "Frame", "FrameReader", "FrameWriter", "OtherVersion"]

MAX_FRAME_BYTES: Final = 900_000
#: A slice of the rolling snapshot goes with every so many checkpoints.
_SLICE_EVERY: Final = 4
#: Of frames, rows and metas: raised with every change by which what was written before would be misread.
_VERSION: Final = 1

AnyStage = TypeVar("AnyStage", bound=Stage)  # type: ignore[type-arg]  # rows and items do not matter here


class OtherVersion(Exception):
    """A state was written by a version of Crible that this one does not understand, a newer one where ``is_newer``."""

    def __init__(self, version: int) -> None:
        self.is_newer = version > _VERSION
        super().__init__(f"the workers' state has version {version}, and this crible reads version {_VERSION}")


class Frame(msgspec.Struct, array_like=True):
    """``fence`` set: a fence. Otherwise a chunk of the ``number``-th checkpoint of ``writer``: of its rows, or of its ``meta``."""

    version: int
    writer: str
    generation: int
    fence: bool
    number: int = 0
    last: bool = True
    offset: int = -1
    meta: bytes = b""
    rows: list[tuple[str, bytes | None]] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Frame).decode


class FrameWriter(Generic[AnyStage]):
    """Writes the checkpoints of one stage as frames.

    Args:
        stage: The state.
        writer: A name that nobody else has.
        generation: The consumer generation, which orders fences.
    """

    def __init__(self, stage: AnyStage, writer: str, generation: int) -> None:
        self.stage, self.writer, self.generation = stage, writer, generation
        self.number = 0

    def fence(self) -> bytes:
        """The frame that ends the authority of all earlier writers."""
        return _encode(Frame(_VERSION, self.writer, self.generation, fence=True))

    def frames(self) -> list[bytes]:
        """The next checkpoint, cut into frames."""
        checkpoint = self.stage.checkpoint()
        rows = checkpoint.rows
        if self.number % _SLICE_EVERY == 0:
            changed = {key for key, _ in rows}
            rows = rows + [row for row in self.stage.slice_rows(self.slice) if row[0] not in changed]
        number, self.number = self.number, self.number + 1
        frames = [
            Frame(_VERSION, self.writer, self.generation, False, number, False, checkpoint.offset, meta or b"", chunk or [])
            for chunk, meta in zip_longest(_chunks(rows), _pieces(checkpoint.meta))
        ]
        frames[-1].last = True
        return [_encode(frame) for frame in frames]

    @property
    def slice(self) -> int:
        """The slice that the next rolling snapshot holds."""
        return self.number // _SLICE_EVERY % SLICES

    @property
    def starts_round(self) -> bool:
        """Whether the next checkpoint begins a new round of slices."""
        return self.number % (_SLICE_EVERY * SLICES) == 0


class FrameReader(Generic[AnyStage]):
    """Folds the frames of a changelog partition back into a stage.

    Attributes:
        generation: Of the fence in force.
        writer: Whose frames are believed.
    """

    def __init__(self, stage: AnyStage) -> None:
        self.stage = stage
        self.generation = -1
        self.writer: str | None = None
        self._rows: list[tuple[str, bytes | None]] = []
        self._meta = b""

    def feed(self, value: bytes) -> Frame:
        """Take one frame.

        Raises:
            msgspec.DecodeError: ``value`` is not a frame.
            OtherVersion: It is one of another version.
        """
        frame = _decode_frame(value)
        if frame.fence:
            if frame.generation >= self.generation:
                self.generation, self.writer, self._rows, self._meta = frame.generation, frame.writer, [], b""
            return frame
        if self.writer is None:  # the fence itself has been deleted with an old round
            self.writer, self.generation = frame.writer, frame.generation
        if frame.writer != self.writer:
            return frame
        self._rows += frame.rows
        self._meta += frame.meta
        if frame.last:
            self.stage.restore(Checkpoint(frame.offset, self._meta, self._rows))
            self._rows, self._meta = [], b""
        return frame

    def finish(self) -> AnyStage:
        """The state as of the last whole checkpoint."""
        self.stage.restored()
        return self.stage


def _decode_frame(value: bytes) -> Frame:
    try:
        frame = _decode(value)
    except msgspec.ValidationError:  # the fields of another version may be others; the first is its number in all of them
        match msgspec.msgpack.decode(value):
            case [int(version), *_] if version != _VERSION:
                raise OtherVersion(version) from None
        raise
    if frame.version != _VERSION:
        raise OtherVersion(frame.version)
    return frame


def _chunks(rows: list[tuple[str, bytes | None]]) -> Iterator[list[tuple[str, bytes | None]]]:
    """Cut rows so that each chunk takes at most half a frame; at least one chunk, possibly empty."""
    chunk: list[tuple[str, bytes | None]] = []
    size = 0
    for key, packed in rows:
        cost = len(key) * 4 + len(packed or b"") + 16
        if chunk and size + cost > MAX_FRAME_BYTES // 2:
            yield chunk
            chunk, size = [], 0
        chunk.append((key, packed))
        size += cost
    yield chunk


def _pieces(meta: bytes) -> Iterator[bytes]:
    """Cut what is not a row so that each piece takes at most the other half."""
    most = MAX_FRAME_BYTES // 2 - 1024
    yield from (meta[start : start + most] for start in range(0, len(meta), most))
