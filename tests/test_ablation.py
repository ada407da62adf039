"""tests.ablation: what it puts in the place of a mechanism still fits there."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tests import ablation


@pytest.mark.parametrize("mechanism", ablation.MECHANISMS)
def test_what_replaces_a_mechanism_is_called_as_that_was(mechanism: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With as many arguments; and where nothing is done instead, nothing may be returned."""
    replaced: list[tuple[Any, str, Any]] = []

    def note(where: Any, **functions: Any) -> None:
        replaced.extend((where, name, function) for name, function in functions.items())

    monkeypatch.setattr(ablation, "_replace", note)
    ablation.MECHANISMS[mechanism]()
    assert replaced
    for where, name, function in replaced:
        real, instead = inspect.signature(getattr(where, name)), inspect.signature(function)
        if function is ablation._nothing:
            assert "None" in str(real.return_annotation)
        elif not any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in instead.parameters.values()):
            assert len(instead.parameters) == len(real.parameters)
