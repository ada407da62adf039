"""streams.figures: all figures on a terminal of any width, with all their digits."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from models.accusations import AlertFigures, CaseFigures, KindFigures
from models.evaluation import ALL, AccountFigures, AttemptFigures, DecisionTime, Evaluation, Figures, Measure
from streams.figures import MEASURES, _span, show

STUFFING = "credential_stuffing"
FOUND = KindFigures(
    alerts=12_345, right=9_999, cold=7, accused=12, rightly_accused=9, precision=0.75, actors=10, found=8, recall=0.8
)
ALERTS = AlertFigures(
    cases=CaseFigures(cases=234, false_cases=10, false_per_day_and_million=1398.8, campaigns=1, rightly_named=1),
    kinds={STUFFING: FOUND, "campaign": FOUND},
    confusion={STUFFING: {STUFFING: 9_999, "password_spray": 2_345, "benign": 1}},
)


def figures(lost: int, touched: int, kinds: tuple[str, ...] = (STUFFING, "login_flood", ALL)) -> Figures:
    return Figures(
        accounts={kind: AccountFigures.of(1234, lost) for kind in kinds},
        attempts={kind: AttemptFigures(1_234_567, 1_111_111, 1_000_000, 999_999) for kind in kinds},
        legit_accounts=71_500,
        legit_accounts_cut=touched,
        legit_accounts_delayed=0,
        legit_accounts_challenged=0,
        legit_accounts_reset=0,
        legit_accounts_touched=touched,
        protected_touched=touched // 10,
    )


def evaluation(alerts: AlertFigures | None = ALERTS) -> Evaluation:
    touched: dict[Measure, int] = {"crible": 31, "do_nothing": 0, "cut_foreign": 9_110, "cut_pop_imap": 49_100}
    return Evaluation(
        start_ts=0.0,
        end_ts=86_400.0,
        attempts=6_926_560,
        measures={measure: figures(203, count) for measure, count in touched.items()},
        time_to_decision={STUFFING: DecisionTime(8, 12.0, 7200.0, 1, 0.125), ALL: DecisionTime(8, 12.0, 7200.0, 1, 0.125)},
        alerts=alerts,
    )


def shown(each: Evaluation, width: int = 100) -> str:
    console = Console(width=width, file=StringIO())
    show(each, console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_everything_fits_with_all_its_digits(width: int) -> None:
    """No line is longer than the terminal is wide, no number is cut short."""
    text = shown(evaluation(), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for number in ("6,926,560", "71,500", "1,234,567", "49,100", "4,910", "203", "12,345", "1,398.8"):
        assert number in text


def test_every_measure_is_named() -> None:
    """Beside each other, Crible first."""
    header = " ".join(shown(evaluation()).splitlines()[2:6])
    assert all(word in header for name in MEASURES.values() for word in name.split())


def test_a_share_is_full_only_when_it_is() -> None:
    """999,999 of a million is not all of them."""
    assert "99.9 %" in shown(evaluation())


def test_without_alerts_nothing_is_said_of_them() -> None:
    """What was found is a dash, and there is no table of confusion."""
    text = shown(evaluation(alerts=None))
    assert "really about" not in text
    assert "cases for analysts" not in text


def test_the_confusion_lists_what_the_others_were() -> None:
    """Most first."""
    assert "2,345 password spray, 1 benign" in shown(evaluation())


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0.0, "0 s"), (119.4, "119 s"), (120.0, "2 min"), (7199.0, "120 min"), (7200.0, "2.0 h")]
)
def test_times_are_short(seconds: float | None, text: str) -> None:
    """In the unit that a person would take."""
    assert _span(seconds) == text
