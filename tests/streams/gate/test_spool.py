"""streams.gate.spool: everything that was taken is read in order, whatever happened to the process or to the disk."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.errors import InputError
from streams.gate import spool as spool_module
from streams.gate.spool import Entry, NotSpooled, Spool, Spooled, Writer

ROOM = 1 << 20
Open = Callable[..., Spool]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens the spool of this test, as often as it asks; what is still open is closed at the end."""
    spools: list[Spool] = []

    def again(max_bytes: int = ROOM, directory: Path = tmp_path) -> Spool:
        spools.append(Spool(directory, max_bytes))
        return spools[-1]

    yield again
    for spool in spools:
        spool.close()


def record(number: int, size: int = 10) -> Spooled:
    return Spooled(topic="auth.events", schema="x/1", value=b"%d %b" % (number, b"v" * size), key="k", ts=float(number))


def numbers(entries: list[Entry]) -> list[int]:
    """What :func:`record` was given, of the entries that are whole."""
    return [int((entry.record.value or b"").split()[0]) for entry in entries if entry.record is not None]


def read_all(spool: Spool) -> list[Entry]:
    return spool.read(1_000_000, 1 << 30)


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.spool"))


# -- in order, once ------------------------------------------------------------------------------------------------------


def test_records_come_out_as_they_went_in(opened: Open) -> None:
    """Every field is kept, and each record has the next number of this process."""
    spool = opened()
    tombstone = Spooled(topic="auth.control", schema="y/1", value=None, headers={"a": "é\n"})
    assert spool.append([record(1), tombstone]) == [None, None]
    first, second = read_all(spool)
    assert first.record == Spooled(topic="auth.events", schema="x/1", value=b"1 vvvvvvvvvv", key="k", ts=1.0, seq=1)
    assert second.record == Spooled(topic="auth.control", schema="y/1", value=None, headers={"a": "é\n"}, seq=2)
    assert first.producer == second.producer == spool.producer


def test_reading_goes_on_from_what_was_released(opened: Open, tmp_path: Path) -> None:
    """Unreleased entries come again, released ones do not; later records follow in order, over many segments."""
    spool = opened(16 * 500)  # a segment holds some seven records
    for number in range(40):
        spool.append([record(number)])
    assert len(segments(tmp_path)) > 3
    assert numbers(spool.read(10, ROOM)) == numbers(spool.read(10, ROOM)) == list(range(10))
    spool.release(spool.read(10, ROOM)[-1].after)
    spool.append([record(40)])
    assert numbers(spool.read(3, ROOM)) == [10, 11, 12]
    assert numbers(spool.read(100, 1)) == [10]
    assert numbers(read_all(spool)) == list(range(10, 41))
    spool.release(read_all(spool)[-1].after)
    assert read_all(spool) == []
    assert spool.waiting_bytes == 0


def test_released_segments_are_deleted(opened: Open, tmp_path: Path) -> None:
    """What Kafka has takes no room, but for the segment that is being written."""
    spool = opened(16 * 500)
    for number in range(40):
        spool.append([record(number)])
    before = spool.size_bytes
    spool.release(read_all(spool)[-1].after)
    assert len(segments(tmp_path)) == 1
    assert spool.size_bytes == segments(tmp_path)[0].stat().st_size < before / 3


# -- another process -----------------------------------------------------------------------------------------------------


def test_a_restart_goes_on_where_the_last_process_stood(opened: Open) -> None:
    """Old records first, under the name and the numbers that they had; new ones under another name, from 1."""
    first = opened()
    first.append([record(number) for number in range(5)])
    first.release(first.read(2, ROOM)[-1].after)
    first.close()
    second = opened()
    second.append([record(5)])
    entries = read_all(second)
    assert numbers(entries) == [2, 3, 4, 5]
    assert [(entry.producer, entry.record and entry.record.seq) for entry in entries] == [
        (first.producer, 3),
        (first.producer, 4),
        (first.producer, 5),
        (second.producer, 1),
    ]
    assert first.producer != second.producer


def test_restarts_without_records_leave_nothing_behind(opened: Open, tmp_path: Path) -> None:
    """A process that was told nothing leaves one empty file, which the next one deletes."""
    for _ in range(5):
        opened().close()
    assert len(segments(tmp_path)) == 1


def test_lost_bookkeeping_means_reading_again(opened: Open, tmp_path: Path) -> None:
    """Where it is not known what was released, everything comes again, with the same numbers."""
    first = opened()
    first.append([record(number) for number in range(3)])
    first.release(first.read(2, ROOM)[-1].after)
    first.close()
    (tmp_path / "read.json").write_bytes(b"\0\0\0")
    assert numbers(read_all(opened())) == [0, 1, 2]


def test_bookkeeping_about_a_deleted_segment_hides_nothing(opened: Open, tmp_path: Path) -> None:
    """A place in a file that is gone is not taken for one in a file that came later."""
    first = opened()
    first.append([record(0)])
    first.release(read_all(first)[-1].after)
    first.close()
    for path in segments(tmp_path):
        path.unlink()
    second = opened()
    second.append([record(1)])
    assert numbers(read_all(second)) == [1]


def test_a_killed_process_loses_nothing_that_it_took(opened: Open, tmp_path: Path) -> None:
    """kill -9 between two appends: what was answered is there."""
    program = """
import os, signal, sys
from pathlib import Path
from streams.gate.spool import Spool, Spooled
spool = Spool(Path(sys.argv[1]), 1 << 20)
for number in range(10):
    spool.append([Spooled(topic="auth.events", schema="x/1", value=b"%d v" % number)])
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert numbers(read_all(opened())) == list(range(10))


def test_two_processes_cannot_share_a_spool(opened: Open, tmp_path: Path) -> None:
    """The second one says which directory it is, and what to do."""
    spool = opened()
    with pytest.raises(InputError, match=rf"^{tmp_path}: is used by another process; set gate.spool: each gate has its own$"):
        opened()
    spool.close()
    opened()


def test_a_directory_that_cannot_be_made_is_an_input_error(opened: Open, tmp_path: Path) -> None:
    """The error names it and the setting."""
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/spool: cannot be written: Not a directory; set gate.spool$"):
        opened(directory=tmp_path / "file" / "spool")


def test_only_its_owner_may_read_it(opened: Open, tmp_path: Path) -> None:
    """It holds log-in names and addresses."""
    spool = opened(directory=tmp_path / "spool")
    spool.append([record(1)])
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
    assert segments(tmp_path / "spool")[0].stat().st_mode & 0o077 == 0


# -- damage --------------------------------------------------------------------------------------------------------------


def damaged(opened: Open, tmp_path: Path, change: str) -> list[Entry]:
    """Three records, of which the file is changed before the next process reads it."""
    spool = opened()
    spool.append([record(number, 200) for number in range(3)])
    spool.close()
    (path,) = segments(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    match change:
        case "cut":  # the process died while it wrote
            lines[2] = lines[2][:100]
        case "flipped":
            lines[1] = lines[1][:100] + bytes([lines[1][100] ^ 1]) + lines[1][101:]
        case "torn":  # a block of the disk is zero
            lines[1] = bytes(len(lines[1]))
        case "joined":
            lines[0] = lines[0].replace(b"\n", b"\0")
    path.write_bytes(b"".join(lines))
    return read_all(opened())


@pytest.mark.parametrize(
    ("change", "whole", "wrong"),
    [("cut", [0, 1], [2]), ("flipped", [0, 2], [1]), ("torn", [0], [1]), ("joined", [2], [0])],
)
def test_damage_is_handed_out_and_passed_over(
    opened: Open, tmp_path: Path, change: str, whole: list[int], wrong: list[int]
) -> None:
    """A damaged line comes as it is, with its place; what stands behind it is read."""
    entries = damaged(opened, tmp_path, change)
    assert numbers(entries) == whole
    assert [index for index, entry in enumerate(entries) if entry.record is None] == wrong
    bad = entries[wrong[0]]
    assert bad.path.read_bytes()[bad.place.offset :].startswith(bad.line)
    assert bad.line


def test_a_line_without_end_is_read_in_parts(opened: Open, tmp_path: Path) -> None:
    """Rubbish of any length takes bounded memory, and the next process's records follow."""
    (tmp_path / "0000000001-old.spool").write_bytes(b"x" * 1_000_000)
    spool = opened(1 << 24)
    spool.append([record(7)])
    entries = read_all(spool)
    assert numbers(entries) == [7]
    assert {entry.record for entry in entries[:-1]} == {None}
    assert sum(len(entry.line) for entry in entries[:-1]) == 1_000_000
    assert max(len(entry.line) for entry in entries) <= 1 << 17


# -- bounds --------------------------------------------------------------------------------------------------------------


def test_a_full_spool_refuses_until_there_is_room(opened: Open) -> None:
    """It never grows over its bound; what it refused is not read, what it took is; after a release it takes records again."""
    spool = opened(16 * 500)
    results = spool.append([record(number) for number in range(200)])
    taken = [number for number, result in enumerate(results) if result is None]
    assert 0 < len(taken) < 200
    assert {result.reason for result in results if result is not None} == {"full"}
    assert spool.size_bytes <= 16 * 500
    assert numbers(read_all(spool)) == taken
    spool.release(read_all(spool)[-1].after)
    assert spool.append([record(300)]) != [None]  # begins another segment, so that the full one can go
    assert read_all(spool) == []
    assert spool.append([record(301)]) == [None]
    assert numbers(read_all(spool)) == [301]


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_disk_that_refuses_leaves_no_trace(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """A record that is not on the disk is refused, whole or half; the next one is written and read."""
    spool = opened()
    spool.append([record(1)])

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if call == "fdatasync":
            patch.setattr(os, "fdatasync", full)
        else:
            read_only = os.open(segments(tmp_path)[0], os.O_RDONLY)
            assert spool._active is not None
            os.dup2(read_only, spool._active.fileno())
        (result,) = spool.append([record(2)])
    assert isinstance(result, NotSpooled)
    assert result.reason == "disk"
    assert spool.append([record(3)]) == [None]
    assert numbers(read_all(spool)) == [1, 3]
    spool.close()
    assert numbers(read_all(opened())) == [1, 3]


# -- from the event loop -------------------------------------------------------------------------------------------------


def test_the_writer_writes_together_what_comes_together(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred records at once take a few calls of the disk, and are in the order in which they came."""
    syncs = 0
    fdatasync = os.fdatasync

    def counting(descriptor: int) -> None:
        nonlocal syncs
        syncs += 1
        fdatasync(descriptor)

    monkeypatch.setattr(spool_module.os, "fdatasync", counting)
    spool = opened()

    async def write() -> None:
        writer = Writer(spool)
        await asyncio.gather(*(writer.append(record(number)) for number in range(100)))
        await writer.append(record(100))

    asyncio.run(write())
    assert numbers(read_all(spool)) == list(range(101))
    assert syncs <= 3


def test_the_writer_tells_each_caller_its_own_result(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who did not fit in is told so, and a failure of our own code reaches everybody who waits rather than nobody."""
    spool = opened(16 * 500)

    async def write(count: int) -> list[BaseException | None]:
        writer = Writer(spool)
        return await asyncio.gather(*(writer.append(record(number)) for number in range(count)), return_exceptions=True)

    results = asyncio.run(write(200))
    assert results[0] is None
    assert isinstance(results[-1], NotSpooled)
    assert results.count(None) == len(read_all(spool))
    monkeypatch.setattr(spool, "append", lambda _records: 1 / 0)
    assert {type(result) for result in asyncio.run(write(3))} == {ZeroDivisionError}
