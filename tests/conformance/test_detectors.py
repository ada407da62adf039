"""What every detector must do, one test per detector and check; River's own checks for those with its interface."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import pytest
from river import checks

from models.detectors import DETECTORS, AccountDetector, Detector, HalfSpaceForest, RateBaseline, SourceDetector
from models.errors import InputError

Args = tuple[Any, ...]


@dataclass(frozen=True)
class Case:
    """How to feed one detector: arguments of ``observe`` for ordinary traffic and for an attack of strength 0..1."""

    name: str
    ordinary: Callable[[Random], Args]
    attack: Callable[[float], Args]
    bad: Callable[[float], Args]

    def new(self, learnt: int = 0, seed: int = 1) -> Detector | RateBaseline:
        """The detector, having learnt this many ordinary vectors."""
        detector, rng = DETECTORS[self.name](), Random(seed)
        for _ in range(learnt):
            detector.observe(*self.ordinary(rng))
        return detector

    def load(self, data: bytes) -> Detector | RateBaseline:
        """The detector from its dump."""
        return RateBaseline.load(self.name, data) if self.name == "service" else Detector.load(self.name, data)


def blend(low: list[float], high: list[float], strength: float) -> list[float]:
    """The point this far on the way from low to high."""
    return [a + strength * (b - a) for a, b in zip(low, high, strict=True)]


def vector(detector: type[Detector], **features: float) -> list[float]:
    """The features in the detector's order; those not given are 0."""
    return [features.get(name, 0.0) for name in detector.limits]


def household(rng: Random) -> Args:
    """A few tries, mostly right, on one or two accounts."""
    few, accounts = math.log1p(rng.randint(1, 12)), 0.7 + 0.4 * rng.random()
    return (
        vector(
            SourceDetector,
            log_tries=few,
            log_accounts=accounts,
            log_good_accounts=accounts,
            failure_share=0.2 * rng.random(),
            unknown_account_share=0.1 * rng.random(),
            log_tries_per_account=few,
        ),
    )


def owner(rng: Random) -> Args:
    """A success from where the owner usually is, now and then from a new network."""
    return (vector(AccountDetector, new_network=float(rng.random() < 0.1), log_hours_since_success=3 * rng.random()),)


STUFFING = vector(
    SourceDetector,
    log_tries=8.0,
    log_accounts=7.9,
    log_good_accounts=2.0,
    failure_share=0.99,
    unknown_account_share=0.7,
    log_tries_per_account=0.7,
)
HOUSEHOLD = vector(
    SourceDetector,
    log_tries=1.8,
    log_accounts=0.9,
    log_good_accounts=0.9,
    failure_share=0.1,
    unknown_account_share=0.05,
    log_tries_per_account=1.8,
)
TAKEOVER = vector(
    AccountDetector,
    new_network=1.0,
    new_asn=1.0,
    new_country=1.0,
    new_device=1.0,
    log_hours_since_success=7.0,
    log_failed_guesses=3.0,
    log_failing_addresses=2.5,
)
OWNER = vector(AccountDetector, log_hours_since_success=1.5)

CASES = [
    Case("source", household, lambda k: (blend(HOUSEHOLD, STUFFING, k),), lambda bad: ([*HOUSEHOLD[:-1], bad],)),
    Case("account", owner, lambda k: (blend(OWNER, TAKEOVER, k),), lambda bad: ([*OWNER[:-1], bad],)),
    Case(
        "service",
        lambda rng: (rng.choice(["rate:protocol:imap", "rate:protocol:pop3"]), rng.gauss(4.6, 0.1)),
        lambda k: ("rate:protocol:imap", 4.6 + 3 * k),
        lambda bad: ("rate:protocol:imap", bad),
    ),
]


def check_score_before_learn(case: Case) -> None:
    """The answer to a vector does not depend on whether it is learnt afterwards."""
    detector, rng = case.new(1200), Random(2)
    for _ in range(600):
        args = case.ordinary(rng)
        expected = detector.score(*args)
        assert detector.observe(*args) == expected


def check_cold_gives_no_score(case: Case) -> None:
    """Before 500 vectors are learnt there is no score, later there is, from 0 to 1."""
    detector, rng = case.new(), Random(1)
    assert all(detector.observe(*case.ordinary(rng)) is None for _ in range(500))
    for _ in range(700):
        detector.observe(*case.ordinary(rng))
    score = detector.score(*case.ordinary(rng))
    assert score is not None
    assert 0 <= score <= 1


def check_rebuilt_scores_the_same(case: Case) -> None:
    """A dump taken in mid-window gives the same dump and the same next scores, through the next windows."""
    detector = case.new(1333)
    rebuilt = case.load(detector.dump())
    assert rebuilt.dump() == detector.dump()
    rng = Random(3)
    for _ in range(700):
        args = case.ordinary(rng)
        assert rebuilt.observe(*args) == detector.observe(*args)
    assert rebuilt.dump() == detector.dump()


def check_empty_state_survives(case: Case) -> None:
    """A detector that has seen nothing can be dumped and loaded."""
    empty = case.new()
    assert case.load(empty.dump()).dump() == empty.dump()


def check_seeded_is_identical(case: Case) -> None:
    """The same input gives the same bytes, whatever the global random state."""
    np.random.seed(1)
    first = case.new(1000).dump()
    np.random.seed(2)
    assert case.new(1000).dump() == first


def check_missing_and_new_are_tolerated(case: Case) -> None:
    """A missing feature (None) is scored and learnt; a key never seen has no score and does no harm."""
    detector = case.new(1200)
    if isinstance(detector, RateBaseline):
        assert detector.observe("rate:country:new", 1.0) is None
        assert detector.score(*case.attack(0.0)) is not None
        return
    (typical,) = case.attack(0.0)
    for missing in range(len(typical)):
        score = detector.observe([None if i == missing else value for i, value in enumerate(typical)])
        assert score is not None
        assert score < 0.99
    assert detector.score([None] * len(typical)) is not None
    assert case.load(detector.dump()).dump() == detector.dump()


def check_nan_and_infinity_are_refused(case: Case) -> None:
    """A clear error, and nothing is learnt."""
    detector = case.new(600)
    before = detector.dump()
    for bad in (math.nan, math.inf, -math.inf):
        with pytest.raises(InputError, match="NaN or infinite"):
            detector.observe(*case.bad(bad))
    assert detector.dump() == before


def check_bounded_memory(case: Case) -> None:
    """The dump has the same size after ten times as many vectors, and stays below 40 kB."""
    detector = case.new(2000)
    size = len(detector.dump())
    rng = Random(9)
    for _ in range(18_000):
        detector.observe(*case.ordinary(rng))
    assert abs(len(detector.dump()) - size) <= 4  # the vectors' count itself
    assert len(detector.dump()) <= 40_000


def check_monotone_in_attack_strength(case: Case) -> None:
    """No stronger attack scores below typical traffic, and the full one is above 99 % of what was learnt."""
    detector = case.new(2048)
    typical = detector.score(*case.attack(0.0))
    ramp = [detector.score(*case.attack(k / 10)) for k in range(11)]
    assert typical is not None
    assert all(score is not None and score >= typical for score in ramp)
    assert ramp[-1] is not None
    assert ramp[-1] >= 0.99


CHECKS = [value for name, value in list(globals().items()) if name.startswith("check_")]


@pytest.mark.parametrize(
    ("case", "check"), [pytest.param(case, check, id=f"{case.name}:{check.__name__}") for case in CASES for check in CHECKS]
)
def test_detector(case: Case, check: Callable[[Case], None]) -> None:
    """Every detector of the registry passes every check."""
    check(case)


def test_every_detector_has_a_case() -> None:
    """A new detector in the registry must be given a case here."""
    assert set(DETECTORS) == {case.name for case in CASES}


# River's own checks. Its data set for detectors is a download, so ours stands in.

FEATURES = [f"V{i}" for i in range(6)]


class Traffic:
    """Labelled dicts of features: one in a hundred is an attack. Stands in for river.datasets.CreditCard."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Iterator[tuple[dict[str, float], int]]:
        rng = Random(11)
        for _ in range(self.n):
            attack = int(rng.random() < 0.01)
            yield {name: rng.betavariate(2, 8) + 0.4 * attack for name in FEATURES}, attack


def river_checks() -> list[Any]:
    """River's checks for a half-space forest, on our traffic."""
    model = HalfSpaceForest(dict.fromkeys(FEATURES, (0.0, 1.0)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "_yield_datasets", lambda model, scale=1: iter([Traffic(600 * scale)]))
        found = [(model, check) for check in checks.yield_checks(model)]
    return [
        pytest.param(model, check, id=f"{type(model).__name__}:{check.__name__}")
        for model, check in found
        if check.__name__ != "check_roc_auc"  # needs scikit-learn; the next test asks for more
    ]


@pytest.mark.parametrize(("model", "check"), river_checks())
def test_river_check(model: HalfSpaceForest, check: Callable[[HalfSpaceForest], None]) -> None:
    """A detector with River's interface passes River's own checks."""
    check(model.clone())


def test_river_roc_auc() -> None:
    """Scored before learnt, attacks rank above ordinary traffic (River asks for 0.5)."""
    model = HalfSpaceForest(dict.fromkeys(FEATURES, (0.0, 1.0)))
    scores: tuple[list[float], list[float]] = ([], [])
    for x, attack in Traffic(4000):
        if model.has_reference:
            scores[attack].append(model.score_one(x))
        model.learn_one(x)
    ordinary, attacks = (np.array(group) for group in scores)
    assert (attacks[:, None] > ordinary).mean() >= 0.95
