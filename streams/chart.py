"""The chart of an evaluation: accounts saved against customers touched, for Crible and for the cruder measures.

PNG, SVG or a page of HTML, by the file's ending. Letters are drawn as shapes, and nothing is loaded from elsewhere. The same
evaluation gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from io import BytesIO
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.errors import InputError
from models.evaluation import ALL, Evaluation, Measure
from streams.figures import MEASURES, saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "draw"]

FORMATS: Final = (".png", ".svg", ".html")
_TITLE: Final = "Accounts saved against customers touched"
_OURS, _OTHERS, _FAINT = "#00768f", "#5f6368", "#9aa0a6"
_INCHES: Final = (8.0, 5.0)
_DOTS_PER_INCH: Final = 150
#: Both in per cent of accounts saved, as the axis has it.
_TOP, _LABEL_HEIGHT = 100.0, 10.0
_STYLE: Final[dict[Any, Any]] = {"svg.hashsalt": "crible", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ margin: 2em auto; max-width: 60em }} svg {{ width: 100%; height: auto }}</style>
{svg}
</html>
"""


def draw(evaluation: Evaluation, path: Path) -> None:
    """Write the chart to ``path``, which ends in one of :data:`FORMATS`.

    Raises:
        InputError: No account was exposed, so there is no share to show; or the file cannot be written.
    """
    if evaluation.measures["crible"].accounts[ALL].accounts_saved is None:
        raise InputError("no account was exposed, so there is no chart of those saved", where=str(path), hint="leave out --chart")
    content = _rendered(evaluation, "png" if path.suffix == ".png" else "svg")
    if path.suffix == ".html":
        svg = content.decode()
        content = _PAGE.format(title=escape(_TITLE), svg=svg[svg.index("<svg") :]).encode()
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(path)) from None


def _rendered(evaluation: Evaluation, kind: str) -> bytes:
    from matplotlib import rc_context  # noqa: PLC0415 - half a second that only a chart is worth
    from matplotlib.figure import Figure  # noqa: PLC0415

    with rc_context(_STYLE):
        figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
        _plot(evaluation, figure)
        file = BytesIO()
        figure.savefig(file, format=kind, metadata={"Date": None} if kind == "svg" else {"Software": None})
    return file.getvalue()


def _plot(evaluation: Evaluation, figure: Figure) -> None:
    crible, axes = evaluation.measures["crible"], figure.subplots()
    most = max(10, crible.legit_accounts)
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    axes.set_xlim(-0.25, most * 1.5)
    axes.set_ylim(-6, 108)
    axes.set_yticks(range(0, 101, 20), labels=[f"{share} %" for share in range(0, 101, 20)])
    ticks = [0, *(10**power for power in range(len(str(most))))]
    axes.set_xticks(ticks, labels=[f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.grid(color="#e8eaed", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(f"customers touched, of {crible.legit_accounts:,}")
    axes.set_ylabel(f"accounts saved, of {crible.accounts[ALL].accounts_exposed:,} exposed")
    axes.set_title(_TITLE, loc="left", fontweight="bold")
    axes.annotate("\N{NORTH WEST ARROW} better", (0.01, 0.985), xycoords="axes fraction", color=_FAINT, va="top")
    points = {measure: _point(evaluation, measure) for measure in MEASURES}
    label_heights = _apart({measure: percent for measure, (_, percent) in points.items()})
    for measure, (touched, percent) in points.items():
        ours, right = measure == "crible", touched**2 > most  # right: in that half of the axis, which is logarithmic
        color, marker, size = (_OURS, "o", 11) if ours else (_OTHERS, "s", 8)
        axes.plot([touched], [percent], marker, color=color, markersize=size, clip_on=False, zorder=3 + ours)
        name, share = MEASURES[measure].replace("\n", " "), saved(evaluation.measures[measure].accounts[ALL])
        axes.annotate(
            f"{name}\n{share} saved, {touched:,} touched",
            (touched, label_heights[measure]),
            xytext=(-9 if right else 9, 0),
            textcoords="offset points",
            ha="right" if right else "left",
            va="center",
            color=color,
            fontweight="bold" if ours else "normal",
        )


def _point(evaluation: Evaluation, measure: Measure) -> tuple[int, float]:
    """Customers touched, per cent of accounts saved."""
    figures = evaluation.measures[measure]
    return figures.legit_accounts_touched, 100 * (figures.accounts[ALL].accounts_saved or 0.0)


def _apart(heights: Mapping[Measure, float]) -> dict[Measure, float]:
    """Heights for the labels of points at these, in the same order and apart enough to be read."""
    places: dict[Measure, float] = {}
    lowest = -inf
    for measure in sorted(heights, key=heights.__getitem__):
        places[measure] = max(heights[measure], lowest)
        lowest = places[measure] + _LABEL_HEIGHT
    highest = _TOP
    for measure in reversed(places):
        places[measure] = min(places[measure], highest)
        highest = places[measure] - _LABEL_HEIGHT
    return places
