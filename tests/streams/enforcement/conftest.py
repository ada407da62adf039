"""A network namespace of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.enforcing import Namespace, need


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """See :class:`Namespace`; skipped where this is not root or ``ip`` is missing."""
    need("ip")
    with Namespace.made() as made:
        yield made
