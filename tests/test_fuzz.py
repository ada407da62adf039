"""What the fuzzer looks for, on what it starts from, what it has found and what hypothesis makes of both."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import check, corpus

CORPUS = corpus()
#: Cases that ``make fuzz`` has found.
FOUND = [
    b"Failed login for user 'anna' from 192.0.2.115 at 0022-04-12 06:00:01",  # a time that no other stage takes
    b"0022-04-12T06:00:01Z gw sshd[1]: Failed password for anna from 192.0.2.1 port 1 ssh2\n" * 2,
    b"@ffffffffffffffff00000000 sshd[1]: Failed password for anna from 192.0.2.1 port 1 ssh2",
]
#: Words that mean something to formats and documents.
WORDS = sorted({word for data in CORPUS.values() for word in re.findall(rb"\w+|\W+", data)})


def test_the_corpus_is_read() -> None:
    """All samples in one file, also when every line comes twice."""
    check(b"\n".join(CORPUS.values()))
    check(b"\n".join(line for line in CORPUS.values() for _ in range(2)))


@pytest.mark.parametrize("data", FOUND)
def test_what_was_found_stays_repaired(data: bytes) -> None:
    """Each case that the fuzzer found is read."""
    check(data)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(sorted(CORPUS.values())) | st.binary(max_size=60), max_size=6), st.data())
def test_samples_that_are_cut_and_glued_are_accounted_for(lines: list[bytes], data: st.DataObject) -> None:
    """Pieces of different programs' lines, in one line and one file."""
    file = b"\n".join(lines)
    cut = data.draw(st.integers(0, len(file)))
    paste = b"".join(data.draw(st.lists(st.sampled_from(WORDS), max_size=8)))
    check(file[:cut] + paste + file[data.draw(st.integers(0, len(file))) :])
