"""Files are replaced as a whole, and programs are run without a shell."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from models.errors import CribleError
from streams.enforcement import files
from streams.enforcement.files import replace_file, run


def test_a_reader_sees_one_content_or_the_other(tmp_path: Path) -> None:
    """However often a reader looks while the file is replaced, it never sees a part of it, nor nothing."""
    path, stop, seen = tmp_path / "list", threading.Event(), set[str]()
    contents = ["a\n" * 200_000, "b\n" * 200_000]
    replace_file(path, contents[0])

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 51):
        replace_file(path, contents[number % 2])
    stop.set()
    reader.join()
    assert seen <= set(contents)
    assert seen


def test_the_new_content_is_on_disk_before_it_has_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is synchronised before it is renamed, and its folder after: a power cut leaves the old list or the new."""
    steps: list[str] = []
    sync, rename = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (steps.append("sync"), sync(descriptor))[1])
    monkeypatch.setattr(Path, "replace", lambda path, target: (steps.append("rename"), rename(path, target))[1])
    assert replace_file(tmp_path / "list", "x\n")
    assert steps == ["sync", "rename", "sync"]


def test_the_same_content_is_not_written_again(tmp_path: Path) -> None:
    """The file of an unchanged list stays the same file."""
    path = tmp_path / "list"
    assert replace_file(path, "x\n")
    before = path.stat()
    assert not replace_file(path, "x\n")
    assert path.stat().st_ino == before.st_ino
    assert oct(before.st_mode)[-3:] in {"644", "640", "600"}


def test_a_failed_replacement_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is an error that names the file; the old list stays, and no half of a new one lies about."""
    path = tmp_path / "list"
    replace_file(path, "old\n")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(CribleError, match=f"^{path}: cannot be written: No space left on device"):
        replace_file(path, "new\n")
    assert path.read_text() == "old\n"
    assert [each.name for each in tmp_path.iterdir()] == ["list"]


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    """A folder that does not exist is named."""
    with pytest.raises(CribleError, match="cannot be written: No such file or directory"):
        replace_file(tmp_path / "none" / "list", "x")


def test_a_command_gets_text_and_no_shell(tmp_path: Path) -> None:
    """Arguments are passed as they are; what the command reads is the text."""
    run(["tee", str(tmp_path / "$(date); x")], "some text")
    assert (tmp_path / "$(date); x").read_text() == "some text"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["false"], "^false: ended with 1: $"),
        (["sh", "-c", "echo first >&2; echo second >&2; exit 3"], "^sh: ended with 3: first$"),
        (["/nowhere/x"], "^/nowhere/x: cannot be run: "),
        (["sleep", "5"], "^sleep: cannot be run: .*timed out"),
    ],
)
def test_a_failing_command_is_an_error(command: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first line of complaint is told, one that hangs is ended."""
    monkeypatch.setattr(files, "_COMMAND_LIMIT_S", 0.5)
    with pytest.raises(CribleError, match=said):
        run(command)
