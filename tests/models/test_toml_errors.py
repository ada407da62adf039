"""models.toml_errors: the line of what is wrong in a file of settings."""

from __future__ import annotations

import msgspec
import pytest

from models.toml_errors import line_of_error


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    size: int
    names: list[str] = []


class Form(msgspec.Struct, forbid_unknown_fields=True):
    version: str
    inner: dict[str, Inner] = {}
    many: list[Inner] = []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('version = "1"\ninner.a.size = 1\ninner.a.sizes = 2', 3),
        ('version = "1"\n[inner.a]\nsize = 1\n[inner.b]\nsize = "x"', 5),
        ('version = "1"\n["inner".b]\nsize = 1\nnames = ["a",\n"b",\n7]', 6),
        ('version = "1"\ninner = { a = { size = 1 }, b = { } }', 2),
        ('version = 1 # "2"\n', 1),
        ("", 1),
        ('version = "1"\n[inner', 2),
        ('version = "1"\n\n\nversion = "2"', 4),
    ],
)
def test_error_is_found_on_its_line(text: str, line: int) -> None:
    """In tables, dotted keys, inline tables and lists, and where the file is no TOML at all."""
    assert line_of_error(text, Form) == line
