"""streams.chart: one picture, the same bytes each time, and nothing from elsewhere in it."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InputError
from models.evaluation import ALL, AccountFigures, AttemptFigures, Evaluation, Figures, Measure
from streams import chart
from streams.chart import FORMATS, draw
from streams.figures import MEASURES


def figures(exposed: int, lost: int, touched: int) -> Figures:
    return Figures(
        accounts={ALL: AccountFigures.of(exposed, lost)},
        attempts={ALL: AttemptFigures(0, 0, 0, 0)},
        legit_accounts=7000,
        legit_accounts_cut=touched,
        legit_accounts_delayed=0,
        legit_accounts_challenged=0,
        legit_accounts_reset=0,
        legit_accounts_touched=touched,
        protected_touched=0,
    )


def evaluation(exposed: int = 700) -> Evaluation:
    """Crible saves most and touches next to nobody."""
    lost: dict[Measure, tuple[int, int]] = {
        "crible": (exposed // 10, 3),
        "do_nothing": (exposed, 0),
        "cut_foreign": (exposed // 4, 900),
        "cut_pop_imap": (exposed // 5, 4900),
    }
    measures = {measure: figures(exposed, *of) for measure, of in lost.items()}
    return Evaluation(start_ts=0.0, end_ts=1.0, attempts=0, measures=measures, time_to_decision={}, alerts=None)


@pytest.mark.parametrize("ending", FORMATS)
def test_the_same_evaluation_gives_the_same_bytes(ending: str, tmp_path: Path) -> None:
    """Whenever and wherever it is drawn; another one gives another picture."""
    drawn = []
    for name, each in (("a", evaluation()), ("b", evaluation()), ("c", evaluation(exposed=70))):
        draw(each, tmp_path / f"{name}{ending}")
        drawn.append((tmp_path / f"{name}{ending}").read_bytes())
    assert drawn[0] == drawn[1] != drawn[2]


def test_each_measure_is_a_point(tmp_path: Path) -> None:
    """Three squares and, for Crible, a circle; drawn as shapes, so no font of the reader's is needed."""
    draw(evaluation(), tmp_path / "chart.svg")
    text = (tmp_path / "chart.svg").read_text()
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "<text" not in text
    assert text.count("Crible") > 0


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    """Its own policy forbids it, and it names nothing to load."""
    draw(evaluation(), tmp_path / "chart.html")
    loaded: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            loaded.extend(str(value) for name, value in attrs if name in {"src", "href", "xlink:href"})

    text = (tmp_path / "chart.html").read_text()
    Reader().feed(text)
    assert "default-src 'none'" in text
    assert loaded
    assert all(reference.startswith("#") for reference in loaded)


def test_without_exposed_accounts_there_is_no_chart(tmp_path: Path) -> None:
    """There is no share to show."""
    with pytest.raises(InputError, match="no account was exposed"):
        draw(evaluation(exposed=0), tmp_path / "chart.png")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """In one line."""
    with pytest.raises(InputError, match=r"chart\.png: cannot be written: No such file or directory"):
        draw(evaluation(), tmp_path / "no" / "chart.png")


@given(st.lists(st.floats(0, 100), min_size=4, max_size=4))
def test_labels_do_not_meet(saved: list[float]) -> None:
    """However alike the measures are; one that is free to stay where its point is stays there."""
    heights = dict(zip(MEASURES, saved, strict=True))
    places = chart._apart(heights)
    in_order = sorted(places.values())
    assert 0 <= in_order[0] <= in_order[-1] <= 100
    assert all(upper - lower >= 10 - 1e-9 for lower, upper in pairwise(in_order))
    if all(upper - lower > 10 for lower, upper in pairwise(sorted(saved))):
        assert places == heights
