"""The policy over HTTP: who sees it, who changes it, and what is refused at once."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from models.applied_policy import POLICY_KEY, AppliedPolicy, encode_applied, policy_hash
from models.errors import CribleError
from models.orders import Order
from models.policy import Policy
from streams.desk.admission import Admission
from streams.desk.current_policy import CurrentPolicy
from streams.desk.policies import policy_routes
from streams.serve import create_app
from streams.store import DecisionStore
from tests.streams.desk.over_http import OverHttp
from tests.streams.desk.test_orders import record
from tests.streams.desk.test_routes import KEYS, NOW

FILE, NEW = Policy(version="file"), Policy(version="new")


class Service(OverHttp[Order]):
    """The HTTP side of a service that goes by its file."""

    def __init__(self) -> None:
        super().__init__()
        self.current = CurrentPolicy(FILE)
        common = Admission(DecisionStore(FILE), KEYS, lambda: NOW, lambda: self.is_ready)
        routes = policy_routes(common, self.current, self.keep)
        self.app = create_app(*common, more_routes=routes, policy=lambda: self.current.described)

    def desk(self, method: str, json: Any = None, key: str = "ops", path: str = "/v1/desk/policy") -> httpx.Response:
        return self.ask(method, path, key, json=json)


@pytest.fixture
def service() -> Service:
    return Service()


def asked(policy: Policy = NEW, **fields: Any) -> dict[str, Any]:
    return {"policy": msgspec.to_builtins(policy), "reason": "a drill", **fields}


@pytest.mark.parametrize("key", ["bouncer", "idm", "wrong", ""])
def test_only_an_operator_sees_and_changes_it(service: Service, key: str) -> None:
    """And nobody before everything is read."""
    assert [service.desk("GET", key=key).status_code, service.desk("POST", asked(), key).status_code] == [403, 403]
    service.is_ready = False
    assert [service.desk("GET").status_code, service.desk("POST", asked()).status_code] == [503, 503]
    assert service.kept == []


def test_a_policy_is_ordered(service: Service) -> None:
    """In place of the file's; whom it is from and why is in the order, and what it will be called in the answer."""
    answer = service.desk("POST", asked())
    assert (answer.status_code, answer.json()) == (202, {"hash": policy_hash(NEW)})
    (order,) = service.kept
    assert (order.ts, order.by, order.reason) == (NOW, "ops", "a drill")
    assert order.policy is not None
    assert (order.policy.policy, order.policy.replaces) == (NEW, "")
    assert msgspec.json.decode(msgspec.json.encode(order), type=Order) == order


def test_what_is_in_force_is_shown(service: Service) -> None:
    """Who put it in force, when and why; /ready says it to everybody."""
    before = service.desk("GET").json()
    assert (before["policy"]["version"], before["hash"], before["ts"]) == ("file", policy_hash(FILE), None)
    applied = AppliedPolicy(ts=NOW, by="anne", reason="a drill", policy=NEW, hash=policy_hash(NEW))
    service.current.take(record(POLICY_KEY, encode_applied(applied), "policy/1"))
    after = service.desk("GET").json()
    assert (after["policy"]["version"], after["by"], after["reason"]) == ("new", "anne", "a drill")
    assert service.desk("GET", key="", path="/ready").json() == {"status": "ready", **service.current.described}
    assert (
        f'crible_policy{{hash="{applied.hash}",source="auth.control",version="new"}} 1.0'
        in service.desk("GET", path="/metrics").text
    )
    assert service.desk("POST", asked(FILE)).status_code == 409
    assert service.desk("POST", asked(FILE, replaces=applied.hash)).status_code == 202


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        (asked(reason=""), 400),
        (asked() | {"policy": {"version": "new", "budget": 5}}, 400),
        (asked() | {"policy": {"version": "new", "colour": "red"}}, 400),
        (asked() | {"policy": {"version": "new", "never_block": ["here"]}}, 400),
        (asked(Policy(version="new", verdict_min_odds=float(2**60) * 4, enforce_delay_s=2**60)), 400),
        (asked(FILE), 409),
        (asked(Policy(version="file", max_legit_accounts=9)), 409),
        (asked(replaces="f" * 32), 409),
    ],
)
def test_a_wrong_policy_is_not_ordered(service: Service, body: dict[str, Any], status: int) -> None:
    """What is not valid, changes nothing, or is not in place of what is in force."""
    answer = service.desk("POST", body)
    assert (answer.status_code, service.kept) == (status, [])
    assert answer.json()["message"]


def test_a_broker_that_is_away_is_said(service: Service) -> None:
    """The order is to be given again."""
    service.failure = CribleError("the broker did not take a record")
    assert service.desk("POST", asked()).status_code == 503
