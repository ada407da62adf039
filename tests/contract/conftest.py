"""A network namespace of the test's own."""

from __future__ import annotations

from tests.streams.enforcement.conftest import namespace

__all__ = ["namespace"]
