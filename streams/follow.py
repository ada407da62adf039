"""Follows files that grow and are rotated, and goes on after a restart where it was.

A name is followed, not a file: when another file takes the name (rename and create) the old one is read until it has been silent
for a while, because its writer may not know yet; when the file is cut (copytruncate) what was not read yet is looked for in its
copy. Each file has a producer of its own, under which its lines are numbered.

The *checkpoint* says, for each file, how far everything was safe. After a crash lines behind it are read again and sent under the
same producer and number, by which the next stage knows them: nothing is lost, and nothing counts twice. Reading begins some
lines earlier, because a line may be one of several about an attempt; those are only read.

A file is known again by how it begins and by what stands before the place where reading stopped, whatever its name is by then.
No line is taken from a file before the checkpoint has its producer and its beginning.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path
from threading import Event
from time import monotonic, time, time_ns
from typing import IO, Any, Final, Protocol
from uuid import uuid4

import msgspec

from models.errors import InputError
from models.events import MAX_LINE_BYTES
from streams import telemetry

__all__ = ["Checkpoint", "FollowedFile", "Follower", "LineReader", "Saved", "follow"]

SCHEMA: Final = "ingest-checkpoint/1"
_POLL_S: Final = 0.25
_CHECKPOINT_EVERY_S: Final = 1.0
#: A writer that was told to open its log again does so long before.
_SILENT_S: Final = 60.0
_CHUNK_BYTES: Final = 1 << 20
#: What has to be equal at the beginning, and before the place where reading stopped, for a file to be the same.
_SAME_BYTES: Final = 256
#: Lines that are read again after a restart, so that what belongs to one attempt is known as such.
_CONTEXT_LINES: Final = 10_000
_MARK_EVERY: Final = 1_000
#: What rotation appends to a name: ``.1``, ``-20220412``, ``.2022-04-12_06:00``; packed files are not gone on in.
_ROTATED: Final = re.compile(r"[.-]\d[\w.:-]*(?<!gz)(?<!zst)(?<!bz2)(?<!xz)")


class LineReader(Protocol):
    """What becomes of the lines of one file."""

    def take(self, raw: bytes, number: int) -> None:
        """Take the next line."""

    def release(self, now: float) -> None:
        """Let go of lines that have waited long enough at ``now`` (UTC seconds)."""

    def close(self) -> None:
        """Let go of all lines: there are no more."""

    @property
    def waits_since(self) -> int | None:
        """The first line that still waits for others about the same attempt."""

    @property
    def connections(self) -> list[list[str]]:
        """What was told of connections whose lines may be far apart."""

    def resume(self, connections: Sequence[Sequence[str]]) -> None:
        """Know of ``connections`` what a reader of the same file knew."""


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """One file in a checkpoint.

    Attributes:
        producer: Under which its lines are numbered.
        head_size: So many bytes from its beginning have the hash ``head``; 0: no line was taken yet.
        offset: Where the next line begins; ``tail`` is a hash of what stands before it.
        seen_ns: When it was last read, as the clock of files has it; what was changed since was not seen.
        start_line: So many lines are before ``start_offset``, where reading begins again.
        done_line: Everything up to this line is safe.
        connections: What lines before it have told of connections that go on.
    """

    producer: str
    head_size: int
    head: str
    offset: int
    tail: str
    seen_ns: int
    start_line: int
    start_offset: int
    done_line: int
    connections: list[list[str]] = []


class Checkpoint:
    """A file that says how far each followed name was read, oldest file first; written whole or not at all.

    Raises:
        InputError: It cannot be read or written, or is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> dict[str, list[Saved]]:
        """What was saved last; nothing if there is no such file yet."""
        try:
            content = msgspec.json.decode(self.path.read_bytes(), type=_Content)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", where=str(self.path)) from None
        except msgspec.DecodeError as error:
            raise InputError(f"is no checkpoint ({error})", where=str(self.path), hint="name another file") from None
        if content.schema != SCHEMA:
            raise InputError(f"is {content.schema}, not {SCHEMA}", where=str(self.path), hint="upgrade crible")
        return content.files

    def save(self, files: dict[str, list[Saved]]) -> None:
        """Replace what was saved."""
        new = self.path.with_name(self.path.name + ".new")
        try:
            with new.open("wb") as file:
                file.write(msgspec.json.encode(_Content(schema=SCHEMA, files=files)))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", where=str(self.path)) from None


class _Content(msgspec.Struct, frozen=True):
    schema: str
    files: dict[str, list[Saved]]


class _Cut(Exception):
    """A file is not what was read of it: it was cut and begins anew."""


class FollowedFile:
    """One file, read line by line as it grows.

    Args:
        file: Open without a buffer; stays the same file when its name goes to another.
        reader: Takes the lines.
        producer: Under which they are numbered.
        seen_ns: Since when it may have changed unseen.
        saved: What a checkpoint has of it.

    Attributes:
        ends_at: Monotonic time from which on it may be given up; ``None`` while it has the name.
        is_known: A checkpoint has its beginning, so lines can be taken.
    """

    def __init__(self, file: IO[bytes], reader: LineReader, producer: str, seen_ns: int, saved: Saved | None = None) -> None:
        self.file, self.reader, self.producer = file, reader, producer
        self.ends_at: float | None = None
        self._seen_ns = seen_ns
        self._head = os.pread(file.fileno(), saved.head_size, 0) if saved else b""
        self.is_known = bool(self._head)
        self._line, self._offset = (saved.start_line, saved.start_offset) if saved else (0, 0)
        self._read_to = self._offset  # what is beyond ``_offset`` is the beginning of a line
        self._beginning = b""
        self._line_tail = self._tail = _tail(file, self._offset)
        self._marks = deque([(self._line, self._offset)])

    def read(self) -> int:
        """Take the complete lines of at most one chunk; returns how many bytes there were.

        Raises:
            _Cut: The file is not what was read before.
            InputError: It cannot be read.
        """
        now_ns = time_ns()
        try:
            data = os.pread(self.file.fileno(), _CHUNK_BYTES, self._read_to)
            if not self._is_as_before():
                raise _Cut
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", where=str(self.file.name)) from None
        self._seen_ns = now_ns
        if not self.is_known:
            self._head = data[:_SAME_BYTES] if b"\n" in data or len(data) >= _SAME_BYTES else b""
            return 0
        if data:
            self._take(data)
        return len(data)

    @property
    def needs_saving(self) -> bool:
        """Whether its lines wait for a checkpoint that knows how it begins."""
        return not self.is_known and bool(self._head)

    def saved(self) -> Saved:
        """What to remember of it, if everything that its reader has let go of is safe."""
        self.is_known = bool(self._head)
        waits = self.reader.waits_since
        done = self._line if waits is None else waits - 1
        while len(self._marks) > 1 and self._marks[1][0] <= min(done, self._line - _CONTEXT_LINES):
            self._marks.popleft()
        line, offset = self._marks[0]
        return Saved(
            producer=self.producer,
            head_size=len(self._head),
            head=_hash(self._head),
            offset=self._offset,
            tail=_hash(self._line_tail),
            seen_ns=self._seen_ns,
            start_line=line,
            start_offset=offset,
            done_line=done,
            connections=self.reader.connections,
        )

    def _is_as_before(self) -> bool:
        """Whether the file has not been cut and written anew."""
        number = self.file.fileno()
        is_shorter = os.fstat(number).st_size < self._read_to
        return (
            not is_shorter and _tail(self.file, self._read_to) == self._tail and os.pread(number, len(self._head), 0) == self._head
        )

    def is_at(self, path: Path) -> bool:
        """Whether this is the file at ``path``."""
        try:
            return os.path.samestat(os.fstat(self.file.fileno()), path.stat())
        except OSError:
            return False

    def is_copied_to(self, path: Path) -> bool:
        """Whether the file at ``path`` has what was read of this one."""
        return self.is_known and _is_same(path, len(self._head), _hash(self._head), self._read_to, _hash(self._tail))

    def finish_in(self, copy: Path) -> None:
        """Take what is left from a copy of this file."""
        self.file.close()
        self.file = copy.open("rb", buffering=0)
        while self.read():
            pass

    def close(self, *, is_whole: bool) -> None:
        """There will be no more lines; the last one needs no end, if it ``is_whole``."""
        if is_whole and self._beginning:
            self._take(b"\n")
        self.reader.close()
        self.file.close()

    def _take(self, data: bytes) -> None:
        tail = self._tail + data
        *ends, rest = data.split(b"\n")
        for end in ends:
            raw = (self._beginning + end if self._beginning else end)[: MAX_LINE_BYTES + 1]
            self._beginning = b""
            self._read_to += len(end) + 1
            self._line, self._offset = self._line + 1, self._read_to
            self.reader.take(raw.rstrip(b"\r"), self._line)
            if self._line % _MARK_EVERY == 0:
                self._marks.append((self._line, self._offset))
        if ends:
            self._line_tail = tail[: len(tail) - len(rest)][-_SAME_BYTES:]
        self._tail = tail[-_SAME_BYTES:]
        self._beginning = (self._beginning + rest)[: MAX_LINE_BYTES + 1]
        self._read_to += len(rest)


class Follower:
    """Follows one name.

    Args:
        name: The file's name.
        new_reader: Makes what takes a file's lines, given the producer and the last line that is safe already.
        saved: From a checkpoint: the files under this name that were not finished, oldest first.

    Attributes:
        files: Those that are read, the one that has the name last.
    """

    def __init__(self, name: str, new_reader: Callable[[str, int], LineReader], saved: Sequence[Saved] = ()) -> None:
        self.name, self._path, self._new_reader = name, Path(name), new_reader
        self.files: list[FollowedFile] = []
        for each in saved:
            self._resume(each)
        self._looked_ns = min((each.seen_ns for each in saved), default=time_ns())
        self._look_up_name()

    @property
    def needs_saving(self) -> bool:
        """Whether the lines of a file wait for a checkpoint."""
        return any(file.needs_saving for file in self.files)

    @property
    def is_waiting(self) -> bool:
        """Whether a line waits for others about the same attempt."""
        return any(file.reader.waits_since is not None for file in self.files)

    def poll(self) -> int:
        """Take the lines that are there; returns how many bytes there were.

        Raises:
            InputError: A file cannot be read.
        """
        read = sum([self._read(file) for file in list(self.files)])
        self._look_up_name()
        for file in [file for file in self.files if file.ends_at is not None and monotonic() >= file.ends_at]:
            file.close(is_whole=True)
            self.files.remove(file)
        if not read:
            for file in self.files:
                file.reader.release(time())
        return read

    def saved(self) -> list[Saved]:
        """What to remember of its files."""
        return [file.saved() for file in self.files]

    def close(self) -> None:
        """Stop reading; what is not finished goes on from the checkpoint."""
        for file in self.files:
            file.file.close()

    def _read(self, file: FollowedFile) -> int:
        try:
            read = file.read()
        except _Cut:
            self._replace(file)
            return 1
        if read and file.ends_at is not None:
            file.ends_at = monotonic() + _SILENT_S
        return read

    def _look_up_name(self) -> None:
        """Open the file that has the name if it is a new one; those before it end when they are silent."""
        now_ns, looked_ns = time_ns(), self._looked_ns
        is_named = bool(self.files) and self.files[-1].is_at(self._path)
        if not is_named and not self._path.exists():
            return
        self._looked_ns = now_ns
        if is_named:
            return
        for path in reversed(self._siblings()):  # those that got the name and lost it since
            if path.stat().st_mtime_ns > looked_ns and not any(file.is_at(path) for file in self.files):
                self._open(path, looked_ns)
        for file in self.files:
            file.ends_at = file.ends_at or monotonic() + _SILENT_S
        self._open(self._path, looked_ns)

    def _open(self, path: Path, seen_ns: int, saved: Saved | None = None) -> None:
        try:
            file = path.open("rb", buffering=0)
        except FileNotFoundError:  # it was just renamed
            return
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
        producer = saved.producer if saved else uuid4().hex
        reader = self._new_reader(producer, saved.done_line if saved else 0)
        if saved:
            reader.resume(saved.connections)
        self.files.append(FollowedFile(file, reader, producer, seen_ns, saved))

    def _resume(self, saved: Saved) -> None:
        if not saved.head_size:
            return
        for path in (self._path, *self._siblings()):
            if _is_same(path, saved.head_size, saved.head, saved.offset, saved.tail):
                self._open(path, saved.seen_ns, saved)
                return
        telemetry.warning("file.lost", path=self.name, offset=saved.offset)

    def _replace(self, file: FollowedFile) -> None:
        """The file was cut: what was not read yet may be in its copy; the rest is a new file."""
        copy = next((path for path in self._siblings() if file.is_copied_to(path)), None)
        if copy is not None:
            file.finish_in(copy)
        elif file.is_known:
            telemetry.warning("file.lost", path=self.name)
        file.close(is_whole=False)
        self.files.remove(file)
        self._open(self._path, self._looked_ns)

    def _siblings(self) -> list[Path]:
        """Files that may have had the name, the youngest first."""
        name = self._path.name
        found = [
            path
            for path in self._path.parent.iterdir()
            if path.name.startswith(name) and _ROTATED.fullmatch(path.name.removeprefix(name)) and path.is_file()
        ]
        return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def follow(
    names: Sequence[str],
    new_reader: Callable[[str, str, int], LineReader],
    flush: Callable[[], Any],
    checkpoint: Checkpoint | None,
    stop: Event,
) -> None:
    """Follow files until ``stop``.

    Args:
        names: The files.
        new_reader: Makes what takes a file's lines, given its name, the producer and the last line that is safe already.
        flush: Returns when everything that was taken is safe.
        checkpoint: Where to remember how far that is.
        stop: Ends it after what is there has been taken.
    """
    saved = checkpoint.load() if checkpoint else {}
    followers = [Follower(name, partial(new_reader, name), saved.get(_key(name), ())) for name in names]

    def remember() -> None:
        flush()
        files = {_key(follower.name): follower.saved() for follower in followers}
        if checkpoint:
            checkpoint.save(files)

    try:
        remember()
        remembered_at, is_new = monotonic(), False
        while not stop.is_set():
            read = sum([follower.poll() for follower in followers])
            is_new = is_new or read > 0 or any(follower.is_waiting for follower in followers)
            is_due = is_new and monotonic() - remembered_at >= _CHECKPOINT_EVERY_S
            if is_due or any(follower.needs_saving for follower in followers):
                remember()
                remembered_at, is_new = monotonic(), False
            if not read:
                stop.wait(_POLL_S)
        remember()
    finally:
        for follower in followers:
            follower.close()


def _key(name: str) -> str:
    return str(Path(name).resolve())


def _tail(file: IO[bytes], offset: int) -> bytes:
    size = min(offset, _SAME_BYTES)
    return os.pread(file.fileno(), size, offset - size)


def _is_same(path: Path, head_size: int, head: str, offset: int, tail: str) -> bool:
    """Whether the file at ``path`` begins, and goes on before ``offset``, as the one did that was read."""
    try:
        with path.open("rb") as file:
            return _hash(_tail(file, head_size)) == head and _hash(_tail(file, offset)) == tail
    except OSError:
        return False


def _hash(tail: bytes) -> str:
    return blake2b(tail, digest_size=16).hexdigest()
