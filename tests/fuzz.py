"""``make fuzz``: all of ingest under a fuzzer (atheris, guided by coverage) for a bounded time; 1 if a case was found.

A case is kept in the folder that is named when it is found, and belongs into ``FOUND`` of ``tests/test_fuzz.py``, where it is an
ordinary test of :func:`check`. The corpus starts from the samples of all formats and documents.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from tempfile import mkdtemp
from time import process_time
from types import FunctionType
from typing import Final

from models.addresses import Proxies, normalise
from models.events import MAX_LINE_BYTES, MAX_TEXT, AuthEvent, Refused, decode_event
from models.geo import Geo
from streams.documents import DOCUMENTS
from streams.formats import FORMATS
from streams.ingest import Ingest, Options, Origin

__all__ = ["check", "corpus"]

#: Any file of this length is read in this time, many times over what is needed.
_MAX_FILE_BYTES: Final = 2 * MAX_LINE_BYTES
_SLOW_S: Final = 5.0


class _Checked:
    """What comes out can be read again, is short, and names an address."""

    def event(self, event: AuthEvent, encoded: bytes, origin: Origin) -> None:
        """Read it again."""
        again = decode_event(encoded)
        assert len(again.login) <= MAX_TEXT
        assert normalise(again.remote) == again.remote == event.remote
        assert again.success is event.success
        assert b"\n" not in encoded

    def refused(self, raw: bytes, refusal: Refused, origin: Origin) -> None:
        """A reason is a word."""
        assert refusal.reason.isidentifier()

    def flush(self) -> None:
        """Nothing to do."""


def check(data: bytes) -> None:
    """A file of any bytes is read in a moment, raises nothing, and each of its lines is accounted for."""
    job = Ingest(_Checked(), Options(year=2022, at=1.0), Geo(), "fuzz", live=False, proxies=Proxies(["10.0.0.0/8"]))
    reading = job.reading("fuzz", "fuzz")
    started = process_time()
    for number, line in enumerate(data.split(b"\n"), start=1):
        reading.take(line, number)
    reading.close()
    assert process_time() - started < _SLOW_S
    summary = job.summary
    assert summary.lines == summary.logins + summary.joined + summary.refused.total() + summary.not_logins


def corpus() -> dict[str, bytes]:
    """The samples of all formats and documents, by name."""
    lines = {
        f"{form.name}-{number}": sample.line.encode() for form in FORMATS.values() for number, sample in enumerate(form.samples)
    }
    records = {
        f"{document.name}-{number}.json": json.dumps(sample.record).encode()
        for document in DOCUMENTS.values()
        for number, sample in enumerate(document.samples)
    }
    return lines | records


def main() -> None:
    """Run until a case is found or time is up; arguments go to libFuzzer, such as ``-max_total_time=60``."""
    import atheris  # noqa: PLC0415  there is none for some machines

    folder = Path(mkdtemp(prefix="crible-fuzz-"))
    (folder / "corpus").mkdir()
    for name, data in corpus().items():
        (folder / "corpus" / name).write_bytes(data)
    print(f"cases that are found go to {folder}", file=sys.stderr)
    atheris.enabled_hooks.add("RegEx")
    for function in gc.get_objects():
        if isinstance(function, FunctionType) and str(function.__module__).startswith(("models.", "streams.")):
            atheris.instrument_func(function)
    options = [f"-max_len={_MAX_FILE_BYTES}", f"-artifact_prefix={folder}/", str(folder / "corpus")]
    atheris.Setup([sys.argv[0], *sys.argv[1:], *options], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
