"""Texts that make a pattern work hard, made of the pattern's own pieces, and how its time grows with them.

A backtracking engine takes more than linear time where two repetitions can share a text, or where one starts again at many
places. So each repetition of a pattern is reached by a text that matches what stands before it, then fed what it repeats, what
follows it and what both can share, over and over, and then a text that matches nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from re import Pattern, _constants, _parser  # type: ignore[attr-defined]  # there is no public parser of patterns
from time import process_time
from typing import Any, Final

__all__ = ["adversarial", "growth_problem"]

#: A search over a text of about the given length.
Job = Callable[[int], object]

_REPEATS: Final = {_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT}
#: Repetitions that end sooner cannot be fed long texts.
_LONG: Final = 16
_CANDIDATES: Final = " a1A.:/-_=\"'[](){}<>,;|@%\t\x1b"
_CATEGORIES: Final = {
    _constants.CATEGORY_DIGIT: str.isdigit,
    _constants.CATEGORY_NOT_DIGIT: lambda char: not char.isdigit(),
    _constants.CATEGORY_SPACE: str.isspace,
    _constants.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    _constants.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
    _constants.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
}
#: Lengths between which time must not grow faster than ``_SLACK`` times the length: the first pairs find growth so fast that a
#: longer text would not end. What takes less than ``_NOTHING_S`` is not judged.
_LENGTHS: Final = ((12, 24), (40, 320), (2_000, 16_000))
_SLACK: Final = 3
_NOTHING_S: Final = 3e-4


def adversarial(pattern: Pattern[str], search: Callable[[str], object] | None = None) -> Iterator[Job]:
    """Searches (by default matches from the start) for each repetition of ``pattern`` and each way of feeding it."""
    seek = search or pattern.match
    seen = set()
    for start, pump in _feeds(list(_parser.parse(pattern.pattern, pattern.flags)), ""):
        if pump and (start, pump) not in seen:
            seen.add((start, pump))
            for end in ("\n!", "\x00" + pump):
                yield _job(seek, start, pump, end)


def growth_problem(job: Job) -> str:
    """How the time of ``job`` grows faster than the text, or ""."""
    for small, large in _LENGTHS:
        if large == _LENGTHS[-1][1] and _seconds(job, small, 1) < _NOTHING_S:
            return ""
        slow = _seconds(job, large, 1)
        if slow < _NOTHING_S:
            continue
        allowed = _SLACK * large / small
        if slow > allowed * _seconds(job, small, 5) and _seconds(job, large, 4) > allowed * _seconds(job, small, 9):
            return f"{small} to {large} characters: {_seconds(job, small, 9):.6f} s to {slow:.6f} s"
    return ""


def _job(seek: Callable[[str], object], start: str, pump: str, end: str) -> Job:
    def job(length: int) -> object:
        return seek(start + pump * (length // len(pump)) + end)

    job.__doc__ = f"{start!r} {pump!r} {end!r}"
    return job


def _seconds(job: Job, length: int, tries: int) -> float:
    """Processor time of the quickest of some tries."""
    best = float("inf")
    for _ in range(tries):
        started = process_time()
        job(length)
        best = min(best, process_time() - started)
    return best


def _feeds(nodes: list[Any], start: str) -> Iterator[tuple[str, str]]:
    """For each repetition in a sequence: a text that leads to it, and a text to repeat."""
    for place, (kind, about) in enumerate(nodes):
        follows = nodes[place + 1 : place + 6]
        if kind in _REPEATS:
            _, most, item = about
            if most == _constants.MAXREPEAT or most > _LONG:
                yield from ((start, pump) for pump in _pumps(list(item), follows))
        for inner in _sequences(kind, about):
            yield from _feeds(inner, start)
        start += _text([(kind, about)])


def _pumps(item: list[Any], follows: list[Any]) -> Iterator[str]:
    """What a repetition of ``item`` repeats, also what could be taken for what ``follows`` it."""
    for inner in [item, *(alternative for kind, about in item for alternative in _sequences(kind, about))]:
        yield _text(inner)
    for count in range(1, len(follows) + 1):
        after = _text(follows[:count])
        yield after
        yield _text(item) + after
    if len(item) == 1:
        yield from (char for char in {*_CANDIDATES[:8], *_text(follows)[:8]} if _accepts(*item[0], char))


def _sequences(kind: Any, about: Any) -> list[list[Any]]:
    """The sequences of nodes within a node."""
    if kind in _REPEATS:
        return [list(about[2])]
    if kind is _constants.BRANCH:
        return [list(alternative) for alternative in about[1]]
    if kind is _constants.SUBPATTERN:
        return [list(about[-1])]
    return [list(about)] if kind is _constants.ATOMIC_GROUP else []


def _text(nodes: list[Any]) -> str:
    """A text that a sequence of nodes matches, but for what look-arounds ask."""
    text = ""
    for kind, about in nodes:
        if kind in _REPEATS:
            least, most, item = about
            text += _text(list(item)) * (max(least, 1) if most else 0)
        elif inner := _sequences(kind, about):
            text += _text(inner[0])
        elif kind in {_constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY, _constants.IN}:
            own = chr(about) if kind is _constants.LITERAL else ""
            listed = "".join(chr(value) for what, value in about if what is _constants.LITERAL) if kind is _constants.IN else ""
            text += next((char for char in own or _CANDIDATES[1:3] + listed + _CANDIDATES if _accepts(kind, about, char)), "")
    return text


def _accepts(kind: Any, about: Any, char: str) -> bool:
    """Whether one character matches one node."""
    if kind is _constants.IN:
        negated = about[0][0] is _constants.NEGATE
        return negated != any(_accepts(*part, char) for part in about[negated:])
    if kind is _constants.RANGE:
        return bool(about[0] <= ord(char) <= about[1])
    if kind is _constants.CATEGORY:
        return bool(_CATEGORIES[about](char))
    if kind is _constants.NOT_LITERAL:
        return bool(chr(about) != char)
    return kind is _constants.ANY or (kind is _constants.LITERAL and chr(about) == char)
