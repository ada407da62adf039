"""What operators are answered over HTTP, and that nobody else is."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from models.errors import CribleError
from models.orders import Order
from models.policy import Policy
from streams.desk.admission import Admission
from streams.desk.kill_switch import KillSwitch
from streams.desk.routes import desk_routes
from streams.serve import create_app
from streams.settings import ApiKey
from streams.store import DecisionStore
from tests.enforcing import decision
from tests.streams.desk.over_http import OverHttp

NOW = 1_700_000_000.0
KEYS = [
    ApiKey(name="ops", sha256=sha256(b"ops").hexdigest(), operator=True),
    ApiKey(name="bouncer", sha256=sha256(b"bouncer").hexdigest()),
    ApiKey(name="idm", sha256=sha256(b"idm").hexdigest(), account_changes=True),
]
ADDRESS, RANGE = "203.0.113.7", "198.51.100.0/24"


class Service(OverHttp[Order]):
    """The HTTP side with two decisions, one of them of a campaign and in shadow."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.store = DecisionStore(Policy.default())
        self.held = decision(ADDRESS, NOW)
        self.shadow = decision(RANGE, NOW, mode="shadow", campaign_id="c", scenario="login_flood")
        self.store.put(self.held)
        self.store.put(self.shadow)
        switch = KillSwitch(folder / "stops.json", [self.store.stop])
        common = Admission(self.store, KEYS, lambda: NOW, lambda: self.is_ready)
        self.app = create_app(*common, more_routes=desk_routes(common, switch, self.keep))


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


@pytest.mark.parametrize("key", ["bouncer", "idm", "wrong", ""])
def test_only_an_operator_is_answered(service: Service, key: str) -> None:
    """A key that may read the block list, or tell of accounts, may neither stop nor see nor lift."""
    lift = {"decision_id": service.held.decision_id, "reason": "r"}
    for method, path, body in (
        ("POST", "/v1/stops", {"reason": "r"}),
        ("DELETE", "/v1/stops", None),
        ("GET", "/v1/desk/decisions", None),
        ("POST", "/v1/desk/orders", lift),
    ):
        assert service.ask(method, path, key, json=body).status_code == 403
    assert (service.store.stops.targets, service.kept) == ([], [])


def test_a_stop_empties_the_list_and_is_said(service: Service) -> None:
    """The list, its ETag, the stream, /health and the metrics say it at once; resuming takes all of it back."""

    def served() -> Any:
        return service.ask("GET", "/v1/decisions", "bouncer").json()

    tag = service.ask("GET", "/v1/decisions", "bouncer").headers["etag"]
    service.ask("GET", "/v1/decisions/stream?startup=true", "bouncer")
    assert service.ask("POST", "/v1/stops", json={"reason": "a drill"}).json() == {"stopped": ["all"], "kept": True}
    assert served() is None
    answer = service.ask("GET", "/v1/decisions/stream", "bouncer").json()
    assert [each["value"] for each in answer["deleted"]] == [ADDRESS]
    assert service.ask("GET", "/health").json() == {"status": "up", "stopped": ["all"]}
    metrics = service.ask("GET", "/metrics").text
    assert "crible_stops 1.0" in metrics
    assert "crible_decisions_suspended 1.0" in metrics

    assert service.ask("DELETE", "/v1/stops").json() == {"stopped": [], "kept": True}
    assert [each["value"] for each in served()] == [ADDRESS]
    answer = service.ask("GET", "/v1/decisions/stream", "bouncer").json()
    assert [each["value"] for each in answer["new"]] == [ADDRESS]
    assert service.ask("GET", "/v1/decisions", "bouncer").headers["etag"] != tag
    assert service.ask("GET", "/health").json() == {"status": "up", "stopped": []}


def test_a_stop_waits_for_no_decisions(service: Service) -> None:
    """It works while the decisions are not read, as without Kafka; what needs them is refused until they are."""
    service.is_ready = False
    assert service.ask("POST", "/v1/stops", json={"reason": "r", "scope": "ip"}).json()["stopped"] == ["scope ip"]
    assert service.ask("GET", "/v1/desk/decisions").status_code == 503
    assert service.ask("POST", "/v1/desk/orders", json={"reason": "r", "campaign_id": "c"}).status_code == 503


@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": "x" * 301}, {"reason": "r", "kind": "k"}, {"reason": "r", "value": "v"},
             {"reason": "r", "kind": "brute_force", "scope": "ip"}, []]
)  # fmt: skip
def test_a_wrong_stop_stops_nothing(service: Service, body: Any) -> None:
    """400 says what is wrong."""
    answer = service.ask("POST", "/v1/stops", json=body)
    assert (answer.status_code, service.store.stops.targets) == (400, [])
    assert answer.json()["message"]


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("", [ADDRESS, RANGE]),
        ("kind=login_flood", [RANGE]),
        ("scope=ip", [ADDRESS]),
        (f"value={ADDRESS}", [ADDRESS]),
        ("value=203.0.113.70", []),
        ("scope=ip&kind=login_flood", []),
        ("campaign=c", [RANGE]),
    ],
)
def test_decisions_of_every_mode_are_listed(service: Service, query: str, values: list[str]) -> None:
    """Whole, the latest change first; those that are stopped too, and that they are."""
    service.ask("POST", "/v1/stops", json={"reason": "r", "scope": "ip"})
    answer = service.ask("GET", f"/v1/desk/decisions?{query}").json()
    assert ([each["value"] for each in answer["decisions"]], answer["total"]) == (values, len(values))
    assert answer["suspended"] == [service.held.decision_id] * (ADDRESS in values)


@pytest.mark.parametrize("query", ["kind=k", "scope=s", "account=a"])
def test_a_wrong_filter_is_refused(service: Service, query: str) -> None:
    """A misspelt filter does not list everything."""
    assert service.ask("GET", f"/v1/desk/decisions?{query}").status_code == 400


def test_an_order_is_kept_before_it_is_answered(service: Service) -> None:
    """By whom and why; 404 where nothing of that holds, 503 where the broker does not take it."""
    orders = "/v1/desk/orders"
    answer = service.ask("POST", orders, json={"reason": "a customer", "decision_id": service.held.decision_id})
    assert (answer.status_code, answer.json()) == (202, {"meant": 1})
    assert service.kept == [Order(ts=NOW, by="ops", reason="a customer", decision_id=service.held.decision_id)]
    assert service.ask("POST", orders, json={"reason": "r", "campaign_id": "unknown"}).status_code == 404
    for body in ({"reason": "r"}, {"campaign_id": "c"}, {"reason": "r", "campaign_id": "c", "decision_id": "d"}):
        assert service.ask("POST", orders, json=body).status_code == 400
    service.failure = CribleError("no broker")
    answer = service.ask("POST", orders, json={"reason": "r", "campaign_id": "c"})
    assert (answer.status_code, answer.json()) == (503, {"message": "no broker"})
    assert len(service.kept) == 1
