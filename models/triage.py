"""Triage: which of the open alerts is most worth a look, learnt online from what analysts said of others.

Catches what severity and score cannot know: which kinds, reasons and numbers are attacks at this provider, and which a tired
analyst closes every morning. In the simulated incident 30 judgements take the AUC of the list from .94 to .99
(``tests/models/test_incident.py``).

Fails where analysts judge only what is at the top, for then nothing is learnt of the rest; and it follows whoever judges, right or
wrong. So it orders a list and does nothing else: alerts stay as they are, and no decision depends on it.

History: 20 judgements, three of each verdict; with fewer, the order is severity, then score.

State is the judgements themselves (``auth.feedback``) and the alerts they are about: the model is learnt anew from them, in their
order, whenever a list is asked for. There is no chance in it, so the same records give the same list. Judgements of alerts that
are no longer kept teach nothing.

Source: logistic regression by stochastic gradient descent, River's. Its standard scaler made it worse with few judgements (AUC
after 30, the worst of 20 draws: .63, without .91), so the features are brought to about 0 to 1 here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import log1p
from typing import Any, Final, get_args

import msgspec
from river.linear_model import LogisticRegression
from river.optim import SGD

from models.alerts import Alert, Severity
from models.feedback import Judgement

__all__ = ["MOST_JUDGEMENTS", "NEEDED", "NEEDED_OF_EACH", "Classifier", "Listing", "Ranked", "features", "listing"]

#: Judgements from which on the order is learnt, and how many of them must say true, and false.
NEEDED: Final = 20
NEEDED_OF_EACH: Final = 3
#: Only the newest count: a second's work.
MOST_JUDGEMENTS: Final = 10_000
_LEARNING_RATE: Final = 0.3
_SEVERITIES: Final = get_args(Severity)
#: log1p of a count, in units of this.
_LOG_UNIT: Final = 4.0


class Classifier(LogisticRegression):
    """Is an alert with these features worth a look? River's interface; the probability is 0.5 before anything was learnt.

    >>> classifier = Classifier()
    >>> for _ in range(10):
    ...     classifier.learn_one({"severity": 1.0}, True)
    ...     classifier.learn_one({"reason:second_stranger": 1.0}, False)
    >>> round(classifier.predict_proba_one({"severity": 1.0})[True], 1)
    0.8
    """

    def __init__(self, learning_rate: float = _LEARNING_RATE) -> None:
        super().__init__(optimizer=SGD(learning_rate))
        self.learning_rate = learning_rate


class Ranked(msgspec.Struct, frozen=True):
    """An alert, and how probably it is worth a look; ``None`` where too few have been judged."""

    probability: float | None
    alert: Alert


class Listing(msgspec.Struct, frozen=True):
    """Open alerts, most worth a look first, and the number of judgements that the order was learnt from."""

    judgements: int
    needed: int
    alerts: list[Ranked]


def listing(alerts: Iterable[Alert], judged: Mapping[str, Judgement]) -> Listing:
    """The alerts that nobody has judged, most worth a look first; equals by severity and score, the newest first.

    Args:
        alerts: Those that are kept, in any order.
        judged: What analysts said, by ``alert_id``.
    """
    known = {alert.alert_id: alert for alert in alerts}
    told = sorted((each for identity, each in judged.items() if identity in known), key=lambda each: (each.ts, each.alert_id))
    told = told[-MOST_JUDGEMENTS:]
    classifier = Classifier()
    for judgement in told:
        classifier.learn_one(features(known[judgement.alert_id]), judgement.judgement == "true_positive")
    right = sum(judgement.judgement == "true_positive" for judgement in told)
    enough = len(told) >= NEEDED and min(right, len(told) - right) >= NEEDED_OF_EACH
    open_ = [
        Ranked(round(_probability(classifier, alert), 4) if enough else None, alert)
        for identity, alert in known.items()
        if identity not in judged
    ]
    open_.sort(key=_worth, reverse=True)
    return Listing(len(told), NEEDED, open_)


def _probability(classifier: Classifier, alert: Alert) -> float:
    found: dict[bool, float] = classifier.predict_proba_one(features(alert))  # type: ignore[no-untyped-call]
    return found[True]


def _worth(ranked: Ranked) -> tuple[Any, ...]:
    alert = ranked.alert
    return (ranked.probability or 0.0, _SEVERITIES.index(alert.severity), alert.score, alert.ts, alert.alert_id)


def features(alert: Alert) -> dict[str, float]:
    """What tells alerts apart, as numbers of about 0 to 1, by name; nothing of whom it is about.

    >>> from models.alerts import Subject
    >>> given = {"alert_id": "", "kind": "campaign", "severity": "high", "score": 0.5, "ts": 9, "first_ts": 9, "last_ts": 9}
    >>> features(Alert(subject=Subject(ip="192.0.2.1"), **given))["subject:ip"]
    1.0
    """
    counts, distinct = alert.evidence.counts, alert.evidence.distinct
    found = {
        f"kind:{alert.kind}": 1.0,
        "severity": _SEVERITIES.index(alert.severity) / (len(_SEVERITIES) - 1),
        "score": alert.score,
        "cold": float(alert.cold),
        "protected": float(bool(alert.groups)),
        "length": log1p(max(alert.last_ts - alert.first_ts, 0.0)) / _LOG_UNIT,
    }
    found |= {f"count:{name}": log1p(max(count, 0)) / _LOG_UNIT for name, count in counts.items()}
    found |= {f"distinct:{name}": log1p(max(count, 0)) / _LOG_UNIT for name, count in distinct.items()}
    found |= {f"reason:{reason.code}": 1.0 for reason in alert.reasons}
    found |= {f"subject:{part}": 1.0 for part in alert.subject.parts()}
    if alert.model is not None:
        found["model"] = alert.model.score
    accounts = distinct.get("accounts", 0)
    if accounts > 0:
        found["share:unknown_accounts"] = distinct.get("unknown_accounts", 0) / accounts
        found["share:ok_accounts"] = distinct.get("ok_accounts", 0) / (accounts + distinct.get("ok_accounts", 0))
    if counts.get("failures", 0) > 0:
        found["share:from_listed"] = counts.get("failures_from_listed", 0) / counts["failures"]
    return found
