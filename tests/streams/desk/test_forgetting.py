"""Who may have an account forgotten over HTTP, and what is answered."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import httpx
import pytest

from models.accounts import AccountDirectory
from models.decisions import Except, join_value
from models.errors import CribleError
from models.forgetting import Forget
from models.lists import ListEntry
from models.policy import Policy
from streams.desk.admission import Admission
from streams.desk.forgetting import forgetting_routes
from streams.serve import create_app
from streams.settings import ApiKey
from streams.store import DecisionStore
from tests.factories import T0, ban
from tests.streams.desk.over_http import OverHttp

KEYS = [
    ApiKey(name="ops", sha256=sha256(b"ops").hexdigest(), operator=True),
    ApiKey(name="desk", sha256=sha256(b"desk").hexdigest(), support=True),
]
ALICE = "alice@example.org"


class Service(OverHttp[Forget]):
    """The HTTP side with a pair, an exception and an entry that name an account, and what names none."""

    def __init__(self) -> None:
        super().__init__()
        store = DecisionStore(Policy.default())
        store.put(ban(join_value("203.0.113.7", ALICE), scope="account_ip"))
        store.put(ban("203.0.113.0/24", scope="range", except_=(Except(accounts=(ALICE,)),)))
        store.put(ban("203.0.113.8"))
        entries = [ListEntry(list="block", account=ALICE, ts=T0, until=T0 + 60, reason="a thief", by="anne")]
        common = Admission(store, KEYS, lambda: T0, lambda: True)
        routes = forgetting_routes(common, AccountDirectory("example.org"), lambda: entries, self.keep)
        self.app = create_app(*common, more_routes=routes)

    def desk(self, method: str, key: str = "ops", **content: Any) -> httpx.Response:
        return self.ask(method, "/v1/desk/forgotten", key, **content)


@pytest.fixture
def service() -> Service:
    return Service()


def test_an_operator_orders_it(service: Service) -> None:
    """The login is resolved as events' are; what is in force is counted."""
    answer = service.desk("POST", json={"login": " Alice"})
    assert (answer.status_code, answer.json()) == (202, {"account": ALICE, "held": 3})
    assert service.kept == [Forget(ts=T0, by="ops", account=ALICE)]


def test_asking_orders_nothing(service: Service) -> None:
    """Of somebody else nothing is held."""
    assert service.desk("GET", params={"login": "alice"}).json() == {"account": ALICE, "held": 3}
    assert service.desk("GET", params={"login": "bob"}).json() == {"account": "bob@example.org", "held": 0}
    assert service.kept == []


@pytest.mark.parametrize("key", ["desk", "wrong", ""])
def test_only_operators_are_answered(service: Service, key: str) -> None:
    """Support cannot make an account's record disappear."""
    assert [service.desk("POST", key, json={"login": ALICE}).status_code, service.desk("GET", key).status_code] == [403, 403]
    assert service.kept == []


@pytest.mark.parametrize("body", [{}, {"login": ""}, {"login": "x" * 2000}, {"login": "a", "all": True}, {"login": 1}])
def test_a_wrong_order_is_refused(service: Service, body: dict[str, Any]) -> None:
    """400, and nothing is ordered."""
    assert (service.desk("POST", json=body).status_code, service.kept) == (400, [])


def test_a_broker_that_is_away_is_said(service: Service) -> None:
    """The order is to be given again."""
    service.failure = CribleError("the broker did not take a record")
    assert service.desk("POST", json={"login": ALICE}).status_code == 503
