"""Where in a TOML file the error is: neither the parser of values nor that of types says it in lines."""

from __future__ import annotations

import re
import tomllib
from copy import deepcopy
from typing import Any

import msgspec

__all__ = ["line_of_error"]

_Path = tuple[str | int, ...]
_AT_LINE = re.compile(r"\(at line (\d+)")
_MISSING = "missing required field"
_INDEX = re.compile(r"\[\d+\]")
_TABLE = re.compile(r"\s*\[{1,2}\s*([^\[\]]+?)\s*\]{1,2}\s*(#.*)?$")
_KEY = re.compile(r"""\s*([A-Za-z0-9_.\-"']+)\s*=""")


def line_of_error(text: str, form: type[Any]) -> int:
    """The line, from 1, of what keeps ``text`` from being a ``form``; 1 where something is missing from the file as a whole.

    >>> class Policy(msgspec.Struct, forbid_unknown_fields=True):
    ...     version: str
    ...     limits: dict[str, int] = {}
    >>> line_of_error('version = "1"\\n\\n[limits]\\nhour = 1\\nday = "x"\\n', Policy)
    5
    >>> line_of_error('version = "1"\\nlimit = ', Policy)
    2
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        return int(found[1]) if found else max(1, len(text.splitlines()))
    path = _guilty(content, form)
    return _line_of(text, path, content) if path else 1


def _guilty(content: Any, form: type[Any]) -> _Path:
    """The way down to what the complaint is about: at each step the part without which there is none, or another one."""
    wrong = _complaint(content, form)
    path: _Path = ()
    inner = content
    while isinstance(inner, dict | list):
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        without = {key: _complaint(_without(content, (*path, key)), form) for key in keys}
        changed = [key for key in keys if without[key] != wrong]
        if not changed or (_MISSING in wrong and not any(isinstance(inner[key], dict | list) for key in changed)):
            break
        key = min(changed, key=lambda key: (bool(without[key]), _MISSING in without[key]))
        path, inner = (*path, key), inner[key]
    return path


def _complaint(content: Any, form: type[Any]) -> str:
    try:
        msgspec.convert(content, form)
    except msgspec.ValidationError as error:
        return _INDEX.sub("[]", str(error))  # what is gone moves the rest of a list
    return ""


def _without(content: Any, path: _Path) -> Any:
    rest = deepcopy(content)
    holder = rest
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    return rest


def _line_of(text: str, path: _Path, content: Any) -> int:
    """The line on which ``path`` is written; of an element of a list the first line from there on that holds it."""
    names = tuple(key for key in path if isinstance(key, str))
    table: tuple[str, ...] = ()
    at = 1
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if found := _TABLE.match(line):
            table = _parts(found[1])
            written = table
        elif found := _KEY.match(line):
            written = (*table, *_parts(found[1]))
        else:
            continue
        if written[: len(names)] == names or names[: len(written)] == written:
            at = number
            if len(written) >= len(names):
                break
    if isinstance(path[-1], int):
        for key in path:
            content = content[key]
        return next((number for number, line in enumerate(lines[at - 1 :], at) if str(content) in line), at)
    return at


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
