"""Log formats: what they share, and in ``programs`` one module for each program.

``format`` says what a format is, ``syslog`` takes a line apart into time, host, program and message, ``reader`` applies
the formats, and ``joining`` makes one event of the lines about one attempt. AuthEvent JSON needs no format of its own:
:func:`models.events.decode_event` reads it.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from streams.formats import programs
from streams.formats.format import Format

__all__ = ["FORMATS"]


def _found() -> dict[str, Format]:
    """The formats of all modules in ``programs``, by name, those of many programs last."""
    modules = sorted(module.name for module in iter_modules(programs.__path__))
    forms: list[Format] = [import_module(f"{programs.__name__}.{name}").FORMAT for name in modules]
    return {form.name: form for form in sorted(forms, key=lambda form: form.is_common)}


FORMATS: Final[dict[str, Format]] = _found()
