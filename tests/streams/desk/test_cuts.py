"""Decisions by hand and their re-opening over HTTP: what is shown, what is ordered, and that nobody but an operator does it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from models.accounts import AccountDirectory, Groups
from models.by_hand import Asked, made_by_hand, reopening_of
from models.decisions import Decision
from models.errors import CribleError
from models.ids import hash32
from models.orders import Order
from models.policy import Policy, Scope
from models.reopening import Register, Reopening, Step
from models.scope_book import ScopeBook
from models.sketches import ProtocolUse, ScopeUse, Sketch
from streams.desk.admission import Admission
from streams.desk.cuts import Known, cut_routes
from streams.serve import create_app
from streams.store import DecisionStore
from tests.streams.desk.over_http import OverHttp
from tests.streams.desk.test_routes import ADDRESS, KEYS, NOW

POLICY = Policy(version="1", protected_groups=frozenset({"health"}))
ACCOUNTS = AccountDirectory("example.org")
GROUPS = Groups({"doctor@example.org": ["health"]})
COUNTRY = {"scope": "country", "value": "BR", "for_s": 3600, "reason": "a botnet"}


class Service(OverHttp[Order]):
    """The HTTP side of a service that holds one country cut."""

    def __init__(self) -> None:
        super().__init__()
        self.book = ScopeBook(GROUPS)
        self.store, self.cut = DecisionStore(POLICY), made_by_hand(Asked(**COUNTRY), "ops", NOW, POLICY, ACCOUNTS)
        self.store.put(self.cut)
        reopening = reopening_of(self.cut, POLICY, NOW)
        assert reopening is not None
        self.reopenings: dict[str, Reopening] = {self.cut.decision_id: reopening}
        known = Known(
            policy=lambda: POLICY,
            accounts=ACCOUNTS,
            groups=GROUPS,
            register=Register(GROUPS),
            counted=self.book.counted,
            spared=lambda _scope, value, _now: value == "198.51.100.7",
            reopenings=lambda: self.reopenings,
            detecting=lambda _now: True,
        )
        common = Admission(self.store, KEYS, lambda: NOW, lambda: self.is_ready)
        self.app = create_app(*common, more_routes=cut_routes(common, known, self.keep))

    def desk(self, method: str, path: str, json: Any = None, key: str = "ops") -> httpx.Response:
        return self.ask(method, f"/v1/desk/{path}", key, json=json)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.mark.parametrize("key", ["bouncer", "idm", "wrong", ""])
def test_only_an_operator_decides(service: Service, key: str) -> None:
    """Nobody else may cut, see or open, and nobody before the decisions are read."""
    step = {"reason": "r", "step": {"decision_id": service.cut.decision_id, "wave": 2}}
    requests = [
        ("POST", "drafts", COUNTRY),
        ("POST", "decisions", COUNTRY),
        ("GET", "reopenings", None),
        ("POST", "reopenings", step),
    ]
    assert {service.desk(*request, key=key).status_code for request in requests} == {403}
    service.is_ready = False
    assert {service.desk(*request).status_code for request in requests} == {503}
    assert service.kept == []


def test_a_draft_shows_and_makes_nothing(service: Service) -> None:
    """The decision, whom it touches as far as anybody counted, and how many accounts its waves have."""
    draft = service.desk("POST", "drafts", COUNTRY).json()
    assert (draft["decision"]["value"], draft["decision"]["impact"]["legit_accounts"]) == ("BR", None)
    assert (draft["accounts"], draft["reopening"]["protected_groups"]) == ([1, None, 0, None], ["health"])
    narrow = service.desk("POST", "drafts", COUNTRY | {"scope": "account", "value": "Doctor"}).json()
    assert (narrow["decision"]["value"], narrow["reopening"], narrow["accounts"]) == ("doctor@example.org", None, [])
    assert narrow["decision"]["impact"]["legit_accounts"] == {"estimate": 1, "low": 0, "high": 1}
    assert narrow["decision"]["impact"]["by_group"] == {"health": 1}
    assert service.kept == []


def use_of(scope: Scope, value: str, source: int, failed: int, **familiar: list[str]) -> ScopeUse:
    """What a partition tells, by protocol; ``failed`` accounts failed twice over each."""
    attacked = Sketch.of(range(failed)).dump()
    by_protocol = {
        name: ProtocolUse(2 * failed, attacked, Sketch.of(()).dump(), Sketch.of(map(hash32, accounts)).dump())
        for name, accounts in familiar.items()
    }
    return replace(ScopeUse.of(scope, value, NOW - 60, by_protocol, NOW - 7200), source=source)


def test_a_draft_says_whom_it_touches_and_when_that_was_counted(service: Service) -> None:
    """Of all partitions, over the protocols that it cuts; zero where nobody came from there; nothing where nobody counts."""
    doctor = "doctor@example.org"
    service.book.take(use_of("country", "BR", 0, 30, imap=[doctor, "anne"], http=["carl"]))
    service.book.take(use_of("country", "BR", 1, 30, imap=["bob", "anne"]))
    draft = service.desk("POST", "drafts", COUNTRY).json()
    impact = draft["decision"]["impact"]
    assert (impact["attack_attempts"], impact["attack_accounts"]) == (180, 30)
    assert impact["legit_accounts"] == {"estimate": 4, "low": 4, "high": 4}
    assert (impact["by_group"], impact["by_protocol"]) == ({"health": 1}, {"http": 1, "imap": 3})
    assert (draft["counted_ts"], draft["counted_since"]) == (NOW - 60, NOW - 7200)
    over_http = service.desk("POST", "drafts", COUNTRY | {"protocols": ["http"]}).json()["decision"]["impact"]
    assert (over_http["legit_accounts"]["high"], over_http["by_group"], over_http["by_protocol"]) == (1, {}, {"http": 1})
    unused = COUNTRY | {"value": "KP"}
    assert service.desk("POST", "drafts", unused).json()["decision"]["impact"]["legit_accounts"] is None
    service.book.take(use_of("protocol", "imap", 0, 0, imap=["anne"]))
    assert service.desk("POST", "drafts", unused).json()["decision"]["impact"]["legit_accounts"]["estimate"] == 0


def test_a_decision_is_ordered_whole(service: Service) -> None:
    """So that the leader makes what was shown; 503 where the broker does not take it."""
    answer = service.desk("POST", "decisions", COUNTRY)
    (order,) = service.kept
    assert isinstance(order.decision, Decision)
    assert (answer.status_code, answer.json()["decision"]["decision_id"]) == (202, order.decision.decision_id)
    assert (order.by, order.reason, order.decision.origin) == ("ops", "a botnet", "operator")
    assert order.reopening == reopening_of(order.decision, POLICY, NOW)
    service.failure = CribleError("no broker")
    assert service.desk("POST", "decisions", COUNTRY).status_code == 503


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"for_s": 86401}, "ends within 24h0m0s"),
        ({"value": "Brazil"}, "two letters"),
        ({"scope": "ip", "value": "10.0.0.1"}, "never-block"),
        ({"scope": "ip", "value": "198.51.100.7"}, "allow list"),
        ({"scope": "device", "value": "ua:x"}, "nobody decides on device by hand"),
        ({"type": "guard"}, "unknown field"),
    ],
)
def test_what_cannot_be_decided_is_said(service: Service, changes: dict[str, Any], said: str) -> None:
    """400 for the draft and for the decision, and nothing is ordered."""
    for path in ("drafts", "decisions"):
        answer = service.desk("POST", path, COUNTRY | changes)
        assert (answer.status_code, said in answer.json()["message"]) == (400, True)
    assert service.kept == []


def test_reopenings_are_shown(service: Service) -> None:
    """All, or one; with what the next step waits for."""
    (shown,) = service.desk("GET", "reopenings").json()["reopenings"]
    assert (shown["decision"]["decision_id"], shown["accounts"]) == (service.cut.decision_id, [1, None, 0, None])
    assert shown["waits_for"] == "910 s"
    assert service.desk("GET", f"reopenings?id={service.cut.decision_id}").json()["reopenings"] == [shown]
    assert service.desk("GET", "reopenings?id=other").json() == {"reopenings": []}


def test_a_step_is_ordered_or_refused_at_once(service: Service) -> None:
    """404 where nothing is being opened, 400 where the leader would not do it."""
    step = {"decision_id": service.cut.decision_id, "wave": 2, "share": 10}
    assert service.desk("POST", "reopenings", {"reason": "r", "step": step}).status_code == 202
    assert service.desk("POST", "reopenings", {"reason": "r", "latency_ms": 80}).status_code == 202
    assert service.kept == [
        Order(ts=NOW, by="ops", reason="r", step=Step(decision_id=service.cut.decision_id, wave=2, share=10)),
        Order(ts=NOW, by="ops", reason="r", latency_ms=80),
    ]
    assert service.desk("POST", "reopenings", {"reason": "r", "step": step | {"decision_id": "other"}}).status_code == 404
    for wrong in (
        {},
        {"step": step | {"wave": 3}},
        {"step": step | {"wave": 9}},
        {"step": step, "latency_ms": 1},
        {"latency_ms": -1},
    ):
        answer = service.desk("POST", "reopenings", {"reason": "r"} | wrong)
        assert (answer.status_code, bool(answer.json()["message"])) == (400, True)
    assert len(service.kept) == 2


def test_an_address_that_is_free_may_be_banned(service: Service) -> None:
    """The same way, with no re-opening."""
    assert service.desk("POST", "decisions", COUNTRY | {"scope": "ip", "value": ADDRESS}).status_code == 202
    assert service.kept[0].reopening is None
