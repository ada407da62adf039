"""All formats: real log lines, judged by what the collectors of others expect of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.truth import FLOORS, SETS, judge


@pytest.mark.shared_data
@pytest.mark.parametrize("name", SETS)
def test_no_line_is_read_wrong_and_hardly_one_is_missed(name: str, shared_data: Path) -> None:
    """No wrong address, account or outcome; the share of log-in lines that are recognised has a floor."""
    assert (shared_data / "parser_truth" / f"{name}.jsonl").is_file()
    judgement = judge(SETS[name]())
    assert judgement.wrong == []
    assert judgement.share(name) >= FLOORS[name]
