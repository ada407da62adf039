"""A spool on disk: records that must reach Kafka, kept in order until they have.

A spool is a directory of segments. A segment is appended to and never changed; each of its lines is one record::

    <CRC-32 of the rest, 8 hex digits> <JSON array, see Spooled>

* **Durable**: when :meth:`Spool.append` returns, the records are on the disk (``fdatasync``).
* **Bounded**: segments that would take the spool over its bytes are not written; a segment is deleted when it was read whole.
* **Honest about damage**: a line whose checksum is wrong, or that was cut by a crash, is handed out as it is, and reading goes on
  behind it.
* **No number twice**: a process never appends to what an earlier one left. It starts a segment under a new name of its own, its
  ``producer``, and counts from 1, so that what a power cut took from the end of a file cannot come again as another record.

What was read is remembered in ``read.json``, after the fact: after a crash a few records are handed out again, with the same
producer and number, by which the next stage drops them.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from errno import ENOSPC
from pathlib import Path
from typing import IO, Final, Literal, NamedTuple, Self
from uuid import uuid4
from zlib import crc32

import msgspec

from models.errors import InputError

__all__ = ["Entry", "NotSpooled", "Place", "Spool", "Spooled", "Writer"]

_SUFFIX: Final = ".spool"
#: What comes in this time is written together: the disk and the thread cost the same for one record as for twenty.
_GATHER_S: Final = 0.005
#: Parts of the spool that are freed one by one.
_SEGMENTS: Final = 16
_MAX_SEGMENT_BYTES: Final = 16 << 20
#: Longest line that is looked for; a longer one is damage. A record holds at most an event of 64 KiB, in base64.
_MAX_LINE_BYTES: Final = 128 << 10


class Spooled(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """One record for Kafka: a topic's short name, and what :meth:`KafkaProducer.send` takes; ``ts`` is UTC seconds.

    ``value`` is ``None`` for a tombstone. ``seq`` is given by the spool.
    """

    topic: str
    schema: str
    value: bytes | None
    key: str | None = None
    ts: float | None = None
    headers: dict[str, str] = {}
    seq: int = 0


class NotSpooled(Exception):
    """The spool did not take a record, because it is ``full`` or the ``disk`` refused."""

    def __init__(self, reason: Literal["full", "disk"]) -> None:
        self.reason = reason
        super().__init__(f"the spool did not take a record: {reason}")


class Place(msgspec.Struct, frozen=True):
    """A place in the spool: a segment's file name and the bytes before the next line."""

    segment: str
    offset: int


class Entry(NamedTuple):
    """What was read at ``place`` of the file ``path``; ``record`` is ``None`` where ``line`` is damaged."""

    producer: str
    record: Spooled | None
    line: bytes
    path: Path
    place: Place

    @property
    def after(self) -> Place:
        """The place behind it."""
        return Place(self.place.segment, self.place.offset + len(self.line))


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Spooled).decode


class Spool:
    """See the module's text. One thread may append while another one reads.

    Args:
        directory: Of this spool alone; made if it does not exist.
        max_bytes: Of all segments together.

    Attributes:
        producer: The name of this process's records.

    Raises:
        InputError: The directory cannot be written, or another process uses it.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory, self._max_bytes = directory, max_bytes
        self._segment_bytes = min(max_bytes // _SEGMENTS, _MAX_SEGMENT_BYTES)
        self.producer = uuid4().hex
        self._seq = 0
        self._changing = threading.Lock()  # of the sizes
        self._sizes: dict[str, int] = {}  # segment -> whole bytes in it, in order
        self._active: IO[bytes] | None = None
        self._reading: IO[bytes] | None = None
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock_file = (directory / "lock").open("ab")
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", where=str(directory), hint="set gate.spool") from None
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._sizes = self._found()
            self._segments = int(max(self._sizes, default="0").partition("-")[0])
            self._next_segment()
        except OSError as error:
            self._lock_file.close()
            what = "is used by another process" if isinstance(error, BlockingIOError) else f"cannot be written: {error.strerror}"
            raise InputError(what, where=str(directory), hint="set gate.spool: each gate has its own") from None
        self._place = self._remembered()

    @property
    def size_bytes(self) -> int:
        """What the segments take on the disk."""
        with self._changing:
            return sum(self._sizes.values())

    @property
    def waiting_bytes(self) -> int:
        """What has not been released."""
        place = self._place
        with self._changing:
            return sum(size for name, size in self._sizes.items() if name >= place.segment) - place.offset

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another process have the directory."""
        for file in (self._active, self._reading, self._lock_file):
            if file is not None:
                file.close()

    # -- writing -------------------------------------------------------------------------------------------------------

    def append(self, records: Iterable[Spooled]) -> list[NotSpooled | None]:
        """Write records in order; for each, ``None`` or why it was not taken. Those that were are on the disk."""
        results: list[NotSpooled | None] = []
        lines: list[bytes] = []
        self._roll()
        room = self._max_bytes - self.size_bytes
        for record in records:
            line = _line(msgspec.structs.replace(record, seq=self._seq + 1))
            if len(line) > room:
                results.append(NotSpooled("full"))
                continue
            room -= len(line)
            self._seq += 1
            lines.append(line)
            results.append(None)
        if lines and not self._write(b"".join(lines)):
            results = [result or NotSpooled("disk") for result in results]
        return results

    def _write(self, data: bytes) -> bool:
        """Whether ``data`` is on the disk; if not, nothing of it will be read."""
        try:
            active = self._active or self._next_segment()
            if active.write(data) < len(data):
                raise OSError(ENOSPC, "the disk is full")
            os.fdatasync(active.fileno())
        except OSError:
            self._abandon()
            return False
        with self._changing:
            self._sizes[self._active_name] += len(data)
        return True

    def _roll(self) -> None:
        """Leave a segment that is long enough, even where the spool is full: only then can it be deleted."""
        if self._active is not None and self._sizes[self._active_name] >= self._segment_bytes:
            with suppress(OSError):
                self._next_segment()

    def _next_segment(self) -> IO[bytes]:
        self._segments += 1
        name = f"{self._segments:010}-{self.producer}{_SUFFIX}"
        active = open(self._directory / name, "ab", buffering=0, opener=_private)  # noqa: SIM115  closed by the next one
        try:
            self._sync_directory()
        except OSError:
            active.close()
            raise
        if self._active is not None:
            self._active.close()
        self._active, self._active_name = active, name
        with self._changing:
            self._sizes[name] = 0
        return active

    def _abandon(self) -> None:
        """After a failed write: take back what may stand half in the file, and begin another one with the next record."""
        if self._active is None:
            return
        with suppress(OSError):
            self._active.truncate(self._sizes[self._active_name])
        with suppress(OSError):
            self._active.close()
        self._active = None

    def _sync_directory(self) -> None:
        """Make the names of new files durable."""
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    # -- reading -------------------------------------------------------------------------------------------------------

    def read(self, max_records: int, max_bytes: int) -> list[Entry]:
        """The next entries in order, none where everything was read; the same again until :meth:`release`.

        Raises:
            OSError: The disk refused.
        """
        entries: list[Entry] = []
        place, left = self._place, max_bytes
        while True:
            with self._changing:
                size = self._sizes[place.segment]
                following = next((name for name in self._sizes if name > place.segment), None)
            while place.offset < size:
                if len(entries) >= max_records or left <= 0:
                    return entries
                entry = self._entry(place, size)
                left -= len(entry.line)
                entries.append(entry)
                place = entry.after
            if following is None:
                return entries
            place = Place(following, 0)
            if not entries:
                self.release(place)  # the segment before is done with

    def release(self, after: Place) -> None:
        """Everything before ``after`` has reached Kafka: it is not read again, and whole segments of it are deleted.

        Raises:
            OSError: The disk refused.
        """
        self._place = after
        with self._changing:
            done = [name for name in self._sizes if name < after.segment]
        self._remember()
        for name in done:
            (self._directory / name).unlink(missing_ok=True)
            with self._changing:
                del self._sizes[name]

    def _entry(self, place: Place, size: int) -> Entry:
        path = self._directory / place.segment
        file = self._open(path)
        if file.tell() != place.offset:
            file.seek(place.offset)
        line = file.readline(min(_MAX_LINE_BYTES, size - place.offset))
        if not line:
            raise OSError(f"{path} is shorter than it was")
        return Entry(_producer_of(place.segment), _record(line), line, path, place)

    def _open(self, path: Path) -> IO[bytes]:
        if self._reading is None or self._reading.name != str(path):
            if self._reading is not None:
                self._reading.close()
            self._reading = open(str(path), "rb")  # noqa: SIM115  closed above, and by close()
        return self._reading

    # -- where reading stands ------------------------------------------------------------------------------------------

    def _found(self) -> dict[str, int]:
        """The segments that earlier processes left; empty ones are deleted."""
        sizes: dict[str, int] = {}
        for path in sorted(self._directory.glob(f"*{_SUFFIX}")):
            sizes[path.name] = path.stat().st_size
            if not sizes[path.name]:
                path.unlink()
                del sizes[path.name]
        return sizes

    def _remember(self) -> None:
        """Without ``fsync``: what is forgotten in a power cut is read again, and dropped by the next stage."""
        new = self._directory / "read.json.new"
        new.write_bytes(_encode(self._place))
        new.replace(self._directory / "read.json")

    def _remembered(self) -> Place:
        with suppress(OSError, msgspec.DecodeError):
            place = msgspec.json.decode((self._directory / "read.json").read_bytes(), type=Place)
            if place.offset <= self._sizes.get(place.segment, -1):
                return place
        return Place(next(iter(self._sizes)), 0)


def _private(path: str, flags: int) -> int:
    """Opens a file that only its owner may read: it holds log-in names."""
    return os.open(path, flags, 0o600)


def _line(record: Spooled) -> bytes:
    text = _encode(record)
    return b"%08x %b\n" % (crc32(text), text)


def _record(line: bytes) -> Spooled | None:
    checksum, _, text = line.removesuffix(b"\n").partition(b" ")
    try:
        return _decode(text) if line.endswith(b"\n") and int(checksum, 16) == crc32(text) else None
    except (ValueError, msgspec.DecodeError):
        return None


def _producer_of(segment: str) -> str:
    return segment.removesuffix(_SUFFIX).partition("-")[2]


class Writer:
    """Appends to a spool without holding the event loop up: what comes while the disk works is written together.

    Args:
        spool: Nobody else appends to it.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._thread = ThreadPoolExecutor(1, "spool")
        self._waiting: list[tuple[Spooled, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def append(self, record: Spooled) -> None:
        """Return when ``record`` is on the disk.

        Raises:
            NotSpooled: It is not.
        """
        loop = asyncio.get_running_loop()
        written: asyncio.Future[None] = loop.create_future()
        self._waiting.append((record, written))
        if self._writing is None:
            self._writing = loop.create_task(self._write())
        await written

    def append_from_thread(self, record: Spooled) -> None:
        """The same for another thread than the event loop's, which waits.

        Raises:
            NotSpooled: It is not.
        """
        (refusal,) = self._thread.submit(self._spool.append, [record]).result()
        if refusal is not None:
            raise refusal

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await asyncio.sleep(_GATHER_S)
            batch, self._waiting = self._waiting, []
            results: Sequence[Exception | None]
            try:
                results = await loop.run_in_executor(self._thread, self._spool.append, [record for record, _ in batch])
            except Exception as error:  # our own failure must not leave requests waiting
                results = [error] * len(batch)
            for (_, written), refusal in zip(batch, results, strict=True):
                if written.done():
                    continue  # its request was given up
                if refusal is None:
                    written.set_result(None)
                else:
                    written.set_exception(refusal)
        self._writing = None
