"""What the classifier of triage must do as an online model: River's own checks, and those that detectors pass where they apply."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from river import base, checks

from models.triage import Classifier


def told(rng: Random) -> tuple[dict[str, float], bool]:
    """An alert's features and its verdict."""
    true = rng.random() < 0.5
    return {"severity": rng.random() + true, "score": rng.random(), f"kind:{'spray' if true else 'travel'}": 1.0}, true


def learnt(many: int, seed: int = 1) -> Classifier:
    """A classifier after so many judgements."""
    classifier, rng = Classifier(), Random(seed)
    for _ in range(many):
        classifier.learn_one(*told(rng))
    return classifier


# River's data sets need scikit-learn, so ours stands in.


class Judged:
    """So many alerts with their verdicts."""

    def __init__(self, many: int) -> None:
        self.many = many

    def __iter__(self) -> Iterator[tuple[dict[str, float], bool]]:
        rng = Random(11)
        for _ in range(self.many):
            yield told(rng)


def river_checks() -> list[Any]:
    """River's checks for a binary classifier, on our judgements."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "_yield_datasets", lambda model, scale=1: iter([Judged(300 * scale)]))
        return [pytest.param(check, id=check.__name__) for check in checks.yield_checks(Classifier())]


@pytest.mark.parametrize("check", river_checks())
def test_river_check(check: Callable[[Any], None]) -> None:
    """It passes River's own checks."""
    check(Classifier())


def test_river_knows_it_as_a_classifier() -> None:
    """So those were the right checks."""
    assert isinstance(Classifier(), base.Classifier)
    assert len(river_checks()) > 10


def test_asked_twice_it_says_the_same() -> None:
    """Asking teaches nothing, and there is no chance in it."""
    features, _ = told(Random(5))
    one, other = learnt(100), learnt(100)
    assert one.predict_proba_one(features) == one.predict_proba_one(features) == other.predict_proba_one(features)


def test_new_and_missing_features_are_tolerated() -> None:
    """A feature that was never seen says nothing; one that is missing takes nothing away but itself."""
    classifier = learnt(100)
    assert classifier.predict_proba_one({"new": 1.0, "severity": 1.0}) == classifier.predict_proba_one({"severity": 1.0})
    assert Classifier().predict_proba_one({})[True] == 0.5


def test_more_of_what_was_true_is_no_less_probable() -> None:
    """Monotone in severity, as that is what it was taught."""
    classifier = learnt(200)
    ramp = [classifier.predict_proba_one({"severity": step / 10, "kind:spray": 1.0})[True] for step in range(11)]
    assert ramp == sorted(ramp)
    assert ramp[-1] > 0.9


def test_memory_is_bounded_by_the_features() -> None:
    """A weight for each name, however many judgements."""
    assert len(learnt(5000).weights) == len(learnt(100).weights) == 4
