"""Who may judge alerts over HTTP, and what is kept."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import httpx
import pytest

from models.errors import CribleError
from models.feedback import Judgement
from models.policy import Policy
from streams.desk.admission import Admission
from streams.desk.judging import judging_routes
from streams.serve import create_app
from streams.settings import ApiKey
from streams.store import DecisionStore
from tests.factories import T0
from tests.streams.desk.over_http import OverHttp

KEYS = [
    ApiKey(name="ops", sha256=sha256(b"ops").hexdigest(), operator=True),
    ApiKey(name="desk", sha256=sha256(b"desk").hexdigest(), support=True),
    ApiKey(name="org", sha256=sha256(b"org").hexdigest(), support=True, realms=("example.org",)),
    ApiKey(name="bouncer", sha256=sha256(b"bouncer").hexdigest()),
]
ALERT = "a562f167287dd48062ff7e66a5e367bb"


class Service(OverHttp[Judgement]):
    """The HTTP side."""

    def __init__(self) -> None:
        super().__init__()
        admission = Admission(DecisionStore(Policy.default()), KEYS, lambda: T0, lambda: True)
        self.app = create_app(*admission, more_routes=judging_routes(admission, self.keep))

    def judge(self, key: str = "ops", **body: Any) -> httpx.Response:
        return self.ask("POST", "/v1/desk/feedback", key, json=body)


@pytest.fixture
def service() -> Service:
    return Service()


def test_a_judgement_is_kept_with_who_and_when(service: Service) -> None:
    """The service knows both; the reason may be left out."""
    answer = service.judge(alert_id=ALERT, judgement="false_positive", reason="our own office")
    assert answer.status_code == 201
    assert answer.json() == {"alert_id": ALERT, "judgement": "false_positive", "ts": T0, "by": "ops", "reason": "our own office"}
    assert service.judge("desk", alert_id=ALERT, judgement="true_positive").status_code == 201
    assert [(each.by, each.judgement, each.reason) for each in service.kept] == [
        ("ops", "false_positive", "our own office"),
        ("desk", "true_positive", ""),
    ]


@pytest.mark.parametrize("key", ["org", "bouncer", "wrong", ""])
def test_others_may_not_judge(service: Service, key: str) -> None:
    """Nor support of one realm: the id of an alert does not say whose it is."""
    assert service.judge(key, alert_id=ALERT, judgement="true_positive").status_code == 403
    assert service.kept == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"alert_id": "a562f1"},
        {"alert_id": f"{ALERT}\n"},
        {"judgement": "maybe"},
        {"reason": "x" * 301},
        {"by": "somebody else"},
        {"ts": "0"},
        {"judgement": True},
    ],
)
def test_a_wrong_judgement_is_refused(service: Service, wrong: dict[str, Any]) -> None:
    """400, and nothing is kept."""
    assert service.judge(**({"alert_id": ALERT, "judgement": "true_positive"} | wrong)).status_code == 400
    assert service.judge(alert_id=ALERT).status_code == 400
    assert service.kept == []


def test_a_broker_that_is_away_is_said(service: Service) -> None:
    """It is to be said again."""
    service.failure = CribleError("the broker did not take a record")
    assert service.judge(alert_id=ALERT, judgement="true_positive").status_code == 503
